"""Job results: one record a job, parsed where a job's JSON arrives."""

from __future__ import annotations

from pydantic import Field

from include.jobs.spec import Job
from include.modelling.comparison import Scores
from include.record import Record
from include.tracking.runs import Experiment, RunLog
from include.tracking.server import TrackingServer
from include.tracking.tags import Tag


class RunResult(Record):
    """The MLflow run that a job made."""

    run_id: str = Field(description="The MLflow run that the job made.")
    link: str = Field(description="The page of the run in MLflow.")


class TrainResult(RunResult):
    """The result of `train`."""


class MeasureResult(RunResult):
    """The result of `measure`."""


class ScoreResult(Record):
    """The result of `score`."""

    commit: str = Field(
        description="The commit with the predictions; the spec's `commit` if none was missing."
    )
    days: int = Field(description="The number of days that were scored.")
    rows: int = Field(description="The number of rows that were scored.")


RESULTS: dict[Job, type[Record]] = {
    Job.TRAIN: TrainResult,
    Job.EVALUATE: Scores,
    Job.SCORE: ScoreResult,
    Job.MEASURE: MeasureResult,
}
"""What each job returns."""


def parse_result(job: Job, value: object, *, source: str) -> Record:
    """Return a job's result from decoded JSON; raises Misconfigured naming `source` and each wrong field."""
    return RESULTS[job].parse(value, source=source, remedy="see docs/job-contract.md")


def set_image(result: RunResult, server: TrackingServer, image: str, *, instead_of: str) -> bool:
    """Tag the run that a job made with its image, where the tag still holds a placeholder; whether it did."""
    run_log = RunLog(Experiment(server, ""), result.run_id)  # a tag needs no experiment
    if run_log.run.data.tags.get(Tag.IMAGE) != instead_of:
        return False
    run_log.set_tags({Tag.IMAGE: image})
    return True
