"""Sections about data: the source, the table in the lake, schedules, validation, privacy."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any

from pydantic import (
    Field,
    model_validator,
)

from include.contract.day_path import is_dated
from include.contract.delta import Delta
from include.contract.dialect import Csv
from include.contract.excel import Excel
from include.contract.numbers import NUMBER, Share
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
from include.contract.types import Cron, DailyCron, Day, Section, TimeLimit, TimeZone, YearOfDays
from include.excerpt import quote


class Reader(StrEnum):
    """How source rows are read."""

    PARQUET = "parquet"
    CSV = "csv"
    JSONL = "jsonl"
    EXCEL = "excel"
    DELTA = "delta"
    SQL = "sql"
    PYTHON = "python"


class OnFailure(StrEnum):
    """What to do with rows that fail validation."""

    QUARANTINE = "quarantine"
    FAIL = "fail"
    WARN = "warn"


class Publish(StrEnum):
    """Which days of a run are published where some fail validation."""

    ALL = "all"
    GOOD_PARTITIONS = "good_partitions"


class OnExtra(StrEnum):
    """What to do with columns of the source that the contract does not name."""

    KEEP = "keep"
    DROP = "drop"
    FAIL = "fail"


class OnMissing(StrEnum):
    """What to do about a day for which the source has no file."""

    FAIL = "fail"
    SKIP = "skip"
    WAIT = "wait"


class OnStray(StrEnum):
    """What to do about rows that belong to no day of their file."""

    REFUSE = "refuse"
    DROP = "drop"


_LOCATION_OF = {
    Reader.PARQUET: "uri",
    Reader.CSV: "uri",
    Reader.JSONL: "uri",
    Reader.EXCEL: "uri",
    Reader.DELTA: "uri",
    Reader.SQL: "conn_id",
    Reader.PYTHON: "callable",
}
_OPTIONS_OF = {"csv": Reader.CSV, "excel": Reader.EXCEL, "delta": Reader.DELTA}
"""The sections that say more about one reader's source."""


class Source(Section):
    """Where rows come from, and how they are cut into partitions."""

    reader: Reader
    uri: Location | None = Field(
        None,
        description="parquet, csv, jsonl, excel: a path or URI of a file, a folder, or a pattern with `*`; "
        "`{dt}`, or `{dt:%Y%m%d}`, becomes the partition's date; "
        "`%-m` and `%-d` have no leading zero. delta: the folder of the table.",
    )
    missing: OnMissing = Field(
        OnMissing.FAIL, description="What to do about a day without a file: fail, skip the day, or wait."
    )
    missing_timeout: TimeLimit = Field(
        timedelta(hours=12), description="missing: wait: how long a run waits for the files of its days."
    )
    skip_days: tuple[Day, ...] = Field(
        (),
        description="Days that the source will never have: neither read, waited for, checked nor monitored.",
    )
    late: OnStray = Field(
        OnStray.REFUSE,
        description="What to do about rows of other days than those of their file, query or call.",
    )
    invalid_time: OnStray = Field(
        OnStray.REFUSE, description="What to do about rows whose time, `partition_by`, is empty."
    )
    max_dropped: Share = Field(
        0.05, description="The share of a file's rows that may be dropped by `late` and `invalid_time`."
    )
    extra: OnExtra = Field(
        OnExtra.KEEP,
        description="What to do with columns that the contract names nowhere: keep, drop or fail.",
    )
    csv: Csv = Field(Csv(), description="csv: how the files are written.")
    excel: Excel = Field(Excel(), description="excel: where the rows of a workbook stand.")
    delta: Delta = Field(Delta(), description="delta: which version of the table is read.")
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
        if self.missing is not OnMissing.FAIL and not is_dated(self.uri or ""):
            what = f"missing: {self.missing.value!r} is for files of a day"
            raise ValueError(f"{what}; write '{{dt}}' into uri, or remove it")
        return self

    @model_validator(mode="after")
    def _delta_is_one_table(self) -> Source:
        uri = self.uri or ""
        if self.reader is Reader.DELTA and (is_dated(uri) or "*" in uri):
            raise ValueError(
                f"uri is {quote(uri)}, but reader 'delta' reads one table; write its folder, without "
                "'{dt}' and '*'"
            )
        return self

    @model_validator(mode="after")
    def _options_fit(self) -> Source:
        for key, reader in _OPTIONS_OF.items():
            if self.reader is not reader and key in self.model_fields_set:
                raise ValueError(
                    f"the key {key!r} is for reader {reader.value!r}, not {self.reader.value!r}; remove it"
                )
        return self


def _without_default(schema: dict[str, Any]) -> None:
    """Take from a JSON Schema a default that stands for what the pipeline fills in."""
    del schema["default"]


class LakeTable(Section):
    """The pipeline's table in the lake."""

    repository: RepositoryName = Field(
        "",
        description="The lakeFS repository; left out: the pipeline's name, with '-' for each '_'.",
        json_schema_extra=_without_default,
    )
    table: Name
    branch: BranchName = "main"


class Schedule(Section):
    """Cron expressions in the source's time zone; null means only on demand."""

    ingest: DailyCron | None = "@daily"
    since: Day | None = Field(
        None,
        description="The first day that the schedules `ingest` and `labels` bring; days missed while Airflow "
        "was down follow, too. null: only ticks from now on.",
    )
    labels: DailyCron | None = Field(
        "@daily", description="Of the labels, where they have a section; a run brings days as `ingest` does."
    )
    refresh: YearOfDays | None = Field(
        None,
        description="So many days before its own are read again by each run of the schedule `ingest`. "
        "null: none.",
    )
    train: Cron | None = None
    monitor: DailyCron | None = "0 2 * * *"


class Validation(Section):
    """The suite that checks the rows, and what to do with rows that fail."""

    suite: File = "expectations.yaml"
    on_failure: OnFailure = OnFailure.QUARANTINE
    publish: Publish = Field(
        Publish.ALL,
        description="What is published of a run in which days fail: nothing (all or none), or its good days.",
    )
    timeout: TimeLimit = Field(timedelta(hours=6), description="`validate` is ended after this time.")

    @model_validator(mode="after")
    def _bad_days_are_left_out(self) -> Validation:
        if self.leaves_out and self.on_failure is OnFailure.WARN:
            raise ValueError(
                "publish: 'good_partitions' leaves bad days out, and on_failure: 'warn' publishes them; "
                "remove one of the two"
            )
        return self

    @property
    def leaves_out(self) -> bool:
        """Whether the good days of a run are published without its bad ones."""
        return self.publish is Publish.GOOD_PARTITIONS


class Privacy(Section):
    """Personal columns, whose values never reach the lake."""

    drop: list[ColumnName] = Field(
        default_factory=list, description="Columns of the source that are left out when rows are read."
    )
    hash: list[ColumnName] = Field(
        default_factory=list,
        description="Columns of the table that are replaced by keyed hashes when rows are read.",
    )
