"""The sensor that closes the loop: drift verdicts in, a retrain or none out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from airflow.sdk import BaseSensorOperator, Context, PokeReturnValue

from millrace.operators.pipeline import PipelineMixin
from millrace.operators.short_circuit import ShortCircuitMixin
from millrace.run import identity


class DriftSensor(ShortCircuitMixin, PipelineMixin, BaseSensorOperator):
    """Waits for a night's verdict and applies the pipeline's policy to the latest ones.

    Returns `{fire, cause, reason, drifted, verdict}`. If the policy holds, the task succeeds and what
    follows is skipped; if it fires, what follows runs with `cause` as the id of the run to start. The
    same night and champion have the same cause, so running it again never fires twice.

    :param night: the day whose verdict is needed (ISO date).
    :param version: the champion's version, whose verdicts alone count.
    """

    template_fields: Sequence[str] = ("pipeline", "night", "version")

    def __init__(self, *, pipeline: str, night: str, version: str, **kwargs: Any) -> None:
        super().__init__(**{"mode": "reschedule", "poke_interval": 60.0, "timeout": 3600.0, **kwargs})
        self.pipeline = pipeline
        self.night = night
        self.version = version

    def poke(self, context: Context) -> bool | PokeReturnValue:
        from include.monitoring.decision import decide

        judged = decide(
            self.spec(),
            tracking_uri=self.tracking_uri,
            night=date.fromisoformat(self.night),
            version=int(self.version),
            run=identity(context),
        )
        if judged is None:
            self.log.info("no verdict of %s for champion version %s yet", self.night, self.version)
            return False
        self.log.info("%s: %s", "fire" if judged["fire"] else "hold", judged["reason"])
        return PokeReturnValue(True, judged)

    def execute(self, context: Context) -> dict[str, Any]:
        judged: dict[str, Any] = super().execute(context)
        if not judged["fire"]:
            self.skip_downstream(context, judged)
        return judged
