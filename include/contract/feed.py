"""Feeds: what the ingestions of a pipeline bring, each into a table of its own: rows, and maybe labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING

from include.contract.columns import Column
from include.contract.data import Source

if TYPE_CHECKING:
    from include.contract.pipeline import Pipeline


class Stage(StrEnum):
    """The stages that ingest, each by the name of its DAG."""

    INGEST = "ingest"
    LABELS = "labels"


_DECIDE = {Stage.INGEST: "decide", Stage.LABELS: "decide_labels"}
"""The stages in which people decide about quarantined data of an ingestion."""


@dataclass(frozen=True, kw_only=True)
class Feed:
    """What one ingestion brings: where rows come from, the table they go to, and what they have to be.

    `at` begins the path of the feed's keys in the contract. `required` are the columns that have to be there,
    each with the first key that names it, `numbers` those of them that are numbers. `target` is the column of
    labels, None if another feed brings them; then `elsewhere` is the column that must not be here. `keys`
    join this feed's table with the table `partner`. `hashed` are the columns that are hashed
    where they occur.
    """

    pipeline_name: str
    stage: Stage
    at: str
    source: Source
    columns: Mapping[str, Column]
    table: str
    branch: str
    suite: str | None
    required: Mapping[str, str]
    numbers: frozenset[str] = frozenset()
    target: str | None = None
    elsewhere: str | None = None
    dropped: tuple[str, ...] = ()
    hashed: Mapping[str, Column] = field(default_factory=dict)
    keys: tuple[str, ...] = ()
    partner: str | None = None
    since: Mapping[str, date] = field(default_factory=dict)

    @property
    def named(self) -> frozenset[str]:
        """The columns that the contract names."""
        return frozenset({*self.required, *self.columns, self.source.partition_by})

    @property
    def decided_by(self) -> str:
        """The id of the DAG in which people decide about quarantined data of this feed."""
        return f"{self.pipeline_name}.{_DECIDE[self.stage]}"

    def reading(self, source: Source) -> Feed:
        """Return the feed with another source, such as one version of it."""
        return replace(self, source=source)


def of_rows(pipeline: Pipeline) -> Feed:
    """Return the feed of the rows."""
    labels, target = pipeline.labels, pipeline.model.target
    columns = pipeline.columns
    return Feed(
        pipeline_name=pipeline.name,
        stage=Stage.INGEST,
        at="",
        source=pipeline.source,
        columns=_with_keys(columns, labels.keys, labels.columns) if labels else columns,
        table=pipeline.lake.table,
        branch=pipeline.lake.branch,
        suite=pipeline.validation.suite,
        required=_required(pipeline),
        numbers=frozenset(pipeline.model.features.numerical),
        target=None if labels else target,
        elsewhere=target if labels else None,
        dropped=tuple(pipeline.privacy.drop),
        hashed=_hashed(pipeline),
        keys=labels.keys if labels else (),
        partner=labels_table(pipeline.lake.table) if labels else None,
        since=_since(columns),
    )


def of_labels(pipeline: Pipeline) -> Feed | None:
    """Return the feed of the labels, if the pipeline has one."""
    labels = pipeline.labels
    if labels is None:
        return None
    source, target = labels.source, labels.target or pipeline.model.target
    if "timezone" not in source.model_fields_set:  # a day of labels begins as a day of rows does
        source = source.model_copy(update={"timezone": pipeline.source.timezone})
    needed = {target, source.partition_by}
    target_key = "labels.target" if labels.target else "model.target"
    return Feed(
        pipeline_name=pipeline.name,
        stage=Stage.LABELS,
        at="labels.",
        source=source,
        columns=_with_keys(labels.columns, labels.keys, pipeline.columns),
        table=labels_table(pipeline.lake.table),
        branch=pipeline.lake.branch,
        suite=labels.suite,
        required={**dict.fromkeys(labels.keys, "labels.keys"), target: target_key},
        target=target,
        dropped=tuple(name for name in pipeline.privacy.drop if name not in needed),
        hashed=_hashed(pipeline),
        keys=labels.keys,
        partner=pipeline.lake.table,
        since=_since(labels.columns),
    )


def labels_table(table: str) -> str:
    """Return the name of the table of labels that belongs to a table of rows."""
    return f"{table}_labels"


def _required(pipeline: Pipeline) -> dict[str, str]:
    model, slices, fairness = pipeline.model, pipeline.gate.slices, pipeline.monitoring.fairness
    keys = [
        *((name, "model.features.numerical") for name in model.features.numerical),
        *((name, "model.features.categorical") for name in model.features.categorical),
        (model.target, "model.target"),
        (model.time, "model.time"),
        *([(slices.column, "gate.slices.column")] if slices else []),
        *([(fairness.column, "monitoring.fairness.column")] if fairness else []),
        *((name, "labels.keys") for name in (pipeline.labels.keys if pipeline.labels else ())),
    ]
    return {name: key for name, key in reversed(keys) if not (pipeline.labels and name == model.target)}


def _with_keys(
    own: Mapping[str, Column], keys: tuple[str, ...], other: Mapping[str, Column]
) -> Mapping[str, Column]:
    """Return the declared columns, with the types of keys that only the other section declares."""
    found = {name: Column(type=other[name].type) for name in keys if name in other and name not in own}
    return {**own, **found} if found else own


def _hashed(pipeline: Pipeline) -> dict[str, Column]:
    """Return the columns that are hashed, in each table of the pipeline that has one of the name."""
    declared = {**(pipeline.labels.columns if pipeline.labels else {}), **pipeline.columns}
    return {name: Column(type=declared[name].type) for name in pipeline.privacy.hash}


def _since(columns: Mapping[str, Column]) -> dict[str, date]:
    return {name: column.since for name, column in columns.items() if column.since}
