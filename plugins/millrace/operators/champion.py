"""The operator that finds the champion of a pipeline."""

from __future__ import annotations

from typing import Any

from airflow.sdk import Context

from include.tracking.registry import Alias
from millrace.operators.pipeline import PipelineOperator
from millrace.operators.short_circuit import ShortCircuitMixin


class ChampionOperator(ShortCircuitMixin, PipelineOperator):
    """Returns `{version}` of the pipeline's champion; skips what follows while there is none."""

    def execute(self, context: Context) -> dict[str, Any]:
        """Look the champion up in the registry."""
        version = self.connect_registry().version_of(self.pipeline_name, Alias.CHAMPION)
        if version is None:
            self.log.info("%r has no champion: train one with %s.train", *[self.pipeline_name] * 2)
            self.skip_downstream(context, {"version": None})
        return {"version": version}
