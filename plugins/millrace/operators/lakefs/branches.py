"""Operators for branches of the lake."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow.sdk import Context

from include.exceptions import Misconfigured
from millrace.operators.lakefs.base import LakeFSOperator
from millrace.ui.links import BranchLink


class LakeFSCreateBranchOperator(LakeFSOperator):
    """Create a branch unless it exists; returns `{branch, commit}`.

    :param branch: the branch's name.
    :param source: the ref that the branch starts from.
    :param replace: delete an existing branch of that name first, with everything on it. Use it for the
        branch of one run, so that a run that starts over begins at the current `source`.
    """

    template_fields: Sequence[str] = (*LakeFSOperator.template_fields, "branch", "source")
    operator_extra_links = (BranchLink(),)

    def __init__(self, *, branch: str, source: str = "main", replace: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.branch = branch
        self.source = source
        self.replace = replace

    def execute(self, context: Context) -> dict[str, str]:
        lake = self.lake()
        if self.replace:
            lake.delete_branch(self.branch)
        return {"branch": self.branch, "commit": lake.create_branch(self.branch, self.source)}


class LakeFSDeleteBranchOperator(LakeFSOperator):
    """Delete a branch; does nothing if there is no such branch.

    :param branch: the branch's name.
    """

    template_fields: Sequence[str] = (*LakeFSOperator.template_fields, "branch")

    def __init__(self, *, branch: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.branch = branch

    def execute(self, context: Context) -> None:
        self.lake().delete_branch(self.branch)


class LakeFSResetBranchOperator(LakeFSOperator):
    """Discard uncommitted changes of a branch; returns `{branch, commit}`.

    :param branch: the branch's name.
    :param path: only discard the changes of this object; not empty.
    :param prefix: only discard changes below this prefix; not empty.
    """

    template_fields: Sequence[str] = (*LakeFSOperator.template_fields, "branch", "path", "prefix")
    operator_extra_links = (BranchLink(),)

    def __init__(
        self, *, branch: str, path: str | None = None, prefix: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if path is not None and prefix is not None:
            raise ValueError(
                f"path {path!r} and prefix {prefix!r} are both set; set one, or none to reset it all"
            )
        self.branch = branch
        self.path = path
        self.prefix = prefix

    def execute(self, context: Context) -> dict[str, str]:
        if "" in (self.path, self.prefix):  # an empty template must not reset everything
            raise Misconfigured(
                f"path or prefix is empty and would reset all of {self.branch!r}; set one, or omit both"
            )
        lake = self.lake()
        lake.reset_branch(self.branch, path=self.path or "", prefix=self.prefix or "")
        return {"branch": self.branch, "commit": lake.resolve(self.branch)}
