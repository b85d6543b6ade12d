"""Pipelines for Delta Lake tables, tables and queries of databases, and functions."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from include.contract import loader
from include.contract.pipeline import Pipeline
from include.exceptions import MillraceError
from include.platform.check import check
from include.platform.new_pipeline import by_days, sample
from include.platform.new_pipeline.__main__ import Written, main, new_pipeline, show
from include.platform.new_pipeline.places import Asked
from include.settings import Settings
from include.yaml_text import read_yaml
from tests.support.delta import append
from tests.support.own_data import FIRST, orders
from tests.support.places import database, delta_table

LAST = FIRST.date() + timedelta(days=39)
DAYS = "where datetime(created) >= datetime(:start) and datetime(created) < datetime(:end)"
QUERY = f"select * from orders {DAYS}"
FUNCTION = "python:tests.support.places:read"


def make(tmp: Path, given: str, time: str | None = None, **asked: Any) -> Written:
    url = f"sqlite:///{tmp}/shop.db"
    return new_pipeline(
        "orders",
        given,
        "returned",
        time,
        pipelines=tmp / "pipelines",
        asked=Asked(sql_url=lambda _: url, **asked),
    )


def faults(written: Written, tmp: Path) -> list[str]:
    url = f"sqlite:///{tmp}/shop.db"
    found = check(written.folder, *(written.days or ()), sql_url=lambda _: url)
    return [f"{one.step}: {one.seen}: {one.fault}" for one in found if one.fault]


def contract(written: Written) -> Pipeline:
    return loader.load(written.folder)


def reason(written: Written, choice: str) -> tuple[str, str]:
    return next((one.value, one.why) for one in written.reasons if one.choice == choice)


def of_delta(tmp: Path) -> Written:
    return make(tmp, str(delta_table(tmp / "my orders")))


def of_table(tmp: Path) -> Written:
    database(tmp / "shop.db")
    return make(tmp, "sql:shop", table="orders")


def of_query(tmp: Path) -> Written:
    database(tmp / "shop.db")
    return make(tmp, "sql:shop", query=QUERY, last=LAST)


def of_function(tmp: Path) -> Written:
    return make(tmp, FUNCTION, last=LAST)


@pytest.mark.parametrize("made", [of_delta, of_table, of_query, of_function])
def test_what_is_written_passes_its_dry_run(tmp_path: Path, made: Callable[[Path], Written]) -> None:
    written = made(tmp_path)

    assert faults(written, tmp_path) == []
    pipeline = contract(written)
    assert (pipeline.model.target, pipeline.model.time) == ("returned", "created")
    assert {"kind", "zip"} <= set(pipeline.model.features.categorical)
    assert reason(written, "sample")[0] == "960 rows, 8 columns"
    assert pipeline.schedule.ingest is None
    suite: Any = read_yaml(written.folder / "expectations.yaml")
    assert suite["partitions"][0]["kwargs"]["max_value"] == 48


def test_the_version_of_a_table_is_told_and_not_held(tmp_path: Path) -> None:
    written = of_delta(tmp_path)

    source = contract(written).source
    assert source.uri == f"file://{tmp_path}/my%20orders"
    assert source.delta.version is None
    assert reason(written, "source.reader") == (
        "delta",
        "a Delta Lake table, seen at version 3; loads take the newest",
    )


def test_a_table_of_sqlite_is_compared_as_times(tmp_path: Path) -> None:
    """As text, a midnight would be before the start of its day."""
    assert contract(of_table(tmp_path)).source.query == QUERY


def test_more_rows_than_a_sample_takes_leave_the_newest_days_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sample, "SAMPLE_ROWS", 200)
    written = make(tmp_path, str(delta_table(tmp_path / "orders")))

    assert reason(written, "sample") == (
        "192 rows, 8 columns",
        "every row of the days from 2024-02-02 to 2024-02-09; days before may differ",
    )
    assert reason(written, "rows a day")[0] == "12 to 48"
    assert contract(written).training.window.days == 90


def test_a_day_of_more_rows_than_a_sample_takes_sets_no_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sample, "SAMPLE_ROWS", 20)
    written = make(tmp_path, FUNCTION, last=LAST)

    assert reason(written, "sample")[1] == "a part of 2024-02-09, which has more; the rest may differ"
    suite: Any = read_yaml(written.folder / "expectations.yaml")
    assert suite["partitions"][0]["kwargs"] == {"column": "rows", "min_value": 1}


def test_after_a_minute_no_more_days_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(by_days, "ENOUGH_SECONDS", -1.0)

    written = make(tmp_path, FUNCTION, last=LAST)
    assert reason(written, "sample")[1].startswith("every row of the days from 2024-02-09 to 2024-02-09;")


def test_the_first_day_may_be_named(tmp_path: Path) -> None:
    written = make(tmp_path, FUNCTION, first=date(2024, 1, 10), last=date(2024, 2, 1))
    assert reason(written, "sample") == (
        "552 rows, 8 columns",
        "every row of the days from 2024-01-10 to 2024-02-01",
    )


def test_new_rows_bring_a_schedule(tmp_path: Path) -> None:
    today = datetime.now(UTC).replace(tzinfo=None, hour=0, minute=0, second=0, microsecond=0)
    later = today - datetime(2024, 2, 9)
    append(tmp_path / "orders", [{**row, "created": row["created"] + later} for row in orders()])

    assert contract(make(tmp_path, str(tmp_path / "orders"))).schedule.ingest == "@daily"


def test_a_time_of_another_name_is_found_by_it(tmp_path: Path) -> None:
    rows = [{**row, 'Sent "at" {x}': row["created"]} for row in orders()]
    append(tmp_path / "orders", rows)
    written = make(tmp_path, str(tmp_path / "orders"), time='Sent "at" {x}')

    assert contract(written).source.partition_by == "Sent_at_x"
    assert faults(written, tmp_path) == []


def test_a_day_to_come_does_not_hide_the_others(tmp_path: Path) -> None:
    append(tmp_path / "orders", [*orders(), {**orders()[0], "created": datetime(2150, 1, 1)}])

    with pytest.raises(MillraceError, match=r"has no rows from .*; name days that have some, as in FIRST="):
        make(tmp_path, str(tmp_path / "orders"))
    assert reason(make(tmp_path, str(tmp_path / "orders"), last=LAST), "sample")[0] == "960 rows, 8 columns"


def test_the_commands_to_come_name_the_days(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    show(of_function(tmp_path), Console(width=300))

    assert "make check PIPELINE=orders ARGS='--from 2024-01-01 --to 2024-02-09'" in capsys.readouterr().out


def test_a_password_of_the_connection_is_written_nowhere(tmp_path: Path) -> None:
    database(tmp_path / "shop.db")
    url = f"sqlite:///{tmp_path}/shop.db?key=secret-7f3a9"
    written = new_pipeline(
        "orders",
        "sql:shop",
        "returned",
        None,
        pipelines=tmp_path / "pipelines",
        asked=Asked(table="orders", sql_url=lambda _: url),
    )
    texts = [file.read_text() for file in written.folder.iterdir()] + [repr(written.reasons)]
    assert not any("secret-7f3a9" in text for text in texts)


def test_the_command_takes_the_days(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = "include.platform.new_pipeline.__main__.settings"
    monkeypatch.setattr(place, lambda: Settings(pipelines=tmp_path / "pipelines"))

    days = ["--first=2024-01-01", f"--last={LAST}", "--table=", "--query="]
    assert main([*days, "--time=", "--", "orders", FUNCTION, "returned"]) == 0
    assert loader.load(tmp_path / "pipelines" / "orders").source.callable == FUNCTION.partition(":")[2]
