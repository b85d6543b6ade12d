"""Operators for versions of the lake: branch, upload, commit, merge, tag."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from airflow.sdk import BaseOperator, Context
from airflow.sdk.exceptions import AirflowSkipException

from include.exceptions import Absent, Misconfigured
from include.lake.client import Lake
from millrace.hooks.lakefs import LakeFSHook
from millrace.run import announce, identity


class LakeFSOperator(BaseOperator):
    """Base of the operators that work on one repository.

    :param repository: the repository's name.
    :param lakefs_conn_id: the Airflow connection of the lake.
    """

    template_fields: Sequence[str] = ("repository",)
    ui_color = "#d6efe4"

    def __init__(
        self, *, repository: str, lakefs_conn_id: str = LakeFSHook.default_conn_name, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.repository = repository
        self.lakefs_conn_id = lakefs_conn_id

    def lake(self) -> Lake:
        """The repository, by the connection."""
        return LakeFSHook(self.lakefs_conn_id).lake(self.repository)


class LakeFSCreateBranchOperator(LakeFSOperator):
    """Creates a branch unless it exists; returns `{branch, commit}`.

    :param replace: delete a branch of that name first, with all that was put on it: for branches of one
        run, which start from `source` as it is now when the run is started over.
    """

    template_fields: Sequence[str] = (*LakeFSOperator.template_fields, "branch", "source")

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
    """Deletes a branch; fine if there is none."""

    template_fields: Sequence[str] = (*LakeFSOperator.template_fields, "branch")

    def __init__(self, *, branch: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.branch = branch

    def execute(self, context: Context) -> None:
        self.lake().delete_branch(self.branch)


class LakeFSUploadOperator(LakeFSOperator):
    """Uploads a file of the worker to a branch, to be committed later; returns `{path, size, checksum}`."""

    template_fields: Sequence[str] = (*LakeFSOperator.template_fields, "branch", "path", "file")

    def __init__(self, *, branch: str, path: str, file: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.branch = branch
        self.path = path
        self.file = file

    def execute(self, context: Context) -> dict[str, Any]:
        file = Path(self.file)
        if not file.is_file():
            raise Misconfigured(f"file {self.file!r} is not on this worker; upload runs where the file is")
        stored = self.lake().upload(self.branch, self.path, file)
        return {"path": stored.path, "size": stored.size, "checksum": stored.checksum}


class LakeFSCommitOperator(LakeFSOperator):
    """Commits what was uploaded to a branch; returns `{commit, changed}`.

    With nothing uploaded since the last commit, that commit is returned with `changed: false`, so a
    second try says the same as the first.
    """

    template_fields: Sequence[str] = (*LakeFSOperator.template_fields, "branch", "message", "metadata")

    def __init__(
        self, *, branch: str, message: str, metadata: dict[str, str] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.branch = branch
        self.message = message
        self.metadata = metadata or {}

    def execute(self, context: Context) -> dict[str, Any]:
        lake = self.lake()
        metadata = {**identity(context).metadata(), **self.metadata}
        made = lake.save(self.branch, self.message, metadata)
        return {"commit": made or lake.commit_of(self.branch), "changed": made is not None}


class LakeFSMergeOperator(LakeFSOperator):
    """Merges a branch into another, atomically; returns `{commit, changed}`; its asset events carry them.

    A second try finds the merge of the first by the run's identity on the merge commit, also when the
    branch is gone already. Raises Conflict if both sides changed the same object.

    :param delete_source: delete the merged branch, and what was not committed on it.
    :param skip_unchanged: end as skipped where there was nothing to merge, so that no asset event is sent.
    """

    template_fields: Sequence[str] = (*LakeFSOperator.template_fields, "source", "into", "metadata")

    def __init__(
        self,
        *,
        source: str,
        into: str = "main",
        metadata: dict[str, str] | None = None,
        delete_source: bool = False,
        skip_unchanged: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.source = source
        self.into = into
        self.metadata = metadata or {}
        self.delete_source = delete_source
        self.skip_unchanged = skip_unchanged

    def execute(self, context: Context) -> dict[str, Any]:
        from include.lake.publish import publish

        published = publish(
            self.lake(),
            self.source,
            into=self.into,
            run=identity(context),
            metadata=self.metadata,
            delete_source=self.delete_source,
        )
        result = {"commit": published.commit, "changed": published.changed}
        if self.skip_unchanged and not published.changed:
            context["ti"].xcom_push("return_value", result)
            raise AirflowSkipException(f"{self.into!r} has all of {self.source!r} already")
        announce(context, {**self.metadata, **result})
        return result


class LakeFSCreateTagOperator(LakeFSOperator):
    """Tags the commit that a ref stands for unless the tag exists; returns `{tag, commit}`."""

    template_fields: Sequence[str] = (*LakeFSOperator.template_fields, "tag", "ref")

    def __init__(self, *, tag: str, ref: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.tag = tag
        self.ref = ref

    def execute(self, context: Context) -> dict[str, str]:
        try:
            return {"tag": self.tag, "commit": self.lake().tag(self.tag, self.ref)}
        except Absent as error:
            raise Misconfigured(f"ref {self.ref!r} cannot be tagged: {error}") from error
