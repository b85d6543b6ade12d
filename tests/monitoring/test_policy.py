"""When a series of days leads to a retrain."""

from __future__ import annotations

from datetime import date, timedelta
from random import Random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from include.contract.monitoring import RetrainPolicy
from include.monitoring.policy import DailyResult, Decision, decide_retrain
from tests.support.pipeline import day

POLICY = RetrainPolicy(failures=2, of=3, cooldown=timedelta(days=3), min_rows=100)


def days(marks: str) -> list[DailyResult]:
    """One day a letter: `x` failed, `.` passed, `o` and `,` had too few rows, a space stands for none."""
    return [
        DailyResult(as_of=day(number), passed=mark not in "xo", rows=99 if mark in "o," else 100)
        for number, mark in enumerate(marks)
        if mark != " "
    ]


def judged(
    policy: RetrainPolicy, found: list[DailyResult], fired: date | None = None, learned: date = date.min
) -> Decision:
    return decide_retrain(policy, found, last_retrain=fired, trained_until=learned)


@pytest.mark.parametrize(
    ("marks", "fires", "reason"),
    [
        ("xx", True, "2 of the last 2 days exceeded a limit"),
        ("x.x", True, "2 of the last 3 days exceeded a limit"),
        ("xxx", True, "3 of the last 3 days exceeded a limit"),
        ("xox", True, "2 of the last 2 days exceeded a limit"),
        ("x  x", True, "2 of the last 2 days exceeded a limit"),
        ("x", False, "1 of the last 1 days exceeded a limit; the policy requires 2 of 3"),
        ("x..x", False, "1 of the last 3 days exceeded a limit; the policy requires 2 of 3"),
        ("xx.", False, "no limit exceeded"),
        ("xxo", False, "fewer than 100 rows: no verdict"),
        ("xx,", False, "fewer than 100 rows: no verdict"),
        ("", False, "fewer than 100 rows: no verdict"),
    ],
)
def test_what_a_series_means(marks: str, fires: bool, reason: str) -> None:
    assert judged(POLICY, days(marks)) == Decision(fires, reason)


@pytest.mark.parametrize(("last_fired", "fires"), [(-1, True), (0, True), (1, False), (2, False)])
def test_it_cools_down_for_as_many_days_as_it_says(last_fired: int, fires: bool) -> None:
    decision = judged(POLICY, days("xxxx"), day(last_fired))
    assert decision.retrain is fires
    assert ("cooling down for 3 days since" in decision.reason) is not fires


def test_a_night_that_the_champion_learned_from_never_fires() -> None:
    said = "2 of the last 2 days exceeded a limit"
    told = f"{said}, but the champion has learned from days up to {day(1)}"
    assert judged(POLICY, days("xx"), learned=day(0)) == Decision(True, said)
    assert judged(POLICY, days("xx"), learned=day(1)) == Decision(False, told)


policies = st.builds(
    lambda pair, cooldown, least: RetrainPolicy(
        failures=min(pair), of=max(pair), cooldown=timedelta(days=cooldown), min_rows=least
    ),
    st.tuples(st.integers(1, 5), st.integers(1, 5)),
    st.integers(1, 10),
    st.integers(1, 50),
)
series = st.lists(
    st.builds(
        DailyResult,
        as_of=st.dates(date(2024, 1, 1), date(2024, 1, 20)),
        passed=st.booleans(),
        rows=st.integers(0, 60),
    ),
    unique_by=lambda result: result.as_of,
)
maybe = st.none() | st.dates(date(2023, 12, 20), date(2024, 1, 20))


@given(policies, series, maybe)
def test_a_night_without_a_breach_or_with_too_few_rows_never_fires(
    policy: RetrainPolicy, found: list[DailyResult], fired: date | None
) -> None:
    assume(found)
    latest = max(found, key=lambda result: result.as_of)
    assume(latest.passed or latest.rows < policy.min_rows)
    assert not judged(policy, found, fired).retrain


@given(policies, series)
def test_it_never_retrains_within_its_cooldown(policy: RetrainPolicy, found: list[DailyResult]) -> None:
    assume(found)
    latest = max(result.as_of for result in found)
    for passed in range(policy.cooldown.days):
        assert not judged(policy, found, latest - timedelta(days=passed)).retrain


@given(policies, series)
def test_it_fires_exactly_when_enough_of_the_counted_nights_broke_a_limit(
    policy: RetrainPolicy, found: list[DailyResult]
) -> None:
    marks = {result.as_of: not result.passed for result in found if result.rows >= policy.min_rows}
    newest_first = [marks[one] for one in sorted(marks, reverse=True)]
    newest = max((result.as_of for result in found), default=None)
    enough = sum(newest_first[: policy.of]) >= policy.failures
    assert judged(policy, found).retrain == (enough and newest_first[0] and newest in marks)


@given(policies, series, maybe, st.randoms())
def test_the_order_of_the_nights_does_not_matter(
    policy: RetrainPolicy, found: list[DailyResult], fired: date | None, random: Random
) -> None:
    mixed = list(found)
    random.shuffle(mixed)
    assert judged(policy, mixed, fired) == judged(policy, found, fired)


@given(policies, series, maybe)
def test_nights_with_too_few_rows_change_nothing_before_the_latest(
    policy: RetrainPolicy, found: list[DailyResult], fired: date | None
) -> None:
    latest = max((result.as_of for result in found), default=None)
    kept = [result for result in found if result.rows >= policy.min_rows or result.as_of == latest]
    assert judged(policy, kept, fired) == judged(policy, found, fired)
