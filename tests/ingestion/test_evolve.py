"""A column gets another type by one deliberate step, in every partition, or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from include.exceptions import Absent, BadData, Conflict
from include.ingestion.agree import check_types
from include.ingestion.evolve import Evolution, evolve
from include.lake.client import Lake
from include.run_identity import RunIdentity
from include.tracking.server import TrackingServer
from tests.support.ingest import BRANCH, IngestRun
from tests.support.pipeline import day, orders, write_csv, write_pipeline

LEFT = "evolve-orders-01234567"
RUN = RunIdentity(dag_id="orders.evolve", run_id="ann__2024-03-04")


class Shop:
    """A table with two days of orders on main, and contracts for it."""

    def __init__(self, folder: Path, lake: Lake, tracking: TrackingServer) -> None:
        self.folder, self.lake, self.tracking = folder, lake, tracking
        self.made = 0

    def run(self, **sections: Any) -> IngestRun:
        self.made += 1
        folder = write_pipeline(self.folder / str(self.made), **sections)
        write_csv(folder / "orders.csv", orders(0, 1))
        return IngestRun(folder, self.lake, self.tracking)

    def evolve(self, **sections: Any) -> Evolution:
        run = self.run(**sections)
        return evolve(run.pipeline.feed(), run.table, run=RUN)

    def column(self, name: str) -> tuple[str, list[Any]]:
        table = self.run().table
        found = [rows.column(name) for _, rows in table.partitions("main", day(0), day(1))]
        assert len({str(column.type) for column in found}) == 1
        schema = table.schema("main")
        assert schema is not None
        assert schema.field(name).type == found[0].type
        return str(found[0].type), [value for column in found for value in column.to_pylist()]


@pytest.fixture
def shop(tmp_path: Path, lake: Lake, tracking: TrackingServer) -> Shop:
    made = Shop(tmp_path, lake, tracking)
    run = made.run()
    run.load(0, 1)
    run.publish()
    return made


def test_every_partition_gets_the_declared_type_in_one_commit_that_says_so(shop: Shop) -> None:
    before = len(list(shop.lake.log("main")))
    done = shop.evolve(columns={"id": "string", "returned": "boolean", "kind": "string"})
    assert (done.columns, done.parts) == (
        {"id": ("integer", "string"), "returned": ("integer", "boolean")},
        2,
    )
    assert shop.column("id") == ("string", ["0", "1", "2", "3", "100", "101", "102", "103"])
    assert shop.column("returned") == ("bool", [False, True, False, True] * 2)
    merge, change, *_ = shop.lake.log("main")
    assert (merge.id, len(list(shop.lake.log("main"))) - before) == (done.commit, 2)
    assert change.metadata["columns"] == "id: integer to string, returned: integer to boolean"
    assert merge.metadata["run_id"] == RUN.run_id
    assert list(shop.lake.list_branches("evolve")) == []


def test_loads_go_on_with_the_new_type(shop: Shop) -> None:
    columns = {"id": "string"}
    shop.evolve(columns=columns)
    loaded = shop.run(columns=columns)
    assert loaded.load(0, 1).rows == 8
    assert [rows["id"].type for _, rows in loaded.table.partitions(BRANCH, day(0), day(0))] == ["string"]


def test_a_type_that_some_value_does_not_fit_changes_nothing(shop: Shop) -> None:
    before = shop.lake.resolve("main")
    with pytest.raises(BadData, match=r"column 'amount' of table 'orders': 8 value\(s\) do not fit integer"):
        shop.evolve(columns={"amount": "integer"})
    assert shop.lake.resolve("main") == before
    assert list(shop.lake.list_branches("evolve")) == []


def test_any_column_can_become_text_which_is_the_way_out_where_a_guess_was_wrong(shop: Shop) -> None:
    features = {"numerical": ["id"], "categorical": ["kind"]}
    shop.evolve(columns={"amount": "string", "time": "string"}, model={"features": features})
    assert shop.column("amount")[1][:2] == ["10.5", "11.5"]
    assert shop.column("time")[1][0] == "2024-03-01 00:30:00.000000"


def test_nothing_changes_where_contract_and_table_agree(shop: Shop) -> None:
    before = shop.lake.resolve("main")
    assert shop.evolve(columns={"id": "integer"}) == Evolution(columns={}, parts=0, commit=None)
    assert shop.lake.resolve("main") == before


def test_what_a_killed_try_has_left_is_replaced(shop: Shop) -> None:
    shop.lake.create_branch(LEFT, "main")
    shop.lake.delete_objects(LEFT, [item.path for item in shop.lake.list_objects("main")])
    shop.lake.commit(LEFT, "half done", {})
    shop.evolve(columns={"id": "float"})
    assert list(shop.lake.list_branches("evolve")) == []
    assert shop.column("id") == ("double", [0.0, 1.0, 2.0, 3.0, 100.0, 101.0, 102.0, 103.0])


def test_of_two_at_once_one_fails_and_the_table_has_one_type(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload, others = shop.lake.upload, [RunIdentity(dag_id="orders.evolve", run_id="bob__2024-03-04")]

    def interrupted(self: Lake, branch: str, *given: Any) -> Any:
        done = upload(branch, *given)
        if others:
            evolve(loaded.pipeline.feed(), loaded.table, run=others.pop())
        return done

    loaded = shop.run(columns={"id": "string"})
    monkeypatch.setattr(Lake, "upload", interrupted)
    with pytest.raises(Absent):
        evolve(loaded.pipeline.feed(), loaded.table, run=RUN)
    assert shop.column("id") == ("string", ["0", "1", "2", "3", "100", "101", "102", "103"])
    assert list(shop.lake.list_branches("evolve")) == []


def test_rows_that_are_published_meanwhile_do_not_stay_of_the_old_type(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = shop.run()
    write_csv(loaded.folder / "orders.csv", orders(2))
    loaded.run = RunIdentity(dag_id="orders.ingest", run_id="late")
    loaded.load(2)
    commit, waiting = Lake.commit, [loaded]

    def published_before(self: Lake, *given: Any) -> Any:
        if waiting:
            waiting.pop().publish()
        return commit(self, *given)

    monkeypatch.setattr(Lake, "commit", published_before)
    with pytest.raises(Conflict, match=r"1 partition\(s\) of table 'orders' were published meanwhile, first"):
        shop.evolve(columns={"id": "string"})
    assert shop.evolve(columns={"id": "string"}).parts == 3


def test_a_load_from_before_is_not_published_afterwards(shop: Shop) -> None:
    loaded = shop.run()
    write_csv(loaded.folder / "orders.csv", orders(2))
    loaded.load(2)
    shop.evolve(columns={"id": "string"})
    with pytest.raises(
        Conflict, match="'id' of table 'orders' has become string since this run loaded, and is"
    ):
        check_types(loaded.table, BRANCH, "main")


def test_a_table_without_data_has_nothing_to_change(
    tmp_path: Path, lake: Lake, tracking: TrackingServer
) -> None:
    with pytest.raises(Absent, match="holds no columns yet; its first load takes those of the contract"):
        Shop(tmp_path, lake, tracking).evolve(columns={"id": "string"})
