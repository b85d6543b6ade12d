"""No value is lost between a source and its readers: suites, the features of a model, monitoring.

Generated tables go through `load` into a real lake and come back as each of these sees them. What is
compared are Python's values that were put in, never what another part of the code makes of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from include.contract.model import Features, Model
from include.contract.windows import MonitoringWindow
from include.ingestion.check import every_day
from include.lake.client import Lake
from include.modelling import features
from include.modelling.predictions import Predictions
from include.modelling.scorer import Scorer
from include.tracking.server import TrackingServer
from tests.support.ingest import BRANCH, IngestRun
from tests.support.pipeline import day, write_pipeline

Back = Callable[[str], Any]


@dataclass(frozen=True)
class Kind:
    """A type of Arrow, values for it, and how a category's text is read back; None: it cannot be one."""

    type: pa.DataType
    values: st.SearchStrategy[Any]
    back: Back | None
    number: bool = False


def _whole(kind: pa.DataType) -> Kind:
    bits, signed = kind.bit_width, str(kind).startswith("i")
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    return Kind(kind, st.integers(low, high) | st.sampled_from([low, high, 0, 1]), int, number=True)


def _decimals(digits: int, scale: int) -> Kind:
    most = 10**digits - 1
    values = st.integers(-most, most).map(lambda number: Decimal(f"{number}E-{scale}"))
    return Kind(pa.decimal128(digits, scale), values, Decimal, number=True)


def _times(unit: str, zone: str | None = None, *, first: datetime = datetime(2, 1, 1)) -> Kind:
    """Times that the unit holds, with those of the years 1 and 9999 where it reaches them."""
    last = datetime(9998, 1, 1)
    if unit == "ns":
        first, last = datetime(1700, 1, 1), datetime(2260, 1, 1)
    step = {"s": 1_000_000, "ms": 1000}.get(unit, 1)
    values = st.datetimes(first, last).map(
        lambda moment: moment.replace(microsecond=moment.microsecond // step * step)
    )
    zoned = values.map(lambda moment: moment.replace(tzinfo=UTC)) if zone else values
    return Kind(pa.timestamp(unit, zone), zoned, datetime.fromisoformat)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=6) | st.sampled_from(
    [
        "",
        "1",
        "1.0",
        "01",
        "nan",
        "NaN",
        "None",
        "null",
        "true",
        " ",
        "\x00",
        "e\u0301",
        "\u202e",
        "1e5",
        "<b>",
    ]
)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
KINDS = [
    *(_whole(kind()) for kind in (pa.int8, pa.int16, pa.int32, pa.int64)),
    *(_whole(kind()) for kind in (pa.uint8, pa.uint16, pa.uint32, pa.uint64)),
    Kind(pa.float64(), FLOATS | st.integers(-9, 9).map(float), float, number=True),
    Kind(pa.float32(), st.floats(width=32, allow_nan=False, allow_infinity=False), float, number=True),
    _decimals(5, 2),
    _decimals(38, 0),
    _decimals(38, 20),
    Kind(pa.bool_(), st.booleans(), {"true": True, "false": False}.__getitem__, number=True),
    *(Kind(kind(), TEXT, str) for kind in (pa.string, pa.large_string, pa.string_view)),
    Kind(pa.dictionary(pa.int32(), pa.string()), TEXT, str),
    Kind(pa.date32(), st.dates(), date.fromisoformat),
    *(_times(unit) for unit in ("s", "ms", "us", "ns")),
    *(_times("us", zone) for zone in ("UTC", "Asia/Kolkata", "+05:30")),
    *(_times("us", zone, first=datetime(1700, 1, 1)) for zone in ("Europe/Paris", "America/New_York")),
    _times("ns", "Asia/Tokyo"),
    Kind(pa.time64("us"), st.times(), time.fromisoformat),
    Kind(pa.binary(), st.binary(max_size=4), bytes.fromhex),
    Kind(pa.duration("us"), st.timedeltas(timedelta(days=-9999), timedelta(days=9999)), None),
    Kind(pa.list_(pa.int64()), st.lists(st.none() | st.integers(-(2**63), 2**63 - 1), max_size=3), None),
    Kind(
        pa.struct({"a": pa.uint64()}),
        st.fixed_dictionaries({"a": st.none() | st.integers(0, 2**64 - 1)}),
        None,
    ),
]


@dataclass(frozen=True)
class Given:
    """Columns with their kinds and values; all of the same length."""

    kinds: dict[str, Kind]
    values: dict[str, list[Any]]

    def table(self) -> pa.Table:
        columns = {name: pa.array(values, self.kinds[name].type) for name, values in self.values.items()}
        times = pa.array([datetime(2024, 3, 1, 5)] * len(next(iter(columns.values()))), pa.timestamp("us"))
        return pa.table({"time": times, **columns})

    @property
    def numerical(self) -> list[str]:
        return [name for name, kind in self.kinds.items() if kind.number]

    @property
    def categorical(self) -> list[str]:
        return [name for name, kind in self.kinds.items() if kind.back]


@st.composite
def tables(draw: st.DrawFn) -> Given:
    rows = draw(st.integers(1, 6))
    kinds = {
        f"c{number}": kind for number, kind in enumerate(draw(st.lists(st.sampled_from(KINDS), min_size=4)))
    }
    values = {}
    for name, kind in kinds.items():
        one = draw(st.sampled_from([kind.values, st.none() | kind.values]))
        values[name] = draw(st.lists(one, min_size=rows, max_size=rows))
    return Given(kinds, values)


@pytest.fixture
def shop(tmp_path: Any, lake: Lake, tracking: TrackingServer) -> IngestRun:
    source = {"reader": "parquet", "uri": "orders.parquet", "partition_by": "time"}
    return IngestRun(write_pipeline(tmp_path, f"orders_{uuid4().hex[:8]}", source=source), lake, tracking)


def python(cell: Any) -> Any:
    """A cell of a frame as Python's value; a whole number is none if it has become a float."""
    if isinstance(cell, dict | list | np.ndarray):
        return cell.tolist() if isinstance(cell, np.ndarray) else cell
    if pd.isna(cell):
        return None
    if isinstance(cell, pd.Timestamp):
        return cell.tz_convert("UTC").to_pydatetime() if cell.tzinfo else cell.to_pydatetime()
    if isinstance(cell, pd.Timedelta):
        return cell.to_pytimedelta()
    return cell.item() if isinstance(cell, np.generic) else cell


def same(found: Any, put: Any) -> bool:
    return type(found) is type(put) and found == put


def check_cells(frame: pd.DataFrame, put: Given) -> None:
    for name, values in put.values.items():
        found = [python(cell) for cell in frame[name]]
        assert all(map(same, found, values)), (name, put.kinds[name].type, values, found)


def check_numbers(matrix: pd.DataFrame, names: list[str], put: Given) -> None:
    for name in names:
        found, values = matrix[name], put.values[name]
        assert found.dtype == np.dtype("float64")
        expected = [math.nan if value is None else float(value) for value in values]
        assert found.tolist() == pytest.approx(expected, rel=0, abs=0, nan_ok=True), name


def check_texts(matrix: pd.DataFrame, names: list[str], put: Given) -> None:
    for name in names:
        back, values = put.kinds[name].back, put.values[name]
        assert back
        texts = matrix[name].tolist()
        assert all(text is None or type(text) is str for text in texts), (name, texts)
        assert [None if text is None else back(text) for text in texts] == values, (name, texts)


class Half:
    """A model that knows nothing."""

    def predict_proba(self, matrix: pd.DataFrame) -> np.ndarray:
        return np.full((len(matrix), 2), 0.5)


def model(**kinds: list[str]) -> Model:
    return Model(target="c0", time="time", features=Features(**kinds))


def monitored(shop: IngestRun, columns: list[str]) -> pd.DataFrame:
    """The rows as monitoring sees them, with the predictions of a stand-in."""
    predictions = Predictions(shop.pipeline, shop.table, version=1)
    window = MonitoringWindow(day(0), day(0), labelled_until=day(0))
    commit = shop.lake.resolve(BRANCH)
    missing = predictions.missing(window, commit, at=commit)
    if missing:
        predictions.write(BRANCH, missing, Scorer(Half(), model()), commit=commit)
    scored = shop.lake.commit(BRANCH, "score", {})
    return predictions.join(window, columns, commit=commit, predictions_commit=scored or commit).rows


@given(put=tables())
@settings(  # to make a failing example smaller would take minutes
    max_examples=25, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)
def test_every_value_arrives_as_it_was_put_in(shop: IngestRun, put: Given) -> None:
    pq.write_table(put.table(), shop.folder / "orders.parquet", store_schema=True)
    shop.lake.delete_branch(BRANCH)  # each example is the first load of its table
    shop.load(0)
    [(_, stored)] = shop.table.partitions(BRANCH, day(0), day(0))
    for name, values in put.values.items():
        assert [python(value) for value in stored[name].to_pylist()] == values
    [(_, checked)] = every_day(shop.table, BRANCH, [day(0)])
    trained = shop.table.frame(BRANCH, day(0), day(0))
    watched = monitored(shop, list(put.values))
    for frame in (checked, trained, watched):
        assert frame is not None
        check_cells(frame, put)
        check_numbers(features.matrix(frame, model(numerical=put.numerical)), put.numerical, put)
        check_texts(features.matrix(frame, model(categorical=put.categorical)), put.categorical, put)


@given(put=tables(), cut=st.integers(0, 6))
@settings(max_examples=100, deadline=None)
def test_a_category_is_the_same_text_whatever_its_neighbours_are(put: Given, cut: int) -> None:
    from include.lake.frames import to_frame

    table, wanted = put.table(), model(categorical=put.categorical)
    whole = features.matrix(to_frame(table), wanted)
    halves = [features.matrix(to_frame(part), wanted) for part in (table[:cut], table[cut:])]
    assert whole.values.tolist() == [row for half in halves for row in half.values.tolist()]
