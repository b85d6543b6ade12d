"""Wrong JSON Lines, workbooks and Delta Lake tables."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from deltalake import DeltaTable

from include.contract import loader
from include.exceptions import BadData, FileMissing, Misconfigured
from include.ingestion.partitioner import parts
from include.ingestion.readers import pinned
from tests.support.delta import append, drop_history, log_of, require
from tests.support.pipeline import day, write_pipeline
from tests.support.workbooks import XLS, write_xlsx
from tests.wrong_inputs.table import MARK, NUMBER, rows

TIME = datetime(2024, 3, 1, 8)
GOOD = {"time": str(TIME), "amount": NUMBER, "kind": MARK}
LINE = f"{json.dumps(GOOD)}\n"
NO_TIME = "column 'time' (source.partition_by) is missing"
NOT_TIME = "values cannot be read as time; write text such as"
ONE = "write one JSON object a line"


def load(tmp: Path, source: dict[str, Any], fill: Callable[[Path], object]) -> None:
    """Read what `fill` writes to the place of `source.uri`."""
    folder = write_pipeline(tmp, source=source)
    fill(folder / source["uri"])
    scratch = tmp / "scratch"
    scratch.mkdir()
    feed = pinned(loader.load(folder).feed(), folder)
    for part in parts(feed, day(0), day(0), folder=folder, scratch=scratch):
        assert part.rows >= 0


def lines(content: str | bytes | None, uri: str = "orders.jsonl") -> Callable[[Path], object]:
    return lambda tmp: load(tmp, {"reader": "jsonl", "uri": uri}, holding(content))


def holding(content: str | bytes | None) -> Callable[[Path], object]:
    """What writes a file with a content; None writes none."""
    if content is None:
        return lambda _: None
    return lambda file: file.write_bytes(content.encode() if isinstance(content, str) else content)


def line(**changes: Any) -> str:
    return f"{json.dumps({**GOOD, **changes})}\n"


def cells(given: Sequence[Sequence[Any]], /, **options: Any) -> Callable[[Path], object]:
    return sheets({"Orders": given}, **options)


def sheets(given: dict[str, Sequence[Sequence[Any]]], /, **options: Any) -> Callable[[Path], object]:
    source = {"reader": "excel", "uri": "orders.xlsx", "excel": options}
    return lambda tmp: load(tmp, source, lambda file: write_xlsx(file, given))


def workbook(content: bytes | None) -> Callable[[Path], object]:
    return lambda tmp: load(tmp, {"reader": "excel", "uri": "orders.xls"}, holding(content))


def table(harm: Callable[[Path], object] = lambda _: None, **options: Any) -> Callable[[Path], object]:
    def fill(folder: Path) -> None:
        append(folder, [GOOD])
        append(folder, [GOOD])
        harm(folder)

    return lambda tmp: load(tmp, {"reader": "delta", "uri": "orders", "delta": options}, fill)


def rows_of(*given: dict[str, Any]) -> Callable[[Path], object]:
    return lambda tmp: load(tmp, {"reader": "delta", "uri": "orders"}, lambda folder: append(folder, given))


def at(uri: str) -> Callable[[Path], object]:
    return lambda tmp: load(tmp, {"reader": "delta", "uri": uri}, lambda _: None)


def forget_the_first(folder: Path) -> None:
    DeltaTable(str(folder)).create_checkpoint()
    log_of(folder, 0).unlink()


def cut_off(folder: Path) -> None:
    for file in folder.glob("*.parquet"):
        file.write_bytes(file.read_bytes()[:-60])


HEAD = ["time", "amount", "kind"]
ROW = [TIME, NUMBER, MARK]
MANY = LINE * 200_000

WRONG = [
    *rows(
        "JSON Lines",
        ("no byte", lines(""), BadData, "is empty: 0 bytes; provide the file again"),
        ("blank lines", lines("\n\n"), BadData, "is empty: no line holds an object; provide the file again"),
        ("gzip of nothing", lines(gzip.compress(b""), "a.jsonl.gz"), BadData, "no line holds an object"),
        ("gzip cut off", lines(gzip.compress(MANY.encode())[:-9], "a.jsonl.gz"), BadData, "provide the file"),
        ("gzip without its name", lines(gzip.compress(MANY.encode())), BadData, "let its name end in '.gz'"),
        ("absent", lines(None), FileMissing, "'orders.jsonl' does not exist; provide it, or correct"),
        ("an array", lines(json.dumps([GOOD])), BadData, "is a JSON array, not JSON Lines; write one object"),
        ("an object of many lines", lines(json.dumps(GOOD, indent=1)), BadData, "line 1 is not one complete"),
        (
            "CSV",
            lines(f"time,amount\n2024-03-01,{NUMBER}\n"),
            BadData,
            "line 1 is not one complete JSON value",
        ),
        ("Parquet", lines(b"PAR1" + bytes(90)), BadData, "set source.reader to 'parquet'"),
        ("a workbook", lines(b"PK\x03\x04" + bytes(90)), BadData, "set source.reader to 'excel'"),
        ("UTF-16", lines(LINE.encode("utf-16")), BadData, "is UTF-16 or UTF-32, not UTF-8; convert the file"),
        ("Latin-1", lines(f'{{"time":"{MARK} ä"}}\n'.encode("latin-1")), BadData, "line 1 is not UTF-8"),
        (
            "a late broken line",
            lines(MANY + LINE[:-9]),
            BadData,
            "line 200001 is not one complete JSON value",
        ),
        ("text", lines(f'{LINE}"{MARK}"\n'), BadData, f"line 2 is not an object; {ONE}"),
        ("a word", lines(f"{LINE}true\n"), BadData, f"line 2 is not an object; {ONE}"),
        ("a key twice", lines(f'{{"a":"{MARK}","a":1}}'), BadData, "the same key twice; give each key"),
        (
            "a number too large",
            lines(line().replace(str(NUMBER), "1e999")),
            BadData,
            "too large; write it as",
        ),
        ("nested", lines(f'{{"a":{"[" * 99}{"]" * 99}}}'), BadData, "more than 50 levels deep; flatten it"),
        ("half a character", lines(line(kind=f"{MARK}\ud800")), BadData, "not a character; correct it"),
        ("mixed", lines(LINE + line(amount=MARK)), BadData, "holds 1 number and 1 text; give it one type"),
        (
            "mixed late",
            lines(MANY + line(amount=MARK)),
            BadData,
            "holds 200000 numbers and 1 text; give it one",
        ),
        (
            "mixed objects",
            lines(line(kind={"a": MARK}) + LINE),
            BadData,
            "1 text and 1 object; give it one type",
        ),
        (
            "a long number",
            lines(line(amount=2**64 - 1)),
            BadData,
            "1 whole number(s) of more than 64 bits; write",
        ),
        (
            "a rounded number",
            lines(LINE + line(amount=2**53 + 1)),
            BadData,
            "of more than 53 bits beside decimal",
        ),
        ("no time", lines('{"amount":1}\n'), BadData, NO_TIME),
        ("time of text", lines(LINE + line(time=MARK)), BadData, f"1 of 2 {NOT_TIME}"),
        ("time of numbers", lines(line(time=NUMBER)), BadData, "'time' is double; write time stamps"),
        ("time of objects", lines(line(time={"at": MARK})), BadData, "write time stamps"),
        ("time unknown", lines(LINE + line(time=None)), BadData, "'time' is empty in 1 of 2 rows"),
        (
            "no keys in objects",
            lines(line(kind={})),
            BadData,
            "which Parquet cannot hold; cast it in the source",
        ),
    ),
    *rows(
        "workbook",
        ("absent", workbook(None), FileMissing, "'orders.xls' does not exist; provide it"),
        ("no byte", workbook(b""), BadData, "is empty: 0 bytes; provide the file again"),
        (
            "CSV",
            workbook(f"time,kind\n2024-03-01,{MARK}\n".encode()),
            BadData,
            "set source.reader to 'csv' if it",
        ),
        ("HTML", workbook(f"<html>{MARK}</html>".encode() * 9), BadData, "cannot be read as a workbook"),
        ("Parquet", workbook(b"PAR1" + bytes(90)), BadData, "cannot be read as a workbook"),
        ("cut off", workbook(XLS[:3000]), BadData, "cannot be read as a workbook"),
        (
            "no sheet of that name",
            cells([HEAD, ROW], sheet="Data"),
            BadData,
            "it has: 'Orders'; correct source",
        ),
        (
            "two sheets",
            sheets({"a": [HEAD], "b": [HEAD]}),
            BadData,
            "has 2 sheets: 'a', 'b'; set source.excel",
        ),
        ("nothing", cells([]), BadData, "sheet 'Orders' is empty; provide the file again, or correct source"),
        (
            "no header",
            cells([[], HEAD, ROW]),
            BadData,
            "row 1 is empty, and the first row with cells is row 2",
        ),
        (
            "a title",
            cells([[MARK], HEAD, ROW]),
            BadData,
            "column B has 2 value(s) and no name; give each column",
        ),
        ("values as names", cells([ROW, ROW]), BadData, NO_TIME),
        (
            "a value twice as a name",
            cells([[MARK, MARK]]),
            BadData,
            "names 1 column(s) twice; give each column",
        ),
        (
            "a name twice",
            cells([[*HEAD, "kind"], [*ROW, 1]]),
            BadData,
            "names 'kind' twice; give each column",
        ),
        ("a near name", cells([["Time"], [TIME]]), BadData, "did you mean 'Time'?"),
        (
            "fewer names",
            cells([HEAD, ROW], columns=["time", "a"]),
            BadData,
            "columns names 2; name all columns",
        ),
        (
            "mixed",
            cells([HEAD, ROW, [TIME, MARK]]),
            BadData,
            "'amount' holds 1 number(s) and 1 text(s); give it",
        ),
        ("time of text", cells([HEAD, [MARK, 1]]), BadData, f"1 of 1 {NOT_TIME}"),
        ("time of numbers", cells([HEAD, [NUMBER, 1]]), BadData, "'time' is double; write time stamps"),
        ("time unknown", cells([HEAD, ROW, [None, 1]]), BadData, "'time' is empty in 1 of 2 rows"),
    ),
    *rows(
        "Delta Lake",
        ("absent", at("none"), FileMissing, "'none' does not exist; provide it, or correct source.uri"),
        (
            "a file",
            at("model.py"),
            FileMissing,
            "'model.py' is a file, not the folder of a table; provide it",
        ),
        (
            "another folder",
            at("."),
            Misconfigured,
            "'.' is not a Delta Lake table: it has no log in a folder",
        ),
        (
            "no scheme",
            at("ftp://host/orders"),
            Misconfigured,
            "a scheme that deltalake does not know; correct it",
        ),
        (
            "no such version",
            table(version=2),
            Misconfigured,
            "has no version 2: it has 0 … 1; set source.delta",
        ),
        (
            "vacuumed",
            table(drop_history, version=0),
            BadData,
            "VACUUM has removed it, or somebody else; set",
        ),
        (
            "without its first log",
            table(forget_the_first, version=0),
            Misconfigured,
            "has no version 0: it has 1 … 1; set source.delta.version",
        ),
        (
            "an unknown feature",
            table(lambda at: require(at, "typeWidening")),
            BadData,
            "needs 'TypeWidening', a",
        ),
        (
            "files cut off",
            table(cut_off),
            BadData,
            "one of its files is damaged, or has a form that deltalake",
        ),
        (
            "a broken log",
            table(lambda at: log_of(at, 2).write_text(f'{{"add": {MARK}')),
            BadData,
            "its log or one of its files is damaged",
        ),
        ("no time", rows_of({"amount": NUMBER}), BadData, NO_TIME),
        ("time of text", rows_of({"time": MARK}), BadData, f"1 of 1 {NOT_TIME}"),
        ("time of numbers", rows_of({"time": NUMBER}), BadData, "'time' is double; write time stamps"),
        ("time unknown", rows_of(GOOD, {**GOOD, "time": None}), BadData, "'time' is empty in 1 of 2 rows"),
    ),
]
