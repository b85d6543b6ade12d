"""Which days a training learns from and is judged by."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from include.contract.training import Training
from include.contract.windows import TrainingWindow
from include.modelling.estimator import trusted_types
from tests.support.pipeline import write_pipeline


def days(first: date, last: date) -> list[date]:
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def test_the_holdout_is_the_end_of_the_window() -> None:
    training = Training(window=timedelta(days=90), holdout=timedelta(days=14))
    window = TrainingWindow.until(date(2013, 4, 10), training)
    assert (window.first, window.fit_until) == (date(2013, 1, 11), date(2013, 3, 27))
    assert window.held_out == (date(2013, 3, 28), date(2013, 4, 10))


@given(st.dates(date(2000, 1, 1)), st.integers(1, 400), st.integers(1, 400))
def test_both_parts_are_as_long_as_asked_for_and_share_no_day(last: date, fitted: int, holdout: int) -> None:
    asked = Training(window=timedelta(days=fitted + holdout), holdout=timedelta(days=holdout))
    window = TrainingWindow.until(last, asked)
    learned, judged = days(window.first, window.fit_until), days(*window.held_out)
    assert (len(learned), len(judged)) == (fitted, holdout)
    assert max(learned) < min(judged)
    assert max(judged) == last


def test_a_pipeline_that_names_no_types_trusts_none(tmp_path: Path) -> None:
    assert trusted_types(write_pipeline(tmp_path, "orders_plain")) == []
