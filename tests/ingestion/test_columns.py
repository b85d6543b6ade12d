"""What the columns of a table are: declared, or held since the first load; other rows are refused."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pytest

from include.contract import loader
from include.exceptions import BadData, Misconfigured
from include.ingestion.columns import TableColumns
from include.lake.client import Lake
from include.tracking.server import TrackingServer
from tests.support.ingest import BRANCH, IngestRun
from tests.support.pipeline import day, write_pipeline

MARK = "secret-7f3a9"
Shop = Callable[..., IngestRun]


@pytest.fixture
def shop(tmp_path: Path, lake: Lake, tracking: TrackingServer) -> Shop:
    """Make a run of a pipeline whose contract has the given sections; all have the same table."""

    def make(**sections: Any) -> IngestRun:
        source = {"uri": "{dt}.csv", **sections.pop("source", {})}
        folder = write_pipeline(tmp_path / uuid4().hex[:6], source=source, **sections)
        return IngestRun(folder, lake, tracking)

    return make


def deliver(run: IngestRun, number: int, *lines: str, header: str = "time,id,zip,amount") -> None:
    """Write the file of a day; each line begins with the time."""
    times = (f"{day(number)} 0{hour}:00:00" for hour in range(10))
    text = "".join(f"{time},{line}\n" for time, line in zip(times, lines, strict=False))
    (run.folder / f"{day(number)}.csv").write_text(f"{header}\n{text}")


def rows(run: IngestRun, number: int, ref: str = BRANCH) -> list[dict[str, Any]]:
    [(_, found)] = run.table.partitions(ref, day(number), day(number))
    return [{name: value for name, value in row.items() if name != "time"} for row in found.to_pylist()]


def types(run: IngestRun, ref: str = BRANCH) -> dict[str, str]:
    schema = run.table.schema(ref)
    assert schema is not None
    return {field.name: str(field.type) for field in schema}


def test_the_first_load_decides_what_the_columns_are_and_loses_no_digit(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    run = shop()
    deliver(run, 0, "1,01234,1", "2,94103,")
    deliver(run, 1, "3,94103,2.5")
    with caplog.at_level(logging.WARNING):
        run.load(0, 1)
    assert rows(run, 0) == [
        {"id": 1, "zip": "01234", "amount": 1.0},
        {"id": 2, "zip": "94103", "amount": None},
    ]
    assert rows(run, 1) == [{"id": 3, "zip": "94103", "amount": 2.5}]
    assert types(run) == {"time": "timestamp[us]", "id": "int64", "zip": "string", "amount": "double"}
    assert "column 'zip' is kept as text, as numbers would lose leading zeros" in caplog.text


@pytest.mark.parametrize(
    ("cell", "kind"),
    [
        ("05:30", "time32[ms]"),
        ("2024-03-01 05:00:00.1234567", "timestamp[ns]"),
        ("2024-03-01 05:00:00.1234560", "timestamp[us]"),
        ("2024-03-01T05:00:00.1234567Z", "timestamp[ns, tz=UTC]"),
    ],
)
def test_what_the_first_load_can_read_every_later_load_can(shop: Shop, cell: str, kind: str) -> None:
    run = shop()
    for number in (0, 1):
        deliver(run, number, cell, header="time,seen")
        run.load(number)
    assert types(run)["seen"] == kind
    assert rows(run, 0) == rows(run, 1) != [{"seen": None}]


def test_lists_and_structures_may_grow_as_no_contract_can_declare_them(shop: Shop) -> None:
    run = shop(source={"reader": "jsonl", "uri": "{dt}.jsonl"})
    for number, line in enumerate(('"tags": [], "who": {"a": 1}', '"tags": ["x"], "who": {"a": 1, "b": 2}')):
        (run.folder / f"{day(number)}.jsonl").write_text(f'{{"time": "{day(number)}", {line}}}\n')
        run.load(number)
    assert types(run) == {"time": "string"}
    [together] = [run.table.frame(BRANCH, day(0), day(1))]
    assert [list(tags) for tags in together["tags"]] == [[], ["x"]]
    assert [who["b"] for who in together["who"]] == [None, 2]
    run.load(0, 1)


def test_a_column_that_gets_the_name_of_another_is_refused(shop: Shop) -> None:
    run = shop(columns={"amount": {"type": "float", "from": "zip"}})
    deliver(run, 0, "1,2,3")
    with pytest.raises(BadData, match="two columns become 'amount'; give one of them another name by `from`"):
        run.load(0)


def test_zeros_before_a_numerical_feature_are_no_part_of_a_key(shop: Shop) -> None:
    run = shop()
    deliver(run, 0, "1,x,05", "2,x,11")
    deliver(run, 1, "1,x,06")
    run.load(0)
    run.load(1)
    assert types(run)["amount"] == "int64"
    assert [row["amount"] for row in rows(run, 0) + rows(run, 1)] == [5, 11, 6]


def test_whole_numbers_beside_a_missing_one_stay_whole_numbers_as_pandas_writes_them(shop: Shop) -> None:
    run = shop()
    deliver(run, 0, "1239162456494753671,x,1")
    deliver(run, 1, "1239162456494753672.0,x,1", ",x,1")
    run.load(0)
    run.load(1)
    assert [row["id"] for row in rows(run, 1)] == [1239162456494753672, None]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["4.5,1,y", f"{MARK},2,7"], "column 'id' does not fit integer in 2 row(s), first in row 1; "),
        (["4,1,1", "5,2,1,5"], "Expected 4 columns, got 5 in row 2; correct the file"),
        (
            ["4,1,1", "5,2,y"],
            "column 'amount' does not fit float in 1 row(s), first in row 2; correct",
        ),
        (
            ["04,1,1"],
            "column 'id' does not fit integer in 1 row(s), first in row 1; correct",
        ),
        (
            [f"{2**63},1,1"],
            "say what the column is by columns.id of the contract, and run",
        ),
    ],
    ids=["fraction and text", "ragged", "text", "leading zero", "overflow"],
)
def test_a_later_load_that_does_not_fit_is_refused_by_column_count_and_row(
    shop: Shop, lines: list[str], message: str
) -> None:
    run = shop()
    deliver(run, 0, "1,x,1.5")
    run.load(0)
    before = run.lake.resolve(BRANCH)
    deliver(run, 1, *lines)
    with pytest.raises(BadData) as raised:
        run.load(1)
    assert message in str(raised.value)
    assert MARK not in str(raised.value)
    assert run.lake.resolve(BRANCH) == before


def test_the_faults_of_all_files_and_columns_are_told_together(shop: Shop) -> None:
    run = shop()
    deliver(run, 0, "1,x,1.5")
    run.load(0)
    deliver(run, 1, "a,x,1")
    deliver(run, 2, "1,x,b", "1,x,c")
    with pytest.raises(BadData) as raised:
        run.load(1, 2)
    assert (
        "'2024-03-02.csv': column 'id' does not fit integer in 1 row(s), first in row 1; "
        "'2024-03-03.csv': column 'amount' does not fit float in 2 row(s), first in row 1; "
    ) in str(raised.value)


DECLARED = {
    "time": {"type": "timestamp", "from": "when"},
    "id": {"type": "integer", "nullable": False},
    "zip": "string",
    "price": {"type": "decimal(8,2)", "from": "Price (EUR)", "null_values": ["-"]},
    "shipped": {"type": "date", "format": "%d.%m.%Y"},
    "seen": {"type": "timestamptz", "format": "epoch_ms"},
}
HEADER = "when,id,zip,Price (EUR),shipped,seen"


def test_declared_columns_are_what_the_contract_says(shop: Shop) -> None:
    run = shop(columns=DECLARED)
    deliver(run, 0, "007,01234,1.5,29.02.2024,0", "8,,-,,", header=HEADER)
    run.load(0)
    first, second = rows(run, 0)
    assert first.pop("seen").isoformat() == "1970-01-01T00:00:00+00:00"
    assert first == {"id": 7, "zip": "01234", "price": Decimal("1.50"), "shipped": date(2024, 2, 29)}
    assert second == {"id": 8, "zip": None, "price": None, "shipped": None, "seen": None}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            ",1,1,,",
            "column 'id' is empty in 1 row(s), first in row 1; complete the source, or",
        ),
        (
            "1,1,1.555,,",
            "column 'price' does not fit decimal(8,2) in 1 row(s), first in row 1",
        ),
        ("1,1,1,31.04.2024,", "column 'shipped' does not fit date in 1 row(s)"),
        ("1,1,1,,yesterday", "column 'seen' does not fit timestamptz in 1 row(s)"),
    ],
)
def test_values_that_a_declared_column_does_not_allow_are_refused(
    shop: Shop, line: str, message: str
) -> None:
    run = shop(columns=DECLARED)
    deliver(run, 0, line, header=HEADER)
    with pytest.raises(BadData) as raised:
        run.load(0)
    assert message in str(raised.value)


def test_a_declared_column_that_is_missing_is_named_with_the_nearest(shop: Shop) -> None:
    run = shop(columns={"amount": {"type": "float", "from": "amont"}})
    deliver(run, 0, "1,x,1")
    with pytest.raises(BadData, match=r"column 'amont' \(columns.amount\) is missing.*did you mean 'amount'"):
        run.load(0)


def test_a_type_that_differs_from_the_table_is_refused_before_anything_is_read(shop: Shop) -> None:
    first = shop()
    deliver(first, 0, "1,x,1")
    first.load(0)
    with pytest.raises(Misconfigured, match="declares 'string', and the table holds 'integer'; run"):
        shop(columns={"id": "string"}).load(1)


@pytest.mark.parametrize(
    ("extra", "names"),
    [("keep", {"time", "id", "zip", "amount", "note"}), ("drop", {"time", "id", "amount"})],
)
def test_columns_that_the_contract_does_not_name_are_kept_or_dropped(
    shop: Shop, extra: str, names: set[str]
) -> None:
    run = shop(source={"extra": extra})
    deliver(run, 0, "1,x,1,hello", header="time,id,zip,amount,note")
    run.load(0)
    assert types(run).keys() == names


def test_or_they_are_a_fault(shop: Shop) -> None:
    run = shop(source={"extra": "fail"}, columns={"zip": "string"})
    deliver(run, 0, "1,x,1,hello", header="time,id,zip,amount,note")
    with pytest.raises(BadData, match=r"1 column\(s\) that the contract does not name: 'note'"):
        run.load(0)


def test_a_column_that_begins_late_is_missing_before_and_required_from_then_on(shop: Shop) -> None:
    run = shop(columns={"note": {"type": "string", "since": str(day(1)), "nullable": False}})
    deliver(run, 0, "1,x,1")
    deliver(run, 1, "2,x,1,hello", header="time,id,zip,amount,note")
    run.load(0, 1)
    assert (rows(run, 0)[0]["note"], rows(run, 1)[0]["note"]) == (None, "hello")
    deliver(run, 2, "2,x,1")
    with pytest.raises(BadData, match=r"is missing among the 4 columns; correct columns.note, or the source"):
        run.load(2)


def test_zeros_that_a_declared_integer_loses_are_reported_once(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    run = shop(columns={"id": "integer", "zip": "integer", "amount": "float"})
    deliver(run, 0, "0,01067,0.5", "10,80331,1")
    deliver(run, 1, "2,04109,1")
    run.load(0, 1)
    assert [row["zip"] for row in rows(run, 0)] == [1067, 80331]
    [warning] = [one for one in caplog.messages if "leading zeros" in one]
    assert warning.endswith(
        "column 'zip' loses leading zeros as integer; if they mean something, as in a code, set columns.zip "
        "to string, and load these days again"
    )
    assert "1067" not in warning


def test_a_column_that_is_missing_is_named_with_the_keys_that_allow_it(shop: Shop) -> None:
    run = shop(columns={"note": "string"})
    deliver(run, 0, "1,x,1")
    with pytest.raises(
        BadData,
        match=r"column 'note' \(columns.note\) is missing among the 4 columns; set columns.note.since if "
        "only later days have it, correct columns.note, or the source",
    ):
        run.load(0)


def test_a_new_column_gets_its_type_when_it_comes_and_the_others_stay(shop: Shop) -> None:
    run = shop()
    deliver(run, 0, "1,,1")
    run.load(0)
    assert types(run) == {"time": "timestamp[us]", "id": "int64", "amount": "int64"}
    deliver(run, 1, "2,x,1,2.5", header="time,id,zip,amount,fee")
    run.load(1)
    assert types(run) == {
        "time": "timestamp[us]",
        "id": "int64",
        "amount": "int64",
        "zip": "string",
        "fee": "double",
    }


def test_a_load_that_changes_no_column_writes_no_columns(shop: Shop) -> None:
    run = shop()
    deliver(run, 0, "1,x,1")
    run.load(0)
    before = run.lake.stat(BRANCH, "orders/_common_metadata")
    deliver(run, 1, "2,y,1")
    run.load(1)
    assert run.lake.stat(BRANCH, "orders/_common_metadata") == before
    assert run.load(1).written == 0


def test_other_sources_than_csv_keep_their_types_and_text_is_no_number(tmp_path: Path) -> None:
    feed = loader.load(write_pipeline(tmp_path, source={"reader": "parquet"})).feed()
    held = pa.schema({"id": pa.int64(), "code": pa.string()})
    columns = TableColumns(feed, held=held)
    covers = day(0), day(0)
    fitting = pa.record_batch({"id": pa.array([1.0, None]), "code": ["1", ""]})
    found = columns.apply(fitting, "'a.parquet'", covers)
    assert found is not None
    assert found.to_pylist() == [{"id": 1, "code": "1"}, {"id": None, "code": ""}]
    assert columns.apply(pa.record_batch({"id": ["1"], "code": [7]}), "'b.parquet'", covers) is None
    with pytest.raises(BadData) as raised:
        columns.refuse()
    assert str(raised.value).startswith(
        "'b.parquet': column 'id' does not fit integer (string in the source) in 1 row(s), first in row 1; "
        "'b.parquet': column 'code' does not fit string (integer in the source) in 1 row(s), first in row 1; "
    )


def test_a_pass_begins_with_the_first_row_of_its_files(tmp_path: Path) -> None:
    columns = TableColumns(loader.load(write_pipeline(tmp_path, columns={"id": "integer"})).feed())
    covers, good = (day(0), day(0)), pa.record_batch({"id": ["1", "2"]})
    assert columns.apply(good, "'all.csv'", covers) is not None
    columns.refuse()
    assert columns.apply(pa.record_batch({"id": ["1", "x"]}), "'all.csv'", covers) is None
    with pytest.raises(BadData, match=r"does not fit integer in 1 row\(s\), first in row 2"):
        columns.refuse()


def test_a_time_that_the_source_calls_otherwise_is_looked_for_by_that_name(shop: Shop) -> None:
    run = shop(columns={"time": {"type": "timestamp", "from": "when"}})
    (run.folder / f"{day(0)}.csv").write_text("when;amount,gross\n2024-03-01 05:00:00;1,5\n")
    with pytest.raises(BadData, match=r"set source\.csv\.delimiter to ';'"):
        run.load(0)
