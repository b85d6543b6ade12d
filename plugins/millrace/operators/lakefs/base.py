"""What the operators and sensors of the lake share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import Any

from airflow.sdk import BaseOperator, Context

from include.lake.client import Lake
from millrace.hooks.lakefs import LakeFSHook
from millrace.run import identity, step


class LakeFSMixin:
    """Mixed into what works on one repository."""

    repository: str | None
    lakefs_conn_id: str

    @cached_property
    def hook(self) -> LakeFSHook:
        """The connection."""
        return LakeFSHook(self.lakefs_conn_id)

    def lake(self) -> Lake:
        """The repository, by the connection."""
        return self.hook.lake(self.repository)


class LakeFSOperator(LakeFSMixin, BaseOperator):
    """Base of the operators that work on one repository.

    :param repository: the repository's name; none: the connection's default one.
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
    """Base of the operators that leave one commit on a branch, however often they are tried."""

    branch: str
    metadata: dict[str, str]

    def once(
        self,
        context: Context,
        act: Callable[[Lake, dict[str, str]], str | None],
        *,
        look_first: bool = True,
    ) -> dict[str, Any]:
        """Let `act` commit with the metadata it is given, unless an earlier try did; `{commit, changed}`."""
        from include.lake.idempotency import commit_once

        lake = self.lake()
        return commit_once(
            lake,
            self.branch,
            step(context),
            partial(act, lake),
            run=identity(context),
            metadata=self.metadata,
            look_first=look_first,
        ).to_json()
