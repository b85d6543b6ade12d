"""Tables: partitions are read at a ref, in order, and errors name the path of the part."""

from __future__ import annotations

import io
from collections.abc import Generator, Iterator
from datetime import date
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include.exceptions import Absent, BadData, ColumnMissing, Misconfigured
from include.lake.client import Lake, LakeObject
from include.lake.table import Table, checksum

DAYS = [date(2013, 1, day) for day in (1, 2, 4)]
FIRST, LAST = DAYS[0], DAYS[-1]


@pytest.fixture
def table(lake: Lake) -> Table:
    return Table(lake, "departures")


def write(table: Table, day: date, rows: pa.Table | bytes, tmp_path: Path, part: str = "part-0") -> None:
    file = tmp_path / "part"
    if isinstance(rows, bytes):
        file.write_bytes(rows)
    else:
        pq.write_table(rows, file)
    table.lake.upload("main", f"{table.prefix(day)}{part}.parquet", file)


@pytest.fixture
def filled(table: Table, tmp_path: Path) -> Table:
    """Three days with a row each, the second with one more in a second part; and files beside them."""
    for day in DAYS:
        write(table, day, pa.table({"day": [day.day], "origin": ["JFK"]}), tmp_path)
    write(table, DAYS[1], pa.table({"day": [2], "origin": ["LGA"]}), tmp_path, "part-1")
    write(Table(table.lake, "departures_late"), FIRST, b"other table", tmp_path)
    return table


def test_the_days_of_a_table_are_in_order(filled: Table) -> None:
    assert filled.days("main") == DAYS


def test_a_table_that_is_empty_has_no_days(table: Table) -> None:
    assert (table.days("main"), table.parts("main", FIRST, LAST)) == ([], {})


def test_the_writer_of_a_table_is_the_pipeline_that_its_commits_name(filled: Table, tmp_path: Path) -> None:
    lake, others = filled.lake, Table(filled.lake, "departures_late")
    assert filled.writer("main") is None  # nothing is committed
    lake.commit("main", "load", {"pipeline": "flights"})
    assert (filled.writer("main"), others.writer("main")) == ("flights", "flights")

    write(others, DAYS[1], b"other table", tmp_path)
    lake.commit("main", "load another table", {"pipeline": "delays"})
    write(filled, DAYS[2], b"by hand", tmp_path)
    lake.commit("main", "correct a day by hand", {})

    assert (filled.writer("main"), others.writer("main")) == ("flights", "delays")
    assert Table(lake, "nothing").writer("main") is None


def test_a_table_of_another_pipeline_is_refused_unless_that_is_gone(filled: Table) -> None:
    filled.lake.commit("main", "load", {"pipeline": "flights"})

    filled.check_writer("main", "flights", ["flights", "copy"])
    filled.check_writer("main", "renamed", ["renamed"])
    with pytest.raises(
        Misconfigured, match=r"'departures' on 'main' .* belongs to pipeline 'flights'.*'copy'"
    ):
        filled.check_writer("main", "copy", ["flights", "copy"])


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        (FIRST, LAST, {1: ["part-0"], 2: ["part-0", "part-1"], 4: ["part-0"]}),
        (DAYS[1], DAYS[1], {2: ["part-0", "part-1"]}),
        (date(2013, 1, 3), date(2013, 2, 1), {4: ["part-0"]}),
        (date(2013, 1, 3), date(2013, 1, 3), {}),
        (LAST, FIRST, {}),
    ],
)
def test_the_parts_of_some_days(
    filled: Table, first: date, last: date, expected: dict[int, list[str]]
) -> None:
    partitions = filled.parts("main", first, last)
    assert {
        day.day: [Path(part.path).stem for part in parts] for day, parts in partitions.items()
    } == expected


def test_partitions_are_read_one_a_day_in_order(filled: Table) -> None:
    partitions = [(day, rows.to_pydict()) for day, rows in filled.partitions("main", FIRST, LAST)]
    assert partitions == [
        (DAYS[0], {"day": [1], "origin": ["JFK"]}),
        (DAYS[1], {"day": [2, 2], "origin": ["JFK", "LGA"]}),
        (DAYS[2], {"day": [4], "origin": ["JFK"]}),
    ]


def test_the_tenth_part_follows_the_ninth(table: Table, tmp_path: Path) -> None:
    for number in range(12):
        write(table, FIRST, pa.table({"a": [number]}), tmp_path, f"part-{number}")
    assert table.frame("main", FIRST, FIRST)["a"].tolist() == list(range(12))
    assert [batch["a"].to_pylist() for batch in table.batches("main", FIRST, FIRST)] == [
        [number] for number in range(12)
    ]


@pytest.mark.parametrize("whole", [0, 8 << 20], ids=["by ranges", "at once"])
def test_batches_hold_the_columns_asked_for_in_order(
    filled: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: int
) -> None:
    monkeypatch.setattr("include.lake.table._FULL_READ_MAX_BYTES", whole)
    write(filled, LAST, pa.table({"day": [4] * 5, "origin": list("abcde")}), tmp_path)
    batches = [batch.to_pydict() for batch in filled.batches("main", FIRST, LAST, ["origin"], max_rows=2)]
    expected = [["JFK"], ["JFK"], ["LGA"], ["a", "b"], ["c", "d"], ["e"]]
    assert batches == [{"origin": origins} for origins in expected]
    assert sum(batch.num_columns for batch in filled.batches("main", LAST, LAST)) == 2


def test_batches_name_the_part_that_is_wrong(filled: Table, tmp_path: Path) -> None:
    with pytest.raises(BadData, match=r"dt=2013-01-01/part-0.parquet.*carrier"):
        list(filled.batches("main", FIRST, LAST, ["carrier"]))
    good = parquet(tmp_path)
    write(filled, LAST, good[:4] + b"\xff" * 400 + good[404:], tmp_path)
    with pytest.raises(BadData, match=r"dt=2013-01-04/part-0.parquet.*is not a readable Parquet file"):
        list(filled.batches("main", FIRST, LAST))


def test_a_frame_holds_the_columns_asked_for_of_all_days(filled: Table) -> None:
    frame = filled.frame("main", FIRST, LAST, ["origin"])
    pd.testing.assert_frame_equal(frame, pd.DataFrame({"origin": ["JFK", "JFK", "LGA", "JFK"]}))


def test_a_frame_is_read_at_a_ref(filled: Table, tmp_path: Path) -> None:
    before = filled.lake.commit("main", "load", {})
    assert before
    write(filled, FIRST, pa.table({"day": [9], "origin": ["EWR"]}), tmp_path)
    assert filled.frame(before, FIRST, FIRST)["day"].tolist() == [1]
    assert filled.frame("main", FIRST, FIRST)["day"].tolist() == [9]


def test_a_column_that_came_later_is_empty_before(table: Table, tmp_path: Path) -> None:
    write(table, DAYS[0], pa.table({"a": [1]}), tmp_path)
    write(table, DAYS[1], pa.table({"a": [2.5], "b": ["x"]}), tmp_path)
    frame = table.frame("main", FIRST, LAST)
    pd.testing.assert_frame_equal(frame, pd.DataFrame({"a": [1.0, 2.5], "b": [None, "x"]}))


def test_days_without_data_are_absent_and_named(filled: Table) -> None:
    with pytest.raises(Absent, match=r"'departures' has no partition from 2014-01-01 to 2014-01-02"):
        filled.frame("main", date(2014, 1, 1), date(2014, 1, 2))
    with pytest.raises(Absent, match="'nowhere'"):
        filled.frame("nowhere", FIRST, LAST)


def parquet(tmp_path: Path) -> bytes:
    file = tmp_path / "good"
    pq.write_table(pa.table({"a": list(range(1000))}), file, compression="snappy")
    return file.read_bytes()


@pytest.mark.parametrize("damage", ["empty", "text", "cut", "page"])
def test_a_part_that_is_no_parquet_is_bad_data_and_named(table: Table, tmp_path: Path, damage: str) -> None:
    good = parquet(tmp_path)
    content = {
        "empty": b"",
        "text": b"a,b\n1,2\n",
        "cut": good[: len(good) // 2],
        "page": good[:4] + b"\xff" * 400 + good[404:],
    }[damage]
    write(table, FIRST, content, tmp_path)
    with pytest.raises(BadData, match=r"departures/dt=2013-01-01/part-0.parquet"):
        table.frame("main", FIRST, LAST)


def test_a_column_that_is_missing_is_bad_data_and_named(filled: Table) -> None:
    with pytest.raises(BadData, match=r"dt=2013-01-01/part-0.parquet.*carrier"):
        filled.frame("main", FIRST, LAST, ["origin", "carrier"])


NEVER = "nor has the newest partition: the source does not deliver it; "
CORRECT = "correct the name in pipeline.yaml, or take it out; or let the source deliver it, and run the"


@pytest.mark.parametrize(
    ("days", "column", "message"),
    [
        ([{"a": 1}, {"a": 1}, {"a": 1}], "weight", f"{NEVER}{CORRECT}"),
        ([{"wieght": 1}, {"wieght": 1}], "weight", f"{NEVER}did you mean 'wieght'? {CORRECT}"),
        ([{"weight": 1}, {"weight": 1}, {"a": 1}], "weight", f"{NEVER}{CORRECT}"),
        ([{"weight": 1}, {"weights": 1}], "weight", f"{NEVER}did you mean 'weights'? {CORRECT}"),
        (
            [{"a": 1}, {"a": 1}, {"a": 1, "weight": 1}],
            "weight",
            "which the newest partition has: run the pipeline's ingest for that day again, or, if the",
        ),
    ],
    ids=["never there", "misspelt", "gone", "renamed", "new"],
)
def test_a_missing_column_is_told_with_what_the_newest_partition_says(
    table: Table, tmp_path: Path, days: list[dict[str, int]], column: str, message: str
) -> None:
    for day, row in zip(DAYS, days, strict=False):
        write(table, day, pa.Table.from_pylist([row]), tmp_path)
    with pytest.raises(ColumnMissing) as raised:
        table.frame("main", FIRST, LAST, [column])
    lacking = next(day for day, row in zip(DAYS, days, strict=False) if column not in row)
    place = f"'departures/dt={lacking}/part-0.parquet' at 'main'"
    assert str(raised.value).startswith(f"{place} has no column '{column}', {message}")
    assert raised.value.fact == f"column '{column}' is missing in {place}"


def test_a_missing_column_is_told_if_the_newest_partition_is_unreadable(table: Table, tmp_path: Path) -> None:
    write(table, DAYS[0], pa.table({"wieght": [1]}), tmp_path)
    write(table, DAYS[1], b"", tmp_path)
    with pytest.raises(
        ColumnMissing, match=r"has no column 'weight'; did you mean 'wieght'\? correct the name"
    ):
        table.frame("main", DAYS[0], DAYS[0], ["weight"])


def test_days_whose_types_do_not_agree_are_bad_data(table: Table, tmp_path: Path) -> None:
    write(table, DAYS[0], pa.table({"a": [1]}), tmp_path)
    write(table, DAYS[1], pa.table({"a": ["x"]}), tmp_path)
    with pytest.raises(BadData) as raised:
        table.frame("main", FIRST, LAST)
    assert str(raised.value) == (
        "the parts of table 'departures' have incompatible columns: 'a' is int64 and string; load the days "
        "with the wrong type again"
    )


def test_a_number_that_the_type_of_other_days_does_not_hold_is_bad_data_and_not_told(
    table: Table, tmp_path: Path
) -> None:
    write(table, DAYS[0], pa.table({"a": [2**53 + 1]}), tmp_path)
    write(table, DAYS[1], pa.table({"a": [0.5]}), tmp_path)
    with pytest.raises(BadData, match="'a' is int64 and double") as raised:
        table.frame("main", FIRST, LAST)
    assert str(2**53 + 1) not in f"{raised.value} {raised.value.__cause__}"


def test_whole_numbers_beside_a_null_stay_whole(table: Table, tmp_path: Path) -> None:
    write(table, DAYS[0], pa.table({"a": pa.array([2**53 + 1, None])}), tmp_path)
    write(table, DAYS[1], pa.table({"a": [7]}), tmp_path)
    found = table.frame("main", FIRST, LAST)["a"]
    assert (str(found.dtype), found.dropna().tolist()) == ("Int64", [2**53 + 1, 7])


OTHERS = (
    "README.md",
    "archive/2023.parquet",
    "notes.txt",
    "_temporary/0/part-0.parquet",
    "dt=__HIVE_DEFAULT_PARTITION__/part-0.parquet",
    "dt=yesterday/part-0.parquet",
    "dt=20130101/part-0.parquet",
    "dt=2013-W01-1/part-0.parquet",
    "dt=2013-02-30/part-0.parquet",
    "dt=2013-01-02-old/part-0.parquet",
    "dt=2013-01-04.bak/part-0.parquet",
    "dt=2013-01-02",
    "year=2013/dt=2013-01-02/part-0.parquet",
    "dt=2013-01-02/_SUCCESS",
    "dt=2013-01-02/.part-0.parquet.crc",
    "dt=2013-01-02/_part-0.parquet",
    "dt=2013-01-02/part-0.parquet.crc",
    "dt=2013-01-02/part-0.parquet.tmp",
    "dt=2013-01-02/labels.parquet",
    "dt=2013-01-02/v1-abc.parquet",
    "dt=2013-01-02/old/part-0.parquet",
)
"""Paths below the table's prefix that are not the table's."""


@pytest.mark.parametrize("other", OTHERS)
def test_objects_of_others_are_left_out_whatever_is_read(
    filled: Table, tmp_path: Path, caplog: pytest.LogCaptureFixture, other: str
) -> None:
    expected = filled.frame("main", FIRST, LAST)
    stored = filled.parts("main", FIRST, LAST)
    (tmp_path / "rubbish").write_bytes(b"")
    filled.lake.upload("main", f"departures/{other}", tmp_path / "rubbish")

    assert filled.days("main") == DAYS
    assert filled.parts("main", FIRST, LAST) == stored
    pd.testing.assert_frame_equal(filled.frame("main", FIRST, LAST), expected)
    assert [batch.num_rows for batch in filled.batches("main", FIRST, LAST)] == [1, 1, 1, 1]


def test_objects_of_others_are_told_once_with_the_first(
    filled: Table, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "rubbish").write_bytes(b"")
    for other in ("dt=2013-01-02/_SUCCESS", "dt=2013-01-02/labels.parquet", "notes.txt"):
        filled.lake.upload("main", f"departures/{other}", tmp_path / "rubbish")
    for _ in range(2):
        filled.parts("main", FIRST, LAST)
        filled.days("main")
    assert caplog.messages == [
        f"table 'departures' of {filled.lake.repository!r}: left out 2 object(s) or folder(s) of others, as "
        "'departures/dt=2013-01-02/_SUCCESS': parts of a table are named 'dt=YYYY-MM-DD/part-*.parquet'"
    ]


@pytest.mark.parametrize("name", ["part-00000-4f1c.c000.snappy", "part-7", "v12-0123456789ab"])
def test_parts_of_other_writers_by_the_same_names_are_the_tables(
    filled: Table, tmp_path: Path, name: str
) -> None:
    day = date(2013, 1, 9)
    write(filled, day, pa.table({"day": [9], "origin": ["EWR"]}), tmp_path, name)
    assert filled.frame("main", day, day)["origin"].tolist() == ["EWR"]


def test_listing_some_days_takes_one_request_and_reads_no_further(filled: Table, tmp_path: Path) -> None:
    class Listing(Lake):
        seen: list[str]

        def list_objects(self, ref: str, prefix: str = "", after: str = "") -> Iterator[LakeObject]:
            self.seen = []
            for item in super().list_objects(ref, prefix, after):
                self.seen.append(item.path)
                yield item

    for number in range(5):
        write(filled, date(2013, 2, 1), pa.table({"a": [1]}), tmp_path, f"part-{number}")
    lake = Listing(filled.lake.connection, filled.lake.repository)
    Table(lake, filled.name).parts("main", DAYS[1], DAYS[1])
    assert [path.split("/", 1)[1] for path in lake.seen] == [
        "dt=2013-01-02/part-0.parquet",
        "dt=2013-01-02/part-1.parquet",
        "dt=2013-01-04/part-0.parquet",
    ]


def test_only_a_few_parts_are_read_ahead(table: Table, tmp_path: Path) -> None:
    class Counting(Lake):
        reads = 0

        def download(self, ref: str, path: str) -> bytes:
            self.reads += 1
            return super().download(ref, path)

    for number in range(40):
        write(table, FIRST, pa.table({"a": [number]}), tmp_path, f"part-{number:02}")
        write(table, LAST, pa.table({"a": [number]}), tmp_path, f"part-{number:02}")
    lake = Counting(table.lake.connection, table.lake.repository)
    partitions = Table(lake, table.name).partitions("main", FIRST, LAST)
    assert next(partitions)[1].num_rows == 40
    assert isinstance(partitions, Generator)
    partitions.close()
    assert 40 <= lake.reads < 60


def part(path: str, size: int = 1, checksum: str = "c") -> LakeObject:
    return LakeObject(path, size, checksum)


def test_a_checksum_changes_with_every_difference_and_nothing_else() -> None:
    parts = [part("a"), part("b")]
    others = [[], parts[:1], parts[::-1], [part("a", 2), part("b")], [part("a", 1, "d"), part("b")]]
    assert checksum(parts) == checksum([part("a"), part("b")]) == "702ea80a0c05"
    assert len({checksum(parts), *map(checksum, others)}) == 6


def test_a_large_part_is_read_by_its_columns_ranges(filled: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse_download(*_: object) -> bytes:
        raise AssertionError("a whole part was fetched")

    expected = filled.frame("main", FIRST, LAST, ["origin"])
    monkeypatch.setattr("include.lake.table._FULL_READ_MAX_BYTES", 0)
    monkeypatch.setattr(Lake, "download", refuse_download)
    pd.testing.assert_frame_equal(filled.frame("main", FIRST, LAST, ["origin"]), expected)


def test_a_large_part_that_is_no_parquet_is_bad_data(
    table: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("include.lake.table._FULL_READ_MAX_BYTES", 0)
    write(table, FIRST, b"no parquet at all", tmp_path)
    with pytest.raises(BadData, match="is not a readable Parquet file"):
        table.frame("main", FIRST, LAST, ["origin"])


def test_a_value_that_rotted_is_seen_by_a_reader_of_some_columns(
    table: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("include.lake.table._FULL_READ_MAX_BYTES", 0)
    file, rows = tmp_path / "rotten.parquet", pa.table({"origin": ["JFK", "LGA"]})
    pq.write_table(rows, file, compression="none", use_dictionary=False, write_page_checksum=True)
    write(table, FIRST, file.read_bytes().replace(b"JFK", b"JFX"), tmp_path)
    with pytest.raises(BadData, match=r"dt=2013-01-01/part-0.parquet.*is not a readable Parquet file"):
        table.frame("main", FIRST, LAST, ["origin"])


def test_a_table_keeps_its_columns_beside_its_partitions(filled: Table) -> None:
    assert filled.schema("main") is None
    schema = pa.schema({"day": pa.int64(), "at": pa.timestamp("us", "UTC"), "tags": pa.list_(pa.string())})
    filled.write_schema("main", schema)
    assert filled.schema("main") == schema
    assert filled.days("main") == DAYS
    assert (
        pq.read_schema(pa.BufferReader(filled.lake.download("main", "departures/_common_metadata"))) == schema
    )


def test_columns_that_are_damaged_are_named(filled: Table) -> None:
    filled.lake.upload("main", "departures/_common_metadata", io.BytesIO(b"PAR1"))
    with pytest.raises(
        BadData, match=r"'departures/_common_metadata' at 'main' is not a readable Parquet file"
    ):
        filled.schema("main")


def test_days_before_a_column_began_are_read_as_nulls(filled: Table, tmp_path: Path) -> None:
    write(filled, LAST, pa.table({"day": [4], "origin": ["JFK"], "gate": [7]}), tmp_path)
    filled.write_schema("main", pa.schema({"day": pa.int64(), "origin": pa.string(), "gate": pa.int64()}))
    late = Table(filled.lake, filled.name, {"gate": LAST})
    names = ["gate", "day"]
    found = dict(late.partitions("main", FIRST, LAST, names))
    assert {day: rows["gate"].to_pylist() for day, rows in found.items()} == {
        DAYS[0]: [None],
        DAYS[1]: [None, None],
        DAYS[2]: [7],
    }
    assert {str(rows.schema) for rows in found.values()} == {"gate: int64\nday: int64"}
    batches = list(late.batches("main", FIRST, LAST, names))
    assert [row for batch in batches for row in batch.to_pylist()] == [
        {"gate": None, "day": 1},
        {"gate": None, "day": 2},
        {"gate": None, "day": 2},
        {"gate": 7, "day": 4},
    ]
    assert late.frame("main", FIRST, LAST, names)["gate"].isna().sum() == 3
    with pytest.raises(ColumnMissing):
        list(filled.partitions("main", FIRST, LAST, names))
    with pytest.raises(ColumnMissing):
        list(Table(filled.lake, filled.name, {"gate": DAYS[1]}).partitions("main", DAYS[1], LAST, names))


class SchemaCounter(Lake):
    """A lake that counts how often the columns of a table are fetched."""

    fetched = 0

    def download(self, ref: str, path: str) -> bytes:
        self.fetched += path.endswith("_common_metadata")
        return super().download(ref, path)


def test_the_columns_of_a_table_are_fetched_once_a_read_and_only_where_a_part_lacks_some(
    filled: Table,
) -> None:
    filled.write_schema("main", pa.schema({"day": pa.int64(), "origin": pa.string(), "gate": pa.int64()}))
    lake = SchemaCounter(filled.lake.connection, filled.lake.repository)
    late = Table(lake, filled.name, {"gate": date(2013, 2, 1)})
    assert len(list(late.batches("main", FIRST, LAST, ["day"]))) == 4
    assert lake.fetched == 0
    assert len(list(late.batches("main", FIRST, LAST, ["day", "gate"]))) == 4
    assert lake.fetched == 1
