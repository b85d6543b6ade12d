"""A table of the lake that is exported, with partitions that tests replace, remove and retype."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable, QueryBuilder

from include.contract import loader
from include.contract.pipeline import Pipeline
from include.contract.types import FIRST_DAY, LAST_DAY
from include.exports.export import ExportResult, export
from include.lake.client import Lake
from include.lake.table import Table
from include.run_identity import RunIdentity
from tests.support.pipeline import day, write_pipeline

RUN = RunIdentity(dag_id="orders.ingest", run_id="manual__1")
Rows = list[dict[str, Any]]


@dataclass
class Exported:
    """A pipeline whose table is exported to a folder below `parent`."""

    lake: Lake
    parent: Path
    sections: Mapping[str, Any] = field(default_factory=dict)
    uri: str = ""

    def __post_init__(self) -> None:
        self.uri = self.uri or self.folder.as_uri()
        given = {"lake": {"repository": self.lake.repository}, "exports": {"delta": {"uri": self.uri}}}
        self.pipeline_folder = write_pipeline(self.parent / "pipelines", **{**given, **self.sections})

    @property
    def folder(self) -> Path:
        return self.parent / "warehouse"

    @property
    def pipeline(self) -> Pipeline:
        return loader.load(self.pipeline_folder)

    @property
    def table(self) -> Table:
        return Table(self.lake, self.pipeline.lake.table)

    def put(self, days: Mapping[int, pa.Table | None], *, schema: pa.Schema | None = None) -> str:
        """Commit partitions, None for one that leaves; return the commit. `schema` is kept with the table."""
        for number, rows in days.items():
            prefix = self.table.prefix(day(number))
            self.lake.delete_objects("main", [item.path for item in self.lake.list_objects("main", prefix)])
            if rows is not None:
                content = BytesIO()
                pq.write_table(rows, content)
                content.seek(0)
                self.lake.upload("main", f"{prefix}part-0.parquet", content)
        if schema is not None:
            self.table.write_schema("main", schema)
        commit = self.lake.commit("main", "orders", {"pipeline": "orders"})
        assert commit is not None
        return commit

    def other(self) -> str:
        """Commit something beside the table."""
        self.lake.upload("main", f"notes/{random.random()}.txt", BytesIO(b"a note"))
        commit = self.lake.commit("main", "a note", {})
        assert commit is not None
        return commit

    def export(self) -> ExportResult:
        return export(self.pipeline, self.table, run=RUN)

    def delta(self, version: int | None = None) -> DeltaTable:
        return DeltaTable(self.uri, version=version)

    def commits(self) -> list[str]:
        """The commits that the versions name, oldest first."""
        return [
            entry["millrace.commit"] for entry in self.delta().history()[::-1] if "millrace.commit" in entry
        ]

    def rows(self, version: int | None = None) -> Rows:
        """The rows of a version, as a reader of Delta Lake sees them."""
        return rows_of(self.delta(version))

    def lake_rows(self, commit: str) -> Rows:
        """The rows of a commit, each with the day of its partition, without missing values."""
        found = self.table.partitions(commit, FIRST_DAY, LAST_DAY)
        return _sorted([{"dt": at, **row} for at, rows in found for row in rows.to_pylist()])


def rows_of(table: DeltaTable) -> Rows:
    found = pa.table(QueryBuilder().register("exported", table).execute("select * from exported").read_all())
    return _sorted(found.to_pylist())


def _sorted(rows: Rows) -> Rows:
    filled = ({name: value for name, value in row.items() if value is not None} for row in rows)
    return sorted(filled, key=lambda row: (row["dt"], row["id"]))


def orders(number: int, *, count: int = 3, first: int = 0, **columns: pa.Array) -> pa.Table:
    """Rows of a day, with ids from `first` on."""
    ids = [1000 * number + first + one for one in range(count)]
    times = pa.array([f"{day(number)} 0{one % 10}:30:00" for one in range(count)])
    return pa.table({"id": pa.array(ids), "time": times.cast(pa.timestamp("us")), **columns})


def days_of(table: DeltaTable) -> list[date]:
    return sorted(date.fromisoformat(one["dt"]) for one in table.partitions())
