"""The loop of a pipeline in one process: what the tasks of its DAGs do, in their order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cache, cached_property
from pathlib import Path
from typing import Any, cast

from include.contract.data import Reader, Source
from include.contract.day_path import is_dated
from include.contract.feed import Feed, Stage
from include.contract.pipeline import Pipeline
from include.exceptions import BadData, Conflict, JobFailed
from include.governance.ledger import Ledger
from include.governance.promotion import evaluate_gate, promote
from include.ingestion import day_ranges
from include.ingestion.check import check, require
from include.ingestion.hashing import Hasher
from include.ingestion.ingestion import Ingestion
from include.ingestion.load import load
from include.ingestion.quarantine import quarantine
from include.ingestion.results import LoadResult, ValidationResult
from include.jobs.context import Services
from include.jobs.results import ScoreResult, TrainResult
from include.jobs.runner import run_job
from include.jobs.spec import Job, JobSpec
from include.lake.client import Lake
from include.lake.merge import publish
from include.lake.partitions import parts_of
from include.lake.table import Table
from include.modelling.comparison import Scores
from include.modelling.pin import PinResult, pin
from include.monitoring.decision import decide
from include.monitoring.history import MonitoringHistory
from include.platform.source_days import source_days
from include.platform.source_urls import url_of
from include.platform.trial.lab import Lab
from include.platform.trial.outcome import Days, Ingested, Monitored, Outcome, Quarantined, Trained
from include.record import Record
from include.run_identity import RunIdentity
from include.tracking.names import ledger_runs, monitoring_runs, training_runs, validation_runs
from include.tracking.registry import Alias, Registry

_MAX_HALVINGS = 40
"""Runs of ingest that look for the bad days of a range; what is left then is quarantined whole."""
_FAILS = (BadData, Conflict, JobFailed)
"""Failures of the data or the model, which a trial reports; others end it."""
Say = Callable[[str], None]


@dataclass
class Loop:
    """A pipeline's loop in a lab; what it has shown is in `outcome`.

    `say` is called with the name of each step before it begins, `url_of` for the URL of a connection.
    """

    pipeline: Pipeline
    folder: Path
    lab: Lab
    say: Say
    outcome: Outcome = field(default_factory=Outcome)
    url_of: Callable[[str], str] = field(default_factory=lambda: cache(url_of))  # it takes seconds
    _halvings: int = 0

    def run(self, first: date, trained_until: date, last: date) -> Outcome:
        """Ingest, train and monitor; the days after `trained_until`, or that day, are monitored."""
        self.lake.ensure_repository(f"local://{self.lake.repository}", self.pipeline.lake.branch)
        self.bring(first, trained_until)
        self.train(trained_until, cause="the first model")
        if self.outcome.champion is None:
            return self.outcome
        if trained_until < last:
            self.bring(trained_until + timedelta(days=1), last)
        day = min(trained_until + timedelta(days=1), last)
        while day <= last:
            self.monitor(day)
            day += timedelta(days=1)
        return self.outcome

    def bring(self, first: date, last: date) -> None:
        """Bring the rows of days, and of the labels those that are known by their end."""
        self.ingest(self.pipeline.feed(), first, last)
        if self.pipeline.labels is not None:
            feed = self.pipeline.feed(Stage.LABELS)
            known = source_days(feed, self.folder) or (first, last)
            first, last = max(first, known[0]), min(last, known[1])
            if first <= last:
                self.ingest(feed, first, last)

    def ingest(self, feed: Feed, first: date, last: date) -> None:
        """Bring days in one run; where it fails, halve them until the bad days stand alone."""
        days, stage = Days(first, last), feed.stage.value
        self.say(f"{stage} {days}")
        run = self._identity(stage, f"{first}_{last}")
        branch = f"{stage}-{first}-{last}-{run.short_hash}"
        self.lake.create_branch(branch, self.pipeline.lake.branch)
        ingestion = Ingestion(
            pipeline=self.pipeline,
            stage=feed.stage,
            folder=self.folder,
            table=Table(self.lake, feed.table, feed.since),
            branch=branch,
            first=first,
            last=last,
            run=run,
            hasher=self._hasher,
        )
        loaded: LoadResult | None = None
        result: ValidationResult | None = None
        try:
            loaded = load(ingestion, sql_url=self._sql_url(feed.source))
            result = check(ingestion, validation_runs(self.lab.tracking, self.pipeline.name, stage))
            require(result, ingestion)
        except BadData as error:
            reasons = (str(error),) if result is None else result.reasons
            self._failed(ingestion, days, reasons, can_halve=loaded is not None or _reads_by_day(feed))
            return
        publish(self.lake, branch, into=self.pipeline.lake.branch, run=run)
        left_out = day_ranges.parse(result.left_out)
        good = set(ingestion.days).difference(left_out)
        self.outcome.quarantined += [
            Quarantined(feed.stage, Days(day, day), result.reasons) for day in left_out
        ]
        partitions = len(parts_of(ingestion.table, self.pipeline.lake.branch, good))
        self.outcome.ingested.append(
            Ingested(feed.stage, days, partitions, loaded.rows - result.left_out_rows)
        )

    def _failed(self, ingestion: Ingestion, days: Days, reasons: tuple[str, ...], *, can_halve: bool) -> None:
        if can_halve and days.first < days.last and self._halvings < _MAX_HALVINGS:
            self._halvings += 1
            self.lake.delete_branch(ingestion.branch)
            middle = days.first + (days.last - days.first) / 2
            self.ingest(ingestion.feed, days.first, middle)
            self.ingest(ingestion.feed, middle + timedelta(days=1), days.last)
            return
        quarantine(ingestion, reasons=reasons)
        self.outcome.quarantined.append(Quarantined(ingestion.stage, days, reasons))

    def train(self, until: date, *, cause: str) -> None:
        """Train up to a day, and let the gate decide; a candidate that passes becomes champion."""
        run = self._identity("train", f"until_{until}")
        try:
            self.say(f"train until {until}")
            delay = self.pipeline.monitoring.label_delay
            pinned = pin(
                self.table,
                self.pipeline.lake.branch,
                f"train-{run.short_hash}",
                until=until,
                label_delay=delay,
            )
            trained = cast(TrainResult, self._job(Job.TRAIN, run, pinned))
            self.say(f"evaluate until {until}")
            scores = cast(Scores, self._job(Job.EVALUATE, run, pinned, candidate=trained.run_id))
        except _FAILS as error:
            self.outcome.failures.append(f"train until {until}: {error}")
            return
        verdict = evaluate_gate(self.pipeline, scores, ledger=self._ledger, run=run)
        version = self._promote(scores, run, cause) if verdict.passed else None
        self.outcome.trained.append(
            Trained(until=pinned.until, cause=cause, scores=scores, verdict=verdict, version=version)
        )

    def _promote(self, scores: Scores, run: RunIdentity, reason: str) -> int:
        self.say("promote")
        name = self.pipeline.name
        training_run = training_runs(self.lab.tracking, name).open_run(scores.training_run)
        version = self._registry.register(name, training_run)
        promote(
            name,
            version,
            compared_with=scores.champion_version,
            no_comparison=scores.no_comparison,
            reason=reason,
            registry=self._registry,
            ledger=self._ledger,
            run=run,
        )
        return version

    def monitor(self, day: date) -> None:
        """Score and measure a day with the champion of now, and apply the policy."""
        if day in self.pipeline.source.skip_days:
            return
        version = self._registry.version_of(self.pipeline.name, Alias.CHAMPION)
        run = self._identity("monitor", f"{day}")
        at = PinResult(commit=self.lake.resolve(self.pipeline.lake.branch), until=day, tag="")
        if day not in self.table.days(at.commit):
            self.outcome.failures.append(f"monitor {day}: the table has no rows of this day")
            return
        try:
            self.say(f"score {day}")
            scored = cast(ScoreResult, self._job(Job.SCORE, run, at, version=version))
            self.say(f"measure {day}")
            self._job(Job.MEASURE, run, at, version=version, predictions_commit=scored.commit)
        except _FAILS as error:
            self.outcome.failures.append(f"monitor {day}: {error}")
            return
        decision = decide(
            self.pipeline,
            MonitoringHistory(monitoring_runs(self.lab.tracking, self.pipeline.name)),
            self._ledger,
            as_of=day,
            version=int(version or 0),
            run=run,
        )
        if decision is None:
            self.outcome.failures.append(f"monitor {day}: no verdict was found")
            return
        self.outcome.monitored.append(
            Monitored(
                day=day,
                version=int(version or 0),
                drifted=decision.verdict.drifted,
                reasons=decision.verdict.reasons,
                retrain=decision.retrain,
                reason=decision.reason,
            )
        )
        if decision.retrain:
            self.train(decision.until, cause=decision.cause)

    def _job(self, job: Job, run: RunIdentity, at: PinResult, **fields: Any) -> Record:
        spec = JobSpec(
            job=job,
            pipeline_name=self.pipeline.name,
            commit=at.commit,
            until=at.until.isoformat(),
            run_key=f"{run.key}/{job}",
            **fields,
        )
        return run_job(spec, self._services, run)

    def _identity(self, stage: str, run_id: str) -> RunIdentity:
        return RunIdentity(dag_id=f"{self.pipeline.name}.{stage}", run_id=f"try__{run_id}")

    @cached_property
    def lake(self) -> Lake:
        """The pipeline's repository in the lab's lake."""
        return Lake(self.lab.lake, self.pipeline.lake.repository)

    @cached_property
    def table(self) -> Table:
        """The pipeline's table."""
        return Table(self.lake, self.pipeline.lake.table, self.pipeline.since)

    def _sql_url(self, source: Source) -> str | None:
        return self.url_of(str(source.conn_id)) if source.reader is Reader.SQL else None

    @cached_property
    def _hasher(self) -> Hasher:
        """What columns are hashed with: a key that ends with the trial, as its tables do."""
        return Hasher.throwaway()

    @cached_property
    def _registry(self) -> Registry:
        return Registry(self.lab.tracking)

    @cached_property
    def _ledger(self) -> Ledger:
        return Ledger(ledger_runs(self.lab.tracking, self.pipeline.name))

    @cached_property
    def _services(self) -> Services:
        return Services(lake=self.lab.lake, tracking=self.lab.tracking, pipelines=self.folder.parent)


def _reads_by_day(feed: Feed) -> bool:
    """Whether other days are other files or queries, so that a fault may be one of some days only."""
    source = feed.source
    return source.reader in (Reader.SQL, Reader.PYTHON) or is_dated(str(source.uri))
