"""The example: real flights of 2013, whole, without leakage, and the same whenever they are read."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
import yaml

from include.contract import loader
from include.ingestion.partitioner import parts
from include.pipelines.flights import source
from include.settings import ROOT, settings
from include.validation.runner import validate
from tests.support.lake import LakeServer

FOLDER = settings().pipelines / "flights"
SUITE = FOLDER / "expectations.yaml"
WEATHER = source._WEATHER
YEAR = [date(2013, 1, 1) + timedelta(days=n) for n in range(365)]
MIB = 1024 * 1024


def frame(first: date, last: date) -> pd.DataFrame:
    rows = pa.Table.from_batches(source.read(first, last)).to_pandas()
    return rows.assign(day=rows["time_hour"].dt.tz_convert(source.ZONE).dt.date)


@pytest.fixture(scope="module")
def year() -> dict[date, pd.DataFrame]:
    """The rows of each day of 2013."""
    return dict(iter(frame(YEAR[0], YEAR[-1]).groupby("day")))


def test_the_year_has_every_flight_and_every_day(year: dict[date, pd.DataFrame]) -> None:
    assert list(year) == YEAR
    assert sum(map(len, year.values())) == 336_776


def test_the_whole_year_passes_the_suite(year: dict[date, pd.DataFrame]) -> None:
    found = validate(SUITE, ((day, rows.drop(columns="day")) for day, rows in year.items()))
    assert (found.verdict.passed, found.verdict.reasons) == (True, ())
    assert (found.verdict.numbers["rows"], found.verdict.numbers["partitions"]) == (336_776.0, 365.0)


def test_each_day_alone_keeps_the_rules_that_hold_for_a_whole_day(year: dict[date, pd.DataFrame]) -> None:
    """Rules about single rows hold for each day if they hold for the year; rules about shares may not."""
    suite = yaml.safe_load(SUITE.read_text())
    critical = [rule for rule in suite["rows"] if rule.get("severity", "critical") == "critical"]
    assert [rule for rule in critical if "mostly" in rule["kwargs"]] == []
    [mean] = [rule["kwargs"] for rule in critical if "mean" in rule["type"]]
    means = [rows[mean["column"]].mean() for rows in year.values()]
    assert mean["min_value"] <= min(means) <= max(means) <= mean["max_value"]


def test_a_day_without_weather_is_reported_and_passes(year: dict[date, pd.DataFrame]) -> None:
    last = YEAR[-1]
    found = validate(SUITE, iter([(last, year[last].drop(columns="day"))]))
    assert found.verdict.passed
    assert set(found.verdict.reasons) == {
        f"{column}: expect_column_values_to_not_be_null (mostly={share}) failed for 776 of 776 rows "
        "(severity warning)"
        for column, share in {**dict.fromkeys(WEATHER, 0.5), "pressure": 0.3}.items()
    }


@pytest.mark.parametrize("feature", loader.load(FOLDER).model.features.all)
def test_a_feature_without_any_value_is_told_and_stops_the_merge_but_for_the_weather(
    year: dict[date, pd.DataFrame], feature: str
) -> None:
    day = YEAR[120]
    found = validate(SUITE, iter([(day, year[day].drop(columns="day").assign(**{feature: None}))]))
    assert found.verdict.passed == (feature in WEATHER)
    assert any(
        reason.startswith(f"{feature}: expect_column_values_to_not_be_null")
        for reason in found.verdict.reasons
    )


def test_no_column_knows_what_happened_after_departure(year: dict[date, pd.DataFrame]) -> None:
    spec = loader.load(FOLDER)
    columns = set(year[YEAR[0]].columns) - {"day"}
    weather = set(WEATHER)
    scheduled = {"time_hour", "carrier", "flight", "origin", "dest", "distance", "hour", "weekday"}
    assert columns == scheduled | weather | {"late"}
    assert set(spec.model.features.all) < scheduled | weather


def test_late_is_more_than_a_quarter_of_an_hour_and_unknown_where_the_flight_never_arrived(
    year: dict[date, pd.DataFrame],
) -> None:
    raw = pd.read_csv(source.data_folder() / "flights.csv.zip", usecols=["month", "day", "arr_delay"])
    raw = raw[(raw["month"] == 2) & (raw["day"] == 8)]["arr_delay"]
    late = year[date(2013, 2, 8)]["late"]
    assert (late.sum(), late.isna().sum()) == ((raw > 15).sum(), raw.isna().sum())
    assert set(late.dropna()) == {0, 1}


def digests(first: date, last: date, scratch: Path) -> list[str]:
    spec = loader.load(FOLDER)
    return [part.sha256 for part in parts(spec.feed(), first, last, folder=FOLDER, scratch=scratch)]


def test_reading_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    first, last = date(2013, 3, 8), date(2013, 3, 12)  # clocks change on the 10th
    whole = digests(first, last, tmp_path)
    assert whole == digests(first, last, tmp_path)
    assert whole[2] == digests(date(2013, 3, 10), date(2013, 3, 10), tmp_path)[0]
    assert len(set(whole)) == 5


@pytest.mark.parametrize("day", [date(2012, 2, 29), date(2014, 1, 1), date(2026, 3, 8), date(2026, 11, 1)])
def test_another_year_gets_the_flights_of_the_same_weekday(day: date) -> None:
    """29 February, New Year, and two days on which clocks change."""
    original = day - timedelta(days=source.shift_of(day))
    moved, of_2013 = frame(day, day), frame(original, original)
    assert (original.year, original.weekday()) == (2013, day.weekday())
    same = ["carrier", "flight", "origin", "dest", "hour", "weekday", "temp", "late"]
    pd.testing.assert_frame_equal(moved[same], of_2013[same])
    assert set(moved["day"]) == {day}
    assert set(moved["weekday"]) == {day.weekday()}
    assert list(moved["time_hour"].dt.tz_convert(source.ZONE).dt.hour) == list(moved["hour"])


def test_a_range_over_new_year_has_each_day_once() -> None:
    found = frame(date(2013, 12, 30), date(2014, 1, 2)).groupby("day").size()
    assert found.to_dict() == {
        date(2013, 12, 30): 968,
        date(2013, 12, 31): 776,
        date(2014, 1, 1): 943,
        date(2014, 1, 2): 914,
    }


def test_a_year_is_loaded_and_checked_in_little_memory(
    lake_server: LakeServer, capsys: pytest.CaptureFixture[str]
) -> None:
    connection = lake_server.connection
    lake_server.lake("flights-year")
    keys = [connection.endpoint, connection.access_key_id, connection.secret_access_key]
    command = [sys.executable, "-m", "tests.support.peak", *keys, "flights-year"]
    done = json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout)
    with capsys.disabled():
        for took in done:
            print(f" [{took['work']}: +{took['growth'] / MIB:.0f} MiB, {took['seconds']:.1f} s]", end="")
    assert [took["rows"] for took in done] == [336_776, 336_776]
    assert max(took["growth"] for took in done) <= 500 * MIB
