"""An ingestion: what its steps (load, check, quarantine) share."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from include.contract.feed import Feed, Stage
from include.contract.pipeline import Pipeline
from include.ingestion.day_ranges import days_between
from include.ingestion.hashing import Hasher
from include.lake.table import Table
from include.run_identity import RunIdentity


@dataclass(frozen=True, kw_only=True)
class Ingestion:
    """One run's ingestion: the days `first` to `last`, both included, on a branch of the run's own.

    `folder` is the pipeline's folder, `table` the table in the lake that the stage brings rows to. Days
    before `new_from` are read again: what the source has no longer of them stays as it is, and they are
    judged only if they have changed. `hasher` is for columns that are hashed; None has the secret of this
    deployment.
    """

    pipeline: Pipeline
    folder: Path
    table: Table
    branch: str
    first: date
    last: date
    run: RunIdentity
    stage: Stage = Stage.INGEST
    new_from: date | None = None
    hasher: Hasher | None = None

    @property
    def feed(self) -> Feed:
        """What is brought: the pipeline's rows, or its labels."""
        return self.pipeline.feed(self.stage)

    @property
    def days(self) -> list[date]:
        """The days of the run, without those that the source will never have."""
        skipped = self.feed.source.skip_days
        return [day for day in days_between(self.first, self.last) if day not in skipped]

    @property
    def suite(self) -> Path | None:
        """The file with the suite; None if there is none."""
        return self.folder / self.feed.suite if self.feed.suite else None

    @property
    def into(self) -> str:
        """The branch that readers use."""
        return self.feed.branch

    def is_read_again(self, day: date) -> bool:
        """Return whether a day is one of an earlier run, too."""
        return self.new_from is not None and day < self.new_from

    @property
    def label(self) -> str:
        """The days in one word, as `2013-01-01` or `2013-01-01_2013-01-31`."""
        return f"{self.first}" if self.first == self.last else f"{self.first}_{self.last}"
