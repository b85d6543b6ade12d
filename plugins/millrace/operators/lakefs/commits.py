"""Operators for commits of the lake: commit, merge, revert, cherry-pick, diff, look up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowSkipException

from millrace.operators.lakefs.base import CommitOperatorBase, LakeFSOperator
from millrace.run import identity, set_event_extra
from millrace.ui.links import CommitLink

_MAX_LISTED_CHANGES = 10


class LakeFSCommitOperator(CommitOperatorBase):
    """Commit the changes of a branch; returns `{commit, changed}`.

    A retry finds the commit of the first try by the run's identity in its metadata. Without changes, returns
    the branch's latest commit with `changed: false`.

    :param metadata: metadata of the commit, in addition to the run's identity.
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
        return self.commit_once(
            context,
            lambda lake, metadata: lake.commit(self.branch, self.message, metadata),
            search_first=False,
        )


class LakeFSMergeOperator(LakeFSOperator):
    """Merge a branch into another, atomically; returns `{commit, changed}`, also in its asset events' extra.

    A retry finds the merge of the first try by the run's identity in the merge commit's metadata, even if the
    branch was deleted. Raises Conflict if both sides changed the same object.

    :param metadata: metadata of the merge commit and its asset events, in addition to the run's identity.
    :param delete_source: delete the merged branch, with its uncommitted changes.
    :param skip_unchanged: skip the task if there is nothing to merge, so that no asset event is emitted.
    :param strategy: the side that wins a conflict: `dest-wins` or `source-wins`.
    :param squash: merge as one commit that does not have the branch as a parent.
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

        merge = publish(
            self.lake(),
            self.source,
            into=self.into,
            run=identity(context),
            metadata=self.metadata,
            delete_source=self.delete_source,
            strategy=self.strategy,
            squash=self.squash,
        )
        if self.skip_unchanged and not merge.changed:
            context["ti"].xcom_push("return_value", merge.to_json())
            raise AirflowSkipException(f"{self.into!r} already contains {self.source!r}")
        set_event_extra(context, {**self.metadata, **merge.to_json()})
        return merge.to_json()


class _ApplyCommitOperator(CommitOperatorBase):
    """Base of the operators that apply one commit, or its inverse, to a branch.

    :param branch: the branch that receives the new commit.
    :param ref: the commit to apply, or a ref that points to it.
    :param parent_number: for a merge commit, the parent to compare with, from 1.
    :param message: message of the new commit; default: the operation and the ref.
    :param metadata: metadata of the new commit, in addition to the run's identity.
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
        parent_number: int = 0,
        message: str = "",
        metadata: dict[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.branch = branch
        self.ref = ref
        self.parent_number = parent_number
        self.message = message
        self.metadata = metadata or {}

    def _apply(self, context: Context, operation: str) -> dict[str, Any]:
        message = self.message or f"{operation.replace('_', '-')} {self.ref}"
        return self.commit_once(
            context,
            lambda lake, metadata: getattr(lake, operation)(
                self.branch, self.ref, message, metadata, parent_number=self.parent_number
            ),
        )


class LakeFSRevertOperator(_ApplyCommitOperator):
    """Commit the inverse of a commit to a branch; returns `{commit, changed}`.

    A retry finds the commit of the first try by the run's identity in its metadata, so it reverts only once.
    """

    def execute(self, context: Context) -> dict[str, Any]:
        return self._apply(context, "revert")


class LakeFSCherryPickOperator(_ApplyCommitOperator):
    """Commit the changes of another commit to a branch; returns `{commit, changed}`.

    A retry finds the commit of the first try by the run's identity in its metadata.
    """

    def execute(self, context: Context) -> dict[str, Any]:
        return self._apply(context, "cherry_pick")


class LakeFSDiffOperator(LakeFSOperator):
    """Compare two refs; returns `{added, changed, removed, conflict, first}`: counts and ten changes.

    :param left: the ref to compare with.
    :param right: the ref whose changes are listed.
    :param prefix: only compare objects below this prefix.
    :param three_dot: list what a merge of `right` into `left` would change; else what turns `left` into
        `right`.
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
            if len(first) < _MAX_LISTED_CHANGES:
                first.append({"path": change.path, "kind": change.kind})
        return {
            **{kind: counts[kind] for kind in ("added", "changed", "removed", "conflict")},
            "first": first,
        }


class LakeFSGetRefOperator(LakeFSOperator):
    """Look up the commit of a ref; returns `{ref, commit, message, created, metadata, parents}`.

    Raises Absent if there is no such ref. To wait for a commit, use `LakeFSCommitSensor`.
    """

    template_fields: Sequence[str] = (*LakeFSOperator.template_fields, "ref")
    operator_extra_links = (CommitLink(),)

    def __init__(self, *, ref: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.ref = ref

    def execute(self, context: Context) -> dict[str, Any]:
        commit = self.lake().get_commit(self.ref)
        return {
            "ref": self.ref,
            "commit": commit.id,
            "message": commit.message,
            "created": commit.created.isoformat(),
            "metadata": commit.metadata,
            "parents": list(commit.parents),
        }
