"""What the demo does, as an external system would: through Airflow's REST API.

It ingests a quarter of flights, trains on it, and then replays nights until the drift sensor fires a
retrain by itself and the gate lets a new champion pass. Nothing decides here: every fact is read from
Airflow, the lake, the registry and the ledger. Run ids are fixed, so a second telling finds the first one's
runs, and one that was killed goes on.
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
FIRST_NIGHT, LAST_NIGHT = date(2013, 4, 1), date(2013, 9, 30)

_INGEST, _TRAIN, _MONITOR = (f"{PIPELINE}.{stage}" for stage in ("ingest", "train", "monitor"))


@dataclass(frozen=True, kw_only=True)
class Night:
    """What the sensor saw and said on one night; `policy` is fired, held (a limit was broken) or quiet."""

    date: date
    drifted_columns: list[str]
    verdict: str
    policy: str
    reason: str
    cause: str
    report: str


@dataclass(frozen=True, kw_only=True)
class Retrain:
    """A training run: who fired it, both models on the same rows, what the gate said."""

    run_id: str
    fired_by: str
    before: tuple[int, float]
    after: tuple[int, float] | None
    reasons: list[str]
    card: str


class Story:
    """The demo's course, its nights from `first_night` on. `say` is told what happens."""

    def __init__(
        self,
        airflow: Airflow,
        tracking: TrackingServer,
        say: Callable[[str], None],
        first_night: date = FIRST_NIGHT,
    ) -> None:
        self.airflow = airflow
        self._ledger = Ledger(ledger_runs(tracking, PIPELINE))
        self._say = say
        self._first_night = first_night

    def begin(self) -> None:
        """Ingest all days before the first night in one run, and train the first champion on the quarter."""
        for dag_id in (_INGEST, _TRAIN, _MONITOR):
            self.airflow.wait_for_dag(dag_id)
        first, last = QUARTER[0].isoformat(), (self._first_night - timedelta(days=1)).isoformat()
        self._say(f"ingesting {first} to {last} in one run")
        self.airflow.run(_INGEST, f"demo__ingest__{first}_{last}", {"start": first, "end": last})
        self._say("training the first champion")
        until = QUARTER[1].isoformat()
        told = {"reason": "the demo's first model", "until": until}
        self.airflow.run(_TRAIN, f"demo__train__{until}", told)

    def nights(self) -> Iterator[Night]:
        """One night after the other; the next one's rows come in while this one is looked at."""
        day = self._first_night
        self._start_ingest(day)
        while day <= LAST_NIGHT:
            self._finish_ingest(day)
            self._start_ingest(day + timedelta(days=1))
            self._say(f"the night after {day}")
            run_id = f"demo__monitor__{day}"
            self.airflow.run(_MONITOR, run_id, {"end": day.isoformat()})
            yield self._night(day, run_id)
            day += timedelta(days=1)

    def retrain(self, night: Night) -> Retrain:
        """Wait for the training run that a night has fired."""
        self._say(f"the sensor fired {_TRAIN}")
        if self.airflow.wait(_TRAIN, night.cause) != "success":
            raise MillraceError(f"the retrain failed; see {self.airflow.link(_TRAIN, night.cause)}")
        scores, gate, registered = (
            self.airflow.result(_TRAIN, night.cause, task) for task in ("evaluate", "gate", "register")
        )
        fired = [entry for entry in self._ledger.entries(Event.RETRAIN_DECIDED) if entry.cause == night.cause]
        return Retrain(
            run_id=night.cause,
            fired_by=Cause.SENSOR if fired else "nobody",
            before=(scores["champion_version"], scores["champion"]),
            after=(registered["version"], scores["candidate"]) if registered else None,
            reasons=gate["reasons"],
            card=scores["link"],
        )

    def end(self, last: date) -> date:
        """Let what is under way come to its end; the last day that was ingested."""
        self._finish_ingest(last + timedelta(days=1))
        return last + timedelta(days=1)

    def links(self, nights: list[Night], retrains: list[Retrain]) -> dict[str, str]:
        """Where to look: the last night's report, and what the last retrain did and made."""
        found = {"drift report": nights[-1].report}
        if retrains:
            found["retrain"] = self.airflow.link(_TRAIN, retrains[-1].run_id)
            found["model card"] = retrains[-1].card
        return found

    def _start_ingest(self, day: date) -> None:
        self.airflow.start(_INGEST, f"demo__ingest__{day}", {"end": day.isoformat()})

    def _finish_ingest(self, day: date) -> None:
        self.airflow.finish(_INGEST, f"demo__ingest__{day}")

    def _night(self, day: date, run_id: str) -> Night:
        result = self.airflow.result(_MONITOR, run_id, "drift")
        if result is None:
            raise MillraceError(f"no verdict of {day}; see {self.airflow.link(_MONITOR, run_id)}")
        decision = RetrainDecision.parse(result, source="the result of the task 'drift'")
        failed = not decision.verdict.passed
        return Night(
            date=day,
            drifted_columns=list(decision.verdict.drifted),
            verdict="failed" if failed else "passed",
            policy="retrain" if decision.retrain else "hold",
            reason=decision.reason,
            cause=decision.cause,
            report=self.airflow.result(_MONITOR, run_id, "measure")["link"],
        )
