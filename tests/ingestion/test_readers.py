"""Each reader gives the same rows; what goes wrong is sorted by what its receiver should do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include.contract import loader
from include.exceptions import BadData, FileMissing, MillraceError, Misconfigured
from include.ingestion.readers import SourceBatch, read
from include.lake.misfits import misfits
from tests.support.pipeline import Row, day, orders, write_csv, write_parquet, write_pipeline


def rows_of(folder: Path, days: tuple[int, int] = (0, 1), sql_url: str | None = None) -> list[Row]:
    first, last = map(day, days)
    source = loader.load(folder).source
    return [
        row
        for found in read(source, first, last, folder=folder, sql_url=sql_url)
        if isinstance(found, SourceBatch)
        for row in found.batch.to_pylist()
    ]


def python_pipeline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, code: str) -> Path:
    (tmp_path / f"{name}.py").write_text(f"import pyarrow as pa\n\ndef read(first, last):\n{code}\n")
    monkeypatch.syspath_prepend(tmp_path)
    return write_pipeline(tmp_path, source={"reader": "python", "uri": None, "callable": f"{name}:read"})


def test_csv_gives_its_rows_with_times_as_times(tmp_path: Path) -> None:
    folder = write_pipeline(tmp_path)
    write_csv(folder / "orders.csv", orders(0, 1))
    assert [{**row, "time": str(row["time"])} for row in rows_of(folder)] == orders(0, 1)


def test_parquet_gives_its_rows(tmp_path: Path) -> None:
    folder = write_pipeline(tmp_path, source={"reader": "parquet", "uri": "orders.parquet"})
    write_parquet(folder / "orders.parquet", orders(0, 1))
    assert rows_of(folder) == orders(0, 1)


def test_a_uri_may_name_any_file_system_of_arrow(tmp_path: Path) -> None:
    folder = write_pipeline(tmp_path, source={"uri": f"file://{tmp_path}/elsewhere.csv"})
    write_csv(tmp_path / "elsewhere.csv", orders(0))
    assert [row["id"] for row in rows_of(folder)] == [0, 1, 2, 3]


def test_dt_in_a_uri_is_each_day_asked_for(tmp_path: Path) -> None:
    folder = write_pipeline(tmp_path, source={"uri": "in/{dt}/orders-{dt}.csv"})
    for number in range(4):
        file = folder / f"in/{day(number)}/orders-{day(number)}.csv"
        file.parent.mkdir(parents=True)
        write_csv(file, orders(number, count=1))
    assert [row["id"] for row in rows_of(folder, (1, 2))] == [100, 200]


def test_python_is_called_with_the_days(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = "    yield pa.RecordBatch.from_pylist([{'time': str(first)}, {'time': str(last)}])"
    folder = python_pipeline(tmp_path, monkeypatch, "shop_days", code)
    assert rows_of(folder) == [{"time": "2024-03-01"}, {"time": "2024-03-02"}]


def test_misfits_are_counted_by_halving() -> None:
    values = pa.array(["1", "x", None, "3", "y", "5", "z"])
    assert misfits(values, pa.int64()) == 3
    assert misfits(values, pa.string()) == 0
    assert misfits(pa.array([b"caf\xe9", b"12", b"tea"]), pa.string(), pa.int32()) == 2


FAULTS: list[tuple[dict[str, Any], type[MillraceError], str]] = [
    ({"uri": "none.csv"}, FileMissing, "'none.csv' does not exist; provide it, or correct source.uri"),
    ({"uri": "no*.csv"}, FileMissing, "no file matches 'no*.csv'; provide it, or correct source.uri"),
    (
        {"uri": "ftp://user:hunter2@host/x.csv"},
        Misconfigured,
        "source.uri 'ftp://***@host/x.csv' cannot be opened: Unrecognized filesystem type in URI",
    ),
    (
        {"reader": "python", "callable": "no_such:read"},
        Misconfigured,
        "import of source.callable 'no_such:read' failed with ModuleNotFoundError (No module named 'no_such'",
    ),
    (
        {"reader": "sql", "conn_id": "shop", "query": "select 1"},
        Misconfigured,
        "reader 'sql' needs the URL of source.conn_id",
    ),
]


@pytest.mark.parametrize(("source", "kind", "message"), FAULTS, ids=[m[:24] for _, _, m in FAULTS])
def test_a_source_that_cannot_be_opened(
    tmp_path: Path, source: dict[str, Any], kind: type[MillraceError], message: str
) -> None:
    folder = write_pipeline(tmp_path, source=source)
    with pytest.raises(kind) as raised:
        rows_of(folder)
    assert str(raised.value).startswith(message)


def test_a_python_source_that_yields_something_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = python_pipeline(tmp_path, monkeypatch, "shop_lists", "    yield [{'time': str(first)}]")
    with pytest.raises(Misconfigured, match=r"yielded a list; it must yield pyarrow\.RecordBatch"):
        rows_of(folder)


def test_a_python_source_that_fails_is_told_without_what_it_quotes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "    yield pa.RecordBatch.from_pylist([])\n    float('secret-7f3a9')"
    folder = python_pipeline(tmp_path, monkeypatch, "shop_fails", code)
    with pytest.raises(BadData) as raised:
        rows_of(folder)
    assert str(raised.value) == (
        f"source.callable 'shop_fails:read' failed with ValueError at {folder.parent}/shop_fails.py:5 "
        "in 'read'; correct it, or its source; raise include.exceptions.Transient for what passes by itself"
    )
    assert raised.value.__cause__ is None


def test_a_big_parquet_file_streams(tmp_path: Path) -> None:
    folder = write_pipeline(tmp_path, source={"reader": "parquet", "uri": "big.parquet"})
    times = pa.array([f"{day(0)} 00:00:00"] * 300_000)
    pq.write_table(pa.table({"time": times}), folder / "big.parquet")
    source = loader.load(folder).source
    found = read(source, day(0), day(0), folder=folder, sql_url=None)
    assert isinstance(found, Iterator)
    sizes = [one.batch.num_rows for one in found if isinstance(one, SourceBatch)]
    assert sum(sizes) == 300_000
    assert max(sizes) < 100_000
