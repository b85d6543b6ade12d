"""The sensor that closes the loop: verdicts of monitoring days in, a retrain or none out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from airflow.sdk import BaseSensorOperator, Context, PokeReturnValue

from include.tracking.names import monitoring_runs
from millrace.operators.pipeline import PipelineMixin
from millrace.operators.short_circuit import ShortCircuitMixin
from millrace.run import identity


class DriftSensor(ShortCircuitMixin, PipelineMixin, BaseSensorOperator):
    """Waits for a day's verdict and applies the pipeline's policy to the latest ones.

    Returns a `RetrainDecision`. If the policy holds, the task succeeds and what follows is skipped; if it
    retrains, what follows runs with `cause` as the id of the run to start. The same day and champion have the
    same cause, so running it again never retrains twice.

    :param as_of: the day whose verdict is needed (ISO date).
    :param version: the champion's version; other versions' verdicts do not count.
    """

    template_fields: Sequence[str] = ("pipeline_name", "as_of", "version")

    def __init__(self, *, as_of: str, version: str, **kwargs: Any) -> None:
        super().__init__(**{"mode": "reschedule", "poke_interval": 60.0, "timeout": 3600.0, **kwargs})
        self.as_of = as_of
        self.version = version

    def poke(self, context: Context) -> bool | PokeReturnValue:
        """Decide, unless the day has no verdict yet."""
        from include.monitoring.decision import decide
        from include.monitoring.history import MonitoringHistory

        decision = decide(
            self.load_pipeline(),
            MonitoringHistory(monitoring_runs(self.connect_tracking(), self.pipeline_name)),
            self.connect_ledger(),
            as_of=date.fromisoformat(self.as_of),
            version=int(self.version),
            run=identity(context),
        )
        if decision is None:
            self.log.info("no verdict of %s for champion version %s yet", self.as_of, self.version)
            return False
        self.log.info("%s: %s", "retrain" if decision.retrain else "hold", decision.reason)
        return PokeReturnValue(True, decision.to_json())

    def execute(self, context: Context) -> dict[str, Any]:
        """Wait, decide, and end the run where the policy holds."""
        decision: dict[str, Any] = super().execute(context)
        if not decision["retrain"]:
            self.skip_downstream(context, decision)
        return decision
