"""From a source to a checked branch, and what a killed or repeated try leaves behind."""

from __future__ import annotations

import io
import itertools
import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO
from uuid import uuid4

import pytest

from include.exceptions import BadData, FileMissing, Misconfigured, Transient
from include.ingestion.results import ValidationResult
from include.lake.client import Lake, LakeObject
from include.settings import ROOT
from include.tracking.server import TrackingServer
from tests.support.ingest import BRANCH, IngestRun
from tests.support.pipeline import day, orders, write_csv, write_pipeline

MIB = 1024 * 1024


@pytest.fixture
def shop(tmp_path: Path, lake: Lake, tracking: TrackingServer) -> IngestRun:
    """A pipeline with three good days."""
    folder = write_pipeline(tmp_path, f"orders_{uuid4().hex[:8]}")
    write_csv(folder / "orders.csv", orders(0, 1, 2))
    return IngestRun(folder, lake, tracking)


def content(shop: IngestRun, ref: str) -> dict[str, list[int]]:
    """The ids of each day at a ref, by the paths that hold them."""
    stored = {item.path for parts in shop.table.parts(ref, day(0), day(99)).values() for item in parts}
    found = {str(one): rows["id"].to_pylist() for one, rows in shop.table.partitions(ref, day(0), day(99))}
    assert stored == {f"orders/dt={one}/part-0.parquet" for one in found}
    return found


THREE_DAYS = {
    "2024-03-01": [0, 1, 2, 3],
    "2024-03-02": [100, 101, 102, 103],
    "2024-03-03": [200, 201, 202, 203],
}


def test_good_days_are_loaded_checked_and_published(shop: IngestRun) -> None:
    loaded = shop.load(0, 2)
    assert (loaded.rows, loaded.partitions, loaded.written) == (12, 3, 3)
    assert content(shop, BRANCH) == THREE_DAYS
    assert content(shop, "main") == {}
    assert shop.check(0, 2).passed
    shop.publish()
    assert content(shop, "main") == THREE_DAYS
    assert not shop.lake.ref_exists(BRANCH)


def test_the_commit_says_what_was_loaded_and_by_whom(shop: IngestRun) -> None:
    loaded = shop.load(0, 1)
    commit = shop.lake.get_commit(BRANCH)
    assert commit.id == loaded.commit
    assert commit.message == "orders.ingest: load 2024-03-01_2024-03-02"
    assert commit.metadata == {
        **shop.run.metadata(),
        "pipeline": shop.pipeline.name,
        "partition": "2024-03-01_2024-03-02",
        "rows": "8",
        "late": "0",
        "undated": "0",
        "source_checksum": loaded.source_checksum,
    }


def test_a_copy_of_a_pipeline_does_not_write_its_table_and_the_first_goes_on(shop: IngestRun) -> None:
    shop.load(0)
    shop.publish()
    copy = shop.folder.with_name("a_copy")
    shutil.copytree(shop.folder, copy)
    contract = copy / "pipeline.yaml"
    contract.write_text(contract.read_text().replace(shop.pipeline.name, copy.name))

    with pytest.raises(Misconfigured, match=f"belongs to pipeline '{shop.pipeline.name}'"):
        IngestRun(copy, shop.lake, shop.tracking).load(1)

    shop.load(1)
    shop.publish()
    assert sorted(content(shop, "main")) == ["2024-03-01", "2024-03-02"]


def test_loading_twice_writes_nothing_the_second_time(shop: IngestRun) -> None:
    first, second = shop.load(0, 2), shop.load(0, 2)
    assert second.to_json() == {**first.to_json(), "written": 0}
    assert len(list(shop.lake.log(BRANCH))) == 2  # the repository's first commit, and the load


def test_ingesting_the_same_days_again_changes_nothing(shop: IngestRun) -> None:
    shop.load(0, 2)
    shop.publish()
    before = shop.lake.resolve("main")
    assert shop.load(0, 2).written == 0
    shop.publish()
    assert shop.lake.resolve("main") == before


def test_changed_rows_replace_their_day_only(shop: IngestRun) -> None:
    shop.load(0, 2)
    shop.publish()
    write_csv(shop.folder / "orders.csv", [*orders(0), *orders(1, count=2), *orders(2)])
    assert shop.load(0, 2).written == 1
    assert [(change.path, change.kind) for change in shop.lake.diff("main", BRANCH)] == [
        ("orders/dt=2024-03-02/part-0.parquet", "changed")
    ]
    shop.publish()
    assert content(shop, "main") == {**THREE_DAYS, "2024-03-02": [100, 101]}


def test_a_day_that_has_no_rows_any_more_is_taken_away(shop: IngestRun) -> None:
    shop.load(0, 2)
    shop.publish()
    write_csv(shop.folder / "orders.csv", orders(0, 2))
    loaded = shop.load(0, 2)
    assert (loaded.rows, loaded.partitions, loaded.written) == (8, 2, 1)
    assert content(shop, BRANCH) == {key: ids for key, ids in THREE_DAYS.items() if key != "2024-03-02"}


@pytest.fixture
def daily(shop: IngestRun) -> IngestRun:
    """The shop with a file a day, of which one may be missing."""
    contract = shop.folder / "pipeline.yaml"
    source = "  uri: orders-{dt}.csv\n  missing: skip\n"
    contract.write_text(contract.read_text().replace("  uri: orders.csv\n", source))
    return shop


def deliver(shop: IngestRun, *days: int, count: int = 4) -> None:
    for number in days:
        write_csv(shop.folder / f"orders-{day(number)}.csv", orders(number, count=count))


def test_a_day_without_a_file_is_skipped_counted_and_seen_by_the_suite(
    daily: IngestRun, caplog: pytest.LogCaptureFixture
) -> None:
    deliver(daily, 0, 2)
    loaded = daily.load(0, 2)
    assert (loaded.rows, loaded.partitions, loaded.written, loaded.missing) == (8, 2, 2, 1)
    assert content(daily, BRANCH) == {key: ids for key, ids in THREE_DAYS.items() if key != "2024-03-02"}
    assert (
        "the source has no file for 1 day(s), which are skipped (source.missing): 2024-03-02" in caplog.text
    )
    checked = daily.check(0, 2)
    assert not checked.passed
    assert checked.reasons == (
        "rows: expect_column_values_to_be_between (max_value=50.0, min_value=2.0) failed for 1 of 3 days: "
        "2024-03-02 (severity critical)",
    )
    assert daily.load(0, 2).to_json() == {**loaded.to_json(), "written": 0}


def test_a_file_that_comes_late_is_loaded_by_the_next_run(daily: IngestRun) -> None:
    deliver(daily, 0, 2)
    daily.load(0, 2)
    deliver(daily, 1)
    loaded = daily.load(0, 2)
    assert (loaded.written, loaded.missing) == (1, 0)
    assert content(daily, BRANCH) == THREE_DAYS


def test_a_day_whose_file_is_gone_keeps_its_rows(daily: IngestRun) -> None:
    deliver(daily, 0, 1, 2)
    daily.load(0, 2)
    (daily.folder / f"orders-{day(1)}.csv").unlink()
    deliver(daily, 2, count=3)
    loaded = daily.load(0, 2)
    assert (loaded.rows, loaded.written, loaded.missing) == (7, 1, 1)
    assert content(daily, BRANCH) == {**THREE_DAYS, "2024-03-03": [200, 201, 202]}


def test_without_skip_a_day_without_a_file_ends_the_load(daily: IngestRun) -> None:
    contract = daily.folder / "pipeline.yaml"
    contract.write_text(contract.read_text().replace("  missing: skip\n", ""))
    deliver(daily, 0, 2)
    with pytest.raises(
        FileMissing, match=r"^'orders-2024-03-02\.csv' does not exist; provide it, or correct"
    ):
        daily.load(0, 2)
    assert content(daily, BRANCH) == {}


def test_parts_of_another_name_are_replaced_too(shop: IngestRun, tmp_path: Path) -> None:
    (tmp_path / "old.parquet").write_bytes(b"by another tool")
    shop.lake.create_branch(BRANCH, "main")
    for name in ("0001.parquet", "0002.parquet"):
        shop.lake.upload(BRANCH, f"orders/dt=2024-03-02/{name}", tmp_path / "old.parquet")
    shop.load(0, 2)
    assert content(shop, BRANCH) == THREE_DAYS


class CountingLake(Lake):
    """A lake that counts the requests for objects."""

    downloads = 0

    def download(self, ref: str, path: str) -> bytes:
        self.downloads += 1
        return super().download(ref, path)


def test_a_few_days_are_read_ahead_and_not_the_whole_range(shop: IngestRun) -> None:
    write_csv(shop.folder / "orders.csv", orders(*range(40)))
    shop.load(0, 39)
    lake = CountingLake(shop.lake.connection, shop.lake.repository)
    found = replace(shop.table, lake=lake).partitions(BRANCH, day(0), day(39))
    assert next(found)[0] == day(0)
    assert lake.downloads <= 8 + 2  # the next day shows that the first is whole
    assert len(list(found)) == 39
    assert lake.downloads == 40


class Killed(BaseException):
    """The end of a task, at a line of the test's choice."""


class DyingLake(Lake):
    """A lake whose client dies at one call."""

    def __init__(self, lake: Lake, *, at: str) -> None:
        super().__init__(lake.connection, lake.repository)
        self.at = at
        self.begun = itertools.count()
        self.uploads: list[str] = []

    def upload(self, branch: str, path: str, content: Path | BinaryIO) -> LakeObject:
        if not path.endswith(".parquet"):  # the types of the columns
            return super().upload(branch, path, content)
        if self.at.startswith("upload") and next(self.begun) >= int(self.at.split()[1]):
            raise Killed
        self.uploads.append(path)
        return super().upload(branch, path, content)

    def commit(self, *arguments: Any, **options: Any) -> str | None:
        if self.at == "before the commit":
            raise Killed
        made = super().commit(*arguments, **options)
        if self.at == "after the commit":
            raise Killed
        return made


@pytest.mark.parametrize(
    ("at", "left"), [("upload 0", 3), ("upload 2", 1), ("before the commit", 0), ("after the commit", 0)]
)
def test_a_killed_load_is_completed_by_the_next(shop: IngestRun, at: str, left: int) -> None:
    mortal = DyingLake(shop.lake, at=at)
    with pytest.raises(Killed):
        IngestRun(shop.folder, mortal, shop.tracking, shop.run).load(0, 2)
    assert content(shop, "main") == {}
    loaded = shop.load(0, 2)
    assert (loaded.rows, loaded.written, len(mortal.uploads)) == (12, left, 3 - left)
    assert content(shop, loaded.commit) == THREE_DAYS
    assert len(list(shop.lake.log(BRANCH))) == 2


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two rows are a row group, and a part."""
    monkeypatch.setattr("include.ingestion.partitioner.BATCH_ROWS", 2)
    monkeypatch.setattr("include.ingestion.partitioner._GROUPS_PER_PART", 1)


def files(shop: IngestRun, ref: str) -> dict[str, list[str]]:
    """The names of each day's parts at a ref, in the order of their rows."""
    found = shop.table.parts(ref, day(0), day(99))
    return {str(one): [item.path.split("/")[-1] for item in items] for one, items in found.items()}


def names(*numbers: int) -> list[str]:
    return [f"part-{number}.parquet" for number in numbers]


@pytest.mark.usefixtures("small_parts")
def test_a_large_day_is_several_parts_in_order(shop: IngestRun) -> None:
    rows = [{**row, "id": number} for number, row in enumerate(orders(0) * 6)]
    write_csv(shop.folder / "orders.csv", [*rows, *orders(1, count=1)])
    loaded = shop.load(0, 1)
    assert (loaded.rows, loaded.partitions, loaded.written) == (25, 2, 2)
    assert files(shop, loaded.commit) == {"2024-03-01": names(*range(12)), "2024-03-02": names(0)}
    found = {
        str(one): table["id"].to_pylist() for one, table in shop.table.partitions(BRANCH, day(0), day(1))
    }
    assert found == {"2024-03-01": list(range(24)), "2024-03-02": [100]}
    assert shop.load(0, 1).to_json() == {**loaded.to_json(), "written": 0}


@pytest.mark.usefixtures("small_parts")
def test_a_day_that_shrinks_loses_its_last_parts_and_keeps_the_first(shop: IngestRun) -> None:
    write_csv(shop.folder / "orders.csv", orders(0, 1, count=6))
    shop.load(0, 1)
    shop.publish()
    write_csv(shop.folder / "orders.csv", [*orders(0, count=3), *orders(1, count=6)])
    assert shop.load(0, 1).written == 1
    assert [(change.path, change.kind) for change in shop.lake.diff("main", BRANCH)] == [
        ("orders/dt=2024-03-01/part-1.parquet", "changed"),
        ("orders/dt=2024-03-01/part-2.parquet", "removed"),
    ]


def test_objects_of_others_in_a_partition_stay_when_its_parts_are_replaced(shop: IngestRun) -> None:
    others = ["_SUCCESS", ".part-0.parquet.crc", "labels.parquet", "archive/part-0.parquet"]
    shop.load(0)
    for name in others:
        shop.lake.upload(BRANCH, f"orders/dt=2024-03-01/{name}", io.BytesIO(b"theirs"))
    shop.lake.upload(BRANCH, "orders/dt=2024-03-01/part-1.parquet", io.BytesIO(b"ours, and stale"))
    write_csv(shop.folder / "orders.csv", orders(0, count=3))

    assert shop.load(0).written == 1
    shop.publish()
    below = [
        item.path.partition("/dt=2024-03-01/")[2] for item in shop.lake.list_objects("main", "orders/dt=")
    ]
    assert sorted(below) == sorted([*others, *names(0)])
    assert content(shop, "main") == {"2024-03-01": [0, 1, 2]}


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("uploads", range(6))
def test_a_load_killed_between_two_parts_is_completed_by_the_next(shop: IngestRun, uploads: int) -> None:
    """Six parts of older rows are there, one of them stale; the new rows are five parts."""
    older = [*orders(0, count=10), *orders(0, count=2)]
    write_csv(shop.folder / "orders.csv", [{**row, "amount": 1.5} for row in older])
    shop.load(0)
    write_csv(shop.folder / "orders.csv", orders(0, count=9))
    mortal = DyingLake(shop.lake, at=f"upload {uploads}")
    with pytest.raises(Killed) if uploads < 5 else nullcontext():
        IngestRun(shop.folder, mortal, shop.tracking, shop.run).load(0)
    loaded = shop.load(0)
    assert (len(mortal.uploads), loaded.rows, loaded.written) == (uploads, 9, int(uploads < 5))
    assert files(shop, loaded.commit) == {"2024-03-01": names(*range(5))}
    assert [rows["id"].to_pylist() for _, rows in shop.table.partitions(loaded.commit, day(0), day(0))] == [
        list(range(9))
    ]


class WatchedLake(Lake):
    """A lake whose uploads wait for each other, four by four; what there was when they met."""

    def __init__(self, lake: Lake) -> None:
        super().__init__(lake.connection, lake.repository)
        self.meeting = threading.Barrier(4, action=self._look, timeout=30)
        self.scratch = Path()
        self.files: list[int] = []

    def _look(self) -> None:
        self.files.append(len(list(self.scratch.glob("*.parquet"))))

    def upload(self, branch: str, path: str, content: Path | BinaryIO) -> LakeObject:
        if path.endswith(".parquet"):
            self.scratch = Path(str(content)).parent
            self.meeting.wait()
        return super().upload(branch, path, content)


@pytest.mark.usefixtures("small_parts")
def test_four_parts_are_uploaded_at_once_and_no_more_are_on_disk(shop: IngestRun) -> None:
    """Fewer at once would never meet."""
    write_csv(shop.folder / "orders.csv", orders(*range(4), count=8))
    lake = WatchedLake(shop.lake)
    assert IngestRun(shop.folder, lake, shop.tracking, shop.run).load(0, 3).rows == 32
    assert lake.files == [4, 4, 4, 4]
    assert files(shop, BRANCH) == {f"{day(number)}": names(*range(4)) for number in range(4)}


def test_a_day_of_many_rows_is_loaded_and_streamed_in_less_memory_than_its_rows(
    tmp_path: Path, lake: Lake, capsys: pytest.CaptureFixture[str]
) -> None:
    source = {"reader": "python", "uri": None, "callable": "tests.support.large:read"}
    folder, rows, connection = write_pipeline(tmp_path, source=source), 3_000_000, lake.connection
    keys = [connection.endpoint, connection.access_key_id, connection.secret_access_key, lake.repository]
    command = [sys.executable, "-m", "tests.support.large", *keys, str(folder), str(rows)]
    done = json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout)
    with capsys.disabled():
        for took in done["took"]:
            print(f" [{took['work']}: +{took['growth'] / MIB:.0f} MiB, {took['seconds']:.1f} s]", end="")
    assert [took["rows"] for took in done["took"]] == [rows, rows]
    assert len(done["parts"]) == 3
    assert max(took["growth"] for took in done["took"]) < rows * 10 * 8


class LyingLake(Lake):
    """A lake to which the second part arrives with another content than was sent."""

    def _send(self, what: str, branch: str, path: str, content: Iterable[bytes], size: int | None) -> Any:
        damaged = (block[::-1] for block in content) if path.endswith("part-1.parquet") else content
        return super()._send(what, branch, path, damaged, size)


@pytest.mark.usefixtures("small_parts")
def test_a_part_that_arrives_damaged_is_not_committed(shop: IngestRun) -> None:
    write_csv(shop.folder / "orders.csv", orders(0, count=6))
    lake = LyingLake(shop.lake.connection, shop.lake.repository)
    with pytest.raises(Transient, match=r"part-1.parquet.*the upload was discarded, send it again"):
        IngestRun(shop.folder, lake, shop.tracking, shop.run).load(0)
    assert shop.lake.resolve(BRANCH) == shop.lake.resolve("main")
    assert names(1)[0] not in files(shop, BRANCH)["2024-03-01"]
    assert files(shop, shop.load(0).commit) == {"2024-03-01": names(0, 1, 2)}


@pytest.mark.usefixtures("small_parts")
def test_a_day_of_several_parts_is_checked_as_one(shop: IngestRun) -> None:
    write_csv(shop.folder / "orders.csv", orders(0, count=5))
    shop.load(0)
    found = shop.check(0)
    assert (found.passed, found.numbers["rows"], found.numbers["partitions"]) == (True, 5.0, 1.0)


def test_a_source_that_breaks_in_the_middle_leaves_nothing_and_is_completed_by_the_next(
    shop: IngestRun,
) -> None:
    whole = (shop.folder / "orders.csv").read_text()
    (shop.folder / "orders.csv").write_text(whole.replace("2024-03-02 00:30:00", "later"))
    with pytest.raises(BadData, match="column 'time': 1 of 12 values cannot be read as time"):
        shop.load(0, 2)
    assert content(shop, BRANCH) == {}
    (shop.folder / "orders.csv").write_text(whole)
    assert shop.load(0, 2).written == 3
    assert content(shop, BRANCH) == THREE_DAYS


def stored_verdict(shop: IngestRun, result: ValidationResult) -> ValidationResult:
    """What MLflow holds of a result, with the result's own link."""
    stored = json.loads(shop.artifact(result.link, "verdict.json"))
    return ValidationResult.parse({**stored, "link": result.link}, source="verdict.json")


def test_the_verdict_and_its_report_are_kept_in_mlflow(shop: IngestRun) -> None:
    loaded = shop.load(0, 2)
    checked = shop.check(0, 2)
    run = shop.experiment.get_run(shop.run_of(checked.link))
    assert checked.link == shop.experiment.open_run(run.info.run_id).link("validation.html")
    assert run.data.metrics == checked.numbers
    assert run.data.metrics | {"rows": 12.0, "partitions": 3.0, "failed": 0.0} == run.data.metrics
    assert (run.info.status, run.data.tags["millrace.commit"]) == ("FINISHED", loaded.commit)
    assert run.data.tags["millrace.run_key"] == f"{shop.run.key}/validate/{loaded.commit}"
    assert "passed" in shop.artifact(checked.link, "validation.html")
    assert stored_verdict(shop, checked) == checked


def test_a_second_try_of_the_check_writes_to_the_same_run(shop: IngestRun) -> None:
    write_csv(shop.folder / "orders.csv", orders(0, count=1))
    shop.load(0)
    bad = shop.check(0)
    suite = shop.folder / "expectations.yaml"
    suite.write_text(suite.read_text().replace("min_value: 2", "min_value: 1"))
    good = shop.check(0)
    assert (bad.passed, good.passed, good.link) == (False, True, bad.link)
    [run] = shop.experiment.client.search_runs([shop.experiment.id])
    assert run.data.metrics == good.numbers
    assert stored_verdict(shop, good) == good


def test_mended_data_gets_a_page_of_its_own(shop: IngestRun) -> None:
    write_csv(shop.folder / "orders.csv", orders(0, count=1))
    shop.load(0)
    bad = shop.check(0)
    write_csv(shop.folder / "orders.csv", orders(0))
    shop.load(0)
    good = shop.check(0)
    assert [stored_verdict(shop, result) for result in (bad, good)] == [bad, good]
    assert [bad.passed, good.passed] == [False, True]


def test_a_check_sees_what_is_committed_and_nothing_else(shop: IngestRun, tmp_path: Path) -> None:
    shop.load(0, 1)
    (tmp_path / "rubbish").write_bytes(b"no parquet")
    shop.lake.upload(BRANCH, "orders/dt=2024-03-02/part-1.parquet", tmp_path / "rubbish")
    assert shop.check(0, 1).passed


def test_quarantine_keeps_the_branch_with_its_reasons(shop: IngestRun) -> None:
    write_csv(shop.folder / "orders.csv", [{**row, "amount": 1000} for row in orders(0)])
    reasons = shop.faults(0)
    assert len(reasons) == 2
    kept = shop.quarantine(reasons)
    assert kept == "quarantine-test"
    assert list(shop.lake.list_branches()) == ["main", kept]
    assert shop.lake.get_commit(kept).message == f"quarantined: {'; '.join(reasons)}"
    assert content(shop, kept) == {"2024-03-01": [0, 1, 2, 3]}
    assert content(shop, "main") == {}
    assert shop.quarantine(reasons) == kept  # a second try finds nothing left to do


def test_quarantine_of_a_run_that_fails_again_holds_what_failed_last(shop: IngestRun) -> None:
    for count, reason in ((1, "too few"), (9, "too many")):
        write_csv(shop.folder / "orders.csv", orders(0, count=count))
        shop.load(0)
        shop.quarantine([reason])
    assert shop.lake.get_commit("quarantine-test").message == "quarantined: too many"
    assert content(shop, "quarantine-test") == {"2024-03-01": list(range(9))}


def test_without_quarantine_the_branch_is_deleted(shop: IngestRun) -> None:
    contract = shop.folder / "pipeline.yaml"
    contract.write_text(f"{contract.read_text()}\nvalidation: {{on_failure: fail}}\n")
    shop.load(0)
    assert shop.quarantine(["bad"]) is None
    assert list(shop.lake.list_branches()) == ["main"]
