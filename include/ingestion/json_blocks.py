"""Blocks of whole lines of a JSON Lines file, and what shows at its beginning that it is none."""

from __future__ import annotations

from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator
from functools import cached_property
from typing import Any

from include.exceptions import BadData
from include.ingestion.files import SourceFile, opened_text

_BLOCK = 8 << 20
_LONGEST = 64 << 20
"""No line is longer, in bytes: a file without line breaks would be held whole."""


class Block:
    """Whole lines, the number of the first one in its file, and the file's name."""

    def __init__(self, name: str, first_line: int, content: bytes) -> None:
        self.name = name
        self.first_line = first_line
        self.content = content

    @cached_property
    def lines(self) -> int:
        """How many lines there are."""
        return self.content.count(b"\n") + (not self.content.endswith(b"\n"))

    @property
    def is_utf8(self) -> bool:
        """Whether each byte belongs to a character."""
        try:
            self.content.decode()
        except UnicodeDecodeError:
            return False
        return True

    @property
    def are_objects(self) -> bool:
        """Whether each line that is not blank begins as an object."""
        begun = self.content.startswith(b"{") + self.content.count(b"\n{")
        return begun == self.lines or all(line.lstrip()[:1] == b"{" for _, line in self.numbered())

    @property
    def filled_lines(self) -> int:
        """How many lines are not blank."""
        return sum(1 for _ in self.numbered())

    def numbered(self) -> Iterator[tuple[int, bytes]]:
        """Yield the lines that are not blank, each with its number in the file."""
        for number, line in enumerate(self.content.split(b"\n"), start=self.first_line):
            if line.strip():
                yield number, line


def blocks(file: SourceFile) -> Iterator[Block]:
    """Yield a file's lines, some megabytes at a time; raises BadData if it is plainly not JSON Lines."""
    with opened_text(file) as content:
        line, is_begun = 1, False
        for lines in _lines(file, content):
            whole = lines if is_begun else _checked_beginning(file, lines)
            is_begun = is_begun or bool(whole.strip())
            if is_begun:
                yield Block(file.name, line, whole)
            line += whole.count(b"\n")


def _lines(file: SourceFile, content: Any) -> Iterator[bytes]:
    """Yield a file's content, cut behind line breaks."""
    rest = b""
    while read := content.read(_BLOCK):
        whole, mark, after = read.rpartition(b"\n")
        if len(rest) + len(whole.partition(b"\n")[0] if mark else after) > _LONGEST:
            _checked_beginning(file, rest)
            raise BadData(
                f"{file.name} has a line of more than {_LONGEST >> 20} MiB; write one JSON object a line"
            )
        if mark:
            yield rest + whole + mark
            rest = after
        else:
            rest += after
    if rest:
        yield rest


def _checked_beginning(file: SourceFile, content: bytes) -> bytes:
    """Return the first lines without a mark of UTF-8; raises BadData if they begin as something else."""
    if content.startswith((BOM_UTF16_BE, BOM_UTF16_LE)) or b"\0" in content[:4]:
        raise BadData(f"{file.name} is UTF-16 or UTF-32, not UTF-8; convert the file to UTF-8")
    content = content.removeprefix(BOM_UTF8)
    if content.lstrip().startswith(b"["):
        raise BadData(
            f"{file.name} is a JSON array, not JSON Lines; write one object a line, for instance with "
            "`jq -c '.[]'`"
        )
    return content
