"""Operators of the decide DAG: a person accepts quarantined data as it is, or discards it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowSkipException

from include.exceptions import BadData
from include.tracking.names import validation_runs
from millrace.operators.pipeline import FeedOperator
from millrace.operators.short_circuit import ShortCircuitMixin
from millrace.run import identity, set_event_extra, triggered_by
from millrace.ui.links import ReportLink
from millrace.xcom import pull_result

if TYPE_CHECKING:
    from include.ingestion.quarantined import Quarantined


class FindQuarantineOperator(ShortCircuitMixin, FeedOperator):
    """Looks up a quarantine, and skips the tasks of the other decision; returns a `Quarantined`.

    Skips all of them if an earlier try of this run has decided already. Raises Absent or Misconfigured, with
    the quarantines that there are, if the branch is none of the pipeline's, and Conflict if another run has
    decided about it.

    :param quarantine: the quarantine's branch.
    :param skipped: the task to skip: the first one of the decision that was not taken.
    """

    template_fields: Sequence[str] = (*FeedOperator.template_fields, "quarantine", "skipped")

    def __init__(self, *, quarantine: str, skipped: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.quarantine = quarantine
        self.skipped = skipped

    def execute(self, context: Context) -> dict[str, Any]:
        """Look up the quarantine."""
        from include.governance.data_decision import look_up

        pipeline = self.load_pipeline()
        table, ledger = self.feed_table(pipeline), self.connect_ledger()
        found = look_up(table, pipeline.name, self.quarantine, ledger, identity(context))
        if found is None:
            self.log.info("this run has decided about %s already", self.quarantine)
            self.skip_downstream(context, {})
            return {}
        self.log.info("%s holds %s: %s", found.branch, found.days, found.reasons)
        self.skip_downstream(context, found.to_json(), only=[self.skipped])
        return found.to_json()


class _DecisionOperator(FeedOperator):
    """Base of the operators that work on the quarantine which another task has found.

    :param found_by: the task that returned the `Quarantined`.
    """

    def __init__(self, *, found_by: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.found_by = found_by

    def quarantined(self, context: Context) -> Quarantined:
        """Return the quarantine."""
        from include.ingestion.quarantined import Quarantined

        found = pull_result(context["ti"], self.found_by)
        return Quarantined.parse(found, source=f"the result of the task {self.found_by!r}")


class ReviewOperator(_DecisionOperator):
    """Brings quarantined days to a branch of the run's own, and runs the suite on them; returns a `Review`.

    The verdict stops nothing. Raises BadData for what nobody can accept, Conflict if readers see other rows
    of the days, or other types, since.

    :param branch: the branch; it begins anew.
    """

    template_fields: Sequence[str] = (*_DecisionOperator.template_fields, "branch")
    operator_extra_links = (ReportLink(),)
    limit_key = "validation.timeout"

    def __init__(self, *, branch: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.branch = branch

    def execute(self, context: Context) -> dict[str, Any]:
        """Review the days."""
        from include.ingestion.ingestion import Ingestion
        from include.ingestion.review import review

        pipeline, quarantined = self.load_pipeline(), self.quarantined(context)
        if not (days := quarantined.all_days):
            raise BadData(f"{quarantined.branch!r} holds no day that could be accepted; discard it")
        ingestion = Ingestion(
            pipeline=pipeline,
            folder=self.folder,
            stage=self.feed_stage,
            table=self.feed_table(pipeline),
            branch=self.branch,
            first=min(days),
            last=max(days),
            run=identity(context),
        )
        validations = validation_runs(self.connect_tracking(), self.pipeline_name, self.stage)
        found = review(ingestion, quarantined, validations)
        for reason in found.reasons:
            self.log.warning("%s", reason)
        if found.without_rows:
            self.log.warning("no rows of %s, which stay as readers see them", found.without_rows)
        return found.to_json()


class AcceptOperator(_DecisionOperator):
    """Publishes the reviewed days; returns `{commit, changed}`, and is skipped if readers saw them already.

    The reason, who decided and the rules that failed are in the merge commit's metadata and in the ledger.
    Raises Conflict if another run decided first, or the days were published anew meanwhile.

    :param branch: the branch with the reviewed days.
    :param reviewed_by: the task that returned the `Review`.
    :param reason: why they are accepted.
    """

    template_fields: Sequence[str] = (*_DecisionOperator.template_fields, "branch", "reason")

    def __init__(self, *, branch: str, reviewed_by: str, reason: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.branch = branch
        self.reviewed_by = reviewed_by
        self.reason = reason

    def execute(self, context: Context) -> dict[str, Any]:
        """Publish the days."""
        from include.governance.data_decision import accept, rules_of
        from include.ingestion.review import Review

        pipeline, quarantined = self.load_pipeline(), self.quarantined(context)
        found = pull_result(context["ti"], self.reviewed_by)
        review = Review.parse(found, source=f"the result of the task {self.reviewed_by!r}")
        metadata = {
            "pipeline": pipeline.name,
            "partition": review.days,
            "rows": str(review.rows),
            "quarantine": quarantined.branch,
            "quarantine_commit": quarantined.commit,
            "failed_rules": rules_of(review),
        }
        merged = accept(
            self.feed_table(pipeline),
            quarantined,
            review,
            branch=self.branch,
            into=pipeline.lake.branch,
            reason=self.reason,
            person=triggered_by(context),
            metadata=metadata,
            ledger=self.connect_ledger(),
            run=identity(context),
        ).to_json()
        if not merged["changed"]:
            context["ti"].xcom_push("return_value", merged)
            raise AirflowSkipException(f"readers saw the rows of {quarantined.branch!r} already")
        set_event_extra(context, {**metadata, **merged, "reason": self.reason})
        return merged


class DiscardOperator(_DecisionOperator):
    """Removes a quarantine with its rows; the ledger keeps the reason and who decided.

    Raises Conflict if another run decided first.

    :param reason: why it is discarded.
    """

    template_fields: Sequence[str] = (*_DecisionOperator.template_fields, "reason")

    def __init__(self, *, reason: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.reason = reason

    def execute(self, context: Context) -> dict[str, Any]:
        """Discard the quarantine."""
        from include.governance.data_decision import discard

        quarantined = self.quarantined(context)
        discard(
            self.feed_table(self.load_pipeline()),
            quarantined,
            reason=self.reason,
            person=triggered_by(context),
            ledger=self.connect_ledger(),
            run=identity(context),
        )
        return {"quarantine": quarantined.branch, "days": quarantined.days}
