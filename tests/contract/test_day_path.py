"""Months and days without a leading zero in the paths of days."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from include.contract.day_path import any_day, check_day_path, day_column, day_in, days_of, path_of

SPARK = "s3://b/year={dt:%Y}/month={dt:%-m}/day={dt:%-d}"


def test_every_day_of_a_year_is_found_in_its_path() -> None:
    for number in range(366):
        day = date(2024, 1, 1) + timedelta(days=number)
        path = path_of(check_day_path(SPARK), day)
        assert path == f"s3://b/year=2024/month={day.month}/day={day.day}"
        assert day_in(SPARK, f"b/year=2024/month={day.month}/day={day.day}/part-0.parquet") == day
    assert any_day(SPARK) == "s3://b/year=*/month=*/day=*"


def test_a_month_without_a_zero_covers_its_days() -> None:
    path = check_day_path("{dt:%Y}/{dt:%-m}/*.csv")

    assert days_of(path, date(2024, 2, 9)) == (date(2024, 2, 1), date(2024, 2, 29))
    assert day_in(path, "2024/9/a.csv") == date(2024, 9, 1)


@pytest.mark.parametrize(
    "path",
    [
        "{dt:%Y%-m}",
        "{dt:%-m%Y}",
        "{dt:%Y-%-m}1.csv",
        "{dt:%Y-%-m}*",
        "{dt:%Y-%m-}1{dt:%-d}",
        "*{dt:%-d-%m-%Y}",
        "{dt:%Y-%-m}{dt:%d}",
        "{dt:%Y-%m}{dt:%-d}",
        "{dt:%Y-%-m-1%-d}",
    ],
)
def test_a_number_without_an_end_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="so that its end is unknown; write a character between them"):
        check_day_path(path)


@pytest.mark.parametrize("path", ["{dt:%Y-%-j}", "{dt:%-Y}", "{dt:%Y-%-}", "{dt:%Y-%-H}"])
def test_other_letters_are_refused(path: str) -> None:
    with pytest.raises(ValueError, match="which no day has; use %Y, %y, %m, %d, %j, %-m, %-d"):
        check_day_path(path)


@pytest.mark.parametrize(
    ("path", "column"),
    [
        ("a/dt={dt}", "dt"),
        ("file:///a/my%20day={dt:%Y%m%d}/*.csv", "my day"),
        ("dt={dt}/x", "dt"),
        ("a/dt={dt}.csv", None),
        ("a/month={dt:%Y-%m}", None),
        (SPARK, "day"),
        ("a/{dt}", None),
    ],
)
def test_a_part_of_the_path_is_a_column(path: str, column: str | None) -> None:
    assert day_column(path) == column
