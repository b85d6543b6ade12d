"""Bases of the operators and sensors of the lake."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import Any

from airflow.sdk import BaseOperator, Context

from include.lake.client import Lake
from millrace.hooks.lakefs import LakeFSHook
from millrace.operators.failures import FailureMixin
from millrace.run import identity, task_step


class LakeFSMixin(FailureMixin):
    """Mixin for operators and sensors of one repository."""

    repository: str | None
    lakefs_conn_id: str

    @cached_property
    def hook(self) -> LakeFSHook:
        """The hook of the connection."""
        return LakeFSHook(self.lakefs_conn_id)

    def lake(self) -> Lake:
        """Return a client of the repository."""
        return self.hook.lake(self.repository)


class LakeFSOperator(LakeFSMixin, BaseOperator):
    """Base of the operators of one repository.

    :param repository: the repository's name; default: the connection's default repository.
    :param lakefs_conn_id: the Airflow connection of the lake.
    """

    template_fields: Sequence[str] = ("repository", "lakefs_conn_id")
    ui_color = "#d6efe4"

    def __init__(
        self,
        *,
        repository: str | None = None,
        lakefs_conn_id: str = LakeFSHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.repository = repository
        self.lakefs_conn_id = lakefs_conn_id


class CommitOperatorBase(LakeFSOperator):
    """Base of the operators that make exactly one commit on a branch, however often they are retried."""

    branch: str
    metadata: dict[str, str]

    def commit_once(
        self,
        context: Context,
        make_commit: Callable[[Lake, dict[str, str]], str | None],
        *,
        search_first: bool = True,
    ) -> dict[str, Any]:
        """Run `make_commit` unless an earlier try of this task committed; return `{commit, changed}`.

        `make_commit` takes the lake and the metadata of the commit, see `include.lake.idempotency`.
        """
        from include.lake.idempotency import commit_once

        lake = self.lake()
        return commit_once(
            lake,
            self.branch,
            task_step(context),
            partial(make_commit, lake),
            run=identity(context),
            metadata=self.metadata,
            search_first=search_first,
        ).to_json()
