"""The hooks of repositories: they refuse changes before these are visible, and report them afterwards.

A change is first proposed in one transaction, then its hooks run while no lock is held (a hook may read or
write the lake), then the change becomes visible in another transaction, provided that its branch is still
where it was.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count

from include.platform.embedded.lakefs import actions
from include.platform.embedded.lakefs.actions import Action, ActionInvalid
from include.platform.embedded.lakefs.blobs import Blobs
from include.platform.embedded.lakefs.errors import ApiError, NotSupported, PreconditionFailed
from include.platform.embedded.lakefs.events import COMMITTING, Approval, Event
from include.platform.embedded.lakefs.runs import HookRun, Run, Runs, new_id
from include.platform.embedded.lakefs.staging import RepositoryObjects
from include.platform.embedded.lakefs.tree import Entry
from include.platform.embedded.lakefs.webhooks import Outcome

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Hooks:
    """The hooks of all repositories of a server; a Gate."""

    runs: Runs
    blobs: Blobs

    def before(self, store: RepositoryObjects, event: Event, moment: str = "pre") -> Approval | None:
        """Return the hooks that a change has to pass, or None.

        Raises ActionInvalid if an action file is not valid, and NotSupported if a hook is of a kind that
        is not run here: a gate that cannot answer is closed.
        """
        if store.facts.read_only:  # as in lakeFS: such a repository changes by force only
            return None
        found = self._load(store, event.source_ref)
        _refuse_foreign(found, event)
        kind = f"{moment}-{event.operation}"
        matching = [action for action in found if action.hooks and action.matches(kind, event.branch)]
        return _Pending(self.runs, store, event, kind, matching) if matching else None

    def after(self, store: RepositoryObjects, event: Event, approval: Approval | None) -> None:
        """Start the hooks that follow a change, in a thread; whether they pass is seen in their run only."""
        event = event.done()
        if approval and event.record:
            self.runs.set_commit(store.facts, approval.run_id, event.record.id)
        try:
            pending = self.before(store, event, "post")
        except ApiError as error:
            _log.warning("hooks after %s in %r do not run: %s", event.operation, store.facts.name, error)
            return
        if isinstance(pending, _Pending):
            threading.Thread(target=pending.run, name="post-hooks", daemon=True).start()

    def _load(self, store: RepositoryObjects, ref: str) -> list[Action]:
        files: dict[str, bytes] = {}
        for entry in store.scan(ref, actions.FOLDER):
            if not entry.path.startswith(actions.FOLDER):
                break
            name = entry.path.removeprefix(actions.FOLDER)
            if name and "/" not in name:
                files[entry.path] = self._content(entry)
        return actions.parse_all(files)

    def _content(self, entry: Entry) -> bytes:
        if entry.size > actions.MAX_BYTES:
            raise ActionInvalid(entry.path, f"{entry.size} bytes are above {actions.MAX_BYTES}")
        return b"".join(self.blobs.read(entry.address, 0, entry.size - 1, whole=True))


def _refuse_foreign(found: list[Action], event: Event) -> None:
    """Raise NotSupported if a hook of the actions cannot run here and the change would be one of its own.

    A commit or a merge is refused for every such hook: after it, readers rely on what the hook checks.
    """
    kinds = [f"{moment}-{event.operation}" for moment in ("pre", "post")]
    for action in found:
        concerned = event.operation in COMMITTING or any(action.matches(kind, event.branch) for kind in kinds)
        if concerned and (hook := action.foreign):
            raise NotSupported(
                f"action {action.name!r} has the hook {hook.id!r} of type {hook.kind!r}, which the embedded "
                "lake does not run: make it a webhook, delete the action, or use a lakeFS server"
            )


@dataclass
class _Pending:
    """Actions that match an event."""

    runs: Runs
    store: RepositoryObjects
    event: Event
    kind: str
    matching: list[Action]
    run_id: str = field(default_factory=new_id)

    def __call__(self) -> None:
        run = self.run()
        if failed := next((hook for hook in run.hooks if hook.failure), None):
            raise PreconditionFailed(
                f"{self.kind} hook aborted, run id '{run.id}': hook '{failed.hook_id}' of action "
                f"'{failed.action}': {failed.failure}"
            )

    def run(self) -> Run:
        """Run the hooks, and return what became of them; actions run at the same time, as in lakeFS."""
        with ThreadPoolExecutor(len(self.matching)) as pool:
            hooks = [hook for done in pool.map(self._run, count(), self.matching) for hook in done]
        run = Run(self.run_id, self.kind, self.event.branch, self.event.commit_id, tuple(hooks))
        self.runs.add(self.store.facts, run)
        return run

    def _run(self, number: int, action: Action) -> list[HookRun]:
        done: list[HookRun] = []
        for index, hook in enumerate(action.hooks):
            skipped = HookRun(f"{number:04}_{index:04}", action.name, hook.id)
            if hook.webhook is None or not hook.wanted(success=not any(other.failure for other in done)):
                done.append(skipped)
                continue
            payload = self.event.payload(self.kind, self.store.facts.name, action.name, hook.id)
            started = time.time()
            outcome: Outcome = hook.webhook.send(json.dumps(payload).encode())
            done.append(HookRun(skipped.hook_run_id, action.name, hook.id, started, time.time(), *outcome))
        return done
