"""Operators of the train DAG around the jobs: pin the data, judge the candidate, register, promote."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import Context

from include.exceptions import Absent, Misconfigured, NotEnoughData
from millrace.branching import EndsEarly
from millrace.operators.pipeline import PipelineMixin, PipelineOperator
from millrace.run import announce, identity


class PinOperator(PipelineOperator):
    """Turns a ref into a commit, tags it, and says up to which day to learn; returns `{commit, until, tag}`.

    The tag derives from the run, so a second try pins the same commit even if the branch has moved on.

    :param ref: a branch, tag or commit; empty: the pipeline's branch.
    :param until: the last day to learn from (ISO date); empty: the newest partition of that commit.
    """

    template_fields: Sequence[str] = (*PipelineOperator.template_fields, "ref", "until", "tag")

    def __init__(self, *, ref: str, until: str, tag: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.ref = ref
        self.until = until
        self.tag = tag

    def execute(self, context: Context) -> dict[str, str]:
        spec = self.spec()
        table = self.table(spec)
        try:
            commit = table.lake.tag(self.tag, self.ref or spec.lake.branch)
        except Absent as error:
            raise Misconfigured(
                f"ref {self.ref!r} does not exist; give a branch, tag or commit of {spec.lake.repository!r}"
            ) from error
        days = table.days(commit)
        if not days:
            raise NotEnoughData(
                f"{spec.lake.table!r} has no partition at {commit}; run {spec.name}.ingest first"
            )
        until = min(date.fromisoformat(self.until), days[-1]) if self.until else days[-1]
        return {"commit": commit, "until": until.isoformat(), "tag": self.tag}


class GateOperator(EndsEarly, PipelineOperator):
    """Applies the pipeline's gate to the scores of an evaluation; returns the verdict.

    A negative verdict is written to the ledger, and what follows is skipped: the run stays green.

    :param scores_from: the task that returned the scores.
    """

    def __init__(self, *, scores_from: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scores_from = scores_from

    def execute(self, context: Context) -> dict[str, Any]:
        from include.promotion import judge

        verdict = judge(
            self.spec(),
            context["ti"].xcom_pull(task_ids=self.scores_from),
            tracking_uri=self.tracking_uri,
            run=identity(context),
        )
        for reason in verdict.reasons:
            self.log.info("%s", reason)
        if not verdict.passed:
            self.end_here(context, verdict.to_json())
        return verdict.to_json()


class RegisterOperator(PipelineOperator):
    """Registers a training run's model as the candidate, once; returns `{version}`.

    :param training_run: the MLflow run that trained it.
    """

    template_fields: Sequence[str] = (*PipelineOperator.template_fields, "training_run")

    def __init__(self, *, training_run: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.training_run = training_run

    def execute(self, context: Context) -> dict[str, int]:
        from include.promotion import register

        return {"version": register(self.spec(), self.training_run, tracking_uri=self.tracking_uri)}


class ApproveOperator(PipelineMixin, ApprovalOperator):
    """Asks a person whether a version may become the champion; a "no", or none in time, skips what follows.

    A "no" is a line in the ledger, and the version is no candidate any more.

    :param version: the registered version.
    """

    template_fields: Sequence[str] = (*ApprovalOperator.template_fields, "pipeline", "version")

    def __init__(self, *, pipeline: str, version: str, **kwargs: Any) -> None:
        super().__init__(defaults=[self.REJECT], **kwargs)
        self.pipeline = pipeline
        self.version = version

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        from include.promotion import decline

        if event.get("chosen_options") == [self.REJECT]:
            who = event["responded_by_user"]
            decline(
                self.spec(),
                int(self.version),
                reason=f"{who['name']} said no" if who else f"nobody answered in {self.response_timeout}",
                tracking_uri=self.tracking_uri,
                run=identity(context),
            )
        return super().execute_complete(context, event)  # skips by raising


class PromoteOperator(PipelineOperator):
    """Makes a version the champion and the champion the previous one; returns `{champion, previous}`.

    The ledger gets one line, however often the task is run.

    :param reason: why, for the ledger.
    """

    template_fields: Sequence[str] = (*PipelineOperator.template_fields, "version", "reason")

    def __init__(self, *, version: str, reason: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.version = version
        self.reason = reason

    def execute(self, context: Context) -> dict[str, int | None]:
        from include.promotion import promote

        aliases = promote(
            self.spec(),
            int(self.version),
            reason=self.reason,
            tracking_uri=self.tracking_uri,
            run=identity(context),
        )
        announce(context, {**aliases, "version": int(self.version), "reason": self.reason})
        return aliases
