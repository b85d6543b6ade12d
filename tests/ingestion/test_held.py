"""A table that was written before types were kept beside it keeps the types of its parts."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include.ingestion.evolve import evolve
from include.ingestion.held import held_types
from include.lake.client import Lake
from include.tracking.server import TrackingServer
from tests.support.ingest import BRANCH, IngestRun
from tests.support.pipeline import day, write_pipeline


@pytest.fixture
def shop(tmp_path: Path, lake: Lake, tracking: TrackingServer) -> IngestRun:
    """Files of days: amounts with a fraction, then whole ones, then both; the first was loaded long ago."""
    run = IngestRun(write_pipeline(tmp_path, source={"uri": "{dt}.csv"}), lake, tracking)
    for number, amounts in enumerate((["1.5", "2"], ["1", "2"], ["2.5", "2"])):
        lines = [f"{day(number)} 05:00:00,{id},{amount}" for id, amount in enumerate(amounts)]
        (run.folder / f"{day(number)}.csv").write_text("\n".join(["time,id,amount", *lines]))
    run.load(0)
    forget(run)
    return run


def forget(run: IngestRun) -> None:
    run.lake.delete_objects(BRANCH, [run.table.schema_path])
    run.lake.commit(BRANCH, "as it was before types were kept", {})


def types(run: IngestRun, ref: str = BRANCH) -> dict[str, Any]:
    schema = run.table.schema(ref)
    return {} if schema is None else {field.name: str(field.type) for field in schema}


def test_the_next_load_keeps_the_types_of_the_parts_not_those_of_its_own_rows(shop: IngestRun) -> None:
    shop.load(1)
    assert types(shop) == {"time": "timestamp[us]", "id": "int64", "amount": "double"}
    assert shop.load(2).rows == 2


@pytest.mark.parametrize(
    ("newer", "expected"), [([1, 2], "double"), (["x"], "string"), ([None], "double")], ids=repr
)
def test_parts_of_several_types_have_what_holds_all_or_the_newest(
    shop: IngestRun, newer: list[Any], expected: str
) -> None:
    content = BytesIO()
    pq.write_table(pa.table({"amount": newer}), content)
    content.seek(0)
    shop.lake.upload(BRANCH, f"{shop.table.prefix(day(1))}part-0.parquet", content)
    held = held_types(shop.table, BRANCH)
    assert held is not None
    assert str(held.field("amount").type) == expected


def test_a_damaged_part_does_not_stop_the_load_of_another_day(shop: IngestRun) -> None:
    shop.lake.upload(BRANCH, f"{shop.table.prefix(day(5))}part-0.parquet", BytesIO(b"PAR1"))
    shop.load(1)
    assert types(shop)["amount"] == "double"


def test_evolve_changes_such_a_table(shop: IngestRun) -> None:
    shop.publish()
    with (shop.folder / "pipeline.yaml").open("a") as contract:
        contract.write("columns: {id: string}\n")
    done = evolve(shop.pipeline.feed(), shop.table, run=shop.run)
    assert done.columns == {"id": ("integer", "string")}
    assert types(shop, "main")["id"] == "string"


def test_a_table_without_rows_holds_nothing(shop: IngestRun) -> None:
    assert held_types(shop.table, "main") is None
