"""The ingestion of a small pipeline against a real lake and MLflow's real store, step by step."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from include.contract import loader
from include.contract.pipeline import Pipeline
from include.exceptions import BadData
from include.ingestion import check, load, quarantine, results
from include.lake.client import Lake
from include.lake.merge import publish
from include.lake.table import Table
from include.run_identity import RunIdentity
from include.tracking.runs import Experiment
from tests.support.pipeline import day

BRANCH = "ingest-test"


@dataclass
class Ingestion:
    """One pipeline and one run of its ingest DAG; days are numbers from the pipeline's first day."""

    folder: Path
    lake: Lake
    tracking_uri: str
    run: RunIdentity = field(
        default_factory=lambda: RunIdentity(dag_id="orders.ingest", run_id=f"manual__{uuid4().hex[:8]}")
    )

    @property
    def spec(self) -> Pipeline:
        return loader.load(self.folder)

    @property
    def table(self) -> Table:
        return Table(self.lake, self.spec.lake.table)

    @property
    def experiment(self) -> Experiment:
        return Experiment(self.tracking_uri, f"{self.spec.name}.ingest")

    def load(self, first: int, last: int | None = None) -> results.LoadResult:
        self.lake.create_branch(BRANCH, "main")
        days = day(first), day(first if last is None else last)
        return load.load(self.spec, self.table, BRANCH, *days, folder=self.folder, run=self.run)

    def check(self, first: int, last: int | None = None) -> results.ValidationResult:
        days = day(first), day(first if last is None else last)
        return check.check(
            self.spec,
            self.table,
            BRANCH,
            *days,
            folder=self.folder,
            run=self.run,
            tracking_uri=self.tracking_uri,
        )

    def faults(self, first: int, last: int | None = None) -> list[str]:
        """What is wrong with the data, as the DAG would find it; nothing if it is good."""
        try:
            self.load(first, last)
        except BadData as error:
            return [str(error)]
        found = self.check(first, last).verdict
        return [] if found.passed else list(found.reasons)

    def quarantine(self, reasons: list[str], *, keep: bool = True) -> str | None:
        return quarantine.quarantine(self.lake, BRANCH, reasons=reasons, run=self.run, keep=keep)

    def publish(self) -> None:
        publish(self.lake, BRANCH, into="main", run=self.run)

    def run_of(self, link: str) -> str:
        """The run of which `link` shows the page or an artifact."""
        return link.split("/runs/")[1].split("/")[0]

    def artifact(self, link: str, file: str) -> str:
        """An artifact of the run whose page is `link`."""
        return self.experiment.log(self.run_of(link)).read(file).decode()
