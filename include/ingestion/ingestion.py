"""An ingestion: what its steps (load, check, quarantine) share."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from include.contract.pipeline import Pipeline
from include.ingestion.hashing import Hasher
from include.lake.table import Table
from include.run_identity import RunIdentity


@dataclass(frozen=True, kw_only=True)
class Ingestion:
    """One run's ingestion: the days `first` to `last`, both included, on a branch of the run's own.

    `folder` is the pipeline's folder, `table` its table in the lake. `hasher` is for columns that are hashed;
    None has the secret of this deployment.
    """

    pipeline: Pipeline
    folder: Path
    table: Table
    branch: str
    first: date
    last: date
    run: RunIdentity
    hasher: Hasher | None = None

    @property
    def label(self) -> str:
        """The days in one word, as `2013-01-01` or `2013-01-01_2013-01-31`."""
        return f"{self.first}" if self.first == self.last else f"{self.first}_{self.last}"
