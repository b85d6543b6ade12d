"""Operators of the ingest DAG: rows into a branch, checks on it, and what happens when they fail."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any

from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowSkipException

from include.contract.data import OnFailure, Reader
from include.exceptions import BadData
from millrace.hooks.sql import SqlHook
from millrace.operators.pipeline import PipelineOperator
from millrace.run import identity
from millrace.ui.links import ReportLink
from millrace.xcom import FAULT


class _BranchOperator(PipelineOperator):
    """Base of the operators that work on the days of one ingest branch."""

    template_fields: Sequence[str] = (*PipelineOperator.template_fields, "branch", "first", "last")

    def __init__(self, *, branch: str, first: str, last: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.branch = branch
        self.first = first
        self.last = last

    @property
    def days(self) -> tuple[date, date]:
        return date.fromisoformat(self.first), date.fromisoformat(self.last)


@contextmanager
def _noting_bad_data(context: Context) -> Iterator[None]:
    """Leave for `QuarantineOperator` what is wrong with data that cannot be read."""
    try:
        yield
    except BadData as fault:
        context["ti"].xcom_push(FAULT, {"reasons": [str(fault)]})
        raise


class LoadOperator(_BranchOperator):
    """Streams the source's rows of some days into a branch and commits them.

    Returns `{commit, rows, partitions, written, source_checksum}`; `written` counts the partitions whose
    content is new. Raises BadData if the source cannot be read.
    """

    def execute(self, context: Context) -> dict[str, Any]:
        from include.ingestion.load import load

        spec = self.spec()
        with _noting_bad_data(context):
            loaded = load(
                spec,
                self.table(spec),
                self.branch,
                *self.days,
                folder=self.folder,
                run=identity(context),
                sql_url=self._sql_url(spec.source.reader, spec.source.conn_id),
            )
        return loaded.to_json()

    @staticmethod
    def _sql_url(reader: Reader, conn_id: str | None) -> str | None:
        return SqlHook(str(conn_id)).url if reader is Reader.SQL else None


class ValidateOperator(_BranchOperator):
    """Runs the pipeline's suite on a branch; returns the verdict and where its report is.

    Raises BadData with the failed rules if the verdict is negative and `validation.on_failure` is not
    `warn`.
    """

    operator_extra_links = (ReportLink(),)

    def execute(self, context: Context) -> dict[str, Any]:
        from include.ingestion.check import check

        spec = self.spec()
        with _noting_bad_data(context):
            checked = check(
                spec,
                self.table(spec),
                self.branch,
                *self.days,
                folder=self.folder,
                run=identity(context),
                tracking_uri=self.tracking_uri,
            )
        for reason in checked.verdict.reasons:
            self.log.warning("%s", reason)
        if not checked.verdict.passed and spec.validation.on_failure is not OnFailure.WARN:
            context["ti"].xcom_push(FAULT, checked.to_json())
            raise BadData(
                f"{len(checked.verdict.reasons)} rule(s) failed on {self.branch!r}: "
                f"{'; '.join(checked.verdict.reasons[:10])}. Report: {checked.link}"
            )
        return checked.to_json()


class QuarantineOperator(PipelineOperator):
    """Takes a branch with bad data out of the way; returns `{branch, reasons}`.

    With `validation.on_failure: quarantine` the branch is kept as `quarantine-…`, its last commit naming
    the reasons; otherwise it is deleted. Skipped if the tasks before it failed for another cause: then
    the data is not to blame, and clearing the failed task goes on where it stopped.
    """

    template_fields: Sequence[str] = (*PipelineOperator.template_fields, "branch")

    def __init__(self, *, branch: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.branch = branch

    def execute(self, context: Context) -> dict[str, Any]:
        from include.ingestion.quarantine import quarantine

        upstream = sorted(self.upstream_task_ids)
        faults = [found for found in context["ti"].xcom_pull(task_ids=upstream, key=FAULT) or [] if found]
        if not faults:
            raise AirflowSkipException("the data is not to blame: see the log of the task that failed")
        spec, reasons = self.spec(), [str(reason) for fault in faults for reason in fault["reasons"]]
        kept = quarantine(
            self.lake(spec),
            self.branch,
            reasons=reasons,
            run=identity(context),
            keep=spec.validation.on_failure is OnFailure.QUARANTINE,
        )
        return {"branch": kept, "reasons": reasons}
