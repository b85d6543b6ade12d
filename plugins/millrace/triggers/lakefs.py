"""Triggers of the lake: one ends the wait of a sensor, one turns commits into asset events.

Both poll with the client that tasks use, so that TLS settings and errors are handled in one place. Its calls
block, so they run in threads; a poll takes milliseconds. The triggers hold no secrets and no state: the
connection is looked up in the triggerer.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, ParamSpec, TypeVar

from airflow.sdk.execution_time.context import AssetStateStoreAccessor
from airflow.triggers.base import BaseEventTrigger, BaseTrigger, TriggerEvent
from airflow.triggers.shared_stream import AdvanceItem, SharedStreamProducer

from include.exceptions import Absent, MillraceError, Transient
from include.lake.client import Commit, Lake
from include.lake.conditions import commits_since, evaluate_condition
from millrace.hooks.lakefs import LakeFSHook

log = logging.getLogger(__name__)
P = ParamSpec("P")
T = TypeVar("T")

_POLL_THREADS = ThreadPoolExecutor(16, thread_name_prefix="lakefs-poll")
"""Not the event loop's default pool, so that a lake that hangs delays no other trigger."""


async def _in_thread(call: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
    return await asyncio.get_running_loop().run_in_executor(
        _POLL_THREADS, partial(call, *arguments, **options)
    )


class LakeFSTrigger(BaseTrigger):
    """Trigger that fires once a condition is met, or with an error that waiting cannot fix.

    The event is `{match}` or `{error, message}`. A missing ref, object or tag and transient errors are waited
    out, as long as the sensor's timeout allows.

    :param condition: a name of `include.lake.conditions.CONDITIONS`.
    :param condition_arguments: the arguments of the condition.
    :param poll_interval: seconds between two evaluations.
    """

    def __init__(
        self,
        *,
        condition: str,
        condition_arguments: dict[str, Any],
        repository: str | None,
        lakefs_conn_id: str,
        poll_interval: float,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.condition = condition
        self.condition_arguments = condition_arguments
        self.repository = repository
        self.lakefs_conn_id = lakefs_conn_id
        self.poll_interval = poll_interval

    def serialize(self) -> tuple[str, dict[str, Any]]:
        names = ("condition", "condition_arguments", "repository", "lakefs_conn_id", "poll_interval")
        return f"{__name__}.LakeFSTrigger", {name: getattr(self, name) for name in names}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        try:
            yield TriggerEvent({"match": await self._wait()})
        except MillraceError as error:
            yield TriggerEvent({"error": type(error).__name__, "message": str(error)})

    async def _wait(self) -> dict[str, Any]:
        lake = await LakeFSHook(self.lakefs_conn_id).alake(self.repository)
        while True:
            try:
                if match := await _in_thread(
                    evaluate_condition, lake, self.condition, **self.condition_arguments
                ):
                    return match
            except Transient as error:
                log.warning("still waiting after an error: %s", error)
            await asyncio.sleep(self.poll_interval)


class LakeFSBranchTrigger(BaseEventTrigger):
    """Trigger that turns the commits on a branch into events of an asset, one event a poll.

    `millrace.assets.branch_asset` creates it. The event's payload is `{repository, branch, commit, created,
    commits}`: the newest commit, and the ids of all since the last event, oldest first. The last commit is
    kept in the asset's state store, and updated after Airflow has stored the event. So no event is lost if
    the triggerer dies; if it dies in the second or two between, its commits are emitted twice.

    :param asset: the asset's name.
    :param poll_interval: seconds between two polls.
    """

    def __init__(
        self, *, repository: str, branch: str, asset: str, lakefs_conn_id: str, poll_interval: float
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.repository = repository
        self.branch = branch
        self.asset = asset
        self.lakefs_conn_id = lakefs_conn_id
        self.poll_interval = poll_interval

    def serialize(self) -> tuple[str, dict[str, Any]]:
        names = ("repository", "branch", "asset", "lakefs_conn_id", "poll_interval")
        return f"{__name__}.LakeFSBranchTrigger", {name: getattr(self, name) for name in names}

    def shared_stream_key(self) -> Hashable:
        return tuple(str(value) for value in self.serialize()[1].values())

    @classmethod
    def create_shared_stream_producer(cls, kwargs: dict[str, Any]) -> SharedStreamProducer:
        return BranchCommitProducer(**kwargs)

    async def filter_shared_stream(self, shared_stream: AsyncIterator[Any]) -> AsyncIterator[TriggerEvent]:
        async for event in shared_stream:
            yield TriggerEvent(event)

    async def run(self) -> AsyncIterator[TriggerEvent]:
        raise NotImplementedError("Airflow runs this trigger through its shared stream")
        yield  # makes this method an async generator


class BranchCommitProducer(SharedStreamProducer):
    """Stream of the commits of a branch, from the commit in the asset's state store on.

    The commits of a poll are one event: a run could start between the events of two. The first poll only
    stores the branch's current commit: earlier commits are not events.
    """

    STATE_KEY = "commit"

    def __init__(
        self, *, repository: str, branch: str, asset: str, lakefs_conn_id: str, poll_interval: float
    ) -> None:
        self._repository = repository
        self._branch = branch
        self._hook = LakeFSHook(lakefs_conn_id)
        self._poll_interval = poll_interval
        self._state = AssetStateStoreAccessor(name=asset)
        self._last_logged = ""

    async def open_stream(self) -> AsyncIterator[tuple[Any, Any]]:
        known_commit, lake = await self._state.aget(self.STATE_KEY), None
        while True:
            try:
                lake = lake or await self._hook.alake(self._repository)
                if known_commit is None:
                    known_commit = await self._store_current_commit(lake)
                if commits := await _in_thread(commits_since, lake, self._branch, str(known_commit)):
                    yield self._event(commits), commits[-1].id
                    known_commit = commits[-1].id
                self._last_logged = ""
            except (Absent, Transient) as error:
                self._log_once(logging.WARNING, error)
            except MillraceError as error:  # no commit is lost until a person fixes the cause
                self._log_once(logging.ERROR, error)
                lake = None
            await asyncio.sleep(self._poll_interval)

    async def advance(self, batch: Sequence[AdvanceItem]) -> None:
        for item in batch:
            if not item.outcome.is_clean:
                raise MillraceError(
                    f"Airflow did not store the event of commit {item.broker_payload!r}; it is emitted again"
                )
            await self._state.aset(self.STATE_KEY, item.broker_payload)

    async def _store_current_commit(self, lake: Lake) -> str:
        """Store the commit to start from; empty if there is no branch, so its first commit is an event."""
        try:
            commit = await _in_thread(lake.resolve, self._branch)
        except Absent:
            commit = ""
        await self._state.aset(self.STATE_KEY, commit)
        return commit

    def _log_once(self, level: int, error: MillraceError) -> None:
        """Log an error, unless the previous poll logged the same."""
        if str(error) != self._last_logged:
            self._last_logged = str(error)
            log.log(level, "cannot read the branch's commits, trying again: %s", error)

    def _event(self, commits: Sequence[Commit]) -> dict[str, Any]:
        return {
            "repository": self._repository,
            "branch": self._branch,
            "commit": commits[-1].id,
            "created": commits[-1].created.isoformat(),
            "commits": [commit.id for commit in commits],
        }
