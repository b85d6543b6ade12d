"""An export follows the branch: a version for each commit that changed the table, with its rows."""

from __future__ import annotations

import logging
import random
import shutil
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, transaction
from deltalake.fs import DeltaStorageHandler
from deltalake.table import TableAlterer

from include.exceptions import BadData, Busy, Misconfigured
from include.exports.delta_log import DeltaLog
from include.exports.export import export
from include.lake.client import Lake
from tests.support.death import killed_after
from tests.support.exports import RUN, Exported, days_of, orders
from tests.support.pipeline import day

EFFECTS: list[tuple[Any, str]] = [
    (DeltaStorageHandler, "open_output_stream"),
    (DeltaStorageHandler, "delete_file"),
    (transaction, "create_table_with_add_actions"),
    (DeltaTable, "create_write_transaction"),
    (TableAlterer, "add_feature"),
]
"""All calls by which an export changes the folder."""


@pytest.fixture
def shop(tmp_path: Path, lake: Lake) -> Exported:
    return Exported(lake, tmp_path)


def assert_versions_hold(shop: Exported, commits: list[str]) -> None:
    """Each version that names a commit has its rows, and the commits are these, in this order."""
    assert shop.commits() == commits
    for entry in shop.delta().history():
        if commit := entry.get("millrace.commit"):
            assert shop.rows(entry["version"]) == shop.lake_rows(commit)


def typed(rows: pa.Table, **types: pa.DataType) -> pa.Table:
    for name, kind in types.items():
        at = rows.schema.get_field_index(name)
        rows = rows.set_column(at, name, rows.column(name).cast(kind))
    return rows


def test_a_lake_without_the_table_is_exported_once_it_has_it(shop: Exported) -> None:
    shop.other()
    assert shop.export().versions == 0
    assert not (shop.folder / "_delta_log").exists()
    commit = shop.put({0: orders(0)})
    assert shop.export().versions == 1
    assert_versions_hold(shop, [commit])


def test_the_first_version_is_the_newest_commit(shop: Exported) -> None:
    shop.put({0: orders(0)})
    head = shop.put({0: orders(0, first=5), 1: orders(1)})
    done = shop.export()
    assert (done.versions, done.version, done.commit, done.rows) == (1, 0, head, 6)
    assert_versions_hold(shop, [head])


def test_each_later_commit_is_a_version_of_the_partitions_that_it_changed(shop: Exported) -> None:
    first = shop.put({0: orders(0), 1: orders(1), 2: orders(2)})
    shop.export()
    before = set(shop.delta().file_uris())
    second = shop.put({1: orders(1, first=50), 3: orders(3)})
    shop.other()
    third = shop.put({0: None})
    done = shop.export()
    assert (done.versions, done.version, done.commit, done.rows) == (2, 2, third, 6)
    assert_versions_hold(shop, [first, second, third])
    assert days_of(shop.delta()) == [day(1), day(2), day(3)]
    kept = [uri for uri in shop.delta().file_uris() if uri in before]
    assert [f"dt={day(2)}" in uri for uri in kept] == [True]
    assert shop.export().versions == 0


def test_a_table_may_lose_all_partitions_and_get_new_ones(shop: Exported) -> None:
    commits = [shop.put({0: orders(0)})]
    shop.export()
    commits += [shop.put({0: None}), shop.put({1: orders(1)})]
    shop.export()
    assert_versions_hold(shop, commits)
    assert shop.rows(1) == []


def test_a_day_of_several_parts_is_as_many_files(shop: Exported) -> None:
    shop.put({0: orders(0)})
    for number in range(1, 12):
        content = BytesIO()
        pq.write_table(orders(0, first=number * 10), content)
        content.seek(0)
        shop.lake.upload("main", f"{shop.table.prefix(day(0))}part-{number}.parquet", content)
    commit = shop.lake.commit("main", "more", {})
    assert commit
    shop.export()
    assert_versions_hold(shop, [commit])
    assert len(shop.delta().file_uris()) == 12


def test_versions_say_whose_they_are(shop: Exported) -> None:
    commit = shop.put({0: orders(0)})
    shop.export()
    (entry,) = shop.delta().history()
    repository = shop.lake.repository
    assert entry["userMetadata"] == f"lakefs://{repository}/{commit}/orders/"
    expected = {
        "commit": commit,
        "repository": repository,
        "branch": "main",
        "table": "orders",
        "pipeline": "orders",
        "dag_id": RUN.dag_id,
        "run_id": RUN.run_id,
    }
    assert {f"millrace.{name}": value for name, value in expected.items()}.items() <= entry.items()
    assert shop.delta().metadata().partition_columns == ["dt"]


def test_a_new_column_is_added_and_is_null_before(shop: Exported) -> None:
    first = shop.put({0: orders(0), 1: orders(1)})
    shop.export()
    before = set(shop.delta().file_uris())
    second = shop.put({1: orders(1, score=pa.array([0.5, None, 1.5]))})
    third = shop.put({2: orders(2)})
    shop.export()
    assert_versions_hold(shop, [first, second, third])
    assert len(before & set(shop.delta().file_uris())) == 1
    assert [field.name for field in shop.delta().schema().fields] == ["dt", "id", "time", "score"]


def test_a_retyped_table_is_one_version_with_the_new_schema(shop: Exported) -> None:
    kept = pa.schema({"id": pa.int64(), "time": pa.timestamp("us")})
    first = shop.put({0: orders(0), 1: orders(1)}, schema=kept)
    shop.export()
    second = shop.put(
        {number: typed(orders(number), id=pa.string()) for number in (0, 1)},
        schema=kept.set(0, pa.field("id", pa.string())),
    )
    third = shop.put({2: typed(orders(2), id=pa.string())})
    assert shop.export().versions == 2
    assert_versions_hold(shop, [first, second, third])
    types = {field.name: field.type.type for field in shop.delta().schema().fields}
    assert types == {"dt": "date", "id": "string", "time": "timestamp_ntz"}


def test_times_without_a_zone_may_come_later(shop: Exported) -> None:
    """Such a column needs a feature of the table, which is switched on by a version without rows."""
    commits = [shop.put({0: orders(0).drop_columns("time")})]
    shop.export()
    commits += [shop.put({1: orders(1)})]
    done = shop.export()
    assert (done.versions, done.version) == (1, 2)
    assert_versions_hold(shop, commits)
    assert shop.export().versions == 0


def test_lists_and_structures_take_what_later_days_add(shop: Exported) -> None:
    def nested(number: int, **fields: Any) -> pa.Table:
        return orders(number, at=pa.array([fields] * 3), tags=pa.array([[], [None], list(fields)]))

    commits = [shop.put({0: orders(0, at=pa.array([{"x": None}] * 3), tags=pa.array([[], None, []]))})]
    shop.export()
    commits += [shop.put({1: nested(1, x=1)}), shop.put({2: nested(2, y="b")}), shop.put({3: nested(3, x=2)})]
    shop.export()
    assert shop.commits() == commits
    found = {(row["dt"], row["id"]): row["at"] for row in shop.rows()}
    assert found[day(0), 0] == {"x": None, "y": None}
    assert found[day(1), 1000] == {"x": 1, "y": None}
    assert found[day(3), 3000] == {"x": 2, "y": None}


def test_structures_that_disagree_are_refused_by_name(shop: Exported) -> None:
    shop.put({0: orders(0, at=pa.array([{"x": 1}] * 3)), 1: orders(1, at=pa.array([{"x": "secret"}] * 3))})
    with pytest.raises(BadData, match="column 'at' of table 'orders' is 'struct<x: int64>' in some") as error:
        shop.export()
    assert "secret" not in str(error.value)


@pytest.mark.parametrize("seed", range(4))
def test_each_version_has_the_rows_of_its_commit_whatever_happened(shop: Exported, seed: int) -> None:
    chance, days, commits, ids = random.Random(seed), {0, 1}, [], pa.int64()
    kept = pa.schema({"id": ids, "time": pa.timestamp("us")})

    def partition(number: int) -> pa.Table:
        rows = orders(number, count=chance.randint(1, 9), first=chance.randint(0, 99))
        extra = {"score": pa.array([chance.random()] * len(rows))} if chance.random() < 0.3 else {}
        for name, column in extra.items():
            rows = rows.append_column(name, column)
        return typed(rows, id=ids)

    commits.append(shop.put({number: partition(number) for number in days}, schema=kept))
    shop.export()
    for _ in range(8):
        step = chance.choice(["replace", "replace", "add", "remove", "retype", "note"])
        if step == "note":
            shop.other()
        elif step == "retype":
            ids = pa.string() if ids == pa.int64() else pa.int64()
            kept = kept.set(0, pa.field("id", ids))
            commits.append(shop.put({number: partition(number) for number in days}, schema=kept))
        elif step == "remove" and days:
            gone = chance.sample(sorted(days), 1)
            days -= set(gone)
            commits.append(shop.put(dict.fromkeys(gone)))
        else:
            new = {chance.choice(sorted(days))} if step == "replace" and days else {chance.randint(3, 40)}
            days |= new
            commits.append(shop.put({number: partition(number) for number in new}))
        if chance.random() < 0.4:
            shop.export()
    shop.export()
    assert_versions_hold(shop, commits)


def test_a_try_that_is_killed_at_any_write_is_completed_by_the_next(shop: Exported) -> None:
    commits = [shop.put({0: orders(0).drop_columns("time")})]
    shop.export()
    folder, begun = shop.folder, shop.parent / "begun"
    shutil.copytree(folder, begun)
    commits += [shop.put({0: orders(0, first=50), 1: orders(1)}), shop.put({0: None, 2: orders(2)})]
    kept = pa.schema({"id": pa.string(), "time": pa.timestamp("us")})
    commits += [shop.put({one: typed(orders(one), id=pa.string()) for one in (1, 2)}, schema=kept)]
    effects, is_killed = 0, True
    while is_killed:
        shutil.rmtree(folder)
        shutil.copytree(begun, folder)
        with killed_after(effects, EFFECTS) as done:
            shop.export()
            is_killed = False
        assert len(done) == effects or not is_killed
        assert shop.commits() == commits[: len(shop.commits())]
        assert_versions_hold(shop, shop.commits())
        shop.export()
        assert_versions_hold(shop, commits)
        effects += 1
    assert effects == 1 + 5 + 4  # a run that is not killed, five files, the feature and three versions


def test_a_first_try_that_is_killed_is_no_table_of_somebody_else(shop: Exported) -> None:
    commit = shop.put({0: orders(0), 1: orders(1)})
    for effects in range(3):
        with killed_after(effects, EFFECTS):
            shop.export()
        assert not list((shop.folder / "_delta_log").glob("*.json"))
    shop.export()
    assert_versions_hold(shop, [commit])


@pytest.mark.parametrize("is_first", [True, False])
def test_of_two_exports_at_once_each_commit_is_written_once(
    shop: Exported, monkeypatch: pytest.MonkeyPatch, is_first: bool
) -> None:
    """The other one writes all commits while the first is about to make its version."""
    commits = [shop.put({0: orders(0)})]
    if not is_first:
        shop.export()
        commits += [shop.put({1: orders(1)}), shop.put({2: orders(2)})]
    write = DeltaLog.write
    other: list[str] = []

    def overtaken(self: DeltaLog, *given: Any, **named: Any) -> None:
        if not other:
            other.append("begun")
            other.append(shop.export().commit or "")
        write(self, *given, **named)

    monkeypatch.setattr(DeltaLog, "write", overtaken)
    assert shop.export().commit == other[-1] == commits[-1]
    assert_versions_hold(shop, commits)


def test_many_exports_at_once_write_each_commit_once_and_in_order(shop: Exported) -> None:
    commits = [shop.put({0: orders(0)})]
    shop.export()
    commits += [shop.put({number: orders(number)}) for number in range(1, 5)]
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: shop.export(), range(3)))
    assert_versions_hold(shop, commits)


@pytest.mark.parametrize("is_first", [True, False])
def test_a_version_whose_answer_got_lost_is_not_made_again(
    shop: Exported, monkeypatch: pytest.MonkeyPatch, is_first: bool
) -> None:
    commits = [shop.put({0: orders(0)})]
    if not is_first:
        shop.export()
        commits.append(shop.put({1: orders(1)}))
    owner, name = (transaction, EFFECTS[2][1]) if is_first else (DeltaTable, EFFECTS[3][1])
    call = getattr(owner, name)

    def lost(*given: Any, **named: Any) -> None:
        call(*given, **named)
        raise OSError("error sending request")

    monkeypatch.setattr(owner, name, lost)
    assert shop.export().versions == 1
    assert_versions_hold(shop, commits)


def test_an_export_that_is_always_overtaken_waits_for_others(
    shop: Exported, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.put({0: orders(0)})
    shop.export()
    shop.put({1: orders(1)})

    def overtaken(*_: Any, **__: Any) -> None:
        shop.delta().optimize.z_order(["id"])
        raise OSError("error sending request")

    monkeypatch.setattr(DeltaTable, "create_write_transaction", overtaken)
    with pytest.raises(Busy, match="is being written by others"):
        shop.export()


def test_what_is_written_for_a_version_that_fails_is_removed(
    shop: Exported, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = orders(1, seen=pa.array([1, 2, 3], pa.timestamp("ns")))
    shop.put({0: orders(0, seen=pa.array([0, 0, 0], pa.timestamp("ns"))), 1: odd})
    with pytest.raises(BadData, match=r"column 'seen' is 'timestamp\[ns\]'.* 3 value\(s\) would change"):
        shop.export()
    assert [path for path in shop.folder.rglob("*") if path.is_file()] == []


def test_a_commit_that_is_not_on_the_branch_is_refused(shop: Exported) -> None:
    shop.put({0: orders(0)})
    shop.lake.create_branch("side", "main")
    shop.put({1: orders(1)})
    shop.export()
    rows = shop.rows()
    branch = shop.pipeline.model_copy(
        update={"lake": shop.pipeline.lake.model_copy(update={"branch": "side"})}
    )
    with pytest.raises(Misconfigured, match="is the export of table 'orders' on 'main' of"):
        export(branch, shop.table, run=RUN)
    assert shop.rows() == rows


def test_a_branch_that_lost_the_exported_commit_is_named(
    shop: Exported, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.put({0: orders(0)})
    shop.export()
    monkeypatch.setattr(DeltaLog, "commit", lambda self: "0" * 64)
    with pytest.raises(Misconfigured, match=r"does not have \(any more\); export to a folder that is empty"):
        shop.export()


def test_a_pipeline_without_the_section_exports_nothing(tmp_path: Path, lake: Lake) -> None:
    shop = Exported(lake, tmp_path, sections={"exports": None})
    shop.put({0: orders(0)})
    with pytest.raises(Misconfigured, match=r"exports nothing; set exports\.delta"):
        shop.export()


def test_the_storage_of_the_lake_is_refused(shop: Exported, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.put({0: orders(0)})
    monkeypatch.setattr(Lake, "storage_namespace", lambda self: shop.parent.as_uri())
    with pytest.raises(Misconfigured, match="the lake keeps the objects of"):
        shop.export()
    assert not shop.folder.exists()


def test_long_work_tells_how_far_it_is(
    shop: Exported, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("include.exports.export._TOLD_EVERY", 2)
    shop.put({number: orders(number, count=1) for number in range(5)})
    with caplog.at_level(logging.INFO, "include.exports"):
        shop.export()
    told = [record.getMessage() for record in caplog.records]
    assert f"4 of 5 parts are written, up to {day(4)}" in told
    assert any("5 partition(s) written, 0 removed, 5 rows in 5 file(s)" in line for line in told)
