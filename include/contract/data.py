"""Sections about data: the source, the table in the lake, schedules, validation, privacy."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import (
    Field,
    model_validator,
)

from include.contract.day_path import is_dated
from include.contract.dialect import Csv
from include.contract.numbers import NUMBER
from include.contract.text import (
    BranchName,
    ColumnName,
    ConnectionId,
    File,
    ImportPath,
    Location,
    Name,
    Query,
    RepositoryName,
)
from include.contract.types import Cron, DailyCron, Day, Section, TimeLimit, TimeZone


class Reader(StrEnum):
    """How source rows are read."""

    PARQUET = "parquet"
    CSV = "csv"
    SQL = "sql"
    PYTHON = "python"


class OnFailure(StrEnum):
    """What to do with rows that fail validation."""

    QUARANTINE = "quarantine"
    FAIL = "fail"
    WARN = "warn"


class OnExtra(StrEnum):
    """What to do with columns of the source that the contract does not name."""

    KEEP = "keep"
    DROP = "drop"
    FAIL = "fail"


class OnMissing(StrEnum):
    """What to do about a day for which the source has no file."""

    FAIL = "fail"
    SKIP = "skip"


_LOCATION_OF = {
    Reader.PARQUET: "uri",
    Reader.CSV: "uri",
    Reader.SQL: "conn_id",
    Reader.PYTHON: "callable",
}


class Source(Section):
    """Where rows come from, and how they are cut into partitions."""

    reader: Reader
    uri: Location | None = Field(
        None,
        description="parquet, csv: a path or URI of a file, a folder, or a pattern with `*`; "
        "`{dt}`, or `{dt:%Y%m%d}`, becomes the partition's date.",
    )
    missing: OnMissing = Field(
        OnMissing.FAIL, description="What to do about a day without a file: fail, or skip the day."
    )
    extra: OnExtra = Field(
        OnExtra.KEEP,
        description="What to do with columns that the contract names nowhere: keep, drop or fail.",
    )
    csv: Csv = Field(Csv(), description="csv: how the files are written.")
    conn_id: ConnectionId | None = Field(None, description="sql: an Airflow connection.")
    query: Query | None = Field(None, description="sql: a query with `:start` and `:end` (time stamps).")
    callable: ImportPath | None = Field(
        None, description="python: `module:function`, see include/ingestion/readers.py."
    )
    partition_by: ColumnName = Field(description="The time column that decides a row's partition.")
    timezone: TimeZone = "UTC"
    max_days: Annotated[int, Field(ge=1, le=36_525), NUMBER] = Field(
        400,
        description="The most days that a run may be started for, by `start` and `end` or a data interval.",
    )
    timeout: TimeLimit = Field(timedelta(hours=6), description="`load` is ended after this time.")

    @model_validator(mode="after")
    def _location_fits_reader(self) -> Source:
        wanted = _LOCATION_OF[self.reader]
        if getattr(self, wanted) is None:
            raise ValueError(f"reader {self.reader.value!r} needs the key {wanted!r}")
        if self.reader is Reader.SQL and self.query is None:
            raise ValueError("reader 'sql' needs the key 'query'")
        return self

    @model_validator(mode="after")
    def _days_may_be_missing(self) -> Source:
        if self.missing is OnMissing.SKIP and not is_dated(self.uri or ""):
            raise ValueError("missing: 'skip' is for files of a day; write '{dt}' into uri, or remove it")
        return self

    @model_validator(mode="after")
    def _dialect_fits(self) -> Source:
        if self.reader is not Reader.CSV and "csv" in self.model_fields_set:
            raise ValueError(f"the key 'csv' is for reader 'csv', not {self.reader.value!r}; remove it")
        return self


class LakeTable(Section):
    """The pipeline's table in the lake."""

    repository: RepositoryName
    table: Name
    branch: BranchName = "main"


class Schedule(Section):
    """Cron expressions in the source's time zone; null means only on demand."""

    ingest: DailyCron | None = "@daily"
    since: Day | None = Field(
        None,
        description="The first day that the schedule `ingest` brings; days missed while Airflow was down "
        "follow, too. null: only ticks from now on.",
    )
    train: Cron | None = None
    monitor: DailyCron | None = "0 2 * * *"


class Validation(Section):
    """The suite that checks the rows, and what to do with rows that fail."""

    suite: File = "expectations.yaml"
    on_failure: OnFailure = OnFailure.QUARANTINE
    timeout: TimeLimit = Field(timedelta(hours=6), description="`validate` is ended after this time.")


class Privacy(Section):
    """Columns of the source that never reach the lake as they are."""

    drop: list[ColumnName] = Field(default_factory=list, description="Left out when rows are read.")
