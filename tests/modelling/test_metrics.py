"""Metrics that mean something, on rows that suffice."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from include.contract.model import Features, Model
from include.contract.types import Metric
from include.exceptions import NotEnoughData
from include.modelling.metrics import MIN_ROWS, has_enough_rows, held_out, latency_ms, score, slices

MODEL = Model(target="late", time="at", features=Features(numerical=["a"]))
TRUTH = np.array([0, 1] * MIN_ROWS)
RIGHT = np.where(TRUTH, 0.9, 0.1)


@pytest.mark.parametrize("metric", Metric)
def test_a_better_prediction_has_a_greater_metric(metric: Metric) -> None:
    worse = np.where(np.arange(len(TRUTH)) % 7, RIGHT, 1 - RIGHT)
    assert score(metric, TRUTH, RIGHT) > score(metric, TRUTH, worse) > score(metric, TRUTH, 1 - RIGHT)


def test_metrics_are_those_of_the_books() -> None:
    truth, given = np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.35, 0.8])
    assert score(Metric.ROC_AUC, truth, given) == 0.75
    assert score(Metric.AVERAGE_PRECISION, truth, given) == pytest.approx(5 / 6)
    assert score(Metric.NEG_BRIER_SCORE, truth, given) == pytest.approx(-0.158125)
    assert score(Metric.NEG_LOG_LOSS, truth, given) == pytest.approx(-0.472288, abs=1e-6)


@pytest.mark.parametrize(
    ("truth", "means"),
    [([0, 1] * 50, True), ([0, 1] * 49 + [0], False), ([1] * 500, False), ([], False)],
    ids=["enough", "one too few", "one class", "none"],
)
def test_a_metric_needs_rows_of_both_classes(truth: list[int], means: bool) -> None:
    assert has_enough_rows(np.array(truth)) is means
    rows = pd.DataFrame({"late": [*truth, None]}).astype("Float64")
    if means:
        assert len(held_out(rows, MODEL)) == len(truth)
        return
    with pytest.raises(NotEnoughData, match=f"{len(truth)} held-out rows .* widen training.holdout"):
        held_out(rows, MODEL)


def test_each_group_is_scored_by_its_own_rows_and_small_ones_are_left_out() -> None:
    groups = pd.Series(["big"] * 100 + ["odd"] * 99 + [None], index=range(1000, 1200))
    found = slices(Metric.ROC_AUC, groups, TRUTH, {"candidate": RIGHT, "champion": 1 - RIGHT})
    assert found == {"big": {"candidate": 1.0, "champion": 0.0}}


def test_latency_is_that_of_one_row() -> None:
    class Asked:
        rows: list[int] = []  # noqa: RUF012

        def predict_proba(self, matrix: pd.DataFrame) -> None:
            self.rows.append(len(matrix))

    assert 0 < latency_ms(Asked(), pd.DataFrame({"a": range(1000)})) < 100
    assert set(Asked.rows) == {1}
