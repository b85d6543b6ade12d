"""Check or write the project's version in every file that contains it.

`check 1.2.3` lists the places with another version, `set 1.2.3` writes it to all. One version covers the
whole release: the images, the files that deploy them, and the tag from which the DAGs are read.
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
"""Glob of files and pattern of the version in them; each pattern has to match at least once."""


def places() -> Iterator[tuple[Path, re.Match[str]]]:
    """Yield every file with the match of its version; exit if a pattern matches nowhere."""
    for files, pattern in PLACES:
        matches = [
            (file, place)
            for file in sorted(ROOT.glob(files))
            for place in re.finditer(pattern, file.read_text(), re.MULTILINE)
        ]
        if not matches:
            sys.exit(f"version: {files} has no match of {pattern!r}; fix PLACES in .ci/version.py")
        yield from matches


def check(version: str) -> None:
    """Exit with every place that has another version, and with what to do."""
    others = [
        f"{file.relative_to(ROOT)}:{place.string.count(chr(10), 0, place.start(1)) + 1} says {place[1]}"
        for file, place in places()
        if place[1] != version
    ]
    if others:
        todo = f"run `python3 .ci/version.py set {version}`, commit that, and tag the commit"
        sys.exit("\n".join(["version: not everything is of " + version, *others, todo]))


def write(version: str) -> None:
    """Write the version to every place."""
    # From the end of each file to its beginning, so that the offsets of earlier matches stay valid.
    for file, place in sorted(places(), key=lambda match: (match[0], -match[1].start(1))):
        text = file.read_text()
        file.write_text(text[: place.start(1)] + version + text[place.end(1) :])


def main(words: list[str]) -> None:
    """Run `check` or `set` with a version."""
    verbs = {"check": check, "set": write}
    if len(words) != 2 or words[0] not in verbs or not re.fullmatch(NUMBER, words[1]):
        sys.exit(f"version: {' '.join(words)!r} is neither `check 1.2.3` nor `set 1.2.3`")
    verbs[words[0]](words[1])


if __name__ == "__main__":
    main(sys.argv[1:])
