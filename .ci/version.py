"""The project's version in every place that holds it.

`check 1.2.3` names the places that say another, `set 1.2.3` writes it to all. A release is one thing: the
images, the files that deploy them, and the tag from which the DAGs are read.
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
"""Which files, and where in them; each pattern has to be found at least once."""


def found() -> Iterator[tuple[Path, re.Match[str]]]:
    """Every place with the version that it says; a pattern that is nowhere ends the program."""
    for files, pattern in PLACES:
        places = [
            (file, place)
            for file in sorted(ROOT.glob(files))
            for place in re.finditer(pattern, file.read_text(), re.MULTILINE)
        ]
        if not places:
            sys.exit(
                f"version: {files} holds nothing like {pattern!r}; mend .ci/version.py, which looks there"
            )
        yield from places


def check(version: str) -> None:
    """End with every place that says another version, and what to do."""
    others = [
        f"{file.relative_to(ROOT)}:{place.string.count(chr(10), 0, place.start(1)) + 1} says {place[1]}"
        for file, place in found()
        if place[1] != version
    ]
    if others:
        todo = f"run `python3 .ci/version.py set {version}`, commit that, and tag the commit"
        sys.exit("\n".join(["version: not everything is of " + version, *others, todo]))


def write(version: str) -> None:
    """Put the version in every place."""
    # From the end of a file to its beginning: what comes before stays where it was found.
    for file, place in sorted(found(), key=lambda one: (one[0], -one[1].start(1))):
        text = file.read_text()
        file.write_text(text[: place.start(1)] + version + text[place.end(1) :])


def main(words: list[str]) -> None:
    """One verb and a version."""
    verbs = {"check": check, "set": write}
    if len(words) != 2 or words[0] not in verbs or not re.fullmatch(NUMBER, words[1]):
        sys.exit(f"version: {' '.join(words)!r} is neither `check 1.2.3` nor `set 1.2.3`")
    verbs[words[0]](words[1])


if __name__ == "__main__":
    main(sys.argv[1:])
