"""The watcher of a branch: which commits each poll makes an event of, and where it goes on after a death."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from io import BytesIO
from typing import Any

import pytest
from airflow.sdk.exceptions import ErrorType
from airflow.sdk.execution_time import task_runner
from airflow.sdk.execution_time.comms import (
    AssetStateStoreResult,
    ErrorResponse,
    GetAssetStateStoreByName,
    OKResponse,
    SetAssetStateStoreByName,
)
from airflow.triggers.shared_stream import AdvanceItem, AdvanceOutcome

from include.exceptions import MillraceError
from include.lake import conditions
from include.lake.client import Lake
from millrace.triggers.lakefs import BranchCommitProducer, LakeFSBranchTrigger
from tests.support.lake import LakeServer

ASSET = "lakefs://flights/work"
STORED = AdvanceOutcome(acked=1, failed=0)
NOT_STORED = AdvanceOutcome(acked=0, failed=1)


class Supervisor:
    """The triggerer's supervisor, which keeps the state of assets for the triggers."""

    def __init__(self) -> None:
        self.state: dict[tuple[str, str], Any] = {}

    async def asend(self, request: Any) -> Any:
        key = (request.name, request.key)
        if isinstance(request, SetAssetStateStoreByName):
            self.state[key] = request.value
            return OKResponse(ok=True)
        assert isinstance(request, GetAssetStateStoreByName)
        if key not in self.state:
            return ErrorResponse(error=ErrorType.ASSET_STORE_NOT_FOUND)
        return AssetStateStoreResult(value=self.state[key])

    @property
    def commit(self) -> Any:
        """The commit that the watcher has reached."""
        return self.state.get((ASSET, BranchCommitProducer.STATE_KEY))


@pytest.fixture
def supervisor(monkeypatch: pytest.MonkeyPatch, lake_connection: None) -> Supervisor:
    supervisor = Supervisor()
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", supervisor, raising=False)
    return supervisor


def producer(lake: Lake) -> Any:
    """Return a stream as a triggerer opens it that knows no earlier one."""
    trigger = LakeFSBranchTrigger(
        repository=lake.repository,
        branch="work",
        asset=ASSET,
        lakefs_conn_id="lakefs_default",
        poll_interval=0.05,
    )
    return LakeFSBranchTrigger.create_shared_stream_producer(trigger.serialize()[1])


def commit(lake: Lake, *texts: str) -> list[str]:
    commits = []
    for text in texts:
        lake.upload("work", "a", BytesIO(text.encode()))
        commits.append(str(lake.commit("work", text, {})))
    return commits


async def next_event(stream: AsyncIterator[tuple[Any, Any]]) -> tuple[Any, Any]:
    return await asyncio.wait_for(anext(stream), 20)


def first_event(lake: Lake) -> tuple[Any, Any]:
    """Return the first event of a new stream, with the commit that the stream reaches by it."""
    return asyncio.run(next_event(producer(lake).open_stream()))


def watch_from_here(supervisor: Supervisor, lake: Lake) -> None:
    """Let the watcher know the branch as it is."""
    supervisor.state[ASSET, BranchCommitProducer.STATE_KEY] = lake.resolve("work")


@pytest.fixture
def watched(supervisor: Supervisor, lake: Lake) -> Lake:
    """A lake whose branch `work` is watched from its present commit on."""
    lake.create_branch("work", "main")
    watch_from_here(supervisor, lake)
    return lake


def test_the_commits_of_a_poll_are_one_event_that_names_the_newest(watched: Lake) -> None:
    commits = commit(watched, "1", "2", "3")

    event, reached = first_event(watched)

    assert event == {
        "repository": watched.repository,
        "branch": "work",
        "commit": commits[-1],
        "created": watched.get_commit("work").created.isoformat(),
        "commits": commits,
    }
    assert reached == commits[-1]


def test_a_merge_is_one_commit(watched: Lake) -> None:
    watched.create_branch("side", "work")
    watched.upload("side", "b", BytesIO(b"b"))
    watched.commit("side", "on the side", {})
    merge = watched.merge("side", "work", "merge", {})

    assert first_event(watched)[0]["commits"] == [merge]


def test_the_commits_before_the_first_poll_are_no_event(supervisor: Supervisor, lake: Lake) -> None:
    lake.create_branch("work", "main")
    before = commit(lake, "before")

    async def watch() -> Any:
        stream = producer(lake).open_stream()
        waiting = asyncio.create_task(next_event(stream))
        while supervisor.commit is None:
            await asyncio.sleep(0.01)
        known = supervisor.commit
        return known, await asyncio.to_thread(commit, lake, "after"), await waiting

    known, after, (event, _) = asyncio.run(watch())
    assert (known, event["commits"]) == (before[0], after)


def test_a_triggerer_that_died_before_its_event_was_stored_emits_it_again_with_later_commits(
    watched: Lake,
) -> None:
    commits = commit(watched, "1", "2")
    assert first_event(watched)[0]["commits"] == commits

    commits += commit(watched, "3")

    assert first_event(watched)[0]["commits"] == commits


def test_a_triggerer_goes_on_after_the_last_event_that_was_stored(
    watched: Lake, supervisor: Supervisor
) -> None:
    commits = commit(watched, "1", "2")
    _, reached = first_event(watched)
    asyncio.run(producer(watched).advance([AdvanceItem(reached, STORED)]))
    assert supervisor.commit == commits[-1]

    later = commit(watched, "3", "4")

    assert first_event(watched)[0]["commits"] == later


def test_an_event_that_airflow_did_not_store_is_not_passed(watched: Lake, supervisor: Supervisor) -> None:
    known = supervisor.commit
    commits = commit(watched, "1")
    with pytest.raises(MillraceError, match="it is emitted again"):
        asyncio.run(producer(watched).advance([AdvanceItem(commits[0], NOT_STORED)]))

    assert supervisor.commit == known
    assert first_event(watched)[0]["commits"] == commits


def test_the_next_poll_of_the_same_stream_names_only_later_commits(watched: Lake) -> None:
    async def watch(then: Callable[..., list[str]]) -> list[list[str]]:
        stream = producer(watched).open_stream()
        first = await next_event(stream)
        await asyncio.to_thread(then, watched, "2", "3")
        return [event["commits"] for event, _ in (first, await next_event(stream))]

    [before] = commit(watched, "1")
    handed = asyncio.run(watch(commit))
    assert handed[0] == [before]
    assert (len(handed[1]), handed[1][-1]) == (2, watched.resolve("work"))


def test_a_branch_that_was_made_anew_is_an_event_of_its_newest_commit(
    watched: Lake, supervisor: Supervisor
) -> None:
    commit(watched, "1", "2")
    watch_from_here(supervisor, watched)
    watched.delete_branch("work")
    watched.create_branch("work", "main")

    assert first_event(watched)[0]["commits"] == [watched.resolve("main")]


def test_more_commits_than_an_event_names_are_an_event_of_the_newest(
    watched: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conditions, "_MAX_LISTED_COMMITS", 3)
    commits = commit(watched, "1", "2")
    assert first_event(watched)[0]["commits"] == commits

    commits += commit(watched, "3", "4")

    event, _ = first_event(watched)
    assert (event["commit"], event["commits"]) == (commits[-1], commits[-1:])


def test_a_lake_that_is_gone_for_a_time_costs_no_commit(watched: Lake, lake_server: LakeServer) -> None:
    commits = commit(watched, "1", "2")

    async def watch() -> Any:
        await asyncio.to_thread(lake_server.kill)
        waiting = asyncio.create_task(next_event(producer(watched).open_stream()))
        await asyncio.sleep(0.3)
        assert not waiting.done()
        await asyncio.to_thread(lake_server.start)
        return await waiting

    event, _ = asyncio.run(watch())
    assert event["commits"] == commits
