"""The operator that closes MLflow runs which nobody works on any more."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from airflow.sdk import Context

from include.tracking.names import experiments
from include.tracking.owner import Owner
from millrace.operators.pipeline import PipelineOperator

_GOING_ON = ["queued", "running"]


class SweepOperator(PipelineOperator):
    """Closes the pipeline's MLflow runs that are RUNNING and whose DAG run is over; returns `{closed}`."""

    def execute(self, context: Context) -> dict[str, list[str]]:
        """Ask Airflow which runs go on, and close the rest."""
        from include.tracking.sweep import close_stale

        ti: Any = context["ti"]

        def lives(owner: Owner) -> bool | None:
            run = {"dag_id": owner.dag_id, "run_ids": [owner.run_id]}
            if not owner.run_id or not ti.get_dr_count(**run):
                return None
            return bool(ti.get_dr_count(**run, states=_GOING_ON))

        runs = experiments(self.connect_tracking(), self.pipeline_name)
        closed = close_stale(runs, lives, now=datetime.now(UTC))
        for run_log in closed:
            self.log.info("closed run %s of %s as KILLED", run_log.id, run_log.experiment.name)
        return {"closed": [run_log.id for run_log in closed]}
