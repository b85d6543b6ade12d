"""The history: the monitoring runs of a pipeline, one a day and champion version, in MLflow."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import TYPE_CHECKING

from include.monitoring.policy import DailyResult
from include.monitoring.verdict import MonitoringVerdict
from include.run_identity import RunIdentity
from include.tracking.names import ROWS, Artifact
from include.tracking.runs import Attempts, Experiment, RunLog
from include.tracking.tags import Tag, run_tags
from include.verdict import PASSED

if TYPE_CHECKING:
    from mlflow.entities import Run

_BY_DAY = f"tags.`{Tag.AS_OF}`"


@dataclass(frozen=True, kw_only=True)
class MonitoringDay:
    """What a monitoring run is about: a day, the champion's version, and the last day it learned from."""

    as_of: date
    version: int
    trained_until: date


@dataclass(frozen=True)
class MonitoringRun:
    """One finished monitoring run, read back from MLflow."""

    day: MonitoringDay
    result: DailyResult
    run_log: RunLog

    def verdict(self) -> MonitoringVerdict:
        """Download the run's verdict; raises Misconfigured if it is not a valid one."""
        content = self.run_log.download_artifact(Artifact.VERDICT)
        source = f"{Artifact.VERDICT} of MLflow run {self.run_log.id}"
        return MonitoringVerdict.parse(json.loads(content), source=source, remedy="see docs/job-contract.md")


class MonitoringHistory:
    """The monitoring runs of one pipeline, in the experiment `tracking.names.monitoring_runs`."""

    def __init__(self, experiment: Experiment) -> None:
        self._experiment = experiment

    @contextmanager
    def start(self, attempts: Attempts, day: MonitoringDay, run: RunIdentity) -> Iterator[RunLog]:
        """Start the run of a day after some attempts; see `Attempts.start`."""
        tags = {
            Tag.AS_OF: day.as_of.isoformat(),
            Tag.VERSION: str(day.version),
            Tag.TRAINED_UNTIL: day.trained_until.isoformat(),
            **run_tags(run),
        }
        with attempts.start(name=f"{day.as_of}", tags=tags) as run_log:
            yield run_log

    def attempts(self, key: str) -> Attempts:
        """Return the runs that earlier tries made under a key."""
        return self._experiment.attempts(key)

    def find(self, as_of: date, version: int) -> MonitoringRun | None:
        """Return the newest run of a day and a champion version, if there is one."""
        tags = {Tag.AS_OF: as_of.isoformat(), Tag.VERSION: str(version)}
        runs = self._experiment.find_runs(tags, limit=1)
        return self._read(runs[0]) if runs else None

    def results_before(self, as_of: date, version: int) -> Iterator[DailyResult]:
        """Yield the results of a champion version on earlier days, latest first, each by its newest run."""
        runs = self._experiment.iter_runs({Tag.VERSION: str(version)}, newest=_BY_DAY)
        for day, same_day in groupby(runs, key=lambda run: date.fromisoformat(run.data.tags[Tag.AS_OF])):
            if day < as_of:
                yield _result(max(same_day, key=lambda run: int(run.info.start_time)))

    def _read(self, run: Run) -> MonitoringRun:
        tags = run.data.tags
        day = MonitoringDay(
            as_of=date.fromisoformat(tags[Tag.AS_OF]),
            version=int(tags[Tag.VERSION]),
            trained_until=date.fromisoformat(tags[Tag.TRAINED_UNTIL]),
        )
        return MonitoringRun(day, _result(run), self._experiment.open_run(run))


def store(run_log: RunLog, verdict: MonitoringVerdict, report_html: str) -> None:
    """Write a day's verdict and report to its run."""
    run_log.log_text(report_html, Artifact.DRIFT_REPORT)
    run_log.log_json(verdict.to_json(), Artifact.VERDICT)
    run_log.log_metrics(verdict.numbers, tags={Tag.VERDICT: verdict.outcome})


def _result(run: Run) -> DailyResult:
    tags = run.data.tags
    return DailyResult(
        as_of=date.fromisoformat(tags[Tag.AS_OF]),
        passed=tags[Tag.VERDICT] == PASSED,
        rows=int(run.data.metrics[ROWS]),
    )
