"""What a series of nights means for one champion, and what the ledger keeps of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pandas as pd
import pytest

from include.contract import loader
from include.contract.monitoring import Monitoring
from include.contract.pipeline import Pipeline
from include.contract.windows import MonitoringWindow
from include.governance.ledger import Ledger
from include.monitoring import decision, history, verdict
from include.monitoring.drift import DriftResult
from include.run_identity import RunIdentity
from include.verdict import Verdict
from tests.support.death import killed_after
from tests.support.pipeline import day, write_pipeline

BEFORE = day(-1)
POLICY = {"breaches": 2, "of": 3, "cooldown": "3d", "min_rows": 100}


@dataclass
class Nights:
    """The nights of one pipeline; they are written without any data."""

    spec: Pipeline
    uri: str
    learned: date = BEFORE

    def write(self, marks: str, version: int = 1, first: int = 0, rows: int = 100) -> None:
        """One night a letter: `x` broke a limit, `.` kept all, a space stands for no run."""
        for number, mark in enumerate(marks, first):
            if mark != " ":
                self.measured(number, mark == "x", version, rows)

    def measured(self, number: int, breached: bool, version: int = 1, rows: int = 100) -> None:
        reasons = ("0.50 of the features drifted, the limit is 0.3: amount",) if breached else ()
        found = DriftResult(
            distances={"amount": 1.0},
            features=("amount",) if breached else (),
            silent=(),
            share=0.5 * breached,
            html="<p>",
        )
        verdict = Verdict(
            passed=not breached, reasons=reasons, numbers={"rows": float(rows), "drift.share": 0.5}
        )
        tags = history.tags(day(number), version, self.learned)
        with history.experiment(self.spec, self.uri).start(uuid4().hex, name="night", tags=tags) as run:
            verdict.store(run, verdict, found)

    def judge(self, number: int, version: int = 1, run_id: str = "r1") -> dict[str, Any] | None:
        run = RunIdentity(dag_id=f"{self.spec.name}.monitor", run_id=run_id)
        return decision.decide(self.spec, tracking_uri=self.uri, night=day(number), version=version, run=run)

    def fires(self, number: int, version: int = 1) -> bool:
        judged = self.judge(number, version)
        assert judged is not None
        return bool(judged["fire"])

    @property
    def ledger(self) -> list[tuple[str, str]]:
        """Each line's event, and the night of its cause; the oldest first."""
        lines = Ledger(self.uri, self.spec.name).lines()
        return [(line.event.value.split()[1], line.cause.removeprefix("drift-sensor__")) for line in lines][
            ::-1
        ]


@pytest.fixture
def nights(tmp_path: Path, tracking_uri: str) -> Nights:
    folder = write_pipeline(tmp_path, f"orders_{uuid4().hex}", monitoring={"retrain": POLICY})
    return Nights(loader.load(folder), tracking_uri)


def test_without_a_verdict_of_the_night_there_is_nothing_to_judge(nights: Nights) -> None:
    assert nights.judge(0) is None
    nights.write("xx")
    assert nights.judge(2) is None
    assert nights.judge(1, version=2) is None
    assert nights.ledger == []


def test_a_night_that_fires_says_why_and_what_to_start(nights: Nights) -> None:
    nights.write("xx")
    assert nights.judge(1) == {
        "fire": True,
        "cause": "drift-sensor__2024-03-02__v1",
        "reason": (
            "2 of the last 2 nights broke a limit; 0.50 of the features drifted, the limit is 0.3: amount"
        ),
        "until": "2024-03-02",
        "drifted": ["amount"],
        "verdict": {
            "passed": False,
            "reasons": ["0.50 of the features drifted, the limit is 0.3: amount"],
            "numbers": {"rows": 100.0, "drift.share": 0.5},
        },
    }
    assert nights.ledger == [("fired", "2024-03-02__v1")]


def test_days_that_the_champion_learned_from_are_held(nights: Nights) -> None:
    nights.learned = day(1)
    nights.write("xxx")
    assert [nights.fires(number) for number in (1, 2)] == [False, True]
    assert nights.ledger == [("held", "2024-03-02__v1"), ("fired", "2024-03-03__v1")]


def test_a_retrain_learns_from_days_whose_labels_are_known(tmp_path: Path, tracking_uri: str) -> None:
    decision = {"retrain": POLICY, "label_delay": "5d"}
    folder = write_pipeline(tmp_path, f"orders_{uuid4().hex}", monitoring=decision)
    slow = Nights(loader.load(folder), tracking_uri)
    slow.write("xx")
    judged = slow.judge(1)
    assert judged is not None
    assert judged["until"] == f"{day(1 + 1 - 5)}"


def test_a_quiet_night_leaves_no_line_and_a_held_one_does(nights: Nights) -> None:
    nights.write("x.")
    assert [nights.fires(0), nights.fires(1)] == [False, False]
    assert nights.ledger == [("held", "2024-03-01__v1")]


def test_judging_again_says_the_same_and_writes_nothing(nights: Nights) -> None:
    nights.write("xxx")
    for number in (0, 1, 2):
        nights.judge(number)
    before = nights.ledger
    assert nights.judge(1, run_id="r2") == nights.judge(1)
    assert [nights.fires(number) for number in (0, 1, 2)] == [False, True, False]
    assert before == nights.ledger
    assert before == [("held", "2024-03-01__v1"), ("fired", "2024-03-02__v1"), ("held", "2024-03-03__v1")]


def test_an_old_night_is_judged_by_what_was_known_of_the_nights_before_it(nights: Nights) -> None:
    nights.write("x..xx")
    assert [nights.fires(number) for number in (4, 3, 0)] == [True, False, False]


def test_an_old_night_is_judged_the_same_after_many_others(nights: Nights) -> None:
    nights.write("xx" + "." * 60)
    assert nights.fires(1)


def test_it_cools_down_from_the_night_that_fired(nights: Nights) -> None:
    nights.write("xxxxx")
    assert [nights.fires(number) for number in range(5)] == [False, True, False, False, True]


def test_only_nights_of_the_champion_count(nights: Nights) -> None:
    nights.write("xx")
    nights.write("x", version=2, first=2)
    assert not nights.fires(2, version=2)
    nights.write("x", version=2, first=3)
    assert nights.fires(3, version=2)


def test_a_new_champion_cools_down_in_the_night_in_which_the_old_one_fired(nights: Nights) -> None:
    """A night that is run again after the retrain, with the new champion, must not start another."""
    nights.write("xx")
    assert nights.fires(1)
    nights.write("xx", version=2)
    assert not nights.fires(1, version=2)
    assert nights.fires(1)


def test_a_night_that_was_measured_again_counts_once_and_by_its_newest_run(nights: Nights) -> None:
    nights.write("x")
    nights.write("x")
    assert not nights.fires(0)
    nights.measured(1, breached=True)
    nights.measured(1, breached=False)
    assert not nights.fires(1)
    nights.measured(1, breached=True)
    assert nights.fires(1)


def test_nights_with_too_few_rows_say_nothing(nights: Nights) -> None:
    nights.write("xx", rows=99)
    judged = nights.judge(1)
    assert judged is not None
    assert (judged["fire"], judged["reason"].split(";")[0]) == (False, "fewer than 100 rows: no verdict")


@pytest.mark.parametrize("effects", [0, 1])
def test_a_decision_that_was_killed_is_taken_again(nights: Nights, effects: int) -> None:
    nights.write("xx")
    with killed_after(effects) as done:
        nights.judge(1)
    assert len(done) == effects
    assert nights.fires(1)
    assert nights.ledger == [("fired", "2024-03-02__v1")]


def test_a_window_ends_with_its_night_and_labels_come_later() -> None:
    watched = Monitoring(window=timedelta(days=7), label_delay=timedelta(days=2))
    assert MonitoringWindow.until(date(2024, 3, 10), watched) == MonitoringWindow(
        first=date(2024, 3, 4), last=date(2024, 3, 10), labelled=date(2024, 3, 9)
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
        distances={"amount": 2.0}, features=("amount",), silent=("kind",), share=1.0, html=""
    )
    found = verdict.assess(spec, drifted, rows, rows, held_out=0.8)
    assert found.reasons == (
        "1.00 of the features drifted, the limit is 0.5: amount",
        "roc_auc fell from 0.8000 at training to 0.0000, by more than 0.1",
        "selection rates of 'kind' lie 1.000 apart, more than 0.2",
    )
    assert found.numbers == {
        "rows": 200.0,
        "labelled": 200.0,
        "drift.amount": 2.0,
        "drift.share": 1.0,
        "performance.roc_auc": 0.0,
        "performance.held_out": 0.8,
        "fairness.gap": 1.0,
    }
