"""What docs/job-contract.md says that jobs leave, and what they have left, in the same words."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable
from typing import Any

import pyarrow.parquet as pq
from mlflow.artifacts import list_artifacts

from include.jobs.results import RESULTS
from include.jobs.spec import Job
from include.settings import ROOT
from include.tracking.tags import PREFIX
from tests.support.loop import DAYS, Loop
from tests.support.pipeline import day

Left = set[tuple[str, str]]
"""Kind and name of each thing: ("tag", "millrace.trained_until")."""

PAGE = (ROOT / "docs/job-contract.md").read_text()
_FEATURES = ["amount", "weight", "kind"]
_MEANING = {
    "<metric>": ["roc_auc"],
    "<parameter>": ["C"],
    "<column>": [*_FEATURES, "prediction", "returned"],
    "<feature>": _FEATURES,
    "<time>": ["time"],
}
_ROW = re.compile(r"^\| ([\w ]+) \| `([^`]+)` \|.*\| (.*)\|$", re.MULTILINE)
_OBJECT = "<pipeline>_predictions/dt=<day>/v<version>-<content>.parquet"


def documented(job: Job, *, needed: bool = False) -> Left:
    """The page's rows of a job, placeholders filled in; if `needed`, those that an image cannot leave out."""
    section = PAGE.partition(f"\n### `{job.value}`\n")[2].partition("\n<!--")[0]
    rows = _ROW.findall(section)
    assert len(rows) == len(re.findall(r"^\|", section, re.MULTILINE)) - 2, "a row that cannot be read"
    rows = [row for row in rows if row[0] != "reads"]
    return {
        (kind, name)
        for kind, pattern, by in rows
        if not (needed and by.startswith(("people", "its own")))
        for name in _filled(pattern)
    } | {
        ("result", name)
        for name, field in RESULTS[job].model_fields.items()
        if field.is_required() or not needed
    }


def _filled(pattern: str) -> Iterable[str]:
    for word, values in _MEANING.items():
        if word in pattern:
            return [pattern.replace(word, value) for value in values]
    return [pattern]


def missing(loop: Loop, answers: dict[Job, dict[str, Any]]) -> dict[Job, Left]:
    """What an image had to leave and did not, by the answers of its jobs."""
    trained, measured = answers[Job.TRAIN]["run_id"], answers[Job.MEASURE]["run_id"]
    training = of_run(loop, trained, "train") | of_model(loop, trained)
    left = {
        Job.TRAIN: training,
        Job.EVALUATE: training,
        Job.SCORE: of_lake(loop, answers[Job.SCORE]["commit"]),
        Job.MEASURE: of_run(loop, measured, "monitor"),
    }
    lacks = {job: documented(job, needed=True) - left[job] - of_answer(answers[job]) for job in Job}
    return {job: found for job, found in lacks.items() if found}


def of_answer(answer: dict[str, Any]) -> Left:
    return {("result", name) for name in answer}


def of_run(loop: Loop, run_id: str, stage: str) -> Left:
    """What an MLflow run holds."""
    run, client = loop.logged(run_id, stage), loop.experiment(stage).client
    named = {
        "tag": [name for name in run.data.tags if name.startswith(PREFIX)],
        "metric": run.data.metrics,
        "param": run.data.params,
        "artifact": [item.path for item in client.list_artifacts(run_id)],
        "dataset": [tag.value for given in run.inputs.dataset_inputs for tag in given.tags],
    }
    return {(kind, name) for kind, names in named.items() for name in names}


def of_model(loop: Loop, run_id: str) -> Left:
    """The model that a training run names as its output."""
    trainings = loop.experiment("train")
    found = trainings.client.get_logged_model(trainings.open_run(run_id).model_id)
    files = list_artifacts(artifact_uri=found.artifact_location, tracking_uri=loop.tracking.uri)
    names = [file.path.rpartition("/")[2] for file in files]
    return {("output", found.name), *(("model file", name) for name in names if name == "model.skops")}


def of_lake(loop: Loop, commit: str, version: int = 1) -> Left:
    """The predictions of the last day at a commit, and what the commit says."""
    last = day(DAYS - 1)
    [item] = loop.predictions.parts(commit, last, last)[last]
    shape = re.escape(f"{loop.pipeline.name}_predictions/dt={last}/v{version}-") + r"[0-9a-f]{12}\.parquet"
    names = {
        "object": [_OBJECT if re.fullmatch(shape, item.path) else item.path],
        "column": pq.read_schema(io.BytesIO(loop.lake.download(commit, item.path))).names,
        "metadata": [
            name for name in loop.lake.get_commit(commit).metadata if not name.startswith(".lakefs")
        ],
    }
    return {(kind, name) for kind, found in names.items() for name in found}
