"""A merge that lost a change is found, and names the first path."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from include.exceptions import MergeLostChange
from include.lake.client import Lake
from include.lake.merge import publish
from include.run_identity import RunIdentity

RUN = RunIdentity(dag_id="flights.ingest", run_id="r1", logical_date="2013-04-01", code_version="abc")


def write(lake: Lake, branch: str, folder: Path, **contents: str) -> None:
    for path, content in contents.items():
        file = folder / "file"
        file.write_text(content)
        lake.upload(branch, path, file)
    lake.commit(branch, "write", {})


class Dropping(Lake):
    """A lake that merges a conflict silently, with the content of one side."""

    kept = "dest-wins"

    def merge(self, *arguments: Any, **options: Any) -> str | None:
        return super().merge(*arguments, **{**options, "strategy": self.kept})


class Forgetting(Lake):
    """A lake that merges all but the last commit of a branch."""

    def merge(self, source: str, *arguments: Any, **options: Any) -> str | None:
        return super().merge(f"{source}~1", *arguments, **options)


class Counting(Lake):
    """A lake that counts requests."""

    requests = 0

    def _operation(self, operation: str) -> Any:
        self.requests += 1
        return super()._operation(operation)


@pytest.fixture
def conflict(lake: Lake, tmp_path: Path) -> Lake:
    """A repository whose branches `main` and `work` changed the path `b`, and others."""
    write(lake, "main", tmp_path, b="base", c="theirs")
    lake.create_branch("work", "main")
    write(lake, "work", tmp_path, a="mine", b="mine", d="mine")
    write(lake, "main", tmp_path, aa="theirs", b="theirs", e="theirs")
    return lake


@pytest.mark.parametrize("kept", ["dest-wins", "source-wins"])
def test_a_conflict_that_lost_a_side_is_found(conflict: Lake, kept: str) -> None:
    dropping = Dropping(conflict.connection, conflict.repository)
    dropping.kept = kept
    for _ in range(2):  # the second try finds the merge of the first one
        with pytest.raises(MergeLostChange, match="lacks a change of 'b'"):
            publish(dropping, "work", into="main", run=RUN)
    assert conflict.ref_exists("work")


@pytest.mark.parametrize("strategy", ["dest-wins", "source-wins"])
@pytest.mark.parametrize("squash", [False, True])
def test_a_strategy_may_drop_its_side(conflict: Lake, strategy: str, squash: bool) -> None:
    merged = publish(conflict, "work", into="main", run=RUN, strategy=strategy, squash=squash)
    assert merged.changed
    assert conflict.download("main", "b") == (b"mine" if strategy == "source-wins" else b"theirs")


def test_a_merge_without_the_last_change_is_found(lake: Lake, tmp_path: Path) -> None:
    lake.create_branch("work", "main")
    write(lake, "work", tmp_path, a="1")
    write(lake, "work", tmp_path, c="2", d="3")
    forgetting = Forgetting(lake.connection, lake.repository)
    with pytest.raises(MergeLostChange, match="lacks a change of 'c'"):
        publish(forgetting, "work", into="main", run=RUN, squash=True)


def test_both_sides_may_make_the_same_change(lake: Lake, tmp_path: Path) -> None:
    lake.create_branch("work", "main")
    write(lake, "work", tmp_path, a="same", b="mine")
    write(lake, "main", tmp_path, a="same", c="theirs")
    assert publish(lake, "work", into="main", run=RUN).changed
    assert [entry.path for entry in lake.list_objects("main")] == ["a", "b", "c"]


@pytest.mark.parametrize(("moved", "requests"), [(False, 3), (True, 5)])
def test_a_check_takes_few_requests(lake: Lake, tmp_path: Path, moved: bool, requests: int) -> None:
    lake.create_branch("work", "main")
    write(lake, "work", tmp_path, a="1", b="2")
    if moved:
        write(lake, "main", tmp_path, c="3")
    counting = Counting(lake.connection, lake.repository)
    publish(counting, "work", into="main", run=RUN)
    assert counting.requests == 2 + requests  # the merge, and deleting the branch
