"""Runs of actions: when which hook ran, and what it answered."""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import asdict, dataclass, replace

from include.platform.embedded.lakefs.database import Database, Repository

_KEPT_RUNS = 1000
"""Newest runs of a repository that are kept."""
_END_OF_TIME_NANOSECONDS = 1 << 63


@dataclass(frozen=True)
class HookRun:
    """One hook of a run; times in seconds since 1970, None for both if it was skipped."""

    hook_run_id: str
    action: str
    hook_id: str
    started: float | None = None
    ended: float | None = None
    failure: str = ""
    output: str = ""


@dataclass(frozen=True)
class Run:
    """One run of all actions of an event."""

    id: str
    event_type: str
    branch: str
    commit_id: str
    hooks: tuple[HookRun, ...]

    @property
    def passed(self) -> bool:
        """Return whether no hook failed."""
        return not any(hook.failure for hook in self.hooks)


def new_id() -> str:
    """Return an id that sorts before all earlier ones, so that a list begins with the newest run."""
    return f"{_END_OF_TIME_NANOSECONDS - time.time_ns():016x}{secrets.token_hex(2)}"


@dataclass(frozen=True)
class Runs:
    """The runs in the server's database."""

    database: Database

    def add(self, repository: Repository, run: Run) -> None:
        """Insert a run, unless the repository was deleted meanwhile; drop the oldest beyond a limit."""
        with self.database.transaction() as connection:
            if self.database.repository(repository.name) != repository:
                return
            connection.execute(
                "INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?, ?)",
                (repository.name, run.id, run.branch, run.commit_id, json.dumps(asdict(run))),
            )
            connection.execute(
                "DELETE FROM runs WHERE repository = ? AND id > "
                "(SELECT id FROM runs WHERE repository = ? ORDER BY id LIMIT 1 OFFSET ?)",
                (repository.name, repository.name, _KEPT_RUNS - 1),
            )

    def set_commit(self, repository: Repository, run_id: str, commit_id: str) -> None:
        """Record the commit that a run let pass, which did not exist while it ran."""
        if run := self.find(repository.name, run_id):
            self.add(repository, replace(run, commit_id=commit_id))

    def find(self, repository: str, run_id: str) -> Run | None:
        """Return a run, None if there is none."""
        found = self._select("id = ?", repository, run_id)
        return found[0] if found else None

    def newest(self, repository: str, after: str, branch: str, commit: str, limit: int) -> list[Run]:
        """Return at most `limit` runs from the newest back, of a branch or of a commit if one is named."""
        where = "id > ? AND ? IN ('', branch) AND ? IN ('', commit_id) ORDER BY id LIMIT ?"
        return self._select(where, repository, after, branch, commit, limit)

    def _select(self, where: str, *values: object) -> list[Run]:
        with self.database.snapshot() as connection:
            query = f"SELECT body FROM runs WHERE repository = ? AND {where}"  # noqa: S608 - from above
            return [_run(body) for (body,) in connection.execute(query, values)]


def _run(body: str) -> Run:
    fields = json.loads(body)
    return Run(**{**fields, "hooks": tuple(HookRun(**hook) for hook in fields["hooks"])})
