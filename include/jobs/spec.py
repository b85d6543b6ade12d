"""The job specification: what a job is to do, the same JSON for every runtime."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Job(StrEnum):
    """The jobs of a pipeline."""

    TRAIN = "train"
    EVALUATE = "evaluate"
    SCORE = "score"
    MEASURE = "measure"


class JobSpec(BaseModel):
    """One job to run. `commit` fixes the data, `until` is the last day that counts (ISO date)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    job: Job = Field(description="The job; equal to the container's argument.")
    pipeline_name: str = Field(description="The name of the pipeline.")
    commit: str = Field(min_length=1, description="The commit of the lake that fixes the data.")
    until: str = Field(pattern=r"^\d{4}-\d{2}-\d{2}$", description="The last day that counts (ISO date).")
    run_key: str = Field(
        min_length=1, description="The same for every try: finds what an earlier try finished."
    )
    params: dict[str, Any] = Field(default_factory=dict, description="train: overrides `model.params`.")
    candidate: str | None = Field(None, description="evaluate: the MLflow run of the candidate.")
    version: int | None = Field(None, description="score, measure: the champion's version.")
    predictions_commit: str | None = Field(
        None, description="measure: the commit that holds the predictions; absent: `commit`."
    )
