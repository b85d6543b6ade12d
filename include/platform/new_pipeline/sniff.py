"""The dialect of a CSV file, found in the first of its text: encoding, marks, header, lines before it."""

from __future__ import annotations

import codecs
import csv
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from include.contract.dialect import UTF_8
from include.exceptions import BadData
from include.excerpt import quote
from include.platform.new_pipeline.reason import Reason

_LINES = 1_000
"""Lines in which marks are counted."""
_MAX_BEFORE = 50
"""Lines that may stand before the header, such as a title and notes."""
_DELIMITERS = ",;\t|"
_BOMS = ((codecs.BOM_UTF8, UTF_8), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_VALUE = re.compile(r"[+-]?[\d.,:/' -]*\d[\d.,:/' -]*([eE][+-]?\d+)?|\d{4}-\d\d-\d\d[T ].*")
"""A cell that is a number, a date or a time, and so no name of a column."""
COMMA_NUMBER = re.compile(r"[+-]?(\d+|\d{1,3}([.' ]\d{3})+),\d+([eE][+-]?\d+)?")
POINT_NUMBER = re.compile(r"[+-]?(\d+|\d{1,3}([,' ]\d{3})+)?\.\d+([eE][+-]?\d+)?")


@dataclass(frozen=True)
class Dialect:
    """How a CSV file is written; `names` are those of its header, or made up where it has none."""

    encoding: str
    delimiter: str
    quote: str | None
    escape: str | None
    decimal: str
    thousands: str | None
    skip_lines: int
    has_header: bool
    names: tuple[str, ...]
    reasons: tuple[Reason, ...]


def encoding_of(raw: bytes, name: str, *, is_whole: bool) -> tuple[str, Reason]:
    """Return the encoding of a file's beginning; raises BadData if it is not text."""
    for mark, encoding in _BOMS:
        if raw.startswith(mark):
            return encoding, Reason("encoding", encoding, "the file begins with its mark")
    if b"\0" in raw:
        raise BadData(f"{name} is not text: it holds zero bytes; provide CSV or Parquet")
    if _decodes(raw, UTF_8, is_whole):
        return UTF_8, Reason("encoding", UTF_8, "every byte of the sample fits")
    encoding = "cp1252" if _decodes(raw, "cp1252", is_whole) else "latin-1"
    why = "not UTF-8; look at names with accents, as encodings of single bytes look alike"
    return encoding, Reason("encoding", encoding, why)


def _decodes(raw: bytes, encoding: str, is_whole: bool) -> bool:
    try:
        codecs.getincrementaldecoder(encoding)().decode(raw, final=is_whole)
    except UnicodeDecodeError:
        return False
    return True


def sniff(text: str, encoding: Reason, name: str) -> Dialect:
    """Return the dialect of a text; raises BadData where it is plainly no table."""
    lines = text[: 2**20].splitlines()[: _LINES + _MAX_BEFORE]
    if not any(line.strip() for line in lines):
        raise BadData(f"{name} holds blank lines only; provide the file again")
    mark, quoting = _quote(lines)
    delimiter, skip, widths = _delimiter(lines, mark)
    if widths < 2:
        raise BadData(
            f"{name} has one column only: no {', '.join(map(quote, _DELIMITERS))} separates cells; a "
            "pipeline needs a time, a target and a feature"
        )
    escape = "\\" if mark and f"\\{mark}" in text[: 2**20] else None
    rows = list(_rows(lines[skip:], delimiter, mark))
    has_header, header = _header(rows)
    names = _names(rows[0], name) if has_header else tuple(f"column_{n}" for n in range(1, len(rows[0]) + 1))
    decimal, decimal_reason = _decimal(rows[1:], delimiter)
    thousands = _thousands(rows[1:], decimal, {delimiter, mark})
    return Dialect(
        encoding=encoding.value,
        delimiter=delimiter,
        quote=mark,
        escape=escape,
        decimal=decimal,
        thousands=thousands,
        skip_lines=skip,
        has_header=has_header,
        names=names,
        reasons=(
            encoding,
            Reason("delimiter", quote(delimiter), f"splits the lines into {len(names)} cells each"),
            quoting,
            decimal_reason,
            *([Reason("thousands", quote(thousands), "stands within numbers")] if thousands else []),
            *([Reason("escape", quote(escape), "stands before quotes within cells")] if escape else []),
            *([Reason("skip_lines", f"{skip}", "lines before the header have other cells")] if skip else []),
            header,
        ),
    )


def names_in(text: str, dialect: Dialect, name: str) -> tuple[str, ...]:
    """Return the names in the header of another file, written as the dialect says."""
    lines = text[: 2**20].splitlines()[dialect.skip_lines :]
    return _names(next(_rows(lines, dialect.delimiter, dialect.quote), []), name)


def _quote(lines: list[str]) -> tuple[str | None, Reason]:
    text = "\n".join(lines)
    if '"' not in text and re.search(r"(^|[,;\t|])'[^'\n]*'([,;\t|]|$)", text, re.MULTILINE):
        return "'", Reason("quote", quote("'"), "cells stand between them, and there is no '\"'")
    why = "cells stand between them" if '"' in text else "the usual one; no cell needs it"
    return '"', Reason("quote", quote('"'), why)


def _rows(lines: list[str], delimiter: str, mark: str | None) -> Iterator[list[str]]:
    reader = csv.reader(
        (f"{line}\n" for line in lines),
        delimiter=delimiter,
        quotechar=mark,
        quoting=csv.QUOTE_MINIMAL if mark else csv.QUOTE_NONE,
    )
    try:
        yield from (row for row in islice(reader, _LINES) if row)
    except csv.Error:  # a cell beyond the module's limit: what came before it is enough
        return


def _delimiter(lines: list[str], mark: str | None) -> tuple[str, int, int]:
    """Return the delimiter, the lines before the header, and the cells of a line.

    It is the mark by which the most lines have the same number of cells, more than one.
    """
    best: tuple[float, int, str, int] = (0.0, 1, ",", 0)
    for delimiter in _DELIMITERS:
        widths = Counter(len(row) for row in _rows(lines, delimiter, mark))
        width, count = max(widths.items(), key=lambda item: (item[1] * (item[0] > 1), item[0]))
        share = count / max(widths.total(), 1)
        if width > 1:
            skip = _before(lines, delimiter, mark, width)
            best = max(best, (round(share, 2), width, delimiter, skip))
    return best[2], best[3], best[1]


def _before(lines: list[str], delimiter: str, mark: str | None, width: int) -> int:
    """Return how many lines stand before the first one with all cells, where two such lines follow."""
    widths = [len(next(_rows([line], delimiter, mark), [])) for line in lines[: _MAX_BEFORE + 2]]
    return next((n for n, one in enumerate(widths) if one == width and not lines[n].startswith("#")), 0)


def _header(rows: list[list[str]]) -> tuple[bool, Reason]:
    first = [cell.strip() for cell in rows[0]]
    if any(_VALUE.fullmatch(cell) for cell in first):
        why = "the first line holds numbers or dates, so it is a row; the columns get names by their place"
        return False, Reason("header", "none", why)
    return True, Reason("header", "the first line", "none of its cells is a number or a date")


def _names(cells: list[str], name: str) -> tuple[str, ...]:
    twice = sorted(cell for cell, times in Counter(cells).items() if times > 1)
    if twice:
        raise BadData(
            f"{name}: {len(twice)} column name(s) occur twice in the header: "
            f"{', '.join(map(quote, twice[:10]))}; give each column a name of its own"
        )
    return tuple(cells)


def _decimal(rows: list[list[str]], delimiter: str) -> tuple[str, Reason]:
    cells = [cell.strip() for row in rows for cell in row]
    commas = sum(COMMA_NUMBER.fullmatch(cell) is not None for cell in cells)
    points = sum(POINT_NUMBER.fullmatch(cell) is not None for cell in cells)
    if commas > points and delimiter != ",":
        return ",", Reason("decimal", "','", f"{commas:,} numbers have a comma, {points:,} a point")
    why = f"{points:,} numbers have a point, {commas:,} a comma" if points or commas else "the usual one"
    return ".", Reason("decimal", "'.'", why)


def _thousands(rows: list[list[str]], decimal: str, others: set[str | None]) -> str | None:
    """Return the mark between thousands, where every number of a column that has one fits."""
    for mark in (".", ",", "'", " "):
        grouped = re.compile(rf"[+-]?\d{{1,3}}({re.escape(mark)}\d{{3}})+({re.escape(decimal)}\d*)?")
        plain = re.compile(rf"[+-]?\d*({re.escape(decimal)}\d*)?")
        if mark == decimal or mark in others:
            continue
        for column in zip(*(row for row in rows if len(row) == len(rows[0])), strict=False):
            fits = [grouped.fullmatch(cell) is not None for cell in column]
            if any(fits) and all(
                fit or plain.fullmatch(cell) for fit, cell in zip(fits, column, strict=True)
            ):
                return mark
    return None
