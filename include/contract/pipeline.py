"""The contract of a pipeline: the models behind `pipeline.yaml`.

One model a section, each frozen and closed (an unknown key is a fault). `include.contract.loader` reads the
files; `include/pipelines/pipeline.schema.json` is generated from here (`make generate`), so that editors
complete and check a `pipeline.yaml` while it is written.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from pydantic import Field, model_validator

from include.contract.columns import Columns
from include.contract.data import LakeTable, Privacy, Schedule, Source, Validation
from include.contract.exports import Exports
from include.contract.feed import Feed, Stage, of_labels, of_rows
from include.contract.gate import Gate
from include.contract.labels import Labels
from include.contract.model import Model
from include.contract.monitoring import Monitoring
from include.contract.reserved import predictions_table
from include.contract.text import Description, Label, Name, Owner, repository_of
from include.contract.training import Training
from include.contract.types import Section
from include.exceptions import Misconfigured


class Pipeline(Section):
    """One model product: its data, checks, model, gate and monitoring."""

    name: Name
    description: Description
    owner: Owner
    tags: list[Label] = Field(default_factory=list)
    source: Source
    columns: Columns = Field(
        default_factory=dict,
        description="What columns of the table are; of others the types of the first load are kept.",
    )
    labels: Labels | None = Field(
        None,
        description="Where targets come from that arrive later than their rows; null: they are in the rows.",
    )
    lake: LakeTable
    exports: Exports = Exports()
    schedule: Schedule = Schedule()
    validation: Validation = Validation()
    model: Model
    training: Training = Training()
    gate: Gate
    monitoring: Monitoring = Monitoring()
    privacy: Privacy = Privacy()

    @model_validator(mode="before")
    @classmethod
    def _default_repository(cls, value: Any) -> Any:
        """Return a contract that names its repository, where the name can be one; `checks` refuses others."""
        lake, name = (value.get("lake"), value.get("name")) if isinstance(value, dict) else (None, None)
        if not isinstance(lake, dict) or "repository" in lake or not isinstance(name, str):
            return value
        return {**value, "lake": {**lake, "repository": found}} if (found := repository_of(name)) else value

    @property
    def predictions(self) -> str:
        """The table of the champion's predictions, in the same repository."""
        return predictions_table(self.name)

    @property
    def since(self) -> dict[str, date]:
        """The first day of each column that begins late."""
        return {name: column.since for name, column in self.columns.items() if column.since}

    @property
    def feeds(self) -> list[Feed]:
        """What its ingestions bring: the rows, and the labels if they have a source of their own."""
        labels = of_labels(self)
        return [of_rows(self), *([labels] if labels else [])]

    def feed(self, stage: Stage = Stage.INGEST) -> Feed:
        """Return what the ingestion of a stage brings; raises Misconfigured without a section for it."""
        found = next((feed for feed in self.feeds if feed.stage is stage), None)
        if found is None:
            raise Misconfigured(
                f"pipeline {self.name!r} has no section labels; write it, or keep the target in the rows"
            )
        return found

    @property
    def tables(self) -> list[tuple[str, str, str]]:
        """Repository, branch and name of each table that the pipeline writes."""
        names = [*(feed.table for feed in self.feeds), self.predictions]
        return [(self.lake.repository, self.lake.branch, name) for name in names]
