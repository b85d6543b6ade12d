"""What a job is told, as JSON: the same words for every runtime."""

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

    job: Job = Field(description="Which job; the argument says the same.")
    pipeline: str = Field(description="The pipeline's name.")
    commit: str = Field(min_length=1, description="The commit of the lake that fixes the data.")
    until: str = Field(pattern=r"^\d{4}-\d{2}-\d{2}$", description="The last day that counts (ISO date).")
    run_key: str = Field(min_length=1, description="The same for every try; earlier success is found by it.")
    params: dict[str, Any] = Field(default_factory=dict, description="train: laid over the model's params.")
    candidate: str | None = Field(None, description="evaluate: the training run of the candidate.")
    version: int | None = Field(None, description="score, measure: the champion's version.")
    scored: str | None = Field(None, description="measure: the commit that holds the predictions.")
