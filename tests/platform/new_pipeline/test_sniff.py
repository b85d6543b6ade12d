"""The dialect of a CSV's first lines."""

from __future__ import annotations

from typing import Any

import pytest

from include.exceptions import BadData
from include.platform.new_pipeline.reason import Reason
from include.platform.new_pipeline.sniff import Dialect, encoding_of, sniff

DEFAULTS = {
    "delimiter": ",",
    "quote": '"',
    "escape": None,
    "decimal": ".",
    "thousands": None,
    "skip_lines": 0,
    "has_header": True,
}


def sniffed(text: str) -> Dialect:
    return sniff(text, Reason("encoding", "utf-8", ""), "'a.csv'")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a,b\n1,2.5\n", {}),
        ("a;b\n1;2,5\n3;4\n", {"delimiter": ";", "decimal": ","}),
        ("a\tb\n1\t2\n", {"delimiter": "\t"}),
        ("a|b\n1|2\n", {"delimiter": "|"}),
        ("a;b\n1;x, y, z\n2;x, y, z\n", {"delimiter": ";"}),
        ('a,b\n1,"x; y"\n2,"x; y"\n', {}),
        ("a,b\n'x, y',2\n", {"quote": "'"}),
        ('a,b\n1,"x \\" y"\n', {"escape": "\\"}),
        ("a;b\n1;1.234,5\n2;12,5\n", {"delimiter": ";", "decimal": ",", "thousands": "."}),
        ("a;b\n1;1,234.5\n2;999.5\n", {"delimiter": ";", "thousands": ","}),
        ("a;b\n1;1 234,5\n", {"delimiter": ";", "decimal": ",", "thousands": " "}),
        ("a;b\n1;1.234\n2;0.5\n", {"delimiter": ";"}),
        ("Report of March\n\na,b\n1,2\n", {"skip_lines": 2}),
        ("# by me\n# for you, and you\na,b\n1,2\n", {"skip_lines": 2}),
        ("2024-01-01,2\n2024-01-02,3\n", {"has_header": False}),
        ("x,2\ny,3\n", {"has_header": False}),
    ],
)
def test_marks_are_found(text: str, found: dict[str, Any]) -> None:
    dialect = sniffed(text)

    assert {name: getattr(dialect, name) for name in DEFAULTS} == {**DEFAULTS, **found}
    names = ("a", "b") if dialect.has_header else ("column_1", "column_2")
    assert dialect.names == names


@pytest.mark.parametrize(
    ("raw", "encoding"),
    [
        (b"a,b\n", "utf-8"),
        ("a,ä\n".encode(), "utf-8"),
        ("a,ä\n".encode()[:3], "utf-8"),  # cut within a character
        ("a,ä\n".encode("utf-8-sig"), "utf-8"),
        ("a,ä\n".encode("utf-16"), "utf-16"),
        ("a,ä €\n".encode("cp1252"), "cp1252"),
        (b"a,\x81\n", "latin-1"),
    ],
)
def test_the_encoding_is_found(raw: bytes, encoding: str) -> None:
    assert encoding_of(raw, "'a.csv'", is_whole=raw.endswith((b"\n", b"\0")))[0] == encoding


def test_zero_bytes_are_no_text() -> None:
    with pytest.raises(BadData, match=r"'a.csv' is not text: it holds zero bytes; provide CSV or Parquet"):
        encoding_of(b"a\0b", "'a.csv'", is_whole=True)
