"""Triggers of the lake: one that ends a sensor's wait, one that turns commits into asset events.

The client's calls block, so they run in threads: one client means one way of asking, of checking
certificates and of telling faults apart, and a look takes milliseconds every poll. Neither trigger holds
a secret or a state of its own: the connection is looked up where it runs.
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
from include.lake.conditions import check, commits_since
from millrace.hooks.lakefs import LakeFSHook

log = logging.getLogger(__name__)
P = ParamSpec("P")
T = TypeVar("T")

_LOOKS = ThreadPoolExecutor(16, thread_name_prefix="lakefs-look")
"""Threads of our own: a lake that hangs holds up looks at it, and no other trigger."""


async def _in_thread(call: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
    return await asyncio.get_running_loop().run_in_executor(_LOOKS, partial(call, *arguments, **options))


class LakeFSTrigger(BaseTrigger):
    """Fires once a look at the lake finds something; or with the fault, if waiting cannot mend it.

    What is absent and what is transient is waited out, as long as the sensor's timeout allows.

    :param wanted: the name of one of `include.lake.conditions.LOOKS`.
    :param arguments: its arguments.
    :param poll_interval: seconds between two looks.
    """

    def __init__(
        self,
        *,
        wanted: str,
        arguments: dict[str, Any],
        repository: str | None,
        lakefs_conn_id: str,
        poll_interval: float,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.wanted = wanted
        self.arguments = arguments
        self.repository = repository
        self.lakefs_conn_id = lakefs_conn_id
        self.poll_interval = poll_interval

    def serialize(self) -> tuple[str, dict[str, Any]]:
        names = ("wanted", "arguments", "repository", "lakefs_conn_id", "poll_interval")
        return f"{__name__}.LakeFSTrigger", {name: getattr(self, name) for name in names}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        try:
            yield TriggerEvent({"found": await self._wait()})
        except MillraceError as fault:
            yield TriggerEvent({"fault": type(fault).__name__, "message": str(fault)})

    async def _wait(self) -> dict[str, Any]:
        lake = await LakeFSHook(self.lakefs_conn_id).alake(self.repository)
        while True:
            try:
                if found := await _in_thread(check, lake, self.wanted, **self.arguments):
                    return found
            except Transient as fault:
                log.warning("waiting on: %s", fault)
            await asyncio.sleep(self.poll_interval)


class LakeFSBranchTrigger(BaseEventTrigger):
    """Turns every commit on a branch into an event of an asset; made by `millrace.assets.branch_asset`.

    The event's payload is `{repository, branch, commit, created}`. How far it is is kept in the asset's
    own state store, and moved on when Airflow has stored the event and not before. So none is lost when a
    triggerer dies, and one may come twice if it dies within the second or two in between.

    :param asset: the asset's name.
    :param poll_interval: seconds between two looks.
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
        return Commits(**kwargs)

    async def filter_shared_stream(self, shared_stream: AsyncIterator[Any]) -> AsyncIterator[TriggerEvent]:
        async for event in shared_stream:
            yield TriggerEvent(event)

    async def run(self) -> AsyncIterator[TriggerEvent]:
        raise NotImplementedError("Airflow runs this trigger by its shared stream")
        yield  # an async generator by its signature


class Commits(SharedStreamProducer):
    """The commits of a branch as they come, from the one that the asset's state store names.

    The first look at a branch only notes where it stands: what was there before is no news.
    """

    KEY = "commit"

    def __init__(
        self, *, repository: str, branch: str, asset: str, lakefs_conn_id: str, poll_interval: float
    ) -> None:
        self._repository = repository
        self._branch = branch
        self._hook = LakeFSHook(lakefs_conn_id)
        self._poll_interval = poll_interval
        self._state = AssetStateStoreAccessor(name=asset)
        self._said = ""

    async def open_stream(self) -> AsyncIterator[tuple[Any, Any]]:
        known, lake = await self._state.aget(self.KEY), None
        while True:
            try:
                lake = lake or await self._hook.alake(self._repository)
                if known is None:
                    known = await self._start(lake)
                for commit in await _in_thread(commits_since, lake, self._branch, str(known)):
                    yield self._event(commit), commit.id
                    known = commit.id
                self._said = ""
            except (Absent, Transient) as fault:
                self._say(logging.WARNING, fault)
            except MillraceError as fault:  # a person may mend it meanwhile, and nothing is lost until then
                self._say(logging.ERROR, fault)
                lake = None
            await asyncio.sleep(self._poll_interval)

    async def advance(self, batch: Sequence[AdvanceItem]) -> None:
        for item in batch:
            if not item.outcome.is_clean:
                raise MillraceError(f"Airflow did not store the event of commit {item.broker_payload}: again")
            await self._state.aset(self.KEY, item.broker_payload)

    async def _start(self, lake: Lake) -> str:
        """Note the commit to start from; empty for a branch that does not exist yet: its first is news."""
        try:
            known = await _in_thread(lake.resolve, self._branch)
        except Absent:
            known = ""
        await self._state.aset(self.KEY, known)
        return known

    def _say(self, level: int, fault: MillraceError) -> None:
        """Tell once what keeps the branch from being seen, not at every look."""
        if str(fault) != self._said:
            self._said = str(fault)
            log.log(level, "no commits to be seen for now: %s", fault)

    def _event(self, commit: Commit) -> dict[str, str]:
        return {
            "repository": self._repository,
            "branch": self._branch,
            "commit": commit.id,
            "created": commit.created.isoformat(),
        }
