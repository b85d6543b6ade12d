"""Operators of the ingest DAG: rows into a branch, checks on it, and what happens when they fail."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING, Any

from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowSkipException

from include.contract import loader
from include.contract.data import Reader, Source
from include.contract.feed import Stage
from include.exceptions import Absent, BadData, Conflict
from include.lake.table import Table
from include.settings import settings
from include.tracking.names import validation_runs
from millrace.hooks.sql import SqlHook
from millrace.operators.lakefs import LakeFSCreateBranchOperator, LakeFSMergeOperator
from millrace.operators.pipeline import FeedOperator
from millrace.run import identity
from millrace.ui.links import ReportLink
from millrace.xcom import FAULT, pull_result

if TYPE_CHECKING:
    from include.ingestion.ingestion import Ingestion


class _BranchOperator(FeedOperator):
    """Base of the operators that work on the days of one ingest branch.

    :param branch: the branch.
    :param first: the first day (ISO date).
    :param last: the last day, included.
    :param new_from: the first day that no earlier run has read; default: all days are new.
    """

    template_fields: Sequence[str] = (
        *FeedOperator.template_fields, "branch", "first", "last", "new_from"
    )  # fmt: skip

    def __init__(
        self,
        *,
        branch: str,
        first: str,
        last: str,
        new_from: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.branch = branch
        self.first = first
        self.last = last
        self.new_from = new_from

    def ingestion(self, context: Context) -> Ingestion:
        """Return what the steps of this run's ingestion share."""
        from include.ingestion.ingestion import Ingestion

        pipeline = self.load_pipeline()
        return Ingestion(
            pipeline=pipeline,
            stage=self.feed_stage,
            folder=self.folder,
            table=self.feed_table(pipeline),
            branch=self.branch,
            first=date.fromisoformat(self.first),
            last=date.fromisoformat(self.last),
            run=identity(context),
            new_from=date.fromisoformat(self.new_from) if self.new_from else None,
        )


@contextmanager
def _recording_bad_data(context: Context) -> Iterator[None]:
    """Leave for `QuarantineOperator` what is wrong with data that cannot be read."""
    try:
        yield
    except BadData as fault:
        context["ti"].xcom_push(FAULT, {"reasons": [str(fault)]})
        raise


class OpenBranchOperator(LakeFSCreateBranchOperator):
    """Creates the branch of an ingest run; returns `{branch, commit}`.

    The repository of a new pipeline is created first, if the connection names the `storage` for it.
    """

    def execute(self, context: Context) -> dict[str, str]:
        """Create the branch, and the repository where it is missing."""
        try:
            return super().execute(context)
        except Absent:
            if not self.hook.storage:
                raise
        self.lake().ensure_repository_below(self.hook.storage, self.source)
        return super().execute(context)


class LoadOperator(_BranchOperator):
    """Streams the source's rows of some days into a branch and commits them; returns a `LoadResult`.

    Raises BadData if the source cannot be read.
    """

    limit_key = "source.timeout"
    limit_remedy = "ingest fewer days in a run"

    def execute(self, context: Context) -> dict[str, Any]:
        """Load the days."""
        from include.ingestion.load import load

        ingestion = self.ingestion(context)
        with _recording_bad_data(context):
            return load(ingestion, sql_url=_sql_url(ingestion.feed.source)).to_json()


class ValidateOperator(_BranchOperator):
    """Runs the pipeline's suite on a branch; returns a `ValidationResult`.

    With `validation.publish: good_partitions`, bad days are put back to what readers see, and kept in a
    quarantine. Raises BadData with the failed rules if the verdict is negative, no day could be left out and
    `validation.on_failure` is not `warn`.

    :param loaded: the commit with the rows of the source; default: the branch's last one.
    :param base: the commit that the branch began with; default: the last one that it shares with readers.
    """

    template_fields: Sequence[str] = (*_BranchOperator.template_fields, "loaded", "base")
    operator_extra_links = (ReportLink(),)
    limit_key = "validation.timeout"
    limit_remedy = "ingest fewer days in a run"

    def __init__(self, *, loaded: str = "", base: str = "", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.loaded = loaded
        self.base = base

    def execute(self, context: Context) -> dict[str, Any]:
        """Check the days, and fail for a negative verdict."""
        from include.ingestion.check import check, require

        ingestion = self.ingestion(context)
        with _recording_bad_data(context):
            validations = validation_runs(self.connect_tracking(), self.pipeline_name, self.stage)
            result = check(ingestion, validations, loaded=self.loaded, base=self.base)
        for reason in result.reasons:
            self.log.warning("%s", reason)
        try:
            require(result, ingestion)
        except BadData:
            context["ti"].xcom_push(FAULT, result.to_json())
            raise
        return result.to_json()


class PublishOperator(LakeFSMergeOperator):
    """Merges the branch of an ingest run; returns `{commit, changed}`, and is skipped if nothing changed.

    Raises Misconfigured if another pipeline has published the table since this run loaded it: of two that
    write the same new table at once, `load` can refuse neither. Raises Conflict if `evolve` or another run
    has published other types meanwhile.

    :param pipeline_name: the pipeline's name.
    :param stage: the ingestion: of rows or of labels.
    """

    template_fields: Sequence[str] = (*LakeFSMergeOperator.template_fields, "pipeline_name")

    def __init__(self, *, pipeline_name: str, stage: str = Stage.INGEST.value, **kwargs: Any) -> None:
        super().__init__(delete_source=True, skip_unchanged=True, **kwargs)
        self.pipeline_name = pipeline_name
        self.stage = stage

    def execute(self, context: Context) -> dict[str, Any]:
        """Merge, unless the table has become that of another pipeline."""
        from include.ingestion.agree import agree, check_types

        folder = settings().pipelines
        feed = loader.load(folder / self.pipeline_name).feed(Stage(self.stage))
        table = Table(self.lake(), feed.table)
        table.check_writer(self.into, self.pipeline_name, loader.names(folder))
        check_types(table, self.source, self.into)
        try:
            return super().execute(context)
        except Conflict:
            metadata = {**identity(context).metadata(), **self.metadata}
            if not agree(table, self.source, self.into, metadata):
                raise
        return super().execute(context)


class QuarantineOperator(_BranchOperator):
    """Takes a branch with bad data out of the way; returns a `QuarantineResult`.

    With `validation.on_failure: quarantine` the branch is kept as `quarantine-…`, its last commit naming
    the reasons; otherwise it is deleted. Skipped if the tasks before it failed for another cause: then
    the data is not to blame, and clearing the failed task goes on where it stopped.
    """

    def execute(self, context: Context) -> dict[str, Any]:
        """Quarantine the branch for the faults that the tasks before left."""
        from include.ingestion.quarantine import quarantine

        upstream = sorted(self.upstream_task_ids)
        faults = [fault for fault in context["ti"].xcom_pull(task_ids=upstream, key=FAULT) or [] if fault]
        if not faults:
            raise AirflowSkipException("the data is not to blame: see the log of the task that failed")
        reasons = [str(text) for fault in faults for text in fault["reasons"]]
        # Rows that cannot be read have no report.
        report = next((str(fault["link"]) for fault in faults if "link" in fault), "")
        return quarantine(self.ingestion(context), reasons=reasons, report=report).to_json()


class ReportBadDaysOperator(FeedOperator):
    """Fails if `validate` left days out, after the good ones are published, until a person has decided.

    Raises BadData with the days, their quarantine and the failed rules; it passes once the quarantine is
    gone, as its rows were accepted or discarded.

    :param checked_by: the task that returned the `ValidationResult`.
    """

    operator_extra_links = (ReportLink(),)

    def __init__(self, *, checked_by: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.checked_by = checked_by

    def execute(self, context: Context) -> dict[str, Any]:
        """Report the days."""
        from include.ingestion.check import require_all
        from include.ingestion.results import ValidationResult

        found = pull_result(context["ti"], self.checked_by)
        result = ValidationResult.parse(found, source=f"the result of the task {self.checked_by!r}")
        context["ti"].xcom_push(FAULT, {"reasons": list(result.reasons), "link": result.link})
        pipeline = self.load_pipeline()
        require_all(result, pipeline.feed(self.feed_stage), self.connect_lake(pipeline))
        return {"left_out": ""}


def _sql_url(source: Source) -> str | None:
    return SqlHook(str(source.conn_id)).url if source.reader is Reader.SQL else None
