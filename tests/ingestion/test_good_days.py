"""Days that fail by themselves are left out, and the others are published."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml

from include.exceptions import BadData
from include.ingestion.check import require, require_all
from include.ingestion.results import ValidationResult
from include.lake.client import Lake
from include.tracking.server import TrackingServer
from include.validation import runner
from include.validation.report import Report
from tests.support.death import killed_after
from tests.support.ingest import BRANCH, IngestRun
from tests.support.pipeline import SUITE, day, orders, write_csv, write_pipeline

KEPT = "quarantine-test"
GOOD = {"2024-03-01": [0, 1, 2, 3], "2024-03-03": [200, 201, 202, 203]}


@pytest.fixture
def shop(tmp_path: Path, lake: Lake, tracking: TrackingServer) -> IngestRun:
    """A pipeline with three days that publishes good ones; the second has a kind that no rule allows."""
    folder = write_pipeline(tmp_path, f"orders_{uuid4().hex[:8]}", validation={"publish": "good_partitions"})
    run = IngestRun(folder, lake, tracking)
    write(run, bad=[1])
    return run


def write(shop: IngestRun, days: tuple[int, ...] = (0, 1, 2), *, bad: list[int]) -> None:
    """The source: a bad day has a kind that no rule allows."""
    rows = [{**row, "kind": "pony"} if number in bad else row for number in days for row in orders(number)]
    write_csv(shop.folder / "orders.csv", rows)


def content(shop: IngestRun, ref: str) -> dict[str, list[int]]:
    return {str(one): rows["id"].to_pylist() for one, rows in shop.table.partitions(ref, day(0), day(99))}


def ingest(shop: IngestRun, last: int = 2) -> ValidationResult:
    """Run the tasks of the DAG up to `publish`; raises BadData if nothing is published."""
    shop.lake.delete_branch(BRANCH)
    base, loaded = shop.lake.resolve("main"), shop.load(0, last).commit
    result = shop.check(0, last, loaded=loaded, base=base)
    require(result, shop.ingestion(0, last))
    shop.publish()
    return result


def test_good_days_are_published_and_the_bad_one_is_kept_with_its_reasons(shop: IngestRun) -> None:
    base = shop.lake.resolve("main")
    result = ingest(shop)
    assert (result.passed, result.left_out, result.left_out_rows, result.quarantine) == (
        False,
        "2024-03-02",
        4,
        KEPT,
    )
    assert content(shop, "main") == GOOD
    record = shop.lake.get_commit(KEPT)
    reason = "kind: expect_column_values_to_be_in_set (value_set=['book', 'toy']) failed for 4 of 4 rows"
    assert record.message == f"quarantined: 2024-03-02: {reason} (severity critical)"
    kept = {name: value for name, value in record.metadata.items() if name.startswith("quarantine.")}
    assert kept == {
        "quarantine.table": "orders",
        "quarantine.days": "2024-03-02",
        "quarantine.base": base,
        "quarantine.loaded": record.parents[0],
        "quarantine.report": result.link,
        "quarantine.reasons.2024-03-02": f"{reason} (severity critical)",
    }
    assert content(shop, KEPT)["2024-03-02"] == [100, 101, 102, 103]
    page = shop.artifact(result.link, "validation.html")
    assert "1 day(s) fail by themselves and are left out" in page
    assert "<td>2024-03-02</td><td>4</td>" in page


def test_a_bad_day_keeps_what_readers_see_of_it(shop: IngestRun) -> None:
    write(shop, bad=[])
    assert ingest(shop).left_out == ""
    before = shop.table.parts("main", day(1), day(1))
    write_csv(
        shop.folder / "orders.csv",
        [*orders(0, count=3), *({**row, "amount": -1} for row in orders(1)), *orders(2)],
    )
    assert ingest(shop).left_out == "2024-03-02"
    assert content(shop, "main") == {**GOOD, "2024-03-01": [0, 1, 2], "2024-03-02": [100, 101, 102, 103]}
    assert shop.table.parts("main", day(1), day(1)) == before


def test_a_day_that_has_no_rows_any_more_is_put_back(shop: IngestRun) -> None:
    write(shop, bad=[])
    ingest(shop)
    write(shop, (0, 2), bad=[])
    result = ingest(shop)
    assert (result.left_out, result.left_out_rows) == ("2024-03-02", 0)
    assert sorted(content(shop, "main")) == ["2024-03-01", "2024-03-02", "2024-03-03"]


def test_good_days_are_checked_in_one_pass(shop: IngestRun, monkeypatch: pytest.MonkeyPatch) -> None:
    passes: list[tuple[int, int]] = []
    judge = runner._judge

    def noted(expectations: Any, suite: Path, days: Any, implied: Any) -> Report:
        report = judge(expectations, suite, days, implied)
        passes.append((len(report.checks), int(report.verdict.numbers["partitions"])))
        return report

    monkeypatch.setattr(runner, "_judge", noted)
    ingest(shop)
    assert passes == [(13, 3), (1, 1), (1, 1), (1, 1), (13, 2)]  # broken rules by day, and the rest once more
    passes.clear()
    write(shop, bad=[])
    assert ingest(shop).passed
    assert passes == [(13, 3)]


@pytest.mark.parametrize(
    ("bad", "last", "says"),
    [([0, 1, 2], 2, "each one fails by itself"), ([0], 0, "each one fails by itself")],
)
def test_where_every_day_is_bad_nothing_is_published(
    shop: IngestRun, caplog: pytest.LogCaptureFixture, bad: list[int], last: int, says: str
) -> None:
    write(shop, bad=bad)
    with pytest.raises(BadData, match=r"1 rule\(s\) failed on 'ingest-test'"):
        ingest(shop, last)
    assert f"no day is left out: {says}" in caplog.text
    assert not shop.lake.ref_exists(KEPT)
    assert content(shop, "main") == {}


def test_a_rule_of_several_days_blames_none(shop: IngestRun, caplog: pytest.LogCaptureFixture) -> None:
    write_csv(shop.folder / "orders.csv", [*orders(0), *({**row, "id": 0} for row in orders(1, count=2)[:1]),
                                           *orders(1, count=3)[1:]])  # fmt: skip
    with pytest.raises(BadData, match="expect_column_values_to_be_unique"):
        ingest(shop, 1)
    assert "no day is left out: none fails by itself, so a rule of several days" in caplog.text


def test_what_is_left_has_to_pass_together(shop: IngestRun) -> None:
    """Without the bad day, there are two days where the suite wants three."""
    suite = {**SUITE, "partitions": [{"type": "expect_table_row_count_to_equal", "kwargs": {"value": 3}}]}
    (shop.folder / "expectations.yaml").write_text(yaml.safe_dump(suite))
    with pytest.raises(BadData, match="kind"):
        ingest(shop)
    assert content(shop, "main") == {}


def test_a_rule_that_the_run_meets_blames_no_day(shop: IngestRun) -> None:
    """Every day alone breaks the rule of three days; only the broken rules are looked at by day."""
    rule = {"type": "expect_table_row_count_to_be_between", "kwargs": {"min_value": 2}}
    (shop.folder / "expectations.yaml").write_text(yaml.safe_dump({**SUITE, "partitions": [rule]}))
    assert ingest(shop).left_out == "2024-03-02"
    assert content(shop, "main") == GOOD


def test_a_day_whose_fault_only_shows_in_the_rest_is_left_out_too(shop: IngestRun) -> None:
    """A mean that the bad day made up for."""
    mean = {"type": "expect_column_mean_to_be_between", "kwargs": {"column": "amount", "max_value": 30}}
    (shop.folder / "expectations.yaml").write_text(yaml.safe_dump({**SUITE, "rows": [*SUITE["rows"], mean]}))
    low = [{**row, "amount": 1, "kind": "pony"} for row in orders(1)]
    high = [{**row, "amount": 60} for row in orders(2)]
    write_csv(shop.folder / "orders.csv", [*orders(0), *low, *high])
    assert ingest(shop).left_out == "2024-03-02_2024-03-03"
    assert content(shop, "main") == {"2024-03-01": [0, 1, 2, 3]}


def test_a_column_that_only_bad_days_have_is_forgotten(shop: IngestRun) -> None:
    contract = shop.folder / "pipeline.yaml"
    contract.write_text(contract.read_text().replace("uri: orders.csv", "uri: '{dt}.csv'"))
    for number in range(3):
        extra: dict[str, Any] = {"coupon": "x"} if number == 1 else {}
        write_csv(shop.folder / f"{day(number)}.csv", [{**row, **extra} for row in orders(number)])
    assert ingest(shop).left_out == "2024-03-02"
    schemas = {ref: shop.table.schema(ref) for ref in ("main", KEPT)}
    assert {ref: "coupon" in schema.names for ref, schema in schemas.items() if schema} == {
        "main": False,
        KEPT: True,
    }


def test_where_nothing_is_kept_the_day_is_left_out_all_the_same(shop: IngestRun) -> None:
    contract = shop.folder / "pipeline.yaml"
    contract.write_text(contract.read_text().replace("validation:", "validation:\n  on_failure: fail"))
    result = ingest(shop)
    assert (result.left_out, result.quarantine) == ("2024-03-02", None)
    assert (content(shop, "main"), list(shop.lake.list_branches())) == (GOOD, ["main"])
    with pytest.raises(BadData, match="the other days are published without 2024-03-02; correct the source"):
        require_all(result, shop.pipeline.feed(), shop.lake)


@pytest.mark.parametrize("effects", range(12))
def test_a_check_that_is_killed_is_completed_by_the_next(shop: IngestRun, effects: int) -> None:
    base, loaded = shop.lake.resolve("main"), shop.load(0, 2).commit
    with killed_after(effects):
        shop.check(0, 2, loaded=loaded, base=base)
    assert content(shop, "main") == {}
    first = shop.check(0, 2, loaded=loaded, base=base)
    assert shop.check(0, 2, loaded=loaded, base=base) == first
    shop.publish()
    assert content(shop, "main") == GOOD
    assert content(shop, KEPT)["2024-03-02"] == [100, 101, 102, 103]
    records = [one for one in shop.lake.log(KEPT) if "quarantine.days" in one.metadata]
    assert [one.parents for one in records] == [(loaded,)]


def test_a_corrected_source_brings_the_day_in(shop: IngestRun) -> None:
    kept = ingest(shop)
    with pytest.raises(BadData, match=r"accept or discard them by orders_\w+\.decide, or correct"):
        require_all(kept, shop.pipeline.feed(), shop.lake)
    write(shop, bad=[])
    result = ingest(shop)
    assert result.left_out == ""
    require_all(result, shop.pipeline.feed(), shop.lake)
    assert sorted(content(shop, "main")) == ["2024-03-01", "2024-03-02", "2024-03-03"]


def test_a_day_about_which_a_person_has_decided_is_reported_no_more(shop: IngestRun) -> None:
    result = ingest(shop)
    shop.lake.delete_branch(KEPT)
    require_all(result, shop.pipeline.feed(), shop.lake)


def test_a_suite_that_was_corrected_meanwhile_brings_the_day_back(shop: IngestRun) -> None:
    base, loaded = shop.lake.resolve("main"), shop.load(0, 2).commit
    assert shop.check(0, 2, loaded=loaded, base=base).left_out == "2024-03-02"
    (shop.folder / "expectations.yaml").write_text("partitions: " + str(SUITE["partitions"]))
    assert shop.check(0, 2, loaded=loaded, base=base).left_out == ""
    shop.publish()
    assert sorted(content(shop, "main")) == ["2024-03-01", "2024-03-02", "2024-03-03"]


def test_a_run_of_skipped_days_alone_has_nothing_to_check(shop: IngestRun) -> None:
    contract = shop.folder / "pipeline.yaml"
    contract.write_text(contract.read_text().replace("source:", "source:\n  skip_days: [2024-03-01]"))
    rule = {"type": "expect_table_row_count_to_be_between", "kwargs": {"min_value": 1}}
    (shop.folder / "expectations.yaml").write_text(f"partitions: [{rule}]")
    assert shop.faults(0) == []
