"""Operators of the train DAG around the jobs: pin the data, judge the candidate, register, promote."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import Context

from millrace.operators.pipeline import PipelineMixin, PipelineOperator
from millrace.operators.short_circuit import ShortCircuitMixin
from millrace.run import identity, set_event_extra


class GateOperator(ShortCircuitMixin, PipelineOperator):
    """Applies the pipeline's gate to the scores of an evaluation; returns the verdict.

    A negative verdict is written to the ledger, and what follows is skipped: the run stays green.

    :param scores_from: the task that returned the scores.
    """

    def __init__(self, *, scores_from: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scores_from = scores_from

    def execute(self, context: Context) -> dict[str, Any]:
        from include.governance.promotion import evaluate_gate

        verdict = evaluate_gate(
            self.spec(),
            context["ti"].xcom_pull(task_ids=self.scores_from),
            tracking_uri=self.tracking_uri,
            run=identity(context),
        )
        for reason in verdict.reasons:
            self.log.info("%s", reason)
        if not verdict.passed:
            self.skip_downstream(context, verdict.to_json())
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
        from include.governance.promotion import register

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
        from include.governance.promotion import reject

        if event.get("chosen_options") == [self.REJECT]:
            who = event["responded_by_user"]
            reject(
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
        from include.governance.promotion import promote

        aliases = promote(
            self.spec(),
            int(self.version),
            reason=self.reason,
            tracking_uri=self.tracking_uri,
            run=identity(context),
        )
        set_event_extra(context, {**aliases, "version": int(self.version), "reason": self.reason})
        return aliases
