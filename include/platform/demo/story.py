"""The steps of the demo, which uses Airflow's REST API as an external system would.

It ingests a quarter of flights, trains a model on it, and then replays days until the drift sensor starts a
retrain by itself and the gate accepts a new champion. Nothing is decided here: every fact is read from
Airflow, the lake, the registry and the ledger. Run ids are fixed, so a second demo finds the runs of the
first, and one that was killed continues.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from include.exceptions import MillraceError
from include.governance.ledger import Event, Ledger
from include.monitoring.decision import Cause, RetrainDecision
from include.platform.demo.airflow import Airflow
from include.tracking.names import ledger_runs
from include.tracking.server import TrackingServer

PIPELINE = "flights"
QUARTER = date(2013, 1, 1), date(2013, 3, 31)
FIRST_DAY, LAST_DAY = date(2013, 4, 1), date(2013, 9, 30)

_INGEST, _TRAIN, _MONITOR = (f"{PIPELINE}.{stage}" for stage in ("ingest", "train", "monitor"))


@dataclass(frozen=True, kw_only=True)
class DailyResult:
    """Outcome of monitoring one day.

    `verdict` is passed or failed (a limit was exceeded), `policy` is retrain or hold.
    """

    date: date
    drifted_columns: list[str]
    verdict: str
    policy: str
    reason: str
    cause: str
    report: str


@dataclass(frozen=True, kw_only=True)
class Retrain:
    """A training run that monitoring started.

    `before` and `after` are version and metric of the old and the new champion on the same rows; `after` is
    None if the gate rejected the candidate, for the `reasons`.
    """

    run_id: str
    triggered_by: str
    before: tuple[int, float]
    after: tuple[int, float] | None
    reasons: list[str]
    card: str


class Story:
    """The course of the demo; days are monitored from `first_day` on, and `say` shows the progress."""

    def __init__(
        self,
        airflow: Airflow,
        tracking: TrackingServer,
        say: Callable[[str], None],
        first_day: date = FIRST_DAY,
    ) -> None:
        self.airflow = airflow
        self._ledger = Ledger(ledger_runs(tracking, PIPELINE))
        self._say = say
        self._first_day = first_day

    def begin(self) -> None:
        """Ingest all days before the first one in one run, and train the first champion on the quarter."""
        for dag_id in (_INGEST, _TRAIN, _MONITOR):
            self.airflow.wait_for_dag(dag_id)
        first, last = QUARTER[0].isoformat(), (self._first_day - timedelta(days=1)).isoformat()
        self._say(f"ingesting {first} to {last} in one run")
        self.airflow.run(_INGEST, f"demo__ingest__{first}_{last}", {"start": first, "end": last})
        self._say("training the first champion")
        until = QUARTER[1].isoformat()
        run_id, conf = f"demo__train__{until}", {"reason": "the demo's first model", "until": until}
        self.airflow.run(_TRAIN, run_id, conf)
        if self.airflow.result(_TRAIN, run_id, "register") is None:
            reasons = "; ".join(self.airflow.result(_TRAIN, run_id, "gate")["reasons"])
            raise MillraceError(
                f"the gate refused the first champion: {reasons}. Change `gate` in {PIPELINE}'s contract, or "
                f"run the demo on a less busy machine; see {self.airflow.link(_TRAIN, run_id)}"
            )

    def days(self) -> Iterator[DailyResult]:
        """Monitor one day after the other, and ingest the next day meanwhile."""
        day = self._first_day
        self._start_ingest(day)
        while day <= LAST_DAY:
            self._finish_ingest(day)
            self._start_ingest(day + timedelta(days=1))
            self._say(f"monitoring {day}")
            run_id = f"demo__monitor__{day}"
            self.airflow.run(_MONITOR, run_id, {"end": day.isoformat()})
            yield self._result(day, run_id)
            day += timedelta(days=1)

    def retrain(self, day: DailyResult) -> Retrain:
        """Wait for the training run that a day's monitoring has started."""
        self._say(f"the drift sensor started {_TRAIN}")
        if self.airflow.wait(_TRAIN, day.cause) != "success":
            raise MillraceError(f"the retrain failed; see {self.airflow.link(_TRAIN, day.cause)}")
        scores, gate, registered = (
            self.airflow.result(_TRAIN, day.cause, task) for task in ("evaluate", "gate", "register")
        )
        entries = self._ledger.entries(Event.RETRAIN_DECIDED)
        decided = any(entry.cause == day.cause for entry in entries)
        return Retrain(
            run_id=day.cause,
            triggered_by=Cause.SENSOR if decided else "nobody",
            before=(scores["champion_version"], scores["champion"]),
            after=(registered["version"], scores["candidate"]) if registered else None,
            reasons=gate["reasons"],
            card=scores["link"],
        )

    def end(self, last: date) -> date:
        """Wait for the ingestion of the day after `last`; return that day, the last one in the lake."""
        self._finish_ingest(last + timedelta(days=1))
        return last + timedelta(days=1)

    def links(self, days: list[DailyResult], retrains: list[Retrain]) -> dict[str, str]:
        """Return the URLs of the last day's report, the last retrain and its model card."""
        links = {"drift report": days[-1].report}
        if retrains:
            links["retrain"] = self.airflow.link(_TRAIN, retrains[-1].run_id)
            links["model card"] = retrains[-1].card
        return links

    def _start_ingest(self, day: date) -> None:
        self.airflow.start(_INGEST, f"demo__ingest__{day}", {"end": day.isoformat()})

    def _finish_ingest(self, day: date) -> None:
        self.airflow.finish(_INGEST, f"demo__ingest__{day}")

    def _result(self, day: date, run_id: str) -> DailyResult:
        result = self.airflow.result(_MONITOR, run_id, "drift")
        if result is None:
            raise MillraceError(f"no verdict for {day}; see {self.airflow.link(_MONITOR, run_id)}")
        decision = RetrainDecision.parse(result, source="the result of the task 'drift'")
        return DailyResult(
            date=day,
            drifted_columns=list(decision.verdict.drifted),
            verdict=decision.verdict.outcome,
            policy="retrain" if decision.retrain else "hold",
            reason=decision.reason,
            cause=decision.cause,
            report=self.airflow.result(_MONITOR, run_id, "measure")["link"],
        )
