"""Values of the data never reach messages, logs, XCom, MLflow or commits, however bad the input is.

Marks are planted in generated bad input; then all that people and services get to see is searched for them.
"""

from __future__ import annotations

import csv
import json
import logging
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import indent
from typing import Any
from urllib.parse import urlparse
from uuid import uuid4

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr
from sqlalchemy import create_engine
from structlog.tracebacks import ExceptionDictTransformer

from include.exceptions import BadData, MillraceError
from include.ingestion.check import require
from include.ingestion.hashing import Hasher
from include.ingestion.load import load
from include.jobs.spec import Job
from include.lake.client import Lake
from include.settings import PrivacyGroup, Settings
from include.tracking.runs import Experiment
from include.tracking.server import TrackingServer
from tests.support.ingest import BRANCH, IngestRun
from tests.support.loop import Loop
from tests.support.loop import rows as rows_of_day
from tests.support.pipeline import SUITE, orders, write_pipeline
from tests.support.workbooks import write_xlsx

MARK, NUMBER = "MARKED-7f3a9c", 7351.0625
MARKS = ("MARKED", "7351.0625")
SECRET = "confidential-0123456789-abcdefghij"
_WITH_DATA = {"reference.parquet", "model.skops"}
"""Artifacts that hold rows, or what was learned from them, on purpose."""
UNCHECKED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]

Row = dict[str, Any]


class Seen:
    """Everything that is written about a run."""

    def __init__(self, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
        self.texts: list[str] = []
        self.more_marks: list[str] = []
        self._caplog, self._capfd = caplog, capfd

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Keep an error of the block as Python and as Airflow's log would show it, with its causes."""
        try:
            yield
        except MillraceError as error:
            self.texts += traceback.format_exception(error)
            show = ExceptionDictTransformer(show_locals=False, use_rich=False)
            self.texts.append(json.dumps(show((type(error), error, error.__traceback__)), default=str))

    def experiment(self, experiment: Experiment) -> None:
        """Keep what MLflow stores of each run, and the text of its artifacts."""
        client = experiment.client
        for run in client.search_runs([experiment.id]):
            self.texts.append(json.dumps(run.to_dictionary()))
            self._files(Path(urlparse(run.info.artifact_uri).path))
        for model in client.search_logged_models([experiment.id]):
            self._files(Path(urlparse(model.artifact_location).path))

    def _files(self, folder: Path) -> None:
        for file in folder.rglob("*"):
            if file.is_file() and file.name not in _WITH_DATA:
                self.texts.append(file.read_bytes().decode(errors="replace"))

    def commits(self, lake: Lake, *refs: str) -> None:
        for ref in refs:
            if lake.ref_exists(ref):
                self.texts += [f"{commit.message} {commit.metadata}" for commit in lake.log(ref)]

    def marks(self) -> list[str]:
        """The marks that were found, with what is around them."""
        out = [*self.texts, self._caplog.text, *self._capfd.readouterr()]
        marks = (*MARKS, SECRET, *self.more_marks)
        places = ((text, text.find(mark)) for text in out for mark in marks if mark in text)
        return [text[max(0, at - 200) : at + 60] for text, at in places]


@pytest.fixture
def seen(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Seen:
    own = Settings(privacy=PrivacyGroup(secret=SecretStr(SECRET)))
    monkeypatch.setattr("include.ingestion.columns.settings", lambda: own)
    caplog.set_level(logging.DEBUG)
    return Seen(caplog, capfd)


def marked(count: int) -> list[Row]:
    own = ({"amount": NUMBER, "kind": f"{MARK} {row['id']}"} for row in orders(0, count=count))
    return [
        {**row, **marks, "email": f"{MARK}-{row['id']}@example.com"}
        for row, marks in zip(orders(0, count=count), own, strict=True)
    ]


odd_values = st.sampled_from(
    [
        MARK,
        NUMBER,
        f"{MARK},{MARK}",
        f'"{MARK}',
        f"{MARK}\n{MARK}",
        f"{NUMBER} km",
        f"{MARK}\x00",
        "",
        f"2024-{MARK}",
    ]
)
changes = st.lists(
    st.tuples(
        st.integers(0, 5), st.sampled_from(["time", "id", "amount", "kind", "returned", "email"]), odd_values
    ),
    max_size=4,
)


def write_raw(file: Path, rows: list[Row]) -> None:
    """Without quotes: a comma or a line break of a value breaks its line."""
    lines = [",".join(rows[0]), *(",".join(map(str, row.values())) for row in rows)]
    file.write_text("\n".join(lines), encoding="utf-8")


def write_quoted(file: Path, rows: list[Row]) -> None:
    with file.open("w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def write_latin(file: Path, rows: list[Row]) -> None:
    write_quoted(file, [*rows, {**rows[0], "kind": f"{MARK} ä"}])
    file.write_bytes(file.read_text(encoding="utf-8").encode("latin-1"))


def write_without_names(file: Path, rows: list[Row]) -> None:
    write_raw(file, rows)
    file.write_text(file.read_text().partition("\n")[2])


def typed(rows: list[Row]) -> pa.Table:
    """A column of one type where its values have one, of text otherwise."""
    columns: dict[str, Any] = {}
    for name in rows[0]:
        values = [row[name] for row in rows]
        is_mixed = len({type(value) for value in values}) > 1
        columns[name] = pa.array([str(value) for value in values] if is_mixed else values)
    return pa.table(columns)


def write_typed(file: Path, rows: list[Row]) -> None:
    pq.write_table(typed(rows), file)


def write_damaged(file: Path, rows: list[Row]) -> None:
    write_typed(file, rows)
    content = file.read_bytes()
    file.write_bytes(content[:40] + b"\xff" * 40 + content[80:])


def write_lines(file: Path, rows: list[Row]) -> None:
    file.write_text("".join(f"{json.dumps(row)}\n" for row in rows))


def write_damaged_lines(file: Path, rows: list[Row]) -> None:
    """Without quotes around the first text, and cut off."""
    write_lines(file, rows)
    text = file.read_text()
    file.write_text(text.replace(f'"{MARK}', MARK, 1)[:-9])


def write_workbook(file: Path, rows: list[Row]) -> None:
    write_xlsx(file, {"Orders": [list(rows[0]), *(list(row.values()) for row in rows)]})


def write_workbook_without_names(file: Path, rows: list[Row]) -> None:
    write_xlsx(file, {"Orders": [list(row.values()) for row in rows]})


def write_delta(file: Path, rows: list[Row]) -> None:
    write_deltalake(str(file), typed(rows))


def write_damaged_delta(file: Path, rows: list[Row]) -> None:
    write_delta(file, rows)
    for part in file.glob("*.parquet"):
        content = part.read_bytes()
        part.write_bytes(content[:40] + b"\xff" * 40 + content[80:])


def write_database(file: Path, rows: list[Row]) -> None:
    pd.DataFrame(rows).astype(object).to_sql("orders", create_engine(f"sqlite:///{file}"), index=False)


FILES: dict[str, tuple[dict[str, Any], Callable[[Path, list[Row]], None]]] = {
    "raw CSV": ({}, write_raw),
    "quoted CSV": ({}, write_quoted),
    "Latin-1": ({}, write_latin),
    "CSV without names": ({}, write_without_names),
    "Parquet": ({"reader": "parquet"}, write_typed),
    "damaged Parquet": ({"reader": "parquet"}, write_damaged),
    "JSON Lines": ({"reader": "jsonl"}, write_lines),
    "damaged JSON Lines": ({"reader": "jsonl"}, write_damaged_lines),
    "a workbook": ({"reader": "excel"}, write_workbook),
    "a workbook without names": ({"reader": "excel"}, write_workbook_without_names),
    "Delta Lake": ({"reader": "delta"}, write_delta),
    "damaged Delta Lake": ({"reader": "delta"}, write_damaged_delta),
    "SQL": (
        {
            "reader": "sql",
            "conn_id": "shop",
            "query": "select * from orders where :start < :end",
            "uri": None,
        },
        write_database,
    ),
}

RULES: list[dict[str, Any]] = [
    {"type": f"expect_column_{name}", "kwargs": kwargs}
    for name, kwargs in {
        "values_to_be_in_set": {"column": "kind", "value_set": ["book"]},
        "values_to_not_be_in_set": {"column": "amount", "value_set": [1.0]},
        "values_to_match_regex": {"column": "kind", "regex": "^[a-z]+$"},
        "values_to_be_between": {"column": "amount", "min_value": 0, "max_value": 100},
        "values_to_be_unique": {"column": "amount"},
        "values_to_be_of_type": {"column": "kind", "type_": "int64"},
        "values_to_be_json_parseable": {"column": "kind"},
        "values_to_be_dateutil_parseable": {"column": "kind"},
        "values_to_match_strftime_format": {"column": "kind", "strftime_format": "%Y"},
        "values_to_be_increasing": {"column": "kind"},
        "value_lengths_to_equal": {"column": "kind", "value": 3},
        "value_z_scores_to_be_less_than": {"column": "kind", "threshold": 1, "double_sided": True},
        "mean_to_be_between": {"column": "kind", "max_value": 1},
        "max_to_be_between": {"column": "amount", "max_value": 1},
        "sum_to_be_between": {"column": "amount", "max_value": 1},
        "median_to_be_between": {"column": "amount", "max_value": 1},
        "distinct_values_to_be_in_set": {"column": "kind", "value_set": ["book"]},
        "distinct_values_to_contain_set": {"column": "kind", "value_set": ["book"]},
        "most_common_value_to_be_in_set": {"column": "kind", "value_set": ["book"]},
        "quantile_values_to_be_between": {
            "column": "amount",
            "quantile_ranges": {"quantiles": [0.5], "value_ranges": [[1, 2]]},
        },
        "pair_values_to_be_equal": {"column_A": "kind", "column_B": "amount"},
        "pair_values_a_to_be_greater_than_b": {"column_A": "email", "column_B": "kind"},
        "proportion_of_unique_values_to_be_between": {"column": "email", "max_value": 0.01},
        "distinct_values_to_equal_set": {"column": "email", "value_set": ["ann@example.com"]},
        "values_to_match_like_pattern": {"column": "email", "like_pattern": "ann%"},
        "values_to_not_match_regex": {"column": "email", "regex": "."},
        "value_lengths_to_be_between": {"column": "email", "max_value": 3},
    }.items()
]


@settings(max_examples=110, deadline=None, derandomize=True, suppress_health_check=UNCHECKED)
@given(
    st.sampled_from(sorted(FILES)),
    st.integers(1, 6),
    changes,
    st.lists(st.sampled_from(RULES), max_size=6, unique_by=lambda rule: str(rule["type"])),
    st.booleans(),
)
def test_no_value_of_a_source_is_told(
    lake: Lake,
    tracking: TrackingServer,
    seen: Seen,
    kind: str,
    count: int,
    changed: list[tuple[int, str, Any]],
    rules: list[dict[str, Any]],
    is_hashed: bool,
) -> None:
    """Nor is its hash: neither the table's reports nor its messages are a list of who is in it."""
    source, write = FILES[kind]
    rows = marked(count)
    for number, column, value in changed:
        rows[number % count][column] = value
    with TemporaryDirectory() as folder:
        suite = {"partitions": SUITE["partitions"], "rows": rules}
        name = f"orders_{uuid4().hex[:8]}"
        sections = {"columns": {"email": "string"}, "privacy": {"hash": ["email"]}} if is_hashed else {}
        made = write_pipeline(Path(folder), name, suite=suite, source=source, **sections)
        shop = IngestRun(made, lake, tracking)
        seen.more_marks = hashes(str(row["email"]) for row in rows)
        write(shop.folder / "orders.csv", rows)
        ingest(shop, seen, f"sqlite:///{shop.folder / 'orders.csv'}")
        seen.commits(lake, BRANCH, "quarantine-test", "main")
    assert seen.marks() == []


def hashes(texts: Iterable[str]) -> list[str]:
    """The first digits of the hashes of texts, which a message might cut off."""
    found = Hasher.of(SecretStr(SECRET)).hash(pa.array(texts, pa.string()), "").values.to_pylist()
    return [text[:12] for text in found if text]


def ingest(shop: IngestRun, seen: Seen, sql_url: str) -> None:
    """The tasks of an ingest run, one after the other."""
    reasons: list[str] = []
    shop.lake.create_branch(BRANCH, "main")
    with seen.errors():
        try:
            result = load(shop.ingestion(0), sql_url=sql_url)
            seen.texts.append(json.dumps(result.to_json()))
            verdict = shop.check(0)
            seen.texts.append(json.dumps(verdict.to_json()))
            reasons = list(verdict.reasons)
            require(verdict, shop.ingestion(0))
        except BadData as error:
            reasons = reasons or [str(error)]
            raise
    seen.experiment(shop.experiment)
    if reasons:
        shop.quarantine(reasons)


BAD_CODE = [
    "raise ValueError({value})",
    "raise KeyError({value})",
    "raise RuntimeError(f'row {{X.to_dict()}}')",
    "{{}}[{value}]",
    "float({value})",
    "int(str({value}))",
    "getattr(self, str({value}))",
    "self.fit(X, [], **{{str({value}): 1}})",
    "raise SystemExit({value})",
    "raise BaseException({value})",
    "raise OSError(str({value}))",
    "raise OSError(28, str({value}))",
    "raise ConnectionError(str({value}))",
    "raise FileNotFoundError(2, 'no', str({value}))",
    "open(str({value}))",
    "raise ImportError(str({value}), name=str({value}))",
    "raise MemoryError({value})",
    "raise ExceptionGroup(str({value}), [ValueError({value})])",
    "raise UnicodeDecodeError('utf-8', str({value}).encode(), 0, 1, str({value}))",
    "raise SyntaxError(str({value}))",
    "compile(str({value}) + '(', str({value}), 'exec')",
    "raise type('Error' + str({value}).replace('-', '_').replace('.', '_'), (Exception,), {{}})()",
    "import pyarrow as pa\npa.array([str({value})]).cast(pa.int64())",
    "import pandas as pd\npd.to_numeric(pd.Series([str({value}) + ' km']))",
    "from sklearn.linear_model import LinearRegression\nLinearRegression().fit(X, X['kind'])",
    "e = ValueError('odd')\ne.add_note(str({value}))\nraise e",
    "try:\n    float('x' + str({value}))\nexcept ValueError as e:\n    raise RuntimeError('cannot') from e",
    "try:\n    float('x' + str({value}))\nexcept ValueError:\n    raise RuntimeError('cannot')",
    "import warnings\nwarnings.warn(str({value}))\nraise ValueError('after a warning')",
]
VALUES = ["X['kind'].iloc[0]", "X['amount'].iloc[0]", "X.iloc[0].to_dict()"]

MODEL = """
import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin


class Odd(ClassifierMixin, BaseEstimator):
    def fit(self, X, y):
        self.classes_ = np.array([0, 1])
{fit}
        return self

    def predict_proba(self, X):
        if len(X) >= {from_rows}:
            pass
{proba}
        return np.column_stack([np.full(len(X), 0.25), np.full(len(X), 0.75)])


def build(model):
    return Odd()


TRUSTED_TYPES = [__name__ + '.Odd', 'numpy.dtype']
"""


@pytest.fixture
def marked_loop(loop: Loop) -> Loop:
    """A pipeline of a few days, of which each value is a mark."""
    small = loop.change(training={"window": "4d", "holdout": "2d"}, gate={"slices": None})
    days = {}
    for number in range(26, 30):
        frame = rows_of_day(number)
        days[number] = frame.assign(amount=NUMBER, kind=[f"{MARK} {at}" for at in range(len(frame))])
    small.put(days)
    return small


@pytest.mark.filterwarnings("ignore::UserWarning")
@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=UNCHECKED)
@given(st.sampled_from(BAD_CODE), st.sampled_from(VALUES), st.sampled_from(["fit", "first", "later"]))
def test_no_value_that_model_code_quotes_is_told(
    marked_loop: Loop, seen: Seen, code: str, value: str, where: str
) -> None:
    raising = code.format(value=value)
    loop, run_id = marked_loop, uuid4().hex
    at_fit = indent(raising, " " * 8) if where == "fit" else ""
    needed = 241 if where == "later" else 0  # rows of the holdout, which is scored by `evaluate`
    at_proba = indent(f"if len(X) >= {needed}:\n{indent(raising, '    ')}", " " * 8) if where != "fit" else ""
    (loop.folder / "model.py").write_text(MODEL.format(fit=at_fit, proba=at_proba, from_rows=needed))
    with seen.errors():
        run = loop.train(run_id=run_id)
        seen.texts.append(loop.evaluate(run, run_id=run_id).model_dump_json())
    seen.experiment(loop.experiment("train"))
    assert len(seen.texts) > 1
    assert seen.marks() == []


COLUMNS: dict[str, Callable[[int], Any]] = {
    "text": lambda size: [f"{MARK} {number}" for number in range(size)],
    "text among numbers": lambda size: [MARK, *[str(NUMBER)] * (size - 1)],
    "infinity": lambda size: [float("inf"), *[NUMBER] * (size - 1)],
    "lists": lambda size: [[NUMBER]] * size,
    "structures": lambda size: [{"x": MARK}] * size,
    "times": lambda size: pd.date_range("2024-01-01", periods=size),
    "bytes": lambda size: [MARK.encode()] * size,
    "nothing": lambda size: [None] * size,
    "amounts": lambda size: [NUMBER + number for number in range(size)],
}


BAD_COLUMNS = [
    *[("amount", values) for values in COLUMNS],
    *[("kind", values) for values in ("lists", "structures", "bytes", "nothing")],
    *[("returned", values) for values in ("text", "infinity", "lists", "structures", "amounts")],
]


@pytest.mark.parametrize(("column", "kind"), BAD_COLUMNS)
def test_no_value_of_a_bad_column_is_told(marked_loop: Loop, seen: Seen, column: str, kind: str) -> None:
    """First in the holdout only, then in every day; the champion scores a bad day, too."""
    loop, values = marked_loop, COLUMNS[kind]
    loop.promote(loop.train())
    for days in ((28, 29), (26, 27, 28, 29)):
        frames = {number: rows_of_day(number) for number in days}
        loop.put({number: frame.assign(**{column: values(len(frame))}) for number, frame in frames.items()})
        with seen.errors():
            run = loop.train(run_id=f"r{len(days)}")
            seen.texts.append(loop.evaluate(run, run_id=f"r{len(days)}").model_dump_json())
        with seen.errors():
            loop.run(Job.SCORE, 29, version=1, run_id=f"r{len(days)}")
    seen.experiment(loop.experiment("train"))
    seen.commits(loop.lake, loop.pipeline.lake.branch)
    assert seen.marks() == []


def test_no_value_that_a_champion_quotes_is_told(marked_loop: Loop, seen: Seen) -> None:
    """Its code raises for the rows of a day, but not for those that it was stored with."""
    loop = marked_loop
    raising = "if len(X) == 120:\n    raise ValueError(X['kind'].iloc[0])"
    model = MODEL.format(fit="", proba=indent(raising, " " * 8), from_rows=0)
    (loop.folder / "model.py").write_text(model)
    loop.promote(loop.train())
    with seen.errors():
        loop.run(Job.SCORE, 29, version=1)
    assert "champion cannot score: its model raised ValueError" in "".join(seen.texts)
    seen.experiment(loop.experiment("train"))
    seen.commits(loop.lake, loop.pipeline.lake.branch)
    assert seen.marks() == []


def test_a_day_that_is_measured_leaves_no_value_in_its_numbers(marked_loop: Loop, seen: Seen) -> None:
    loop = marked_loop
    (loop.folder / "model.py").write_text(MODEL.format(fit="", proba="", from_rows=0))
    loop.promote(loop.train())
    scored = loop.run(Job.SCORE, 29, version=1)
    measured = loop.run(Job.MEASURE, 29, version=1, predictions_commit=scored["commit"])
    seen.texts += [json.dumps(scored), json.dumps(measured)]
    for run in loop.experiment("monitor").client.search_runs([loop.experiment("monitor").id]):
        seen.texts.append(json.dumps(run.to_dictionary()))
    seen.commits(loop.lake, loop.pipeline.lake.branch)
    assert seen.marks() == []


def test_the_marks_are_found_where_they_are(seen: Seen) -> None:
    with seen.errors():
        try:
            raise ValueError(MARK)
        except ValueError as error:
            raise BadData("a value") from error
    logging.getLogger("x").debug("a number %s", NUMBER)
    assert len(seen.marks()) == 3
