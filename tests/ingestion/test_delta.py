"""Delta Lake tables: one version a run, in a fixed order, without the files of other days."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from include.contract import loader
from include.contract.data import Source
from include.exceptions import BadData, FileMissing, MillraceError, Misconfigured
from include.ingestion import delta
from include.ingestion.partitioner import parts
from include.lake.client import Lake
from include.tracking.server import TrackingServer
from tests.support.delta import append, change_log, drop_history, log_of, map_columns, mark_deleted, require
from tests.support.ingest import BRANCH, IngestRun
from tests.support.pipeline import day, orders, write_pipeline

SECRET = "secret-7f3a9"


def source(uri: str = "orders", version: int | None = None, by: str = "time") -> Source:
    given = {"reader": "delta", "uri": uri, "partition_by": by, "delta": {"version": version}}
    return Source.model_validate(given)


def read(folder: Path, days: tuple[int, int] = (0, 99), **given: Any) -> list[dict[str, Any]]:
    batches = delta.read(source(**given), day(days[0]), day(days[1]), folder)
    return [row for batch in batches for row in batch.to_pylist()]


def ids(folder: Path, days: tuple[int, int] = (0, 99), **given: Any) -> list[int]:
    return [row["id"] for row in read(folder, days, **given)]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A table of three versions, each with a day more."""
    for number in range(3):
        append(tmp_path / "orders", orders(number, count=2))
    return tmp_path / "orders"


def test_a_version_holds_the_rows_that_it_had(table: Path) -> None:
    for version, expected in enumerate(([0, 1], [0, 1, 100, 101], [0, 1, 100, 101, 200, 201])):
        assert sorted(ids(table.parent, version=version)) == expected
    assert delta.newest_version(source(), table.parent) == 2
    assert sorted(row["time"] for row in read(table.parent, version=0)) == [
        row["time"] for row in orders(0, count=2)
    ]


def test_a_uri_may_name_the_table(table: Path) -> None:
    assert len(ids(table.parent, uri=f"file://{table}")) == 6


def test_rows_come_in_the_same_order_each_time_whatever_the_log_is_made_of(tmp_path: Path) -> None:
    for number in range(30):
        append(tmp_path / "orders", orders(number % 5, count=9))
    found = ids(tmp_path, version=20)
    assert len(found) == 21 * 9
    DeltaTable(str(tmp_path / "orders"), version=15).create_checkpoint()
    DeltaTable(str(tmp_path / "orders")).create_checkpoint()
    assert [ids(tmp_path, version=20) for _ in range(5)] == [found] * 5


TIMES: dict[str, tuple[pa.DataType, Callable[[int], Any], dict[str, Any]]] = {
    "times": (pa.timestamp("us"), lambda number: datetime(2024, 3, 1, 5) + timedelta(number), {}),
    "times in UTC": (pa.timestamp("us", "UTC"), lambda number: datetime(2024, 3, 1) + timedelta(number), {}),
    "days": (pa.date32(), day, {}),
    "folders of days": (pa.date32(), day, {"partition_by": ["time"]}),
    "folders of text": (pa.string(), lambda number: str(day(number)), {"partition_by": ["time"]}),
}


@pytest.mark.parametrize("kind", TIMES)
def test_files_of_other_days_are_not_opened(tmp_path: Path, kind: str) -> None:
    """They are not even there; those that the neighbours' time zones may need are."""
    column, moment, options = TIMES[kind]
    for number in (0, 10, 20, None):
        time = None if number is None else moment(number)
        rows = pa.table({"time": pa.array([time], column), "id": [-1 if number is None else number]})
        append_table(tmp_path / "orders", rows, **options)
    table = DeltaTable(str(tmp_path / "orders"))
    kept = "time = '2024-03-11'" if options else "time >= '2024-03-10' and time < '2024-03-13'"
    near = table.file_uris(file_pruning_predicate=f"{kept} or time is null")
    for uri in set(table.file_uris()) - set(near):
        Path(uri.removeprefix("file://")).unlink()
    assert sorted(ids(tmp_path, (10, 10))) == [-1, 10]
    with pytest.raises(BadData, match="lacks a file that its log names"):
        ids(tmp_path, (0, 30))


def test_they_are_not_opened_if_the_time_has_another_name_there(tmp_path: Path) -> None:
    columns = {"time": {"type": "timestamp", "from": "when"}}
    source = {"reader": "delta", "uri": "orders"}
    folder = write_pipeline(tmp_path, source=source, columns=columns)
    for number in (0, 10):
        append(folder / "orders", [{"when": datetime(2024, 3, 1, 5) + timedelta(number), "id": number}])
    far = DeltaTable(str(folder / "orders")).file_uris(file_pruning_predicate="when < '2024-03-05'")
    for uri in far:
        Path(uri.removeprefix("file://")).unlink()
    found = parts(loader.load(folder).feed(), day(10), day(10), folder=folder, scratch=tmp_path)
    assert [(part.day, part.rows) for part in found] == [(day(10), 1)]


def append_table(folder: Path, rows: pa.Table, **options: Any) -> None:
    from deltalake import write_deltalake

    write_deltalake(str(folder), rows, mode="append", **options)


@pytest.mark.parametrize("values", [["3/1/2024", "2024-03-01"], ["2024-03-01", "yesterday"]])
def test_folders_of_other_text_are_read_so_that_they_are_refused(tmp_path: Path, values: list[str]) -> None:
    rows = [{"time": value, "id": number} for number, value in enumerate(values)]
    append(tmp_path / "orders", rows, partition_by=["time"])
    assert sorted(ids(tmp_path, (50, 50))) == [0, 1]


def test_without_a_row_there_are_the_columns(table: Path) -> None:
    DeltaTable(str(table)).delete()
    [batch] = delta.read(source(), day(0), day(0), table.parent)
    assert (batch.num_rows, batch.schema.names) == (0, ["time", "id", "amount", "kind", "returned"])


def test_a_column_that_is_not_there_is_told_where_every_source_is_checked(
    table: Path, tmp_path: Path
) -> None:
    folder = write_pipeline(
        tmp_path / "p", source={"reader": "delta", "uri": f"file://{table}", "partition_by": "Time"}
    )
    with pytest.raises(
        BadData, match=r"column 'Time' \(source.partition_by\) is missing .* did you mean 'time'"
    ):
        list(parts(loader.load(folder).feed(), day(0), day(0), folder=folder, scratch=tmp_path))


def test_rows_that_spark_has_marked_as_deleted_are_none(tmp_path: Path) -> None:
    append(tmp_path / "orders", orders(0, count=4))
    mark_deleted(tmp_path / "orders", 0, [1, 2])
    assert ids(tmp_path) == [0, 3]


def test_columns_that_spark_has_renamed_have_their_new_names(tmp_path: Path) -> None:
    append(tmp_path / "orders", [{"t": datetime(2024, 3, 1), "id": 7}])
    map_columns(tmp_path / "orders", {"t": "time"})
    assert read(tmp_path) == [{"time": datetime(2024, 3, 1), "id": 7}]


def gone(table: Path) -> None:
    drop_history(table)


def cut_off(table: Path) -> None:
    for file in table.glob("*.parquet"):
        file.write_bytes(file.read_bytes()[:-50])


def no_log(table: Path) -> None:
    log_of(table, 0).unlink()
    log_of(table, 1).unlink()
    log_of(table, 2).unlink()


def broken_log(table: Path) -> None:
    log_of(table, 3).write_text(f'{{"add": {SECRET}\n')


def a_gap(table: Path) -> None:
    log_of(table, 1).unlink()


def another_protocol(table: Path) -> None:
    change_log(table, 0, lambda action: action.get("protocol", {}).update(minReaderVersion=9))


def old_log(table: Path) -> None:
    """The log of the versions before the last is gone, as it is after some weeks."""
    DeltaTable(str(table)).create_checkpoint()
    log_of(table, 0).unlink()
    log_of(table, 1).unlink()


DAMAGED = (
    "cannot be read: its log or one of its files is damaged, or has a form that deltalake does not know; "
    "provide the table again, or read another version"
)
LACKS = (
    "lacks a file that its log names: VACUUM has removed it, or somebody else; set source.delta.version to "
    "a later one, or restore the file"
)
ONE_OF_THESE = "set source.delta.version to one of these, or to null for the newest"
FAULTS: dict[str, tuple[Callable[[Path], object], dict[str, Any], type[MillraceError], str]] = {
    "no folder": (
        lambda _: None,
        {"uri": "none"},
        FileMissing,
        "'none' does not exist; provide it, or correct source.uri",
    ),
    "a file": (
        lambda table: (table.parent / "a.csv").touch(),
        {"uri": "a.csv"},
        FileMissing,
        "'a.csv' is a file, not the folder of a table; provide it, or correct source.uri",
    ),
    "another folder": (
        lambda table: (table.parent / "other").mkdir(),
        {"uri": "other"},
        Misconfigured,
        "'other' is not a Delta Lake table: it has no log in a folder '_delta_log'; correct source.uri or "
        "source.reader",
    ),
    "no log": (
        no_log,
        {},
        Misconfigured,
        "'orders' is not a Delta Lake table: it has no log in a folder '_delta_log'; correct source.uri or "
        "source.reader",
    ),
    "no scheme": (
        lambda _: None,
        {"uri": "ftp://user:hunter2@host/orders"},
        Misconfigured,
        "source.uri 'ftp://***@host/orders' has a scheme that deltalake does not know; correct it",
    ),
    "a version to come": (
        lambda _: None,
        {"version": 3},
        Misconfigured,
        f"'orders' has no version 3: it has 0 … 2; {ONE_OF_THESE}",
    ),
    "a version without a log": (
        old_log,
        {"version": 1},
        Misconfigured,
        f"'orders' has no version 1: it has 2 … 2; {ONE_OF_THESE}",
    ),
    "a version that was vacuumed": (gone, {"version": 1}, BadData, f"'orders' at version 1 {LACKS}"),
    "a feature": (
        lambda table: require(table, "typeWidening"),
        {},
        BadData,
        "'orders' needs 'TypeWidening', a feature of Delta Lake that deltalake cannot read; provide a table "
        "without it, or read it in a function of source.py",
    ),
    "an unknown feature": (
        lambda table: require(table, "timeTravelToTheFuture"),
        {},
        BadData,
        "'orders' needs 'timeTravelToTheFuture', a feature of Delta Lake that deltalake cannot read; provide "
        "a table without it, or read it in a function of source.py",
    ),
    "files cut off": (cut_off, {}, BadData, f"'orders' {DAMAGED}"),
    "a broken log": (broken_log, {}, BadData, f"'orders' {DAMAGED}"),
    "a gap in the log": (a_gap, {"version": 2}, BadData, f"'orders' at version 2 {DAMAGED}"),
    "another protocol": (
        another_protocol,
        {},
        BadData,
        f"'orders' {DAMAGED}",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", FAULTS)
def test_what_cannot_be_read_says_what_to_do(table: Path, kind: str) -> None:
    harm, given, error, message = FAULTS[kind]
    harm(table)
    with pytest.raises(MillraceError) as raised:
        read(table.parent, **given)
    assert (type(raised.value), str(raised.value)) == (error, message)


@pytest.fixture
def shop(tmp_path: Path, lake: Lake, tracking: TrackingServer) -> IngestRun:
    folder = write_pipeline(tmp_path, f"orders_{uuid4().hex[:8]}", source={"reader": "delta", "uri": "table"})
    append(folder / "table", orders(0, 1))
    return IngestRun(folder, lake, tracking)


def test_load_reads_the_newest_version_and_says_which(
    shop: IngestRun, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    append(shop.folder / "table", orders(2))
    loaded = shop.load(0, 2)
    assert (loaded.rows, loaded.partitions, loaded.source_version) == (12, 3, "1")
    assert shop.lake.get_commit(BRANCH).metadata["source_version"] == "1"
    assert "reading 'table' at version 1" in caplog.text


def test_a_run_of_several_passes_reads_one_version(shop: IngestRun, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pass opens at most 366 days; after the first one somebody appends to a day of the second."""
    append(shop.folder / "table", orders(500))
    read_table, seen = delta.read, []

    def read_and_append(given: Source, first: date, last: date, folder: Path) -> Any:
        seen.append(given.delta.version)
        yield from read_table(given, first, last, folder)
        append(folder / "table", orders(500, count=2))

    monkeypatch.setattr(delta, "read", read_and_append)
    assert shop.load(0, 500).rows == 12
    assert seen == [1, 1]


def test_a_source_at_a_version_is_that_version_after_the_next_was_written(
    tmp_path: Path, lake: Lake, tracking: TrackingServer
) -> None:
    given = {"reader": "delta", "uri": "table", "delta": {"version": 0}}
    folder = write_pipeline(tmp_path, f"orders_{uuid4().hex[:8]}", source=given)
    append(folder / "table", orders(0))
    append(folder / "table", orders(0, count=2))
    shop = IngestRun(folder, lake, tracking)
    assert (shop.load(0).rows, shop.load(0).source_version) == (4, "0")


def test_the_newest_value_is_that_of_the_version(table: Path) -> None:
    times = [row["time"] for row in orders(0, count=2)]
    uri = f"file://{table}"
    assert delta.newest_value(source(uri, 0), Path()).to_pylist() == [{"newest": max(times)}]


def test_a_folder_without_a_log_is_no_table(table: Path) -> None:
    assert delta.is_table(f"file://{table}")
    assert not delta.is_table(f"file://{table.parent}")
    assert not delta.is_table(f"file://{table}/none")
    assert not delta.is_table("nowhere://a/b")
