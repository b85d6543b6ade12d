"""Wrong functions of a source, `source.callable`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import date
from itertools import count
from pathlib import Path
from textwrap import dedent, indent
from typing import Any

from include.contract import loader
from include.exceptions import BadData, Misconfigured
from include.ingestion.partitioner import parts
from tests.support.pipeline import write_pipeline
from tests.wrong_inputs.table import MARK, NUMBER, rows

_numbers = count()
DAY = date(2024, 3, 1)
HEAD = """
from pathlib import Path

import pyarrow as pa

VALUES = Path(__file__).with_suffix('.txt').read_text().split()


def batch(**columns):
    given = {'time': ['2024-03-01 08:00:00'], 'amount': [float(VALUES[1])], 'kind': [VALUES[0]]}
    return pa.RecordBatch.from_pydict({**given, **columns})


"""


def read(tmp: Path, code: str, function: str = "read") -> list[Any]:
    """What the module's function gives, cut into parts."""
    name = f"shop_{next(_numbers)}"
    folder = write_pipeline(tmp, source={"reader": "python", "uri": None, "callable": f"{name}:{function}"})
    (tmp / f"{name}.py").write_text(code)
    (tmp / f"{name}.txt").write_text(f"{MARK} {NUMBER}")
    scratch = tmp / "scratch"
    scratch.mkdir()
    sys.path.insert(0, str(tmp))
    try:
        return list(parts(loader.load(folder).feed(), DAY, DAY, folder=folder, scratch=scratch))
    finally:
        sys.path.remove(str(tmp))


def module(code: str, function: str = "read") -> Callable[[Path], object]:
    return lambda tmp: read(tmp, dedent(code), function)


def body(code: str) -> Callable[[Path], object]:
    return module(f"{HEAD}def read(first, last):\n{indent(code, '    ')}\n")


IMPORT = "import of source.callable 'shop_"
FAILED = "failed with "
WRONG = [
    *rows(
        "source import",
        ("no function", module("x = 1"), Misconfigured, "AttributeError"),
        ("not Python", module("def read(:"), Misconfigured, "SyntaxError"),
        ("no module", module("import no_such"), Misconfigured, "No module named 'no_such'"),
        (
            "quotes rows",
            module(f"{HEAD}raise ValueError(VALUES)"),
            Misconfigured,
            "ValueError in <module> of shop_",
        ),
        ("exit", module("raise SystemExit(1)"), Misconfigured, "SystemExit"),
        ("memory", module("raise MemoryError"), Misconfigured, "there is not enough memory"),
        ("file", module("open('nowhere.csv')"), Misconfigured, "FileNotFoundError"),
    ),
    *rows(
        "source function",
        ("not callable", module("read = 7"), BadData, "TypeError when called"),
        (
            "no argument",
            module("def read():\n    yield"),
            BadData,
            "takes 0 positional arguments but 2 were given",
        ),
        (
            "one argument",
            module("def read(day):\n    yield"),
            BadData,
            "takes 1 positional argument but 2 were given",
        ),
        (
            "three arguments",
            module("def read(a, b, c):\n    yield"),
            BadData,
            "missing 1 required positional",
        ),
        ("nothing", body("pass"), Misconfigured, "returned a NoneType; it must yield pyarrow.RecordBatch"),
        ("a number", body("return 7"), Misconfigured, "returned a int; it must yield pyarrow.RecordBatch"),
        ("a text", body("return VALUES[0]"), Misconfigured, "yielded a str; it must yield"),
        ("rows", body("return [{'kind': VALUES[0]}]"), Misconfigured, "yielded a dict; it must yield"),
        ("a mapping", body("return {'kind': VALUES}"), Misconfigured, "yielded a str; it must yield"),
        (
            "a table",
            body("yield pa.Table.from_batches([batch()])"),
            Misconfigured,
            "yielded a Table; it must",
        ),
        ("a frame", body("yield batch().to_pandas()"), Misconfigured, "yielded a DataFrame; it must"),
        ("one batch", body("return batch()"), Misconfigured, "it must yield pyarrow.RecordBatch"),
        ("none", body("yield None"), Misconfigured, "yielded a NoneType; it must yield"),
        ("quotes a row", body("raise ValueError(VALUES)"), BadData, f"{FAILED}ValueError at "),
        (
            "quotes a row after others",
            body("yield batch()\nraise ValueError(VALUES)"),
            BadData,
            "ValueError at ",
        ),
        ("quotes a key", body("yield {}[VALUES[0]]"), BadData, "KeyError at "),
        ("quotes a number", body("yield int(VALUES[1])"), BadData, "ValueError at "),
        ("Arrow quotes", body("yield pa.array(VALUES).cast(pa.int64())"), BadData, "ArrowInvalid at "),
        ("Arrow mixes", body("yield pa.array([VALUES[0], 1])"), BadData, "failed with Arrow"),
        (
            "pandas quotes",
            body("import pandas as pd\npd.to_datetime(VALUES[0])\nyield 1"),
            BadData,
            "Error at ",
        ),
        ("column absent", body("yield batch()['amout']"), BadData, "KeyError at "),
        ("name", body("yield btach()"), BadData, "NameError"),
        ("stop", body("next(iter([]))\nyield batch()"), BadData, "RuntimeError"),
        ("exit", body("raise SystemExit(VALUES[0])"), BadData, "SystemExit at "),
        ("root", body("raise BaseException(VALUES[0])"), BadData, "BaseException at "),
        ("memory", body("bytearray(10 ** 18)"), Misconfigured, "there is not enough memory"),
        ("recursion", body("return read(first, last)"), BadData, "RecursionError at "),
        ("file", body("yield open(VALUES[0])"), BadData, "FileNotFoundError at "),
        ("damaged file", body("raise OSError('corrupt ' + VALUES[0])"), BadData, "OSError at "),
        ("decode", body("yield b'\\xff'.decode()"), BadData, "UnicodeDecodeError at "),
        ("assertion", body("assert VALUES == [], VALUES"), BadData, "AssertionError at "),
    ),
    *rows(
        "source rows",
        (
            "no time",
            body("yield batch().drop_columns('time')"),
            BadData,
            "column 'time' (source.partition_by) is",
        ),
        (
            "time of text",
            body("yield batch(time=[VALUES[0]])"),
            BadData,
            "1 of 1 values cannot be read as time",
        ),
        (
            "time of numbers",
            body("yield batch(time=[float(VALUES[1])])"),
            BadData,
            "'time' is double; write time",
        ),
        ("time of truth", body("yield batch(time=[True])"), BadData, "'time' is bool; write time"),
        ("time of lists", body("yield batch(time=[VALUES])"), BadData, "write time stamps"),
        ("time of structures", body("yield batch(time=[{'x': VALUES[0]}])"), BadData, "write time stamps"),
        ("no time known", body("yield batch(time=[None])"), BadData, "'time' is empty in 1 of 1 rows"),
        (
            "another day",
            body("yield batch(time=['2024-03-05'])"),
            BadData,
            "outside of 2024-03-01 … 2024-03-01",
        ),
        (
            "a name twice",
            body(
                "b = batch()\nyield pa.RecordBatch.from_arrays(b.columns + [b[2]], [*b.schema.names, 'kind'])"
            ),
            BadData,
            "1 column name(s) occur twice: 'kind'",
        ),
        ("types that change", body("yield batch()\nyield batch(kind=[1])"), BadData, "give it one type"),
        (
            "a column that goes",
            body("yield batch()\nyield batch().drop_columns('kind')"),
            BadData,
            "only in some parts of the same day; correct the source",
        ),
    ),
]
