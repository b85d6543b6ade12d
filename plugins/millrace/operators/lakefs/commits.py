"""Operators for versions of the lake: commit, merge, undo, take over, compare, look up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowSkipException

from millrace.operators.lakefs.base import CommitOperatorBase, LakeFSOperator
from millrace.run import identity, set_event_extra
from millrace.ui.links import CommitLink

_FIRST = 10
"""Changes that a diff names."""


class LakeFSCommitOperator(CommitOperatorBase):
    """Commits what was uploaded to a branch; returns `{commit, changed}`.

    A second try finds the commit of the first by the run's identity on it. With nothing uploaded since
    somebody else's commit, that one is returned with `changed: false`.

    :param metadata: goes on the commit beside the run's identity.
    """

    template_fields: Sequence[str] = (*LakeFSOperator.template_fields, "branch", "message", "metadata")
    operator_extra_links = (CommitLink(),)

    def __init__(
        self, *, branch: str, message: str, metadata: dict[str, str] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.branch = branch
        self.message = message
        self.metadata = metadata or {}

    def execute(self, context: Context) -> dict[str, Any]:
        return self.once(
            context, lambda lake, metadata: lake.commit(self.branch, self.message, metadata), look_first=False
        )


class LakeFSMergeOperator(LakeFSOperator):
    """Merges a branch into another, atomically; returns `{commit, changed}`; its asset events carry them.

    A second try finds the merge of the first by the run's identity on the merge commit, also when the
    branch is gone already. Raises Conflict if both sides changed the same object.

    :param metadata: goes on the merge commit beside the run's identity, and on the asset events.
    :param delete_source: delete the merged branch, and what was not committed on it.
    :param skip_unchanged: end as skipped where there was nothing to merge, so that no asset event is sent.
    :param strategy: `dest-wins` or `source-wins`: who counts in a conflict.
    :param squash: make one commit of all that are merged, without the branch as its parent.
    """

    template_fields: Sequence[str] = (
        *LakeFSOperator.template_fields,
        "source",
        "into",
        "metadata",
        "strategy",
    )
    operator_extra_links = (CommitLink(),)

    def __init__(
        self,
        *,
        source: str,
        into: str = "main",
        metadata: dict[str, str] | None = None,
        delete_source: bool = False,
        skip_unchanged: bool = False,
        strategy: str = "",
        squash: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.source = source
        self.into = into
        self.metadata = metadata or {}
        self.delete_source = delete_source
        self.skip_unchanged = skip_unchanged
        self.strategy = strategy
        self.squash = squash

    def execute(self, context: Context) -> dict[str, Any]:
        from include.lake.merge import publish

        made = publish(
            self.lake(),
            self.source,
            into=self.into,
            run=identity(context),
            metadata=self.metadata,
            delete_source=self.delete_source,
            strategy=self.strategy,
            squash=self.squash,
        )
        if self.skip_unchanged and not made.changed:
            context["ti"].xcom_push("return_value", made.to_json())
            raise AirflowSkipException(f"{self.into!r} has all of {self.source!r} already")
        set_event_extra(context, {**self.metadata, **made.to_json()})
        return made.to_json()


class _PickOperator(CommitOperatorBase):
    """Base of the two that take up one commit.

    :param branch: the branch that gets the new commit.
    :param ref: the commit (or what stands for one) that is taken up.
    :param parent: of a merge, against which of its parents, from 1.
    :param message: of the new commit; none: says what was done.
    :param metadata: goes on the new commit beside the run's identity.
    """

    template_fields: Sequence[str] = (
        *LakeFSOperator.template_fields, "branch", "ref", "message", "metadata"
    )  # fmt: skip
    operator_extra_links = (CommitLink(),)

    def __init__(
        self,
        *,
        branch: str,
        ref: str,
        parent: int = 0,
        message: str = "",
        metadata: dict[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.branch = branch
        self.ref = ref
        self.parent = parent
        self.message = message
        self.metadata = metadata or {}

    def _take_up(self, context: Context, operation: str) -> dict[str, Any]:
        message = self.message or f"{operation.replace('_', '-')} {self.ref}"
        return self.once(
            context,
            lambda lake, metadata: getattr(lake, operation)(
                self.branch, self.ref, message, metadata, parent=self.parent
            ),
        )


class LakeFSRevertOperator(_PickOperator):
    """Commits the reverse of a commit to a branch; returns `{commit, changed}`.

    A second try finds the commit of the first by the run's identity on it, and so does not undo the undoing.
    """

    def execute(self, context: Context) -> dict[str, Any]:
        return self._take_up(context, "revert")


class LakeFSCherryPickOperator(_PickOperator):
    """Commits what another commit changed to a branch; returns `{commit, changed}`.

    A second try finds the commit of the first by the run's identity on it.
    """

    def execute(self, context: Context) -> dict[str, Any]:
        return self._take_up(context, "cherry_pick")


class LakeFSDiffOperator(LakeFSOperator):
    """Compares two refs; returns `{added, changed, removed, conflict, first}`: counts, and ten changes.

    :param left: the ref that `right` is held against.
    :param right: the other ref.
    :param prefix: only objects below it.
    :param three_dot: what a merge of `right` into `left` would change; else what makes `right` of `left`.
    """

    template_fields: Sequence[str] = (*LakeFSOperator.template_fields, "left", "right", "prefix")

    def __init__(
        self, *, left: str, right: str, prefix: str = "", three_dot: bool = True, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.left = left
        self.right = right
        self.prefix = prefix
        self.three_dot = three_dot

    def execute(self, context: Context) -> dict[str, Any]:
        counts, first = Counter[str](), list[dict[str, str]]()
        for change in self.lake().diff(self.left, self.right, prefix=self.prefix, three_dot=self.three_dot):
            counts[change.kind] += 1
            if len(first) < _FIRST:
                first.append({"path": change.path, "kind": change.kind})
        return {
            **{kind: counts[kind] for kind in ("added", "changed", "removed", "conflict")},
            "first": first,
        }


class LakeFSGetRefOperator(LakeFSOperator):
    """Looks up what a ref stands for; returns `{ref, commit, message, created, metadata, parents}`.

    Raises Absent if it stands for nothing: to wait for it, take `LakeFSCommitSensor`.
    """

    template_fields: Sequence[str] = (*LakeFSOperator.template_fields, "ref")
    operator_extra_links = (CommitLink(),)

    def __init__(self, *, ref: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.ref = ref

    def execute(self, context: Context) -> dict[str, Any]:
        found = self.lake().get_commit(self.ref)
        return {
            "ref": self.ref,
            "commit": found.id,
            "message": found.message,
            "created": found.created.isoformat(),
            "metadata": found.metadata,
            "parents": list(found.parents),
        }
