"""Find words that make prose read as translated, and name the better ones.

`words.py` checks the whole project; `words.py PATH…` all that begins with one of the paths.

It reads docstrings, comments and string constants with a space in *.py, Markdown outside of code, and in
scripts and settings the comments; of shell scripts also the quoted strings. Text in backticks is code.
"""

from __future__ import annotations

import ast
import io
import os
import re
import sys
import tokenize
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]

WORDS = (
    (r"told", "given, informed, reported"),
    (r"tells", "reports, describes, shows"),
    (r"tell_(of|about)", "describe, report"),
    (r"said", "reported, printed"),
    (r"asked", "requested"),
    (r"spoken_of", "described, named"),
    (r"as_\w+_(says|tells)_it", "as … returns it"),
    (r"whoever", "anyone who, the user who"),
    (r"wherever", "where"),
    (r"that_one(?=[,.;:)]|_(is|was|has)\b)", "repeat the noun"),
    (r"mend(s|ed|ing)?", "fix"),
    (r"(is|are|was|were|be|all)_well(?!_(known|within|below|above|before|after)\b)", "healthy, ready"),
    (r"ill", "unhealthy"),
    (r"trouble", "problem"),
    (r"hopeless", "has failed, cannot recover"),
    (r"doors", "ports"),
    (r"breached", "failed, exceeded"),
    (r"fired", "started, triggered; as a decision: retrain"),
    (r"held_against", "checked against, compared with"),
    (r"nights?", "day, as-of date, monitoring run"),
    (r"hand_on_the_server", "the operator's CLI"),
    (r"hand(s|ed)?_(it|them|that)_on", "pass on"),
    (r"on_(one's|its|their)_own", "by itself, by themselves"),
    (r"deliver(s|ed)?(_\w+){0,3}_again", "load again"),
    (r"rubbish", "invalid input"),
    (r"(?<!there\s)is_no(?=_\w)(?!_(longer|more|less|better|worse|other)\b)", "is not a; or: there is no"),
)  # fmt: skip
"""Pattern of the word, and what to write instead. `_` stands for white space."""

ALLOWED: tuple[tuple[str, str, str], ...] = ()
"""File, exact phrase in it and the reason, where a word is right."""


HASH_COMMENTS = {".cfg", ".env", ".in", ".pl", ".pm", ".sh", ".toml", ".yaml", ".yml"}
HASH_NAMES = {".env.example", ".gitignore", ".airflowignore", "Dockerfile", "Makefile", "Procfile"}
NOT_OURS = {"__pycache__", "mlruns", "var"}

_SPACE = r"\s+(?:#\s*)?"  # a phrase may go on in the next line of a comment
_DENIED = re.compile(
    "|".join(
        rf"(?P<w{number}>(?<![\w./${{-]){pattern.replace('_', _SPACE)}(?![\w/=-]|\.\w))"
        for number, (pattern, _) in enumerate(WORDS)
    ),
    re.IGNORECASE,
)
_BACKTICKS = re.compile(r"`[^`\n]*`")
_FENCE = re.compile(r"^ *(```|~~~).*?^ *\1", re.MULTILINE | re.DOTALL)
_HASH_COMMENT = re.compile(r"(?:^|(?<=\s))#.*")
_QUOTED = re.compile(r'"[^"\n]*"')


class Prose(NamedTuple):
    """A piece of text and the number of the line that it begins on."""

    line: int
    text: str


class Finding(NamedTuple):
    """A denied word in a line of a file; `path` is relative to the project's folder."""

    path: str
    line: int
    word: str
    better: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.word!r}: write {self.better}"


def files() -> Iterator[Path]:
    """Yield every file of the project, also where the checkout is a copy without `.git`."""
    for folder, folders, names in os.walk(ROOT):
        top = Path(folder) == ROOT
        folders[:] = sorted(
            name
            for name in folders
            if name not in NOT_OURS and (name[0] != "." or name in (".ci", ".github"))
        )
        yield from (Path(folder, name) for name in sorted(names) if not (top and name == ".env"))


def prose_of(file: Path) -> Iterator[Prose]:
    """Yield what a person reads in a file; nothing if it is of a kind that holds no prose."""
    if file.suffix == ".py":
        yield from _python(file.read_text())
    elif file.suffix == ".md":
        yield Prose(1, _blank(_FENCE, file.read_text()))
    elif file.suffix in HASH_COMMENTS or file.name in HASH_NAMES:
        yield from _hash_comments(file.read_text())
    elif not file.suffix and file.read_bytes().startswith(b"#!"):
        yield from _hash_comments(file.read_text())
        yield from _quoted(file.read_text())


def findings_in(path: str, pieces: Iterable[Prose]) -> Iterator[Finding]:
    """Yield every denied word in the prose of the file `path`."""
    phrases = [phrase for where, phrase, _ in ALLOWED if where == path]
    for line, text in pieces:
        prose = _blank(_BACKTICKS, text)
        for phrase in phrases:
            prose = prose.replace(phrase, " " * len(phrase))
        for match in _DENIED.finditer(prose):
            word = " ".join(match[0].replace("#", " ").split())
            number = int(str(match.lastgroup)[1:])
            yield Finding(path, line + prose.count("\n", 0, match.start()), word, WORDS[number][1])


def _python(source: str) -> Iterator[Prose]:
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    yield from _joined((token.start[0], token.string) for token in tokens if token.type == tokenize.COMMENT)
    tree = ast.parse(source)
    parts = {part for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            constants = (part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
            yield from _message(node, "".join(map(str, constants)))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in parts:
            yield from _message(node, node.value)


def _message(node: ast.expr, text: str) -> Iterator[Prose]:
    """Yield a string with a space; one with escapes or joined parts counts as its first line."""
    if " " in text:
        as_written = text.count("\n") == (node.end_lineno or node.lineno) - node.lineno
        yield Prose(node.lineno, text if as_written else text.replace("\n", " "))


def _hash_comments(text: str) -> Iterator[Prose]:
    lines = enumerate(text.splitlines(), 1)
    yield from _joined((number, match[0]) for number, line in lines if (match := _HASH_COMMENT.search(line)))


def _joined(comments: Iterable[tuple[int, str]]) -> Iterator[Prose]:
    """Join the comments of adjacent lines, so that a phrase is found across them."""
    first, block = 0, list[str]()
    for number, comment in comments:
        if block and number != first + len(block):
            yield Prose(first, "\n".join(block))
            block = []
        first = first if block else number
        block.append(comment)
    if block:
        yield Prose(first, "\n".join(block))


def _quoted(text: str) -> Iterator[Prose]:
    for number, line in enumerate(text.splitlines(), 1):
        for match in _QUOTED.finditer(_HASH_COMMENT.sub("", line)):
            if " " in match[0]:
                yield Prose(number, match[0])


def _blank(pattern: re.Pattern[str], text: str) -> str:
    """Replace each match with blanks, and leave its line breaks."""
    return pattern.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)


def main(paths: list[str]) -> int:
    """Print the findings; return 1 if there are any, else 0."""
    findings: list[Finding] = []
    for file in files():
        path = file.relative_to(ROOT).as_posix()
        if path.startswith(tuple(paths) or ""):
            findings += findings_in(path, prose_of(file))
    print(*findings, sep="\n", end="\n" if findings else "")  # noqa: T201 - this is its one output
    return int(bool(findings))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
