"""The DAGs that the files in `dags/` build, so that no test has to list pipelines or stages."""

from __future__ import annotations

from typing import Any

from include.settings import ROOT

STAGES = tuple(sorted(file.stem for file in (ROOT / "dags").glob("*.py") if file.stem != "contract_errors"))
"""The stages of a pipeline, each with a DAG file of its name."""

ALWAYS = tuple(stage for stage in STAGES if "labels" not in stage)
"""Those that every pipeline has, whatever its contract says."""


def dag_bag() -> Any:
    """Parse every DAG file as Airflow does."""
    from airflow.dag_processing.dagbag import DagBag

    return DagBag(ROOT / "dags")


def stages_of(dags: dict[str, Any]) -> set[str]:
    """Return the part of each DAG id behind the pipeline's name."""
    return {dag_id.partition(".")[2] for dag_id in dags}
