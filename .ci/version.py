"""Check or set the project's version in every file that contains it.

`check 1.2.3` prints the places with another version, `set 1.2.3` writes it to all of them. The images, the
files that deploy them and the tag from which DAGs are read are released together.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NUMBER = r"\d+\.\d+\.\d+(?:[a-z.-]+\d+)?"
IMAGES = rf"millrace-\w+:({NUMBER})"
PLACES = (
    ("pyproject.toml", rf'^version = "({NUMBER})"$'),
    ("docker-compose.yaml", IMAGES),
    (".ci/trial.d/values.yaml", IMAGES),
    ("docs/*.md", IMAGES),
    ("include/platform/kubernetes/**/*.yaml", IMAGES),
    ("include/platform/kubernetes/airflow-values.yaml", rf"repository: millrace-\w+, tag: ({NUMBER})}}"),
    ("include/platform/kubernetes/airflow-values.yaml", rf"tracking_ref: v({NUMBER})$"),
    ("include/platform/kubernetes/argocd-application.yaml", rf"targetRevision: v({NUMBER})$"),
    ("plugins/*.dist-info/METADATA", rf"^Version: ({NUMBER})$"),
)
"""Patterns of files and of the places in them; each has to match at least once."""


def found() -> Iterator[tuple[Path, re.Match[str]]]:
    """Yield every place that contains the version; exit if a pattern matches nowhere."""
    for files, pattern in PLACES:
        places = [
            (file, place)
            for file in sorted(ROOT.glob(files))
            for place in re.finditer(pattern, file.read_text(), re.MULTILINE)
        ]
        if not places:
            sys.exit(
                f"version: {files} contains nothing that matches {pattern!r}; fix PLACES in .ci/version.py"
            )
        yield from places


def check(version: str) -> None:
    """Exit with a list of the places that have another version, if there are any."""
    different = [
        f"{file.relative_to(ROOT)}:{place.string.count(chr(10), 0, place.start(1)) + 1} has {place[1]}"
        for file, place in found()
        if place[1] != version
    ]
    if different:
        remedy = f"run `python3 .ci/version.py set {version}`, commit that, and tag the commit"
        sys.exit("\n".join([f"version: not all files have {version}", *different, remedy]))


def write(version: str) -> None:
    """Write the version to every place."""
    # From the end of each file to its beginning, so that the positions of earlier places stay valid.
    for file, place in sorted(found(), key=lambda item: (item[0], -item[1].start(1))):
        text = file.read_text()
        file.write_text(text[: place.start(1)] + version + text[place.end(1) :])


def main(words: list[str]) -> None:
    """Run a verb with a version."""
    verbs = {"check": check, "set": write}
    if len(words) != 2 or words[0] not in verbs or not re.fullmatch(NUMBER, words[1]):
        sys.exit(f"version: {' '.join(words)!r} is neither `check 1.2.3` nor `set 1.2.3`")
    verbs[words[0]](words[1])


if __name__ == "__main__":
    main(sys.argv[1:])
