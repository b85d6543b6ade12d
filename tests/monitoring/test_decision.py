"""What a series of monitoring days means for one champion, and what the ledger keeps of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from uuid import uuid4

import pandas as pd
import pytest

from include.contract import loader
from include.contract.monitoring import Monitoring
from include.contract.pipeline import Pipeline
from include.contract.windows import MonitoringWindow
from include.exceptions import Misconfigured
from include.governance.ledger import Ledger
from include.monitoring.decision import Cause, RetrainDecision, decide
from include.monitoring.drift import DriftResult
from include.monitoring.history import MonitoringDay, MonitoringHistory, store
from include.monitoring.verdict import MonitoringVerdict, assess
from include.run_identity import RunIdentity
from include.tracking.names import ledger_runs, monitoring_runs
from include.tracking.server import TrackingServer
from include.tracking.tags import Tag
from tests.support.death import killed_after
from tests.support.pipeline import day, write_pipeline

BEFORE = day(-1)
REASON = "0.50 of the features drifted, the limit is 0.3: amount"
POLICY = {"failures": 2, "of": 3, "cooldown": "3d", "min_rows": 100}


@dataclass
class Days:
    """The monitoring days of one pipeline; they are written without any data."""

    pipeline: Pipeline
    tracking: TrackingServer
    trained_until: date = BEFORE

    def __post_init__(self) -> None:
        self.history = MonitoringHistory(monitoring_runs(self.tracking, self.pipeline.name))
        self.ledger = Ledger(ledger_runs(self.tracking, self.pipeline.name))

    def identity(self, run_id: str = "r1") -> RunIdentity:
        return RunIdentity(dag_id=f"{self.pipeline.name}.monitor", run_id=run_id)

    def write(self, marks: str, version: int = 1, first: int = 0, rows: int = 100) -> None:
        """One day a letter: `x` failed, `.` passed, a space stands for no run."""
        for number, mark in enumerate(marks, first):
            if mark != " ":
                self.measured(number, mark == "x", version, rows)

    def measured(self, number: int, failed: bool, version: int = 1, rows: int = 100) -> None:
        verdict = MonitoringVerdict(
            passed=not failed,
            reasons=(REASON,) if failed else (),
            numbers={"rows": float(rows), "drifted.share": 0.5},
            drifted=("amount",) if failed else (),
        )
        about = MonitoringDay(as_of=day(number), version=version, trained_until=self.trained_until)
        with self.history.start(self.history.attempts(uuid4().hex), about, self.identity()) as run_log:
            store(run_log, verdict, "<p>")

    def decide(self, number: int, version: int = 1, run_id: str = "r1") -> RetrainDecision | None:
        run = self.identity(run_id)
        return decide(self.pipeline, self.history, self.ledger, as_of=day(number), version=version, run=run)

    def retrains(self, number: int, version: int = 1) -> bool:
        decision = self.decide(number, version)
        assert decision is not None
        return decision.retrain

    @property
    def entries(self) -> list[tuple[str, str]]:
        """Each entry's event, and the day and version of its cause; the oldest first."""
        return [
            (entry.event.value.split()[1], entry.cause.removeprefix("drift-sensor__"))
            for entry in reversed(self.ledger.entries())
        ]


@pytest.fixture
def days(tmp_path: Path, tracking: TrackingServer) -> Days:
    folder = write_pipeline(tmp_path, f"orders_{uuid4().hex}", monitoring={"retrain": POLICY})
    return Days(loader.load(folder), tracking)


def test_without_a_verdict_of_the_night_there_is_nothing_to_judge(days: Days) -> None:
    assert days.decide(0) is None
    days.write("xx")
    assert days.decide(2) is None
    assert days.decide(1, version=2) is None
    assert days.entries == []


def test_a_night_that_fires_says_why_and_what_to_start(days: Days) -> None:
    days.write("xx")
    decision = days.decide(1)
    assert decision is not None
    assert decision.to_json() == {
        "retrain": True,
        "cause": "drift-sensor__2024-03-02__v1",
        "reason": f"2 of the last 2 days exceeded a limit; {REASON}",
        "until": "2024-03-02",
        "verdict": {
            "passed": False,
            "reasons": [REASON],
            "numbers": {"rows": 100.0, "drifted.share": 0.5},
            "drifted": ["amount"],
        },
    }
    assert days.entries == [("decided", "2024-03-02__v1")]


def test_days_that_the_champion_learned_from_are_held(days: Days) -> None:
    days.trained_until = day(1)
    days.write("xxx")
    assert [days.retrains(number) for number in (1, 2)] == [False, True]
    assert days.entries == [("held", "2024-03-02__v1"), ("decided", "2024-03-03__v1")]


def test_a_retrain_learns_from_days_whose_labels_are_known(tmp_path: Path, tracking: TrackingServer) -> None:
    limits = {"retrain": POLICY, "label_delay": "5d"}
    folder = write_pipeline(tmp_path, f"orders_{uuid4().hex}", monitoring=limits)
    slow = Days(loader.load(folder), tracking)
    slow.write("xx")
    judged = slow.decide(1)
    assert judged is not None
    assert judged.until == day(1 + 1 - 5)


def test_a_quiet_night_leaves_no_line_and_a_held_one_does(days: Days) -> None:
    days.write("x.")
    assert [days.retrains(0), days.retrains(1)] == [False, False]
    assert days.entries == [("held", "2024-03-01__v1")]


def test_judging_again_says_the_same_and_writes_nothing(days: Days) -> None:
    days.write("xxx")
    for number in (0, 1, 2):
        days.decide(number)
    before = days.entries
    assert days.decide(1, run_id="r2") == days.decide(1)
    assert [days.retrains(number) for number in (0, 1, 2)] == [False, True, False]
    assert before == days.entries
    assert before == [("held", "2024-03-01__v1"), ("decided", "2024-03-02__v1"), ("held", "2024-03-03__v1")]


def test_an_old_night_is_judged_by_what_was_known_of_the_nights_before_it(days: Days) -> None:
    days.write("x..xx")
    assert [days.retrains(number) for number in (4, 3, 0)] == [True, False, False]


def test_an_old_night_is_judged_the_same_after_many_others(days: Days) -> None:
    days.write("xx" + "." * 60)
    assert days.retrains(1)


def test_it_cools_down_from_the_night_that_fired(days: Days) -> None:
    days.write("xxxxx")
    assert [days.retrains(number) for number in range(5)] == [False, True, False, False, True]


def test_only_nights_of_the_champion_count(days: Days) -> None:
    days.write("xx")
    days.write("x", version=2, first=2)
    assert not days.retrains(2, version=2)
    days.write("x", version=2, first=3)
    assert days.retrains(3, version=2)


def test_a_new_champion_cools_down_in_the_night_in_which_the_old_one_fired(days: Days) -> None:
    """A day that is run again after the retrain, with the new champion, must not start another."""
    days.write("xx")
    assert days.retrains(1)
    days.write("xx", version=2)
    assert not days.retrains(1, version=2)
    assert days.retrains(1)


def test_a_night_that_was_measured_again_counts_once_and_by_its_newest_run(days: Days) -> None:
    days.write("x")
    days.write("x")
    assert not days.retrains(0)
    days.measured(1, failed=True)
    days.measured(1, failed=False)
    assert not days.retrains(1)
    days.measured(1, failed=True)
    assert days.retrains(1)


def test_nights_with_too_few_rows_say_nothing(days: Days) -> None:
    days.write("xx", rows=99)
    judged = days.decide(1)
    assert judged is not None
    assert (judged.retrain, judged.reason) == (False, f"fewer than 100 rows: no verdict; {REASON}")


@pytest.mark.parametrize("effects", [0, 1])
def test_a_decision_that_was_killed_is_taken_again(days: Days, effects: int) -> None:
    days.write("xx")
    with killed_after(effects) as done:
        days.decide(1)
    assert len(done) == effects
    assert days.retrains(1)
    assert days.entries == [("decided", "2024-03-02__v1")]


def test_a_window_ends_with_its_night_and_labels_come_later() -> None:
    watched = Monitoring(window=timedelta(days=7), label_delay=timedelta(days=2))
    assert MonitoringWindow.until(date(2024, 3, 10), watched) == MonitoringWindow(
        first=date(2024, 3, 4), last=date(2024, 3, 10), labelled_until=date(2024, 3, 9)
    )


def test_every_limit_that_was_broken_is_a_reason(tmp_path: Path) -> None:
    limits = {
        "drift": {"share": 0.5},
        "performance": {"metric": "roc_auc", "max_drop": 0.1},
        "fairness": {"column": "kind", "max_gap": 0.2},
    }
    spec = loader.load(write_pipeline(tmp_path, "orders_all", monitoring=limits))
    rows = pd.DataFrame(
        {"kind": ["book", "toy"] * 100, "returned": [0, 1] * 100, "prediction": [0.9, 0.1] * 100}
    )
    drifted = DriftResult(
        distances={"amount": 2.0},
        features=("amount",),
        unmeasurable=("kind",),
        share=1.0,
        missing={"amount": 0.25, "kind": 1.0},
        html="",
    )
    found = assess(spec, drifted, labelled=rows, rows=rows, held_out=0.8)
    assert found.reasons == (
        "1.00 of the features drifted, the limit is 0.5: amount",
        "roc_auc fell from 0.8000 at training to 0.0000, by more than 0.1",
        "selection rates of 'kind' lie 1.000 apart, more than 0.2",
    )
    assert found.numbers == {
        "rows": 200.0,
        "labelled": 200.0,
        "drift.amount": 2.0,
        "missing.amount": 0.25,
        "missing.kind": 1.0,
        "drifted.share": 1.0,
        "performance.roc_auc": 0.0,
        "performance.held_out": 0.8,
        "fairness.gap": 1.0,
    }


def test_a_cause_is_read_back_from_the_id_of_the_run_that_it_starts() -> None:
    cause = Cause(as_of=day(1), version=12)
    assert Cause.parse(str(cause)) == cause
    with pytest.raises(ValueError, match="'manual__2024-03-02__v1' is not a cause of the drift sensor"):
        Cause.parse("manual__2024-03-02__v1")


def test_a_verdict_that_lacks_a_field_is_named(days: Days) -> None:
    about = MonitoringDay(as_of=day(0), version=1, trained_until=BEFORE)
    with days.history.start(days.history.attempts("k"), about, days.identity()) as run_log:
        run_log.log_metrics({"rows": 100.0})
        run_log.set_tags({Tag.VERDICT: "failed"})
        run_log.log_json({"reasons": []}, "verdict.json")
    with pytest.raises(Misconfigured, match=r"verdict\.json of MLflow run \w+ .*passed: field required"):
        days.decide(0)
