"""What is wrong with JSON Lines: line numbers, columns and counts, never a value.

Only a file that Arrow refuses is looked at here, line by line, so it may take its time.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from include.excerpt import quote
from include.ingestion.files import SourceFile
from include.ingestion.json_blocks import Block, blocks
from include.ingestion.json_types import ITEM, Path, parsed

_DEEPEST = 50
"""Levels of a line; Arrow's own files have 64."""
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}\n"))
_LONG_INTEGER = re.compile(rb"[0-9]{16}")
_INT64 = range(-(2**63), 2**63)
_ONE = "write one JSON object a line"
_KINDS = {
    "number": ("number", "numbers"),
    "text": ("text", "texts"),
    "truth": ("truth value", "truth values"),
    "object": ("object", "objects"),
    "array": ("array", "arrays"),
}


class _Fault(Exception):
    """What is wrong with a line."""


class _Integer(NamedTuple):
    """A whole number, and whether a decimal number and 64 bits hold it."""

    is_exact: bool
    is_64_bit: bool


class _Decimal:
    """A decimal number."""


def found_in(block: Block) -> str | None:
    """Return what is wrong with the first faulty line of a block, None if each is an object."""
    for number, line in block.numbered():
        try:
            _parsed(line)
        except _Fault as fault:
            return f"{block.name}: line {number} {fault}"
    return None


def of_lines(block: Block) -> str:
    """Return what is wrong with a block that has a faulty line."""
    last = block.first_line + block.lines - 1
    return found_in(block) or f"{block.name}: a line of {block.first_line} … {last} is not read; {_ONE}"


def may_crash(block: Block) -> bool:
    """Return whether Arrow may end the process over lines that are not objects, or are nested deeply.

    Seen in pyarrow 25.0.1 for a few of these. Drop once it raises ArrowInvalid for all of them.
    """
    return not block.are_objects or _may_be_deep(block.content)


def _may_be_deep(content: bytes) -> bool:
    """Return whether a line may be nested too deeply; brackets within text count, too."""
    import numpy as np

    marks = np.frombuffer(content.translate(None, _NO_BRACKETS), np.uint8)
    opening = np.isin(marks, list(b"[{")).astype(np.int32)
    if opening.sum() <= _DEEPEST:
        return False
    depth = np.cumsum(opening - np.isin(marks, list(b"]}")), dtype=np.int32)
    line_ends = np.maximum.accumulate(np.where(marks == ord("\n"), np.arange(len(marks), dtype=np.int32), -1))
    before = np.where(line_ends < 0, 0, depth[line_ends])
    return bool((depth - before).max() > _DEEPEST)


def has_inexact(block: Block, paths: Container[Path]) -> bool:
    """Return whether a block has a whole number at these paths that is another one as a decimal number."""
    if not _LONG_INTEGER.search(block.content):
        return False
    return any(
        isinstance(value, _Integer) and not value.is_exact and path in paths
        for _, path, value in _values(block)
    )


def of_types(files: Sequence[SourceFile], column: str) -> str:
    """Return which column holds values of several types, how many of each, and where the rarest begins."""
    seen: dict[Path, Counter[str]] = {}
    first: dict[tuple[Path, str], tuple[SourceFile, int]] = {}
    for file in files:
        for block in blocks(file):
            for path, kinds in _counted(block).items():
                seen.setdefault(path, Counter()).update(kinds)
                for kind in kinds:
                    first.setdefault((path, kind), (file, block.first_line))
    for path, kinds in seen.items():
        if found := _mixture(path, kinds):
            rarest, fault = found
            file, line = first[path, rarest]
            return f"{file.name}: {fault} (see line {_line_of(path, rarest, file, line)})"
    name = f"column {quote(column)}" if column else "a column"
    return f"{files[0].name}: {name} has no type that fits all lines; give it one type"


def _counted(block: Block) -> Mapping[Path, Counter[str]]:
    """Return how many values of each kind there are by their paths; Arrow counts if one type fits all."""
    import pyarrow as pa

    found: dict[Path, Counter[str]] = {}
    if not _LONG_INTEGER.search(block.content) and not may_crash(block):
        with suppress(pa.ArrowInvalid):
            table = parsed(block.content, {})
            for name in table.column_names:
                _count(table.column(name), (name,), found)
            return found
    for _, path, value in _values(block):
        for kind in _kinds(value):
            found.setdefault(path, Counter())[kind] += 1
    return found


def _count(column: Any, path: Path, found: dict[Path, Counter[str]]) -> None:
    """Count the values of a column of one type, and of what is within them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    number = len(column) - column.null_count
    kinds = {"double": ("number", "decimal"), "int64": ("number",), "string": ("text",), "bool": ("truth",)}
    below: list[tuple[str, Any]] = []
    if pa.types.is_struct(kind):
        below = list(zip((field.name for field in kind), column.flatten(), strict=True))
    elif pa.types.is_list(kind):
        below = [(ITEM, pc.list_flatten(column))]
    names = kinds.get(str(kind), ("object",) if pa.types.is_struct(kind) else ("array",))
    if number:
        found.setdefault(path, Counter()).update(dict.fromkeys(names, number))
    for name, one in below:
        _count(one, (*path, name), found)


def _mixture(path: Path, kinds: Counter[str]) -> tuple[str, str] | None:
    """Return the rarest kind of a column of several ones, and what to say of them; None if there is one."""
    where = f"column {quote(path[0])}" + (" holds within its values" if len(path) > 1 else " holds")
    several = [(kinds[kind], kind) for kind in _KINDS if kinds[kind]]
    if len(several) > 1:
        counts = " and ".join(f"{count} {_KINDS[kind][count != 1]}" for count, kind in several)
        return min(several, key=lambda one: one[0])[1], f"{where} {counts}; give it one type"
    for kind, what in (
        ("beyond", "of more than 64 bits"),
        ("inexact", "of more than 53 bits beside decimal ones"),
    ):
        if kinds[kind] and (kind == "beyond" or kinds["decimal"]):
            return kind, f"{where} {kinds[kind]} whole number(s) {what}; write them as text"
    return None


def _line_of(path: Path, kind: str, file: SourceFile, first_line: int) -> int:
    """Return the first line, in a file's block that begins at a line, with a value of a kind."""
    block = next(block for block in blocks(file) if block.first_line == first_line)
    return next(number for number, place, value in _values(block) if place == path and kind in _kinds(value))


def _values(block: Block) -> Iterator[tuple[int, Path, object]]:
    """Yield the values of a block with their lines and paths; lines with a fault are left out."""
    for number, line in block.numbered():
        with suppress(_Fault):
            yield from ((number, path, value) for path, value in _leaves(_parsed(line)))


def _kinds(value: object) -> Iterator[str]:
    """Yield the kind of a value, and what is special about a number; nothing for null."""
    if isinstance(value, _Integer):
        yield "number"
        yield from () if value.is_exact else ("inexact",)
        if not value.is_64_bit:
            yield "decimal" if value.is_exact else "beyond"
    elif isinstance(value, _Decimal):
        yield from ("number", "decimal")
    elif value is not None:
        yield {str: "text", bool: "truth", dict: "object", list: "array"}[type(value)]


def _leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, object]]:
    """Yield each value of a line, objects and arrays too, with its path; array items share one."""
    if path:
        yield path, value
    if isinstance(value, dict):
        for key, below in value.items():
            yield from _leaves(below, (*path, key))
    elif isinstance(value, list):
        for below in value:
            yield from _leaves(below, (*path, ITEM))


def _parsed(line: bytes) -> dict[str, Any]:
    """Return the object of a line; raises _Fault."""
    try:
        found = json.loads(
            line.decode(),
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_decimal,
            parse_constant=lambda _: _Decimal(),
        )
    except UnicodeError:
        raise _Fault("is not UTF-8; convert the file to UTF-8") from None
    except json.JSONDecodeError:
        raise _Fault(f"is not one complete JSON value; {_ONE}, or provide the file again") from None
    except RecursionError:
        raise _Fault(f"is nested more than {_DEEPEST} levels deep; flatten it") from None
    if not isinstance(found, dict):
        raise _Fault(f"is not an object; {_ONE}")
    for path, value in _leaves(found):
        if len(path) > _DEEPEST:
            raise _Fault(f"is nested more than {_DEEPEST} levels deep; flatten it")
        if not all(map(_is_unicode, (path[-1], value) if isinstance(value, str) else path[-1:])):
            raise _Fault("holds half of a surrogate pair, which is not a character; correct it")
    return found


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeError:
        return False
    return True


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Fault("has an object with the same key twice; give each key a name of its own")
    return found


def _integer(text: str) -> _Integer:
    if len(text) > 400:  # no decimal number is so long, and Python refuses some thousand digits
        raise _Fault("holds a number that is too large; write it as text")
    value = int(text)
    return _Integer(is_exact=abs(value) <= 2**1000 and int(float(value)) == value, is_64_bit=value in _INT64)


def _decimal(text: str) -> _Decimal:
    if float(text) in (float("inf"), float("-inf")):
        raise _Fault("holds a number that is too large; write it as text")
    return _Decimal()
