"""Names in MLflow: the experiments of a pipeline, and the artifacts and metrics that steps hand on."""

from __future__ import annotations

from enum import StrEnum

from include.tracking.runs import Experiment
from include.tracking.server import TrackingServer


class Artifact(StrEnum):
    """Files of a run that are read again, by a step or by people."""

    FEATURES = "features.json"
    """The features of a training. A parameter would be cut: MLflow keeps 6,000 characters of one."""
    REFERENCE = "reference.parquet"
    """A bounded sample of the rows that a model was fitted on."""
    SLICES = "slices.json"
    MODEL_CARD = "model_card.html"
    DRIFT_REPORT = "drift.html"
    VALIDATION_REPORT = "validation.html"
    VERDICT = "verdict.json"
    DETAILS = "details.json"
    """The evidence behind an entry of the ledger."""


LATENCY = "latency_ms"
"""Metric: time of a prediction for one row, in ms; also the commit metadata key written by `score`."""
ROWS = "rows"
"""Metric with the number of rows in a monitoring window."""


def held_out_metric(metric: str) -> str:
    """Return the name of the metric that holds a candidate's own score on its held-out rows."""
    return f"held_out.{metric}"


def experiments(server: TrackingServer, pipeline_name: str) -> list[Experiment]:
    """Return all experiments of a pipeline."""
    kinds = (training_runs, monitoring_runs, ledger_runs)
    validations = [validation_runs(server, pipeline_name, stage) for stage in ("ingest", "labels")]
    return [*validations, *(kind(server, pipeline_name) for kind in kinds)]


def validation_runs(server: TrackingServer, pipeline_name: str, stage: str = "ingest") -> Experiment:
    """Return the experiment with the validations of what a pipeline's stage ingests: rows or labels."""
    return Experiment(server, f"{pipeline_name}.{stage}")


def training_runs(server: TrackingServer, pipeline_name: str) -> Experiment:
    """Return the experiment with the trainings of a pipeline."""
    return Experiment(server, f"{pipeline_name}.train")


def monitoring_runs(server: TrackingServer, pipeline_name: str) -> Experiment:
    """Return the experiment with the monitoring runs of a pipeline."""
    return Experiment(server, f"{pipeline_name}.monitor")


def ledger_runs(server: TrackingServer, pipeline_name: str) -> Experiment:
    """Return the experiment that holds the ledger of a pipeline."""
    return Experiment(server, f"{pipeline_name}.ledger")
