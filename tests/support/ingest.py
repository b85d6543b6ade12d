"""The ingestion of a small pipeline against a real lake and MLflow's real store, step by step."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from include.contract import loader
from include.contract.feed import Stage
from include.contract.pipeline import Pipeline
from include.exceptions import BadData
from include.ingestion.check import check
from include.ingestion.ingestion import Ingestion
from include.ingestion.load import load
from include.ingestion.quarantine import quarantine
from include.ingestion.results import LoadResult, ValidationResult
from include.lake.client import Lake
from include.lake.merge import publish
from include.lake.table import Table
from include.run_identity import RunIdentity
from include.tracking.names import validation_runs
from include.tracking.runs import Experiment
from include.tracking.server import TrackingServer
from tests.support.pipeline import day

BRANCH = "ingest-test"


@dataclass
class IngestRun:
    """One pipeline and one run of its ingest DAG; days are numbers from the pipeline's first day."""

    folder: Path
    lake: Lake
    tracking: TrackingServer
    run: RunIdentity = field(
        default_factory=lambda: RunIdentity(dag_id="orders.ingest", run_id=f"manual__{uuid4().hex[:8]}")
    )

    stage: Stage = Stage.INGEST

    @property
    def pipeline(self) -> Pipeline:
        return loader.load(self.folder)

    @property
    def table(self) -> Table:
        feed = self.pipeline.feed(self.stage)
        return Table(self.lake, feed.table, feed.since)

    @property
    def experiment(self) -> Experiment:
        return validation_runs(self.tracking, self.pipeline.name, self.stage.value)

    def ingestion(self, first: int, last: int | None = None, *, new_from: int | None = None) -> Ingestion:
        return Ingestion(
            pipeline=self.pipeline,
            stage=self.stage,
            folder=self.folder,
            table=self.table,
            branch=BRANCH,
            first=day(first),
            last=day(first if last is None else last),
            run=self.run,
            new_from=None if new_from is None else day(new_from),
        )

    def load(self, first: int, last: int | None = None, *, new_from: int | None = None) -> LoadResult:
        self.lake.create_branch(BRANCH, "main")
        return load(self.ingestion(first, last, new_from=new_from))

    def check(
        self, first: int, last: int | None = None, *, new_from: int | None = None, **commits: str
    ) -> ValidationResult:
        return check(self.ingestion(first, last, new_from=new_from), self.experiment, **commits)

    def faults(self, first: int, last: int | None = None) -> list[str]:
        """What is wrong with the data, as the DAG would find it; nothing if it is good."""
        try:
            self.load(first, last)
        except BadData as error:
            return [str(error)]
        verdict = self.check(first, last)
        return [] if verdict.passed else list(verdict.reasons)

    def quarantine(self, reasons: list[str], first: int = 0, last: int | None = None) -> str | None:
        return quarantine(self.ingestion(first, last), reasons=reasons, report="https://report").branch

    def publish(self) -> None:
        publish(self.lake, BRANCH, into="main", run=self.run)

    def run_of(self, link: str) -> str:
        """The run of which `link` shows the page or an artifact."""
        return link.split("/runs/")[1].split("/")[0]

    def artifact(self, link: str, file: str) -> str:
        """An artifact of the run whose page is `link`."""
        return self.experiment.open_run(self.run_of(link)).download_artifact(file).decode()
