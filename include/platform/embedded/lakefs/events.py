"""What a change of a repository looks like to its hooks, and the gate that they form."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from include.platform.embedded.lakefs.database import CommitRecord

if TYPE_CHECKING:
    from include.platform.embedded.lakefs.staging import RepositoryObjects

COMMITTING = ("commit", "merge", "revert", "cherry-pick")
"""Operations that create a commit."""


@dataclass(frozen=True)
class Event:
    """A change that is proposed or done; its actions are read at `source_ref`.

    `commit_id` is the commit that a branch or tag points to. `record` is the commit that the change creates.
    """

    operation: str
    source_ref: str
    branch: str = ""
    tag: str = ""
    commit_id: str = ""
    merge_source: str = ""
    record: CommitRecord | None = None

    def done(self) -> Event:
        """Return the event after the change: a new commit is known by its id, and has the actions."""
        return replace(self, source_ref=self.record.id, commit_id=self.record.id) if self.record else self

    def payload(self, kind: str, repository: str, action: str, hook: str) -> dict[str, Any]:
        """Return the body of a webhook, without the fields that are empty.

        Fields: https://docs.lakefs.io/howto/hooks/webhooks.html
        """
        commit = self.record
        fields = {
            "event_type": kind,
            "event_time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "action_name": action,
            "hook_id": hook,
            "repository_id": repository,
            "branch_id": self.branch,
            "source_ref": self.source_ref,
            "tag_id": self.tag,
            "commit_id": self.commit_id,
            "commit_message": commit.message if commit else "",
            "committer": commit.committer if commit else "",
            "commit_metadata": commit.metadata if commit else {},
            "merge_source": self.merge_source,
        }
        return {name: value for name, value in fields.items() if value}


class Approval(Protocol):
    """Hooks that a proposed change has to pass; `run_id` names their run."""

    run_id: str

    def __call__(self) -> None:
        """Run the hooks, while no lock is held; raise an ApiError if one of them refuses the change."""


class Gate(Protocol):
    """The hooks of repositories."""

    def before(self, store: RepositoryObjects, event: Event, moment: str = "pre") -> Approval | None:
        """Return the hooks that a change has to pass, or None; raise an ApiError if they cannot run."""

    def after(self, store: RepositoryObjects, event: Event, approval: Approval | None) -> None:
        """Start the hooks that follow a change; never raises, and does not wait for them."""
