"""Each reader gives the same rows; what goes wrong is sorted by what its receiver should do."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import create_engine, text

from include.contract import loader
from include.exceptions import BadData, MillraceError, Misconfigured, Transient, Unavailable
from include.ingestion.readers import _typed, misfits, read
from tests.support.pipeline import Row, day, orders, write_csv, write_parquet, write_pipeline

QUERY = "select * from orders where time >= :start and time < :end order by time"


def rows_of(folder: Path, days: tuple[int, int] = (0, 1), sql_url: str | None = None) -> list[Row]:
    first, last = map(day, days)
    source = loader.load(folder).source
    return [
        row
        for found in read(source, first, last, folder=folder, sql_url=sql_url)
        for row in found.batch.to_pylist()
    ]


def database(folder: Path, rows: list[Row]) -> str:
    url = f"sqlite:///{folder}/shop.db"
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(
            text("create table orders (time text, id integer, amount, kind text, returned int)")
        )
        connection.execute(text("insert into orders values (:time, :id, :amount, :kind, :returned)"), rows)
    engine.dispose()
    return url


def sql_pipeline(tmp_path: Path, query: str = QUERY) -> Path:
    source = {"reader": "sql", "uri": None, "conn_id": "shop", "query": query}
    return write_pipeline(tmp_path, source=source)


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


def test_sql_is_asked_for_the_days_in_the_sources_time_zone(tmp_path: Path) -> None:
    folder = sql_pipeline(tmp_path)
    url = database(tmp_path, orders(0, 1, 2))
    assert rows_of(folder, (1, 1), sql_url=url) == orders(1)


def test_python_is_called_with_the_days(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = "    yield pa.RecordBatch.from_pylist([{'time': str(first)}, {'time': str(last)}])"
    folder = python_pipeline(tmp_path, monkeypatch, "shop_days", code)
    assert rows_of(folder) == [{"time": "2024-03-01"}, {"time": "2024-03-02"}]


def test_sql_types_do_not_depend_on_the_rows_that_come_along() -> None:
    values = [{"n": 1, "d": Decimal("1.5")}, {"n": None, "d": Decimal("1234.25")}]
    zones = [
        {"t": datetime.fromisoformat("2024-03-01T00:00+01:00")},
        {"t": datetime.fromisoformat("2024-07-01T00:00+02:00")},
    ]
    assert [str(kind) for kind in _typed(values).schema.types] == ["int64", "double"]
    assert {str(_typed([row]).schema.field("t").type) for row in zones} == {"timestamp[us, tz=UTC]"}


def test_misfits_are_counted_by_halving() -> None:
    values = pa.array(["1", "x", None, "3", "y", "5", "z"])
    assert misfits(values, pa.int64()) == 3
    assert misfits(values, pa.string()) == 0
    assert misfits(pa.array([b"caf\xe9", b"12", b"tea"]), pa.string(), pa.int32()) == 2


FAULTS: list[tuple[dict[str, Any], type[MillraceError], str]] = [
    ({"uri": "none.csv"}, BadData, "'none.csv' does not exist; provide it, or correct source.uri"),
    ({"uri": "."}, BadData, "'.' cannot be read: Cannot open for reading: path"),
    (
        {"uri": "ftp://user:hunter2@host/x.csv"},
        Misconfigured,
        "source.uri 'ftp://***@host/x.csv' cannot be opened: Unrecognized filesystem type in URI",
    ),
    (
        {"reader": "python", "callable": "no_such:read"},
        Misconfigured,
        "source.callable 'no_such:read' cannot be imported: ModuleNotFoundError: No module named 'no_such'",
    ),
    (
        {"reader": "sql", "conn_id": "shop", "query": QUERY},
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


def test_a_database_that_does_not_answer_is_transient(tmp_path: Path) -> None:
    folder = sql_pipeline(tmp_path)
    with pytest.raises(Unavailable, match="unable to open database file"):
        rows_of(folder, sql_url=f"sqlite:///{tmp_path}/none/shop.db")
    with pytest.raises(Unavailable) as raised:
        rows_of(folder, sql_url="postgresql+psycopg2://shop:hunter2@127.0.0.1:1/shop")
    assert "at postgresql+psycopg2://shop:***@127.0.0.1:1/shop" in str(raised.value)
    assert isinstance(raised.value, Transient)


@pytest.mark.parametrize("url", ["postgres://shop:hunter2@h/db", "nonsense hunter2"])
def test_a_database_url_that_is_none_is_told_without_its_password(tmp_path: Path, url: str) -> None:
    with pytest.raises(Misconfigured) as raised:
        rows_of(sql_pipeline(tmp_path), sql_url=url)
    assert str(raised.value) == (
        "the URL of connection 'shop' cannot be opened by SQLAlchemy; correct its type, or install its driver"
    )


def test_a_query_column_of_mixed_types_is_named(tmp_path: Path) -> None:
    rows = orders(0)
    rows[2]["amount"] = "secret-7f3a9"
    url = database(tmp_path, rows)
    with pytest.raises(BadData) as raised:
        rows_of(sql_pipeline(tmp_path), sql_url=url)
    assert str(raised.value) == "source.query: column 'amount' mixes float, str; cast it in the query"


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
        "source.callable 'shop_fails:read' failed with ValueError; fix it, or its source"
    )
    assert raised.value.__cause__ is None


def test_a_big_parquet_file_streams(tmp_path: Path) -> None:
    folder = write_pipeline(tmp_path, source={"reader": "parquet", "uri": "big.parquet"})
    times = pa.array([f"{day(0)} 00:00:00"] * 300_000)
    pq.write_table(pa.table({"time": times}), folder / "big.parquet")
    source = loader.load(folder).source
    found = read(source, day(0), day(0), folder=folder, sql_url=None)
    assert isinstance(found, Iterator)
    sizes = [one.batch.num_rows for one in found]
    assert sum(sizes) == 300_000
    assert max(sizes) < 100_000


def test_a_big_query_comes_in_big_batches(tmp_path: Path) -> None:
    query = (
        "with recursive n(i) as (select 1 union all select i + 1 from n where i < 150000) "
        "select '2024-03-01' as time, i from n where :start < :end"
    )
    folder = sql_pipeline(tmp_path, query)
    found = read(loader.load(folder).source, day(0), day(0), folder=folder, sql_url="sqlite://")
    assert [one.batch.num_rows for one in found] == [100_000, 50_000]
