"""Queries: rows of real databases, which a query cannot change, and faults without the values they quote."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import traceback
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa
import pytest
from sqlalchemy import create_engine, exc, text

from include.contract import loader
from include.exceptions import (
    BadData,
    MillraceError,
    Misconfigured,
    Transient,
    Unauthorized,
    Unavailable,
)
from include.ingestion import sql_errors
from include.ingestion.partitioner import parts
from include.ingestion.readers import SourceBatch, read
from include.ingestion.sql import typed
from include.platform.embedded import postgres
from tests.support.pipeline import Row, day, orders, write_pipeline
from tests.support.stack import database_folder

QUERY = "select * from orders where time >= :start and time < :end order by time"
SECRET = "secret-7f3a9"
"""Stands for a value that must not leave the data."""


def sql_pipeline(parent: Path, query: str = QUERY) -> Path:
    source = {"reader": "sql", "uri": None, "conn_id": "shop", "query": query}
    return write_pipeline(parent, source=source)


def batches_of(folder: Path, url: str, days: tuple[int, int] = (0, 1)) -> list[pa.RecordBatch]:
    first, last = map(day, days)
    return [
        found.batch
        for found in read(loader.load(folder).source, first, last, folder=folder, sql_url=url)
        if isinstance(found, SourceBatch)
    ]


def rows_of(folder: Path, url: str, days: tuple[int, int] = (0, 1)) -> list[Row]:
    return [row for batch in batches_of(folder, url, days) for row in batch.to_pylist()]


def load_days(folder: Path, url: str) -> list[int]:
    """How many rows ingestion finds on each of the first two days."""
    scratch = folder.parent / "scratch"
    scratch.mkdir()
    found = parts(loader.load(folder).feed(), day(0), day(1), folder=folder, scratch=scratch, sql_url=url)
    return [part.rows for part in found]


def fault_of(folder: Path, url: str) -> MillraceError:
    """What a query fails with; neither it nor its traceback holds the secret."""
    with pytest.raises(MillraceError) as raised:
        rows_of(folder, url)
    assert SECRET not in "".join(traceback.format_exception(raised.value))
    assert len(str(raised.value)) < 600
    return raised.value


# SQLite


def database(folder: Path, rows: list[Row]) -> str:
    url = f"sqlite:///{folder}/shop #1 50%.db"
    engine = create_engine("sqlite://", creator=lambda: sqlite3.connect(folder / "shop #1 50%.db"))
    with engine.begin() as connection:
        connection.execute(
            text("create table orders (time text, id integer, amount, kind text, returned int)")
        )
        connection.execute(text("insert into orders values (:time, :id, :amount, :kind, :returned)"), rows)
    engine.dispose()
    return url


def test_a_query_is_asked_for_the_days_in_the_sources_time_zone(tmp_path: Path) -> None:
    url = database(tmp_path, orders(0, 1, 2))
    assert rows_of(sql_pipeline(tmp_path), url, (1, 1)) == orders(1)


def test_a_query_without_rows_has_its_columns(tmp_path: Path) -> None:
    [batch] = batches_of(sql_pipeline(tmp_path), database(tmp_path, orders(7)))
    assert (batch.num_rows, batch.schema.names) == (0, list(orders(0)[0]))


def test_a_big_query_comes_in_big_batches(tmp_path: Path) -> None:
    query = (
        "with recursive n(i) as (select 1 union all select i + 1 from n where i < 150000) "
        "select '2024-03-01' as time, i from n where :start < :end"
    )
    assert [batch.num_rows for batch in batches_of(sql_pipeline(tmp_path, query), "sqlite://")] == [
        100_000,
        50_000,
    ]


def test_types_do_not_depend_on_the_rows_that_come_along() -> None:
    zones = [
        datetime.fromisoformat("2024-03-01T00:00+01:00"),
        datetime.fromisoformat("2024-07-01T00:00+02:00"),
    ]
    numbers = typed(["n", "d"], [(1, Decimal("1.5")), (None, Decimal("1234.25"))])
    assert [str(kind) for kind in numbers.schema.types] == ["int64", "double"]
    assert {str(typed(["t"], [(zone,)]).schema.field("t").type) for zone in zones} == {
        "timestamp[us, tz=UTC]"
    }


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ((1.5, SECRET), "column 'amount' mixes float, str; cast it in the query"),
        ((1, SECRET, b"a"), "column 'amount' mixes bytes, int, str; cast it in the query"),
        (
            (2**70,),
            "column 'amount' holds values that no type of column can hold, of type int; cast it in the query",
        ),
        (
            (object(),),
            "column 'amount' holds values that no type of column can hold, of type object; cast it in the "
            "query",
        ),
    ],
    ids=["two", "three", "too large", "unknown"],
)
def test_values_of_which_no_column_can_be_made_are_named(values: tuple[Any, ...], message: str) -> None:
    with pytest.raises(BadData) as raised:
        typed(["amount"], [(value,) for value in values])
    assert str(raised.value) == f"source.query: {message}"
    assert raised.value.__suppress_context__


@pytest.mark.parametrize("rows", [orders(0), []], ids=["rows", "no rows"])
@pytest.mark.parametrize(
    ("query", "message"),
    [
        (
            "select o.*, c.* from orders o left join orders c on c.id = o.id where o.time < :end",
            "source.query: 5 column name(s) occur twice: 'amount', 'id', 'kind', 'returned', 'time'; give "
            "each column a name of its own",
        ),
        (
            "select id, time as Time from orders where time < :end",
            "source.query: column 'time' (source.partition_by) is missing among the 2 columns; did you mean "
            "'Time'? correct source.partition_by, or the source",
        ),
    ],
    ids=["twice", "no time"],
)
def test_columns_are_checked_with_and_without_rows(
    tmp_path: Path, query: str, message: str, rows: list[Row]
) -> None:
    url = database(tmp_path, rows or orders(0))
    query = query if rows else query.replace(":end", "'1999'")
    with pytest.raises(BadData) as raised:
        load_days(sql_pipeline(tmp_path, query), url)
    assert str(raised.value) == message


SQLITE_FAULTS: list[tuple[str, type[MillraceError], str]] = [
    (
        "select * from orderz",
        Misconfigured,
        "source.query is refused (SQLITE_ERROR): no such table: orderz; correct it, or source.conn_id",
    ),
    (
        "select nope from orders",
        Misconfigured,
        "source.query is refused (SQLITE_ERROR): no such column: nope;",
    ),
    (
        "select from orders",
        Misconfigured,
        'source.query is refused (SQLITE_ERROR): near "from": syntax error;',
    ),
    (
        "select json(kind) as time from orders",
        BadData,
        "source.query fails with OperationalError (SQLITE_ERROR); run it in a database client",
    ),
    (
        "with a as (select 1) insert into orders (id) select 1 from orders returning id",
        Misconfigured,
        "source.query is refused (SQLITE_READONLY): it writes, and a source only reads; write a query that",
    ),
    (
        "with a as (select 1) delete from orders",
        Misconfigured,
        "source.query is refused (SQLITE_READONLY): it writes, and a source only reads;",
    ),
]


@pytest.mark.parametrize(
    ("query", "kind", "message"), SQLITE_FAULTS, ids=[q[:32] for q, _, _ in SQLITE_FAULTS]
)
def test_a_query_that_sqlite_refuses_changes_nothing_and_is_sorted(
    tmp_path: Path, query: str, kind: type[MillraceError], message: str
) -> None:
    url = database(tmp_path, [{**row, "kind": SECRET} for row in orders(0)])
    before = (tmp_path / "shop #1 50%.db").read_bytes()
    found = fault_of(sql_pipeline(tmp_path, query), url)
    assert str(found).startswith(message)
    assert type(found) is kind
    assert (tmp_path / "shop #1 50%.db").read_bytes() == before


def test_a_file_that_is_missing_is_not_created(tmp_path: Path) -> None:
    found = fault_of(sql_pipeline(tmp_path), f"sqlite:///{tmp_path}/none.db")
    assert isinstance(found, Unavailable)
    assert "(SQLITE_CANTOPEN): unable to open database file" in str(found)
    assert not (tmp_path / "none.db").exists()


def test_a_file_of_another_kind_is_misconfigured(tmp_path: Path) -> None:
    (tmp_path / "shop.db").write_text("a,b\n1,2\n" * 200)
    found = fault_of(sql_pipeline(tmp_path), f"sqlite:///{tmp_path}/shop.db")
    assert str(found) == (
        "source.query is refused (SQLITE_NOTADB): file is not a database; correct it, or source.conn_id"
    )
    assert type(found) is Misconfigured


def test_a_file_that_another_writes_is_transient(tmp_path: Path) -> None:
    url = database(tmp_path, orders(0))
    with closing(sqlite3.connect(tmp_path / "shop #1 50%.db", isolation_level=None)) as writer:
        writer.execute("begin exclusive")
        found = fault_of(sql_pipeline(tmp_path), f"{url}?timeout=0.1")
    assert type(found) is Transient
    assert "(SQLITE_BUSY)" in str(found)


def test_what_a_killed_writer_left_is_told_from_a_query_that_writes(tmp_path: Path) -> None:
    url = database(tmp_path, orders(0))
    file = tmp_path / "shop #1 50%.db"
    code = (
        "import os, sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "c.execute('pragma cache_size = 2'); c.execute('begin'); c.execute('create table large (x)')\n"
        "for _ in range(100): c.execute('insert into large values (zeroblob(4000))')\n"
        "os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", code, str(file)], check=True)
    found = fault_of(sql_pipeline(tmp_path), url)
    assert type(found) is Unavailable
    assert "(SQLITE_READONLY_ROLLBACK)" in str(found)
    assert "open its file once with a program that may write" in str(found)
    with closing(sqlite3.connect(file)) as client:
        client.execute("select count(*) from orders").fetchone()
    assert sum(load_days(tmp_path / "orders", url)) == len(orders(0))


@pytest.mark.parametrize("url", ["postgres://shop:hunter2@h/db", "nonsense hunter2"])
def test_a_url_of_no_database_is_told_without_its_password(tmp_path: Path, url: str) -> None:
    assert str(fault_of(sql_pipeline(tmp_path), url)) == (
        "the URL of connection 'shop' cannot be opened by SQLAlchemy; correct its type, or install its driver"
    )


# PostgreSQL


@dataclass(frozen=True)
class Server:
    """A PostgreSQL with a database `shop`; its user `reader` needs a password."""

    socket: str

    def url(self, user: str = "postgres", name: str = "shop", **parameters: str) -> str:
        query = "&".join(f"{key}={value}" for key, value in {"host": self.socket, **parameters}.items())
        return f"postgresql+psycopg2://{user}@/{name}?{query}"

    def run(self, *statements: str, name: str = "shop") -> list[Any]:
        engine = create_engine(self.url(name=name), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            answers = [connection.exec_driver_sql(statement) for statement in statements]
            rows = list(answers[-1]) if answers[-1].returns_rows else []
        engine.dispose()
        return rows

    def state(self) -> list[Any]:
        """The rows of the orders, the names of tables and sequences, and where the sequence stands."""
        tables = (
            "select relname::text from pg_class where relkind in ('r', 'S') and relnamespace = {} order by 1"
        )
        return [
            *self.run("select id, kind from orders order by id"),
            *self.run(tables.format("'public'::regnamespace")),
            *self.run("select last_value, is_called from numbers"),
        ]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with database_folder() as above:
        data = above / "postgres"
        try:
            found = Server(postgres.start(data))
            rules = data / "pg_hba.conf"
            rules.write_text(f"local all reader scram-sha-256\n{rules.read_text()}")
            found.run("create database shop", "select pg_reload_conf()", name="postgres")
            found.run(
                "create table orders (time timestamp, id integer, kind text, paid numeric)",
                f"insert into orders select '2024-03-01 05:00:00', n, '{SECRET}', 1.5 * n from "
                "generate_series(1, 3) n",
                "create sequence numbers",
                "create function leak() returns int language plpgsql as "
                f"$$ begin raise exception '{SECRET}'; end $$",
                "create function sneak() returns int language sql as $$ insert into orders (id) values (9) "
                "returning id $$",
                "create role reader login password 'hunter2'",
            )
            yield found
        finally:
            postgres.stop(data)


def test_postgresql_gives_its_rows_in_columns_of_its_types(tmp_path: Path, server: Server) -> None:
    query = (
        "select time, id, paid, time at time zone 'UTC' as zoned, null as none, array[1] as list, "
        "'{\"a\": 1}'::jsonb as json, 'a'::bytea as bytes, "
        "'00000000-0000-0000-0000-000000000001'::uuid as uuid, time::date as date, 1::boolean as flag "
        "from orders where time >= :start and time < :end and id = 2"
    )
    assert rows_of(sql_pipeline(tmp_path, query), server.url()) == [
        {
            "time": datetime(2024, 3, 1, 5),
            "id": 2,
            "paid": 3.0,
            "zoned": datetime(2024, 3, 1, 5, tzinfo=UTC),
            "none": None,
            "list": [1],
            "json": {"a": 1},
            "bytes": b"a",
            "uuid": UUID(int=1),
            "date": day(0),
            "flag": True,
        }
    ]


def test_a_days_rows_are_loaded_from_postgresql(tmp_path: Path, server: Server) -> None:
    assert load_days(sql_pipeline(tmp_path), server.url()) == [3, 0]


REFUSED, WRITES = "source.query is refused", "it writes, and a source only reads; write a query that changes"
POSTGRESQL_FAULTS: list[tuple[str, type[MillraceError], str]] = [
    (
        "select * from orderz",
        Misconfigured,
        f'{REFUSED} (42P01): relation "orderz" does not exist; correct it',
    ),
    (
        "select nope from orders",
        Misconfigured,
        f'{REFUSED} (42703): column "nope" does not exist; correct it',
    ),
    ("select from where", Misconfigured, f'{REFUSED} (42601): syntax error at or near "where"; correct it'),
    ("select no_such(1)", Misconfigured, f"{REFUSED} (42883): function no_such(integer) does not exist"),
    (
        "select kind::int from orders",
        BadData,
        "source.query fails with InvalidTextRepresentation (22P02): invalid input syntax for type integer;",
    ),
    (
        "select to_date(kind, 'YYYY-MM-DD') from orders",
        BadData,
        "source.query fails with InvalidDatetimeFormat (22007): invalid value; run it in a database client",
    ),
    (
        "select kind::jsonb from orders",
        BadData,
        "source.query fails with InvalidTextRepresentation (22P02): invalid input syntax for type json; run",
    ),
    (
        "select kind::timestamp from orders",
        BadData,
        "source.query fails with InvalidDatetimeFormat (22007): invalid input syntax for type timestamp; run",
    ),
    (
        "select (id * 2000000000)::int from orders",
        BadData,
        "source.query fails with NumericValueOutOfRange (22003): integer out of range; run it in a database",
    ),
    (
        "select 1 / (id - id) from orders",
        BadData,
        "source.query fails with DivisionByZero (22012): division by zero; run it in a database client",
    ),
    (
        "select (select kind from orders) from orders",
        BadData,
        "source.query fails with CardinalityViolation (21000): more than one row returned by a subquery used",
    ),
    ("select leak()", BadData, "source.query fails with RaiseException (P0001); run it in a database client"),
    ("select nextval('numbers')", Misconfigured, f"{REFUSED} (25006): {WRITES}"),
    ("select sneak()", Misconfigured, f"{REFUSED} (25006): {WRITES}"),
    ("with a as (delete from orders returning id) select * from a", Misconfigured, f"{REFUSED} (0A000): "),
    ("with a as (select 1) delete from orders", Misconfigured, f"{REFUSED} (42601): syntax error at or near"),
    ("select * into copied from orders", Misconfigured, f"{REFUSED} (42601): SELECT ... INTO is not allowed"),
    ("select setval('numbers', 7)", Misconfigured, f"{REFUSED} (25006): {WRITES}"),
    ("select int4range(1, id) from orders", BadData, "source.query: column 'int4range' holds values that no"),
]


@pytest.mark.parametrize(
    ("query", "kind", "message"), POSTGRESQL_FAULTS, ids=[q[:32] for q, _, _ in POSTGRESQL_FAULTS]
)
def test_a_query_that_postgresql_refuses_changes_nothing_and_is_sorted(
    tmp_path: Path, server: Server, query: str, kind: type[MillraceError], message: str
) -> None:
    before = server.state()
    found = fault_of(sql_pipeline(tmp_path, query), server.url())
    assert str(found).startswith(message)
    assert type(found) is kind
    assert server.state() == before


def test_a_query_that_takes_longer_than_the_database_allows_is_transient(
    tmp_path: Path, server: Server
) -> None:
    limit = {"options": "-c%20statement_timeout%3D100"}
    found = fault_of(sql_pipeline(tmp_path, "select pg_sleep(60)"), server.url(**limit))
    assert type(found) is Transient
    assert str(found) == (
        "source.query was ended (57014) at postgresql+psycopg2://postgres@/shop: canceling statement due to "
        "statement timeout"
    )


def test_a_connection_that_the_database_closes_is_unavailable(tmp_path: Path, server: Server) -> None:
    found = fault_of(sql_pipeline(tmp_path, "select pg_terminate_backend(pg_backend_pid())"), server.url())
    assert isinstance(found, Unavailable)


@pytest.mark.parametrize("password", ["", ":wrong", ":wrong@x"], ids=["none", "wrong", "odd"])
def test_a_wrong_password_is_unauthorized_and_is_not_told(
    tmp_path: Path, server: Server, password: str
) -> None:
    found = fault_of(
        sql_pipeline(tmp_path), server.url(f"reader{password.replace('x', '')}".replace("@", "%40"))
    )
    assert type(found) is Unauthorized
    assert "refused the login" in str(found)
    assert "correct login and password of connection" in str(found)
    assert "wrong" not in str(found)


def test_a_table_that_the_user_may_not_read_is_misconfigured(tmp_path: Path, server: Server) -> None:
    found = fault_of(sql_pipeline(tmp_path), server.url("reader:hunter2"))
    assert str(found).startswith(f"{REFUSED} (42501): permission denied for table orders; correct it")


@pytest.mark.parametrize(
    ("where", "kind", "message"),
    [
        (
            {"name": "shopp"},
            Misconfigured,
            'database "shopp" does not exist; correct its fields and its extra',
        ),
        ({"user": "nobody"}, Unauthorized, 'role "nobody" does not exist; correct login and password'),
        ({"colour": "red"}, Misconfigured, "connection 'shop' cannot be used: "),
    ],
    ids=["database", "user", "parameter"],
)
def test_a_connection_that_cannot_work_is_misconfigured(
    tmp_path: Path, server: Server, where: dict[str, str], kind: type[MillraceError], message: str
) -> None:
    found = fault_of(sql_pipeline(tmp_path), server.url(**where))
    assert message in str(found)
    assert type(found) is kind


def test_a_database_that_does_not_answer_is_unavailable(tmp_path: Path) -> None:
    found = fault_of(sql_pipeline(tmp_path), "postgresql+psycopg2://shop:hunter2@127.0.0.1:1/shop")
    assert isinstance(found, Unavailable)
    assert "at postgresql+psycopg2://shop:***@127.0.0.1:1/shop" in str(found)
    assert "Connection refused" in str(found)


# Codes of databases that no test can start


class Foreign(Exception):
    """An error of a driver, with its arguments."""


@pytest.mark.parametrize(
    ("wrapper", "arguments", "kind"),
    [
        (exc.OperationalError, (1045, "Access denied for user 'a'"), Unauthorized),
        (exc.OperationalError, (1049, "Unknown database 'x'"), Misconfigured),
        (exc.ProgrammingError, (1146, "Table 'x' doesn't exist"), Misconfigured),
        (exc.OperationalError, (1054, "Unknown column 'x'"), Misconfigured),
        (exc.InternalError, (1792, "Cannot execute statement in a READ ONLY transaction"), Misconfigured),
        (exc.OperationalError, (2003, "Can't connect"), Unavailable),
        (exc.OperationalError, (1213, "Deadlock found"), Transient),
        (exc.OperationalError, (3024, "maximum statement execution time exceeded"), Transient),
        (exc.DataError, (1292, f"Incorrect datetime value: '{SECRET}'"), BadData),
        (exc.ProgrammingError, ("42S02", "[42S02] Invalid object name 'x'"), Misconfigured),
        (exc.InterfaceError, ("28000", "Login failed for user 'a'"), Unauthorized),
        (exc.OperationalError, ("70100", "Query execution was interrupted"), Transient),
        (exc.OperationalError, ("08001", "Unable to connect"), Unavailable),
        (exc.OperationalError, ("HYT00", "Login timeout expired"), Unavailable),
        (exc.OperationalError, (20009, "Adaptive Server connection failed"), Unavailable),
        (exc.InternalError, ("25P03", "terminating connection due to idle-in-transaction"), Transient),
        (exc.OperationalError, ("25P04", "terminating connection due to transaction timeout"), Transient),
        (exc.InternalError, ("25P02", "current transaction is aborted"), Misconfigured),
        (exc.DataError, ("22018", f"Conversion failed for '{SECRET}'"), BadData),
        (exc.OperationalError, ("gone",), Unavailable),
        (exc.ProgrammingError, ("syntax",), Misconfigured),
        (exc.IntegrityError, (SECRET,), BadData),
        (exc.DatabaseError, (), BadData),
    ],
    ids=str,
)
def test_an_error_is_sorted_by_the_code_of_its_database(
    wrapper: type[exc.DBAPIError], arguments: tuple[Any, ...], kind: type[MillraceError]
) -> None:
    place = sql_errors.Place.of("mysql+pymysql://shop", "shop")
    with pytest.raises(MillraceError) as raised, sql_errors.of_query(place):
        raise wrapper("select", {}, Foreign(*arguments))
    assert type(raised.value) is kind
    assert SECRET not in str(raised.value)
