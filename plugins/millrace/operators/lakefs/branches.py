"""Operators for branches of the lake."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow.sdk import Context

from include.exceptions import Misconfigured
from millrace.operators.lakefs.base import LakeFSOperator
from millrace.ui.links import BranchLink


class LakeFSCreateBranchOperator(LakeFSOperator):
    """Creates a branch unless it exists; returns `{branch, commit}`.

    :param branch: the branch's name.
    :param source: the ref that it starts from.
    :param replace: delete a branch of that name first, with all that was put on it: for branches of one
        run, which start from `source` as it is now when the run is started over.
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
    """Deletes a branch; fine if there is none.

    :param branch: the branch's name.
    """

    template_fields: Sequence[str] = (*LakeFSOperator.template_fields, "branch")

    def __init__(self, *, branch: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.branch = branch

    def execute(self, context: Context) -> None:
        self.lake().delete_branch(self.branch)


class LakeFSResetBranchOperator(LakeFSOperator):
    """Throws away what was changed on a branch and not committed; returns `{branch, commit}`.

    :param branch: the branch's name.
    :param path: of this object only; never empty.
    :param prefix: of the objects below it only; never empty.
    """

    template_fields: Sequence[str] = (*LakeFSOperator.template_fields, "branch", "path", "prefix")
    operator_extra_links = (BranchLink(),)

    def __init__(
        self, *, branch: str, path: str | None = None, prefix: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if path is not None and prefix is not None:
            raise ValueError(f"path {path!r} and prefix {prefix!r} are both given; give one, or none for all")
        self.branch = branch
        self.path = path
        self.prefix = prefix

    def execute(self, context: Context) -> dict[str, str]:
        if "" in (self.path, self.prefix):  # a template that came to nothing must not mean everything
            raise Misconfigured(f"path or prefix is empty and would reset all of {self.branch!r}; give one")
        lake = self.lake()
        lake.reset_branch(self.branch, path=self.path or "", prefix=self.prefix or "")
        return {"branch": self.branch, "commit": lake.resolve(self.branch)}
