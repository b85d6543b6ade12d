"""Where the rows of a day lie: a file, a folder, a pattern, a month; a fixed order, and what is left out."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import fs

from include.contract import loader
from include.exceptions import BadData, FileMissing
from include.ingestion.partitioner import Part, parts
from include.ingestion.readers import missing_files
from tests.support.pipeline import Row, day, orders, write_parquet, write_pipeline
from tests.support.s3 import REGION, Store, run_s3

BUCKET = "exports-of-a-shop"


def pipeline(tmp_path: Path, uri: str, **source: Any) -> Path:
    return write_pipeline(tmp_path, source={"reader": "parquet", "uri": uri, **source})


def write(folder: Path, **files: list[Row]) -> None:
    """Files at paths, in which '__' stands for '/'."""
    for name, rows in files.items():
        file = folder / name.replace("__", "/")
        file.parent.mkdir(parents=True, exist_ok=True)
        write_parquet(file, rows)


def cut(folder: Path, first: int = 0, last: int = 0) -> Iterator[tuple[Part, list[Row]]]:
    scratch = folder.parent / "scratch"
    scratch.mkdir(exist_ok=True)
    for part in parts(loader.load(folder).feed(), day(first), day(last), folder=folder, scratch=scratch):
        yield part, pq.read_table(part.file).to_pylist() if part.file else []


def ids(folder: Path, first: int = 0, last: int = 0) -> list[list[int]]:
    return [[row["id"] for row in rows] for _, rows in cut(folder, first, last)]


FORMATS = {
    "in-{dt}.parquet": "in-2024-03-02.parquet",
    "{dt:%Y%m%d}.parquet": "20240302.parquet",
    "{dt:%Y/%m/%d}/orders.parquet": "2024/03/02/orders.parquet",
    "year={dt:%Y}/month={dt:%m}/day={dt:%d}/a.parquet": "year=2024/month=03/day=02/a.parquet",
    "{dt:%Y}-{dt:%j}.parquet": "2024-062.parquet",
    "{dt:%y.%m.%d}": "24.03.02",
    "orders/dt={dt}": "orders/dt=2024-03-02/part-0.parquet",
    "orders/dt={dt}/": "orders/dt=2024-03-02/deep/part-0.parquet",
    "orders/dt={dt}/*.parquet": "orders/dt=2024-03-02/part-0.parquet",
    "*/{dt}-*.pq": "shop/2024-03-02-a.pq",
    "orders/hour=*/{dt}": "orders/hour=05/2024-03-02/part-0.parquet",
    "_old/{dt}*": "_old/2024-03-02/part-0.parquet",
}


@pytest.mark.parametrize("uri", FORMATS)
@pytest.mark.parametrize("where", ["folder", "URI"])
def test_a_day_has_a_file_a_folder_or_a_pattern_in_any_format(tmp_path: Path, uri: str, where: str) -> None:
    folder = pipeline(tmp_path, uri if where == "folder" else f"file://{tmp_path}/exports/{uri}")
    files = folder if where == "folder" else tmp_path / "exports"
    files.mkdir(exist_ok=True)
    write(files, **{FORMATS[uri].replace("/", "__"): orders(1)})
    assert ids(folder, 1, 1) == [[100, 101, 102, 103]]
    with pytest.raises(BadData, match=r"provide (it|them), or correct source\.uri$"):
        ids(folder, 0, 1)


def test_files_are_read_in_the_order_of_their_names_however_they_came(tmp_path: Path) -> None:
    rows = orders(0, count=6)
    pieces = {"part-00010": rows[4:], "part-00002": rows[2:4], "part-00001": rows[:2]}
    found = []
    for number, names in enumerate((pieces, reversed(pieces), sorted(pieces))):
        folder = pipeline(tmp_path / str(number), "orders/dt={dt}")
        write(folder, **{f"orders__dt=2024-03-01__{name}.parquet": pieces[name] for name in names})
        [(part, read)] = cut(folder)
        assert [row["id"] for row in read] == [0, 1, 2, 3, 4, 5]
        found.append(part.sha256)
    assert len(set(found)) == 1
    write(folder, **{"orders__dt=2024-03-01__part-00001.parquet": rows})
    for name in ("part-00002", "part-00010"):
        (folder / f"orders/dt=2024-03-01/{name}.parquet").unlink()
    assert [part.sha256 for part, _ in cut(folder)] == found[:1]  # however they are cut into files


@pytest.mark.parametrize("uri", ["orders/dt={dt}", "orders/dt={dt}/*", "*/dt={dt}", "*/*{dt}/*"])
def test_what_spark_and_hive_leave_beside_the_files_is_left_out(tmp_path: Path, uri: str) -> None:
    folder = pipeline(tmp_path, uri)
    write(folder, **{"orders__dt=2024-03-01__part-00000.snappy.parquet": orders(0)})
    home = folder / "orders/dt=2024-03-01"
    others = ("_SUCCESS", "_committed_1", ".part-00000.snappy.parquet.crc", "_temporary/0/part-00001.parquet")
    for name in others:
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_bytes(b"theirs")
    assert ids(folder) == [[0, 1, 2, 3]]


@pytest.mark.parametrize("uri", ["dt={dt}", "in/dt={dt:%Y%m%d}/*.parquet", "dt={dt}/a.parquet"])
def test_a_day_that_only_the_path_gives_is_a_column(tmp_path: Path, uri: str) -> None:
    folder = pipeline(tmp_path, uri, partition_by="dt")
    for number in range(2):
        path = uri.replace("{dt}", str(day(number))).replace("{dt:%Y%m%d}", f"{day(number):%Y%m%d}")
        name = path.replace("*", "a") if path.endswith("t") else f"{path}/a.parquet"
        write(folder, **{name.replace("/", "__"): [{"id": number}]})
    assert [rows for _, rows in cut(folder, 0, 1)] == [
        [{"id": 0, "dt": date(2024, 3, 1)}],
        [{"id": 1, "dt": date(2024, 3, 2)}],
    ]


def test_a_column_of_the_file_counts_more_than_the_path(tmp_path: Path) -> None:
    folder = pipeline(tmp_path, "time={dt}/a.parquet")
    write(folder, **{"time=2024-03-01__a.parquet": orders(1)})
    with pytest.raises(BadData, match="'time' is outside of 2024-03-01 … 2024-03-01"):
        ids(folder)


def test_another_column_than_the_path_gives_is_not_made_up(tmp_path: Path) -> None:
    folder = pipeline(tmp_path, "dt={dt}/a.parquet", partition_by="tmie")
    write(folder, **{"dt=2024-03-01__a.parquet": orders(0)})
    with pytest.raises(BadData, match=r"'tmie' \(source.partition_by\) is missing .* did you mean 'time'\?"):
        ids(folder)


def test_a_month_is_read_once_for_its_days(tmp_path: Path) -> None:
    folder = pipeline(tmp_path, "{dt:%Y-%m}.parquet")
    write(
        folder, **{"2024-03.parquet": orders(0, 1, 29, 30, count=1), "2024-04.parquet": orders(31, count=1)}
    )
    assert ids(folder, 29, 32) == [[2900], [3000], [3100], []]
    assert ids(folder, 1, 1) == [[100]]


def test_a_year_is_read_for_its_days(tmp_path: Path) -> None:
    folder = pipeline(tmp_path, "{dt:%Y}/*.parquet")
    write(folder, **{"2024__a.parquet": orders(0, 305, count=1), "2025__a.parquet": orders(306, count=1)})
    assert ids(folder, 304, 306) == [[], [30500], [30600]]


def test_every_day_of_a_month_without_a_file_is_missing(tmp_path: Path) -> None:
    folder = pipeline(tmp_path, "{dt:%Y-%m}.parquet", missing="skip")
    write(folder, **{"2024-03.parquet": orders(29, count=1)})
    found = [(part.rows, part.is_missing) for part, _ in cut(folder, 29, 32)]
    assert found == [(1, False), (0, False), (0, True), (0, True)]


def test_paths_without_a_file_are_named_one_for_all_their_days(tmp_path: Path) -> None:
    folder = pipeline(tmp_path, "{dt:%Y-%m}/*.parquet", missing="wait")
    write(folder, **{"2024-04__a.parquet": orders(31, count=1)})
    source = loader.load(folder).source
    found = missing_files(source, day(0), day(99), folder=folder)
    assert found == ["2024-03/*.parquet", "2024-05/*.parquet", "2024-06/*.parquet"]
    assert missing_files(source, day(31), day(40), folder=folder) == []


def test_a_file_that_went_away_while_it_was_waited_for_is_missing(tmp_path: Path) -> None:
    with pytest.raises(FileMissing, match="2024-03-01"):
        ids(pipeline(tmp_path, "{dt}.parquet", missing="wait"))


def test_a_file_that_cannot_be_read_is_not_skipped(tmp_path: Path) -> None:
    folder = pipeline(tmp_path, "{dt}.parquet", missing="skip")
    (folder / "2024-03-01.parquet").write_bytes(b"")
    with pytest.raises(BadData, match=r"is empty: 0 bytes"):
        ids(folder)


def test_rows_of_another_month_are_not_left_out_unseen(tmp_path: Path) -> None:
    folder = pipeline(tmp_path, "{dt:%Y-%m}.parquet")
    write(folder, **{"2024-03.parquet": orders(0, 31, 32, count=1)})
    with pytest.raises(BadData) as raised:
        ids(folder)
    assert str(raised.value) == (
        "'2024-03.parquet': column 'time' is outside of 2024-03-01 … 2024-03-31 (UTC) in 2 of 3 rows; the "
        "source has to return the requested days, or set source.late to 'drop'"
    )


def test_a_history_may_be_a_folder(tmp_path: Path) -> None:
    folder = pipeline(tmp_path, "exports")
    write(folder, exports__a=orders(0, 1), exports__b=orders(1, 2))
    assert ids(folder, 1, 1) == [[100, 101, 102, 103, 100, 101, 102, 103]]


FAR = {
    "the end of time": datetime(9999, 12, 31),
    "a birth": datetime(1650, 1, 1),
    "microseconds": datetime(2024, 3, 1, 5, 0, 0, 123456),
    "nothing": None,
}


@pytest.mark.parametrize("kind", FAR)
def test_int96_has_the_time_of_the_file(tmp_path: Path, kind: str) -> None:
    """As nanoseconds the year 9999 would be 1816, silently."""
    folder, time = pipeline(tmp_path, "a.parquet"), pa.timestamp("us")
    columns = {"time": pa.array([datetime(2024, 3, 1, 5)], time), "valid_to": pa.array([FAR[kind]], time)}
    old = {"use_deprecated_int96_timestamps": True, "store_schema": False}
    pq.write_table(pa.table(columns), folder / "a.parquet", **old)
    [(part, rows)] = cut(folder)
    assert rows == [{"time": datetime(2024, 3, 1, 5), "valid_to": FAR[kind]}]
    assert pq.ParquetFile(folder / "a.parquet").schema.column(1).physical_type == "INT96"
    assert part.file is not None
    assert pq.read_table(part.file).to_pandas()["valid_to"].astype(object).tolist() in ([FAR[kind]], [pd.NaT])


def test_a_row_of_a_far_day_is_of_no_other_day(tmp_path: Path) -> None:
    folder = pipeline(tmp_path, "a.parquet")
    times = pa.array([datetime(9999, 12, 31), datetime(2024, 3, 1, 5)], pa.timestamp("us"))
    pq.write_table(
        pa.table({"time": times, "id": [1, 2]}), folder / "a.parquet", use_deprecated_int96_timestamps=True
    )
    assert ids(folder) == [[2]]
    century = parts(
        loader.load(folder).feed(), date(1816, 3, 29), date(1816, 3, 29), folder=folder, scratch=tmp_path
    )
    assert [part.rows for part in century] == [0]


@pytest.mark.parametrize(
    ("unit", "value", "message"),
    [
        (
            "ms",
            10**18,
            "'a.parquet': column 'time': 1 of 2 values are no days of the years 1 to 9999; correct them",
        ),
        ("ms", -(10**17), "'time': 1 of 2 values are no days of the years 1 to 9999"),
        ("us", 2**62, "'time' is outside of 0001-01-01 … 9999-12-31 (UTC) in 1 of 2 rows"),
    ],
)
def test_a_time_out_of_range_is_no_other_day(tmp_path: Path, unit: str, value: int, message: str) -> None:
    folder = pipeline(tmp_path, "a.parquet")
    pq.write_table(pa.table({"time": pa.array([value, 0], pa.timestamp(unit))}), folder / "a.parquet")
    with pytest.raises(BadData) as raised:
        ids(folder)
    assert message in str(raised.value)


FAULTS = [
    ("none.parquet", "'none.parquet' does not exist; provide it, or correct source.uri"),
    ("none/*.parquet", "no file matches 'none/*.parquet'; provide it, or correct source.uri"),
    ("*/none", "no file matches '*/none'; provide it, or correct source.uri"),
    ("pipeline.yaml/a", "'pipeline.yaml/a' does not exist"),
    ("pipeline.yaml/*", "'pipeline.yaml/*' does not exist"),
    ("empty", "'empty' is a folder without files; provide them, or correct source.uri"),
    (
        "by-region",
        "'by-region' has folders that hold values of column 'region', which the files may lack; name the "
        "files by a pattern with '*' if they have every column",
    ),
    ("mixed", "'mixed/b.txt' cannot be read: Parquet magic bytes not found in footer"),
]


@pytest.mark.parametrize(("uri", "message"), FAULTS)
def test_a_place_without_files_to_read(tmp_path: Path, uri: str, message: str) -> None:
    folder = pipeline(tmp_path, uri)
    (folder / "empty/_temporary").mkdir(parents=True)
    write(folder, **{"by-region__region=secret__a.parquet": orders(0), "mixed__a.parquet": orders(0)})
    (folder / "mixed/b.txt").write_text("a note, and no rows")
    with pytest.raises(BadData) as raised:
        ids(folder)
    assert str(raised.value).startswith(message)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    of_bucket, of_objects = ["s3:ListBucket"], ["s3:GetObject", "s3:PutObject"]
    with run_s3(tmp_path_factory.mktemp("s3"), BUCKET, of_bucket, of_objects) as found:
        yield found


@pytest.mark.parametrize(
    "path", ["orders/dt={dt}", "orders/dt={dt}/*.parquet", "orders/*{dt}/part-1.parquet"]
)
def test_files_of_s3_are_found_as_those_of_a_disk(tmp_path: Path, store: Store, path: str) -> None:
    keys = f"{quote(store.access_key_id, safe='')}:{quote(store.secret_access_key, safe='')}"
    endpoint = store.url.removeprefix("http://")
    options = f"scheme=http&endpoint_override={endpoint}&region={REGION}"
    system, _ = fs.FileSystem.from_uri(f"s3://{keys}@{BUCKET}?{options}")
    for name in ("part-1.parquet", "_SUCCESS"):
        with system.open_output_stream(f"{BUCKET}/orders/dt=2024-03-01/{name}") as out:
            pq.write_table(pa.Table.from_pylist(orders(0)), out)
    folder = pipeline(tmp_path, f"s3://{keys}@{BUCKET}/{path}?{options}")
    assert ids(folder) == [[0, 1, 2, 3]]
    with pytest.raises(BadData) as raised:
        ids(folder, 1, 1)
    assert "2024-03-02" in str(raised.value)
    assert store.secret_access_key not in str(raised.value)
