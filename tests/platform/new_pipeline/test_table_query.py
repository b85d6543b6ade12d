"""Queries for a table compare its times as moments in UTC, whatever the database makes of a column."""

from __future__ import annotations

import pyarrow as pa
import pytest

from include.contract.query import check_query
from include.exceptions import Misconfigured
from include.platform.new_pipeline.table_query import days_query, newest_query, whole_query

POSTGRES = "postgresql+psycopg2://db/shop"
PLAIN, IN_UTC = (":start", ":end"), ("(:start at time zone 'UTC')", "(:end at time zone 'UTC')")


@pytest.mark.parametrize(
    ("url", "kind", "bounds"),
    [
        (POSTGRES, pa.timestamp("us", "UTC"), PLAIN),
        (POSTGRES, pa.timestamp("us"), IN_UTC),
        (POSTGRES, pa.date32(), IN_UTC),
        ("mysql+pymysql://db/shop", pa.timestamp("us"), PLAIN),
        ("mysql+pymysql://db/shop", pa.date32(), PLAIN),
    ],
)
def test_times_are_compared_in_utc(url: str, kind: pa.DataType, bounds: tuple[str, str]) -> None:
    query = days_query("sales.orders", "created", kind, url)

    start, end = bounds
    assert query == f"select * from sales.orders where created >= {start} and created < {end}"
    assert check_query(query) == query


def test_names_are_quoted_as_the_database_does() -> None:
    assert whole_query("sales.My Orders", POSTGRES) == 'select * from sales."My Orders"'
    assert newest_query("order", "At", "mysql+pymysql://db/shop") == "select max(`At`) as newest from `order`"


@pytest.mark.parametrize("name", ["", "a;b", "a:b", 'a"b', "a`b", "a%b", "a\\b", "a.", "a'b", "a\nb"])
def test_a_name_that_may_be_more_than_a_name_is_refused(name: str) -> None:
    with pytest.raises(Misconfigured, match=r"TABLE: .* cannot be written into a query as"):
        whole_query(name, POSTGRES)


@pytest.mark.parametrize("kind", [pa.int64(), pa.string(), pa.float64()])
def test_a_column_that_is_no_time_in_the_database_needs_a_query(kind: pa.DataType) -> None:
    with pytest.raises(Misconfigured, match="which is not compared with times; write QUERY with a condition"):
        days_query("orders", "created", kind, POSTGRES)


@pytest.mark.parametrize("url", ["nowhere://db", "no url"])
def test_a_database_that_is_not_known_is_told_without_its_url(url: str) -> None:
    with pytest.raises(Misconfigured, match=r"^FROM: the connection is of no database that"):
        whole_query("orders", url)
