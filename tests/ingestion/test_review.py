"""What nobody can accept of quarantined data, whatever the reason."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import pytest

from include.exceptions import BadData, Conflict
from include.ingestion.evolve import evolve
from include.lake.client import Lake
from include.tracking.server import TrackingServer
from tests.support.decide import KEPT, Decider, content
from tests.support.ingest import IngestRun
from tests.support.pipeline import orders, write_csv, write_pipeline


@pytest.fixture
def shop(tmp_path: Path, lake: Lake, tracking: TrackingServer) -> IngestRun:
    """A pipeline with one published day; the next two are in quarantine, and the last of them has no rows."""
    folder = write_pipeline(tmp_path, f"orders_{uuid4().hex[:8]}")
    run = IngestRun(folder, lake, tracking)
    write_csv(folder / "orders.csv", [*orders(0), *({**row, "kind": "pony"} for row in orders(1))])
    run.load(0)
    run.publish()
    assert run.quarantine(run.faults(1, 2), 1, 2) == KEPT
    return run


def declare(shop: IngestRun, lines: str) -> None:
    contract = shop.folder / "pipeline.yaml"
    contract.write_text(f"{contract.read_text()}\n{lines}\n")


def test_days_without_rows_stay_as_readers_see_them(shop: IngestRun) -> None:
    decider = Decider(shop, "one")
    decider.accept()
    assert decider.reviewed
    assert (decider.reviewed.days, decider.reviewed.without_rows) == ("2024-03-02", "2024-03-03")
    assert content(shop) == {"2024-03-01": [0, 1, 2, 3], "2024-03-02": [100, 101, 102, 103]}


def test_absent_rows_are_not_accepted(shop: IngestRun) -> None:
    shop.quarantine(shop.faults(5), 5)
    decider = Decider(shop, "one")
    decider.find()
    with pytest.raises(
        BadData, match=r"it has no rows of 2024-03-06; ingest these days again once the source"
    ):
        decider.review()


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            "columns: {id: string}",
            "column 'id' of 'quarantine-test' is integer, and by now string",
        ),
        (
            "columns: {coupon: string}",
            "'coupon' of .* is missing on 2024-03-02, and the contract declares it",
        ),
        ("privacy: {drop: [id]}", "column 'id' of 'quarantine-test' is dropped by privacy.drop by now"),
    ],
)
def test_a_contract_whose_columns_have_changed_takes_no_old_rows(
    shop: IngestRun, lines: str, message: str
) -> None:
    declare(shop, lines)
    decider = Decider(shop, "one")
    decider.find()
    with pytest.raises(Conflict, match=message):
        decider.review()
    decider.discard()
    assert content(shop) == {"2024-03-01": [0, 1, 2, 3]}


def test_a_column_that_begins_later_is_not_missed(shop: IngestRun) -> None:
    declare(shop, "columns: {coupon: {type: string, since: 2024-03-03}}")
    Decider(shop, "one").accept()
    assert sorted(content(shop)) == ["2024-03-01", "2024-03-02"]


def test_a_table_whose_types_have_changed_takes_no_old_rows(shop: IngestRun) -> None:
    early = Decider(shop, "early")
    early.find()
    early.review()
    declare(shop, "columns: {id: string}")
    evolve(shop.pipeline.feed(), shop.table, run=shop.run)
    late = Decider(shop, "late")
    late.find()
    with pytest.raises(Conflict, match="column 'id' of 'quarantine-test' is integer, and by now string"):
        late.review()
    with pytest.raises(Conflict, match="clear `validate` with everything downstream"):
        early.publish()
    late.discard()
    assert len(late.decided()) == 1


def test_a_column_that_is_new_to_the_table_is_kept(shop: IngestRun) -> None:
    shop.lake.delete_branch(KEPT)
    write_csv(shop.folder / "orders.csv", [{**row, "coupon": "x"} for row in orders(1)])
    shop.quarantine(shop.faults(1), 1)
    Decider(shop, "one").accept()
    schema = shop.table.schema("main")
    assert schema is not None
    assert schema.names == ["time", "id", "amount", "kind", "returned", "coupon"]


def test_a_day_set_aside_beside_good_ones_is_accepted(shop: IngestRun) -> None:
    """Its commit is in the history of what was published, so a merge would bring nothing."""
    declare(shop, "validation: {publish: good_partitions}")
    rows = [*orders(3), *({**row, "kind": "pony"} for row in orders(4)), *orders(5)]
    write_csv(shop.folder / "orders.csv", rows)
    shop.lake.delete_branch(KEPT)
    base, loaded = shop.lake.resolve("main"), shop.load(3, 5).commit
    assert shop.check(3, 5, loaded=loaded, base=base).left_out == "2024-03-05"
    shop.publish()
    assert sorted(content(shop)) == ["2024-03-01", "2024-03-04", "2024-03-06"]
    Decider(shop, "one").accept()
    assert content(shop)["2024-03-05"] == [400, 401, 402, 403]
    assert sorted(content(shop)) == ["2024-03-01", "2024-03-04", "2024-03-05", "2024-03-06"]
