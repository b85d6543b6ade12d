"""Operators of the train DAG after the jobs: the gate, the registration, the approval, the promotion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import Context

from include.tracking.names import training_runs
from millrace.operators.pipeline import PipelineMixin, PipelineOperator
from millrace.operators.short_circuit import ShortCircuitMixin
from millrace.run import identity, set_event_extra
from millrace.xcom import pull_result

if TYPE_CHECKING:
    from include.modelling.comparison import Scores


class GateOperator(ShortCircuitMixin, PipelineOperator):
    """Applies the pipeline's gate to the scores of an evaluation; returns the verdict.

    A negative verdict is written to the ledger, and what follows is skipped: the run stays green.

    :param scores_from: the task that returned the scores.
    """

    def __init__(self, *, scores_from: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scores_from = scores_from

    def execute(self, context: Context) -> dict[str, Any]:
        """Decide, and end the run where the verdict is negative."""
        from include.governance.promotion import evaluate_gate

        scores, pipeline = _scores(context, self.scores_from), self.load_pipeline()
        verdict = evaluate_gate(pipeline, scores, ledger=self.connect_ledger(), run=identity(context))
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
        """Register the model."""
        registry = self.connect_registry()
        training_run = training_runs(registry.server, self.pipeline_name).open_run(self.training_run)
        return {"version": registry.register(self.pipeline_name, training_run)}


class ApproveOperator(PipelineMixin, ApprovalOperator):
    """Requests a person's approval of a version; a refusal, or no response in time, skips what follows.

    A refusal is an entry in the ledger, and the version loses its alias `candidate`.

    :param version: the registered version.
    """

    template_fields: Sequence[str] = (*ApprovalOperator.template_fields, "pipeline_name", "version")

    def __init__(self, *, version: str, **kwargs: Any) -> None:
        super().__init__(defaults=[self.REJECT], **kwargs)
        self.version = version

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Take the response."""
        from include.governance.promotion import refuse

        if event.get("chosen_options") == [self.REJECT]:
            person = event["responded_by_user"]
            refuse(
                self.pipeline_name,
                int(self.version),
                person=person["name"] if person else None,
                waited=self.response_timeout,
                registry=self.connect_registry(),
                ledger=self.connect_ledger(),
                run=identity(context),
            )
        return super().execute_complete(context, event)  # skips by raising


class PromoteOperator(PipelineOperator):
    """Makes a version the champion and the champion the previous one; returns a `Promotion`.

    The ledger gets one entry, however often the task is run. Raises Conflict if the champion is another
    version than the gate compared with.

    :param version: the registered version.
    :param scores_from: the task that returned the scores.
    :param reason: why, for the ledger.
    """

    template_fields: Sequence[str] = (*PipelineOperator.template_fields, "version", "reason")

    def __init__(self, *, version: str, scores_from: str, reason: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.version = version
        self.scores_from = scores_from
        self.reason = reason

    def execute(self, context: Context) -> dict[str, Any]:
        """Promote the version, and put it on the asset event."""
        from include.governance.promotion import promote

        scores = _scores(context, self.scores_from)
        promotion = promote(
            self.pipeline_name,
            int(self.version),
            compared_with=scores.champion_version,
            no_comparison=scores.no_comparison,
            reason=self.reason,
            registry=self.connect_registry(),
            ledger=self.connect_ledger(),
            run=identity(context),
        ).to_json()
        set_event_extra(context, {**promotion, "version": int(self.version), "reason": self.reason})
        return promotion


def _scores(context: Context, task_id: str) -> Scores:
    """Return the scores that a task of this run returned."""
    from include.modelling.comparison import Scores

    return Scores.parse(pull_result(context["ti"], task_id), source=f"the result of the task {task_id!r}")
