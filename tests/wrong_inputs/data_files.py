"""Wrong CSV and Parquet files."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from include.contract import loader
from include.contract.day_path import path_of
from include.exceptions import BadData, FileMissing, Misconfigured
from include.ingestion.partitioner import parts
from tests.support.pipeline import write_pipeline
from tests.wrong_inputs.table import MARK, NUMBER, rows

DAY = date(2024, 3, 1)
HEAD = "time,amount,kind\n"
LINE = f"2024-03-01 08:00:00,{NUMBER},{MARK}\n"
IN_CSV = {"reader": "csv", "uri": "orders.csv"}
GZIP = {"reader": "csv", "uri": "orders.csv.gz"}
IN_PARQUET = {"reader": "parquet", "uri": "orders.parquet"}


def load(tmp: Path, content: bytes | None, source: dict[str, Any], **sections: Any) -> None:
    folder = write_pipeline(tmp, source=source, **sections)
    name = Path(path_of(source["uri"], DAY)).name
    if content is not None:
        (folder / (name or "orders.csv")).write_bytes(content)
    scratch = tmp / "scratch"
    scratch.mkdir()
    for part in parts(loader.load(folder).feed(), DAY, DAY, folder=folder, scratch=scratch):
        assert part.rows >= 0


def csv(
    text: str | bytes | None, source: dict[str, Any] = IN_CSV, **sections: Any
) -> Callable[[Path], object]:
    content = text.encode() if isinstance(text, str) else text
    return lambda tmp: load(tmp, content, source, **sections)


def dialect(**csv: Any) -> dict[str, Any]:
    return {**IN_CSV, "csv": csv}


def at(uri: str) -> dict[str, Any]:
    return {**IN_CSV, "uri": uri}


def parquet(**columns: Any) -> Callable[[Path], object]:
    def give(tmp: Path) -> None:
        given = {"time": ["2024-03-01 08:00:00"], "amount": [NUMBER], "kind": [MARK], **columns}
        table = pa.table({name: values for name, values in given.items() if values is not None})
        load(tmp, written(table), IN_PARQUET)

    return give


def written(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="none")
    return bytes(sink.getvalue())


def damaged(change: Callable[[bytes], bytes]) -> Callable[[Path], object]:
    table = pa.table({"time": ["2024-03-01 08:00:00"] * 500, "kind": [f"{MARK} {n}" for n in range(500)]})
    return lambda tmp: load(tmp, change(written(table)), IN_PARQUET)


LATE = HEAD + LINE * 40_000
A_DAY = {"reader": "csv", "uri": "orders-{dt}.csv"}
NO_TIME = "column 'time' (source.partition_by) is missing"
NOT_TIME = "values cannot be read as time; write text such as"
AGAIN = "provide the file again"

WRONG = [
    *rows(
        "CSV",
        ("absent", csv(None), FileMissing, "'orders.csv' does not exist; provide it, or correct source.uri"),
        ("empty", csv(""), BadData, f"'orders.csv' is empty: 0 bytes; {AGAIN}"),
        ("blank lines", csv("\n\n\n"), BadData, AGAIN),
        ("UTF-16", csv((HEAD + LINE).encode("utf-16")), BadData, "is UTF-16, not UTF-8; set"),
        (
            "Latin-1",
            csv((HEAD + f"2024-03-01,1,{MARK} ä\n").encode("latin-1")),
            BadData,
            "1 of 1 values are not UTF-8",
        ),
        (
            "Latin-1 names",
            csv("time,menge_ä\n2024-03-01,1\n".encode("latin-1")),
            BadData,
            "names of the columns",
        ),
        (
            "more fields",
            csv(HEAD + LINE + f"2024-03-01,1,x,{MARK}\n"),
            BadData,
            "Expected 3 columns, got 4 in row 2; correct",
        ),
        (
            "fewer fields",
            csv(HEAD + LINE + f"2024-03-01,{MARK}\n"),
            BadData,
            "Expected 3 columns, got 2 in row 2; correct",
        ),
        (
            "text among numbers",
            csv(LATE + f"2024-03-01 08:00:00,{MARK},x\n"),
            BadData,
            "inferred as float, has 1",
        ),
        ("a text among times", csv(LATE + f"{MARK},1,x\n"), BadData, "inferred as timestamp, has 1 other"),
        ("no header", csv(LINE * 2), BadData, "is missing among the 3 columns"),
        ("no time", csv("amount,kind\n1,x\n"), BadData, NO_TIME),
        ("a near name", csv("Time,amount\n2024-03-01,1\n"), BadData, "did you mean 'Time'?"),
        ("semicolons", csv((HEAD + LINE).replace(",", ";")), BadData, "set source.csv.delimiter to ';'"),
        ("tabs", csv((HEAD + LINE).replace(",", "\t")), BadData, r"set source.csv.delimiter to '\t'"),
        (
            "semicolons and commas",
            csv((HEAD + LINE).replace(",", ";").replace(".", ",")),
            BadData,
            "the header holds ';' 2 times and ',' no times; set source.csv.delimiter to ';'",
        ),
        ("commas", csv(HEAD + LINE, dialect(delimiter=";")), BadData, "set source.csv.delimiter to ','"),
        (
            "no header and tabs",
            csv(LINE.replace(",", "\t"), dialect(columns=["time", "amount", "kind"])),
            BadData,
            "the first line holds '\\t' 2 times",
        ),
        (
            "more names than cells",
            csv(LINE, dialect(columns=["time", "amount", "kind", "id"])),
            BadData,
            "Expected 4 columns, got 3 in row 1; correct source.csv.columns, or the file",
        ),
        ("few lines", csv(HEAD + LINE, dialect(skip_lines=9)), BadData, AGAIN),
        (
            "not cp1252",
            csv((HEAD + f"{DAY},1,{MARK}\x81\n").encode("latin-1"), dialect(encoding="cp1252")),
            BadData,
            "it is not 'cp1252'; set source.csv.encoding, or convert the file",
        ),
        (
            "not ASCII",
            csv(HEAD + f"{DAY},1,{MARK}ä\n", dialect(encoding="ascii")),
            BadData,
            "it is not 'ascii'; set source.csv.encoding",
        ),
        (
            "a time of another format",
            csv(HEAD + "1.3.2024,1,x\n", dialect(time_formats=["%Y/%m/%d"])),
            BadData,
            f"1 of 1 {NOT_TIME}",
        ),
        (
            "a decimal point among commas",
            csv(
                (HEAD + LINE.replace(".", "|") * 40_000 + LINE).replace(",", ";").replace("|", ","),
                dialect(delimiter=";", decimal=","),
            ),
            BadData,
            "inferred as float, has 1 other values",
        ),
        (
            "a name twice",
            csv("time,kind,kind\n2024-03-01,a,b\n"),
            BadData,
            "1 column name(s) occur twice: 'kind'",
        ),
        ("a time of text", csv(HEAD + f"{MARK},1,x\n"), BadData, f"1 of 1 {NOT_TIME}"),
        ("an American time", csv(HEAD + "3/1/2024 8:00 AM,1,x\n"), BadData, f"1 of 1 {NOT_TIME}"),
        ("a time of numbers", csv(HEAD + f"{NUMBER},1,x\n"), BadData, "'time' is double; write time stamps"),
        ("a Unix time", csv(HEAD + "1709280000,1,x\n"), BadData, "'time' is int64; write time stamps"),
        ("an hour of 25", csv(HEAD + "2024-03-01 25:00:00,1,x\n"), BadData, f"1 of 1 {NOT_TIME}"),
        ("a time empty", csv(HEAD + LINE + ",1,x\n"), BadData, "'time' is empty in 1 of 2 rows"),
        (
            "a sparse column of two types",
            csv("time,a\n" + f"{DAY},\n" * 90_000 + f"{DAY},{NUMBER}\n" * 90_000 + f"{DAY},{MARK}\n"),
            BadData,
            "'a', inferred as float, has 1 other values in 180001 rows",
        ),
        (
            "more without a time than may be left out",
            csv(HEAD + LINE + ",1,x\n", {**IN_CSV, "invalid_time": "drop"}),
            BadData,
            "is empty in 1 and outside of 0001-01-01 … 9999-12-31 (UTC) in 0 of 2 rows, and at most the",
        ),
        (
            "more of another day than may be left out",
            csv(HEAD + LINE + LINE.replace("03-01", "03-05"), {**A_DAY, "late": "drop"}),
            BadData,
            "in 1 of 2 rows, and at most the share 0.05 may be left out; correct the source, or raise",
        ),
        ("another day", csv(HEAD + LINE.replace("03-01", "03-05"), A_DAY), BadData, "outside of 2024-03-01"),
        ("no file of the day", csv(None, A_DAY), FileMissing, "'orders-2024-03-01.csv' does not exist"),
        (
            "no file of the month",
            csv(None, at("{dt:%Y-%m}.csv")),
            FileMissing,
            "'2024-03.csv' does not exist",
        ),
        (
            "no file of a pattern",
            csv(None, at("in/{dt}/*.csv")),
            FileMissing,
            "no file matches 'in/2024-03-01/*.csv'",
        ),
        (
            "another month",
            csv(HEAD + LINE.replace("-03-", "-04-"), at("{dt:%Y-%m}.csv")),
            BadData,
            "2024-03-31 (UTC) in 1",
        ),
        ("a note in the folder", csv(HEAD + LINE, at(".")), BadData, "'expectations.yaml': column 'time'"),
        (
            "nothing to drop",
            csv(HEAD + LINE, privacy={"drop": ["email"]}),
            BadData,
            "column 'email' (privacy.drop) is missing",
        ),
        ("Parquet as CSV", csv(b"PAR1\x00\x15\x04\x80" * 90), BadData, "set source.reader to 'parquet'"),
        ("bytes of zero", csv(b"\x00" * 900), BadData, "orders.csv"),
        *(
            (f"not {suffix}", csv(HEAD + LINE * 9, {**IN_CSV, "uri": f"orders.csv{suffix}"}), BadData, AGAIN)
            for suffix in (".gz", ".bz2", ".zst", ".lz4", ".br")
        ),
        (
            "half of gzip",
            csv(gzip.compress(LATE.encode())[:-9], GZIP),
            BadData,
            "'orders.csv.gz' cannot be read",
        ),
        ("gzip of nothing", csv(gzip.compress(b""), GZIP), BadData, AGAIN),
        (
            "gzip of semicolons",
            csv(gzip.compress(LATE.replace(",", ";").encode()), GZIP),
            BadData,
            "set source.csv",
        ),
        (
            "gzip of UTF-16",
            csv(gzip.compress(LATE.encode("utf-16")), GZIP),
            BadData,
            "set source.csv.encoding",
        ),
        ("gzip without its name", csv(gzip.compress(LATE.encode())), BadData, "let its name end in '.gz'"),
        ("a workbook", csv(b"PK\x03\x04" + b"\x00" * 90), BadData, "is a ZIP archive"),
        (
            "no file system",
            csv(None, {**IN_CSV, "uri": "ftp://host/orders.csv"}),
            Misconfigured,
            "cannot be opened",
        ),
    ),
    *rows(
        "Parquet",
        ("absent", lambda tmp: load(tmp, None, IN_PARQUET), FileMissing, "does not exist; provide it"),
        ("empty", damaged(lambda _: b""), BadData, f"is empty: 0 bytes; {AGAIN}"),
        ("cut off", damaged(lambda good: good[:-100]), BadData, AGAIN),
        ("begun only", damaged(lambda good: good[:4]), BadData, AGAIN),
        ("footer overwritten", damaged(lambda good: good[:-60] + b"\xff" * 52 + good[-8:]), BadData, AGAIN),
        ("CSV as Parquet", damaged(lambda _: (HEAD + LINE).encode() * 9), BadData, AGAIN),
        ("a huge footer", damaged(lambda good: good[:-8] + b"\xff\xff\xff\x7fPAR1"), BadData, AGAIN),
        ("no time", parquet(time=None), BadData, NO_TIME),
        ("a time of text", parquet(time=[MARK]), BadData, f"1 of 1 {NOT_TIME}"),
        ("a time of numbers", parquet(time=[NUMBER]), BadData, "'time' is double; write time stamps"),
        ("a time of truth", parquet(time=[True]), BadData, "'time' is bool; write time stamps"),
        ("a time of lists", parquet(time=[["2024-03-01"]]), BadData, "write time stamps"),
        ("a time of structures", parquet(time=[{"t": MARK}]), BadData, "write time stamps"),
        ("a time of bytes", parquet(time=[MARK.encode()]), BadData, "'time' is binary; write time stamps"),
        ("a time of hours", parquet(time=pa.array([5], pa.time64("us"))), BadData, "write time stamps"),
        ("a time of durations", parquet(time=pa.array([5], pa.duration("us"))), BadData, "write time stamps"),
        (
            "a time in years to come",
            parquet(time=pa.array([10**18], pa.timestamp("ms"))),
            BadData,
            "1 of 1 values are no days of the years 1 to 9999",
        ),
        (
            "a time in the year 10000",
            parquet(time=pa.array([253_402_300_800_000], pa.timestamp("ms"))),
            BadData,
            "is outside of 0001-01-01 … 9999-12-31 (UTC) in 1 of 1 rows",
        ),
        (
            "no time known",
            parquet(time=pa.array([None], pa.timestamp("us"))),
            BadData,
            "is empty in 1 of 1 rows",
        ),
    ),
]
