"""Cutting a source into days: nothing lost, nothing twice, the same rows the same bytes."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include.contract import loader
from include.exceptions import BadData
from include.ingestion.columns import TableColumns
from include.ingestion.partitioner import Part, parts
from tests.support.pipeline import Row, day, orders, write_csv, write_parquet, write_pipeline


def cut(folder: Path, scratch: Path, first: date, last: date) -> Iterator[tuple[Part, list[Row]]]:
    """Each day's partition and its rows, read at once."""
    for part in parts(loader.load(folder).feed(), first, last, folder=folder, scratch=scratch):
        yield part, pq.read_table(part.file).to_pylist() if part.file else []


def cut_days(folder: Path, scratch: Path, *numbers: int) -> list[Part]:
    return [part for part, _ in cut(folder, scratch, day(numbers[0]), day(numbers[-1]))]


def ids(folder: Path, scratch: Path, first: date, last: date) -> dict[str, list[int]]:
    return {str(part.day): [row["id"] for row in rows] for part, rows in cut(folder, scratch, first, last)}


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    made = tmp_path / "scratch"
    made.mkdir()
    return made


def python_pipeline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batches: list[pa.RecordBatch], **source: Any
) -> Path:
    """A pipeline whose source yields these batches."""
    module = type("Source", (), {"read": staticmethod(lambda first, last: iter(batches))})
    monkeypatch.setitem(sys.modules, "shop_source", module)
    return write_pipeline(
        tmp_path, source={"reader": "python", "uri": None, "callable": "shop_source:read", **source}
    )


def test_each_day_gets_its_rows_in_their_order_and_a_day_without_rows_none(
    tmp_path: Path, scratch: Path
) -> None:
    folder = write_pipeline(tmp_path)
    write_csv(folder / "orders.csv", [*orders(2), *orders(0), *orders(5)])
    found = ids(folder, scratch, day(0), day(3))
    assert found == {
        "2024-03-01": [0, 1, 2, 3],
        "2024-03-02": [],
        "2024-03-03": [200, 201, 202, 203],
        "2024-03-04": [],
    }
    assert [part.rows for part in cut_days(folder, scratch, 0, 3)] == [4, 0, 4, 0]


def test_the_same_rows_give_the_same_bytes_alone_or_among_others(tmp_path: Path, scratch: Path) -> None:
    folder = write_pipeline(tmp_path)
    write_csv(folder / "orders.csv", orders(0, 1, 2))
    among, again = cut_days(folder, scratch, 0, 2), cut_days(folder, scratch, 0, 2)
    alone = [cut_days(folder, scratch, number)[0] for number in range(3)]
    assert among == again == alone
    write_csv(folder / "orders.csv", [{**row, "amount": 99.5} for row in orders(0, 1, 2)])
    assert not {part.sha256 for part in among} & {part.sha256 for part in cut_days(folder, scratch, 0, 2)}


def test_the_same_rows_give_the_same_bytes_however_they_are_batched(
    tmp_path: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = pa.Table.from_pylist(orders(0, count=9))
    one = python_pipeline(tmp_path / "a", monkeypatch, table.to_batches())
    [whole] = cut_days(one, scratch, 0)
    frame = table.to_pandas().astype({"kind": "category"})
    many = [pa.RecordBatch.from_pandas(frame[n : n + 2], preserve_index=False) for n in range(0, 9, 2)]
    [pieces] = cut_days(python_pipeline(tmp_path / "b", monkeypatch, many), scratch, 0)
    assert whole == pieces


def test_a_column_that_is_null_at_first_gets_its_type_later(
    tmp_path: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{**row, "amount": row["amount"] if row["id"] > 1 else None} for row in orders(0)]
    batches = [pa.RecordBatch.from_pylist(rows[:2]), pa.RecordBatch.from_pylist(rows[2:])]
    [(part, found)] = cut(python_pipeline(tmp_path, monkeypatch, batches), scratch, day(0), day(0))
    assert (part.rows, found) == (4, rows)


def test_a_query_gives_a_day_the_same_bytes_alone_or_among_others(tmp_path: Path, scratch: Path) -> None:
    """Types are guessed from values, and then held: the nulls of the second day are numbers, as the first."""
    days = " union all ".join(
        f"select '{day(number)}' as time, {number} as id, {amount} as amount"
        for number, amount in ((0, "1.5"), (0, "null"), (1, "null"))
    )
    query = f"select * from ({days}) where time >= date(:start) and time < date(:end)"
    folder = write_pipeline(
        tmp_path, source={"reader": "sql", "uri": None, "conn_id": "shop", "query": query}
    )
    feed = loader.load(folder).feed()

    def digests(first: int, last: int, columns: TableColumns) -> list[str]:
        days = day(first), day(last)
        found = parts(feed, *days, folder=folder, scratch=scratch, sql_url="sqlite://", columns=columns)
        return [part.sha256 for part in found]

    first_load = TableColumns(feed)
    both = digests(0, 1, first_load)
    held = first_load.schema
    alone = [digests(number, number, TableColumns(feed, held=held)) for number in (0, 1)]
    assert both == [*alone[0], *alone[1]]


@pytest.mark.parametrize(
    ("zone", "times", "expected"),
    [
        ("UTC", ["2024-03-01 00:00:00", "2024-03-01 23:59:59"], [2, 0]),
        ("UTC", ["2024-03-01T00:00:00Z", "2024-03-02T00:00:00Z"], [1, 1]),
        ("America/New_York", ["2024-03-01T05:00:00Z", "2024-03-02T04:59:59Z"], [2, 0]),
        ("America/New_York", ["2024-03-02T05:00:00Z", "2024-03-03T04:59:59Z"], [0, 2]),
        ("America/New_York", ["2024-03-01 00:00:00", "2024-03-02 23:59:59"], [1, 1]),
        ("Asia/Tokyo", ["2024-02-29T15:00:00+00:00", "2024-03-02T00:00:00+09:00"], [1, 1]),
        ("Europe/Berlin", ["2024-03-01", "2024-03-02"], [1, 1]),
    ],
    ids=["naive", "utc", "new-york", "new-york-next", "local", "tokyo", "dates"],
)
def test_a_row_belongs_to_the_local_day_of_its_time(
    tmp_path: Path, scratch: Path, zone: str, times: list[str], expected: list[int]
) -> None:
    for reader, write in (("csv", write_csv), ("parquet", write_parquet)):
        source = {"reader": reader, "uri": f"orders.{reader}", "timezone": zone}
        folder = write_pipeline(tmp_path / reader, source=source)
        write(folder / f"orders.{reader}", [{"time": time, "id": n} for n, time in enumerate(times)])
        assert [part.rows for part in cut_days(folder, scratch, 0, 1)] == expected


TIMES = ["2024-03-01 05:00:00", "2024-03-02T06:00:00"]
MOMENTS = [datetime(2024, 3, 1, 5), datetime(2024, 3, 2, 6)]
TIME_COLUMNS = {
    "string": pa.array(TIMES),
    "large_string": pa.array(TIMES, pa.large_string()),
    "string_view": pa.array(TIMES, pa.string_view()),
    "dictionary": pa.array(TIMES).dictionary_encode(),
    "dictionary of views": pa.DictionaryArray.from_arrays([0, 1], pa.array(TIMES, pa.string_view())),
    "runs": pa.RunEndEncodedArray.from_arrays([1, 2], pa.array(TIMES)),
    "date": pa.array([day(0), day(1)]),
    "date64": pa.array([day(0), day(1)], pa.date64()),
    "timestamp": pa.array(MOMENTS),
    "dictionary of timestamps": pa.array(MOMENTS).dictionary_encode(),
    "zoned": pa.array(MOMENTS, pa.timestamp("ns", "UTC")),
}


@pytest.mark.parametrize("kind", TIME_COLUMNS)
def test_the_time_column_may_be_any_kind_of_text_date_or_time_stamp(
    tmp_path: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    batch = pa.record_batch({"time": TIME_COLUMNS[kind], "id": [1, 2]})
    found = ids(python_pipeline(tmp_path, monkeypatch, [batch]), scratch, day(0), day(1))
    assert found == {"2024-03-01": [1], "2024-03-02": [2]}


@pytest.mark.parametrize("day_of_change", [date(2024, 3, 10), date(2024, 11, 3)], ids=["spring", "autumn"])
def test_a_day_of_23_or_25_hours_has_all_its_rows(
    tmp_path: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch, day_of_change: date
) -> None:
    hours = pa.array(range(24 * 366), pa.int64())
    start = pa.scalar(1_704_067_200, pa.int64())  # 1 January 2024, 00:00 UTC
    seconds = pa.compute.add(pa.compute.multiply(hours, 3600), start)
    times = seconds.cast(pa.timestamp("s", "UTC")).cast(pa.timestamp("ns", "UTC"))
    batch = pa.record_batch({"time": times.filter(_is_local_day(times, day_of_change))})
    folder = python_pipeline(tmp_path, monkeypatch, [batch], timezone="America/New_York")
    [(part, _)] = cut(folder, scratch, day_of_change, day_of_change)
    assert part.rows == {3: 23, 11: 25}[day_of_change.month]


def _is_local_day(times: Any, wanted: date) -> Any:
    frame = times.to_pandas().dt.tz_convert("America/New_York")
    return pa.array(frame.dt.date == wanted)


def test_a_range_longer_than_one_pass_is_read_in_several(tmp_path: Path, scratch: Path) -> None:
    folder = write_pipeline(tmp_path)
    write_csv(folder / "orders.csv", orders(0, 365, 366, 800))
    found = {part.day: part.rows for part in cut_days(folder, scratch, 0, 800)}
    assert len(found) == 801
    assert {day: rows for day, rows in found.items() if rows} == {
        day(number): 4 for number in (0, 365, 366, 800)
    }


def test_a_later_pass_does_not_give_a_column_a_type_that_fits_no_earlier_one(
    tmp_path: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches = [batch(time=[day(0)], ref=[1]), batch(time=[day(400)], ref=["a"])]
    folder = python_pipeline(tmp_path, monkeypatch, [])
    source = sys.modules["shop_source"]
    monkeypatch.setattr(
        source, "read", lambda first, _: iter(batches[:1] if first == day(0) else batches[1:])
    )
    with pytest.raises(BadData, match="column 'ref' is string, and integer in other rows of the source"):
        list(cut(folder, scratch, day(0), day(400)))


def test_batches_with_and_without_values_wait_in_as_many_files_as_a_day_has_types(
    tmp_path: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches = [batch(time=[day(0)], note=["x" if number % 2 else None]) for number in range(100)]
    folder = python_pipeline(tmp_path, monkeypatch, batches)
    files: list[int] = []

    def read(first: date, last: date) -> Iterator[pa.RecordBatch]:
        for one in batches:
            yield one
            files.append(len(list(scratch.iterdir())))

    monkeypatch.setattr(sys.modules["shop_source"], "read", read)
    [(_, rows)] = list(cut(folder, scratch, day(0), day(0)))
    assert [row["note"] for row in rows] == [None, "x"] * 50
    assert max(files) == 2


def test_columns_of_privacy_drop_never_get_to_a_file(tmp_path: Path, scratch: Path) -> None:
    folder = write_pipeline(tmp_path, privacy={"drop": ["name", "mail"]})
    write_csv(folder / "orders.csv", [{**row, "name": "Ada", "mail": "a@b.c"} for row in orders(0)])
    [(part, rows)] = cut(folder, scratch, day(0), day(0))
    assert set(rows[0]) == set(orders(0)[0])
    assert part.file is not None
    assert b"Ada" not in part.file.read_bytes()


def test_no_temporary_file_is_left_but_those_of_the_parts(tmp_path: Path, scratch: Path) -> None:
    folder = write_pipeline(tmp_path)
    write_csv(folder / "orders.csv", orders(0, 1, 2))
    found = [part.file for part, _ in cut(folder, scratch, day(0), day(2))]
    assert found == sorted(scratch.iterdir())
    assert len(found) == 3


def test_any_byte_that_rots_in_a_part_is_seen_by_a_reader_of_its_column(
    tmp_path: Path, scratch: Path
) -> None:
    write_csv(write_pipeline(tmp_path) / "orders.csv", orders(0, count=9))
    for part in parts(
        loader.load(tmp_path / "orders").feed(), day(0), day(0), folder=tmp_path / "orders", scratch=scratch
    ):
        assert part.file
        content = part.file.read_bytes()
    column = pq.ParquetFile(io.BytesIO(content)).metadata.row_group(0).column(2)
    end = (column.dictionary_page_offset or column.data_page_offset) + column.total_compressed_size
    for at in range(end - 8, end):
        rotten = io.BytesIO(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        with pytest.raises(OSError, match="checksum"):
            pq.ParquetFile(rotten, page_checksum_verification=True).read(columns=[column.path_in_schema])


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two rows a row group, two row groups a part."""
    monkeypatch.setattr("include.ingestion.partitioner.BATCH_ROWS", 2)
    monkeypatch.setattr("include.ingestion.partitioner._GROUPS_PER_PART", 2)


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize(
    ("count", "expected"), [(3, [3]), (4, [4]), (5, [4, 1]), (8, [4, 4]), (9, [4, 4, 1])]
)
def test_a_large_day_is_several_parts_in_the_order_of_its_rows(
    tmp_path: Path, scratch: Path, count: int, expected: list[int]
) -> None:
    folder = write_pipeline(tmp_path)
    write_csv(folder / "orders.csv", [*orders(0, count=count), *orders(1, count=1)])
    found = list(cut(folder, scratch, day(0), day(1)))
    numbers = [(day(0), number, rows) for number, rows in enumerate(expected)]
    assert [(part.day, part.number, part.rows) for part, _ in found] == [*numbers, (day(1), 0, 1)]
    assert [row["id"] for _, rows in found for row in rows] == [*range(count), 100]


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("size", [1, 3, 4, 5])
def test_the_same_rows_give_the_same_parts_however_they_are_batched(
    tmp_path: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    rows = [{**row, "amount": row["amount"] if row["id"] > 4 else None} for row in orders(0, count=9)]
    whole = [pa.RecordBatch.from_pylist(rows)]
    expected = cut_days(python_pipeline(tmp_path / "a", monkeypatch, whole), scratch, 0)
    pieces = [pa.RecordBatch.from_pylist(rows[n : n + size]) for n in range(0, 9, size)]
    turned = [piece.select(piece.schema.names[:: (-1) ** bool(n)]) for n, piece in enumerate(pieces)]
    assert cut_days(python_pipeline(tmp_path / "b", monkeypatch, turned), scratch, 0) == expected
    assert [pq.read_schema(part.file).field("amount").type for part in expected] == [pa.float64()] * 3


def batch(**columns: Any) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict({"time": ["2024-03-01", "2024-03-01"], **columns})


@pytest.mark.parametrize(
    ("batches", "message"),
    [
        (
            [batch(a=[1, 2]), batch(a=["x", "y"])],
            "shop_source:read: column 'a' is string, and integer in other rows of the source; give it one "
            "type, or write columns.a of the contract",
        ),
        (
            [batch(a=[1, 2]), batch()],
            "shop_source:read: column 'a' is only in some parts of the same day; correct the source",
        ),
        (
            [batch(), batch(b=[1, 2])],
            "shop_source:read: column 'b' is only in some parts of the same day; correct the source",
        ),
        (
            [pa.RecordBatch.from_arrays([pa.array(["2024-03-01"])] * 2, ["time", "time"])],
            "shop_source:read: 1 column name(s) occur twice: 'time'; give each column a name of its own",
        ),
        (
            [pa.record_batch({"time": [20240301]})],
            "shop_source:read: column 'time' is int64; "
            "write time stamps, or text such as '2013-01-01 05:00:00'",
        ),
        (
            [pa.record_batch({"time": ["2024-03-01", "secret-7f3a9", "2024-03-01T00:00:00Z"]})],
            "shop_source:read: column 'time': 2 of 3 values cannot be read as time; "
            "write text such as '2013-01-01 05:00:00'",
        ),
        (
            [pa.record_batch({"Time": ["2024-03-01"]})],
            "shop_source:read: column 'time' (source.partition_by) is missing among the 1 columns; "
            "did you mean 'Time'? correct source.partition_by, or the source",
        ),
        (
            [batch(), pa.record_batch({"time": [None, "2024-03-01", "2024-03-02", "2024-02-29"]})],
            "shop_source:read: column 'time' is empty in 1 of 6 rows; the source has to give each row its "
            "time, or set source.invalid_time to 'drop'; "
            "shop_source:read: column 'time' is outside of 2024-03-01 … 2024-03-01 (UTC) in 2 of 6 rows; "
            "the source has to return the requested days, or set source.late to 'drop'",
        ),
    ],
    ids=["type", "gone", "new", "twice", "number", "text", "name", "strays"],
)
def test_batches_that_do_not_fit(
    tmp_path: Path,
    scratch: Path,
    monkeypatch: pytest.MonkeyPatch,
    batches: list[pa.RecordBatch],
    message: str,
) -> None:
    folder = python_pipeline(tmp_path, monkeypatch, batches)
    with pytest.raises(BadData) as raised:
        cut_days(folder, scratch, 0)
    assert str(raised.value) == message


def test_a_column_to_drop_that_is_not_there_is_no_small_matter(tmp_path: Path, scratch: Path) -> None:
    folder = write_pipeline(tmp_path, privacy={"drop": ["nmae"]})
    write_csv(folder / "orders.csv", [{**row, "name": "Ada"} for row in orders(0)])
    with pytest.raises(BadData, match=r"'nmae' \(privacy.drop\) is missing .* did you mean 'name'\? correct"):
        cut_days(folder, scratch, 0)
