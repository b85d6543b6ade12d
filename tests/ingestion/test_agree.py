"""Two loads of a new table at the same time: both are published, whichever columns each has found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from include.contract import loader
from include.exceptions import Conflict
from include.ingestion.agree import agree
from include.ingestion.ingestion import Ingestion
from include.ingestion.load import load
from include.lake.client import Lake
from include.lake.merge import publish
from include.lake.table import Table
from include.run_identity import RunIdentity
from tests.support.pipeline import day, write_pipeline


class Loads:
    """Loads of one day each into branches of their own, all from the empty table."""

    def __init__(self, folder: Path, lake: Lake) -> None:
        self.folder = write_pipeline(folder, source={"uri": "{dt}.csv"})
        self.table = Table(lake, "orders")
        self.branches: dict[int, str] = {}

    def load(self, number: int, header: str, line: str) -> str:
        (self.folder / f"{day(number)}.csv").write_text(f"time,{header}\n{day(number)},{line}\n")
        branch = self.branches.setdefault(number, f"ingest-{number}-{len(self.branches)}")
        self.table.lake.create_branch(branch, "main")
        load(
            Ingestion(
                pipeline=loader.load(self.folder),
                folder=self.folder,
                table=self.table,
                branch=branch,
                first=day(number),
                last=day(number),
                run=self.run(number),
            )
        )
        return branch

    def run(self, number: int) -> RunIdentity:
        return RunIdentity(dag_id="orders.ingest", run_id=f"scheduled__{day(number)}")

    def publish(self, number: int) -> None:
        publish(self.table.lake, self.branches[number], into="main", run=self.run(number))


@pytest.fixture
def loads(tmp_path: Path, lake: Lake) -> Loads:
    return Loads(tmp_path, lake)


def test_loads_that_find_other_columns_are_both_published(loads: Loads) -> None:
    loads.load(0, "id,kind", "1,book")
    branch = loads.load(1, "id,kind,coupon", "2,,SAVE10")
    loads.publish(0)
    with pytest.raises(Conflict):
        loads.publish(1)
    assert agree(loads.table, branch, "main", {"pipeline": "orders"})
    loads.publish(1)
    schema = loads.table.schema("main")
    assert schema is not None
    assert {field.name: str(field.type) for field in schema} == {
        "time": "date32[day]",
        "id": "int64",
        "kind": "string",
        "coupon": "string",
    }
    assert loads.table.days("main") == [day(0), day(1)]


@pytest.mark.parametrize(
    ("owner", "step"), [(Table, "write_schema"), (Lake, "commit"), (Lake, "merge")], ids=str
)
@pytest.mark.parametrize("is_done", [False, True], ids=["before", "after"])
def test_no_column_is_lost_by_a_try_that_is_killed(
    loads: Loads, monkeypatch: pytest.MonkeyPatch, owner: type, step: str, is_done: bool
) -> None:
    loads.load(0, "id,kind,gift", "1,book,yes")
    branch = loads.load(1, "id,kind,coupon", "2,,SAVE10")
    loads.publish(0)
    whole = getattr(owner, step)

    def killed(*given: Any, **named: Any) -> None:
        if is_done:
            whole(*given, **named)
        raise KeyboardInterrupt

    monkeypatch.setattr(owner, step, killed)
    with pytest.raises(KeyboardInterrupt):
        agree(loads.table, branch, "main", {"pipeline": "orders"})
    monkeypatch.undo()
    try:
        loads.publish(1)
    except Conflict:
        assert agree(loads.table, branch, "main", {"pipeline": "orders"})
        loads.publish(1)
    schema = loads.table.schema("main")
    assert schema is not None
    assert schema.names == ["time", "id", "kind", "gift", "coupon"]


def test_a_type_that_differs_is_named_with_what_to_do(loads: Loads) -> None:
    loads.load(0, "id,amount", "1,1")
    branch = loads.load(1, "id,amount", "2,1.5")
    loads.publish(0)
    before = loads.table.lake.resolve(branch)
    with pytest.raises(
        Conflict, match="column 'amount' of table 'orders' has become integer since this run loaded, and is"
    ) as told:
        agree(loads.table, branch, "main", {})
    assert "is float in its rows; clear `open_branch`" in str(told.value)
    assert loads.table.lake.resolve(branch) == before


def test_rows_of_the_same_day_are_never_overwritten(loads: Loads, tmp_path: Path) -> None:
    loads.load(0, "id", "1")
    other = Loads(tmp_path / "other", loads.table.lake)
    other.branches[0] = "ingest-0-again"
    branch = other.load(0, "id,kind", "2,book")
    loads.publish(0)
    before = loads.table.lake.resolve(branch)
    assert not agree(loads.table, branch, "main", {})
    assert loads.table.lake.resolve(branch) == before


def test_a_conflict_elsewhere_is_left_to_the_caller(loads: Loads) -> None:
    branch = loads.load(0, "id", "1")
    assert not agree(loads.table, branch, "main", {})
