"""`python -m include.jobs` as a process of its own: what goes in, what comes out, how it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from include.jobs.env import variables
from include.jobs.spec import Job, JobSpec
from include.run_identity import RunIdentity
from include.settings import ROOT
from tests.support import lifeline
from tests.support.loop import Loop
from tests.support.pipeline import day

SLOW = '''
def build(model):
    """Something that learns for longer than anybody waits."""
    import time

    time.sleep(120)
'''


def job_variables(loop: Loop, *, seconds: int = 0, **changes: Any) -> dict[str, str]:
    """The environment of a training of the loop's pipeline."""
    spec = {
        "job": Job.TRAIN,
        "pipeline_name": loop.folder.name,
        "commit": loop.head,
        "until": day(29).isoformat(),
        "run_key": f"{loop.folder.name}.train/r1/train",
        **changes,
    }
    run = RunIdentity(dag_id=f"{loop.folder.name}.train", run_id="r1", try_number=2)
    tracking = loop.tracking
    found = variables(JobSpec(**spec), loop.lake.connection, tracking, run, seconds=seconds)
    return {**found, "MILLRACE_PIPELINES": str(loop.folder.parent), "MILLRACE_CODE_VERSION": "c0de"}


def start(environment: dict[str, str], *arguments: str) -> subprocess.Popen[str]:
    """The job's process, in the folder of its MLflow store: that is where a store keeps artifacts."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MILLRACE", "LAKECTL"))}
    return lifeline.start(
        [sys.executable, "-m", "include.jobs", *arguments],
        cwd=Path(environment["MLFLOW_TRACKING_URI"].removeprefix("sqlite:///")).parent,
        env={**kept, "PYTHONPATH": str(ROOT), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(environment: dict[str, str], *arguments: str) -> tuple[int, Any]:
    """How it ended, and its one line."""
    process = start(environment, *arguments)
    out, _ = process.communicate(timeout=120)
    [line] = out.splitlines()
    return process.returncode, json.loads(line)


def test_a_job_answers_with_one_line_as_it_does_elsewhere(loop: Loop) -> None:
    env = job_variables(loop) | {"MILLRACE_IMAGE": "millrace-job@sha256:1"}
    code, answer = run(env, "train")
    assert (code, answer) == (0, loop.run(Job.TRAIN, 29))
    tags = loop.logged(answer["run_id"]).data.tags
    assert {name: tags[name] for name in tags if name.startswith("millrace.")} == {
        "millrace.run_key": f"{loop.folder.name}.train/r1/train",
        "millrace.try": "2",
        "millrace.commit": loop.head,
        "millrace.trained_until": "2024-03-30",
        "millrace.code_version": "c0de",
        "millrace.image": "millrace-job@sha256:1",
    }


def test_the_spec_may_be_given_by_hand(loop: Loop, tmp_path: Path) -> None:
    env = job_variables(loop)
    file = tmp_path / "spec.json"
    file.write_text(env.pop("MILLRACE_JOB"))
    del env["MILLRACE_RUN"]
    code, answer = run(env, "train", "--spec", f"@{file}")
    assert (code, answer) == (0, loop.run(Job.TRAIN, 29))


@pytest.mark.parametrize(
    ("changes", "arguments", "message"),
    [
        ({}, ["fly"], "argument job: invalid choice: 'fly'"),
        ({}, ["score"], "the command names the job 'score', the spec 'train'; they have to agree"),
        ({"MILLRACE_JOB": "{"}, ["train"], "the job's spec: JSON: Invalid JSON"),
        ({"MILLRACE_RUN": "7"}, ["train"], "MILLRACE_RUN is not a run as JSON"),
        ({"MLFLOW_TRACKING_URI": ""}, ["train"], "MLFLOW_TRACKING_URI: Field required"),
        ({"MILLRACE_PIPELINES": "/nowhere"}, ["train"], "there is no pipeline"),
        ({}, ["train", "--spec", "@/nowhere"], "cannot read the spec '/nowhere'"),
    ],
    ids=["job", "other job", "json", "run", "variable", "pipeline", "file"],
)
def test_a_bad_spec_ends_it_with_64(
    loop: Loop, changes: dict[str, str], arguments: list[str], message: str
) -> None:
    code, answer = run(job_variables(loop) | changes, *arguments)
    assert (code, answer.keys()) == (64, {"error", "message"})
    assert message in answer["message"]


def test_too_little_data_ends_it_with_65(loop: Loop) -> None:
    code, answer = run(job_variables(loop, until="2030-01-01"), "train")
    assert (code, answer["error"]) == (65, "Absent")


def test_a_lake_that_is_away_ends_it_with_69(loop: Loop) -> None:
    code, answer = run(job_variables(loop) | {"LAKECTL_SERVER_ENDPOINT_URL": "http://127.0.0.1:1"}, "train")
    assert (code, answer["error"]) == (69, "Unavailable")
    assert "127.0.0.1:1" in answer["message"]


def test_model_code_that_fails_ends_it_with_70_and_its_line(loop: Loop) -> None:
    (loop.folder / "model.py").write_text("def build(model):\n    return 1 / 0\n")
    process = start(job_variables(loop), "train")
    out, err = process.communicate(timeout=120)
    assert process.returncode == 70
    answer, file = json.loads(out), loop.folder / "model.py"
    assert answer["error"] == "JobFailed"
    assert f"failed with ZeroDivisionError at {file}:2 in 'build'; correct it" in answer["message"]
    assert "return 1 / 0" in err


def test_what_nobody_foresaw_is_tried_again_as_in_a_worker(loop: Loop) -> None:
    loop.block_models()
    code, answer = run(job_variables(loop), "train")
    assert (code, answer["error"]) == (69, "Transient")
    assert "the job failed with NotADirectoryError in MlflowClient.log_model_artifacts " in answer["message"]
    assert "it is tried again; if it stays, report it as a bug" in answer["message"]


def status_of_the_only_run(loop: Loop) -> str:
    found = loop.experiment("train")
    [run] = found.client.search_runs([found.id])
    return str(run.info.status)


def test_sigterm_ends_it_and_its_run_is_killed(loop: Loop) -> None:
    (loop.folder / "model.py").write_text(SLOW)
    process = start(job_variables(loop), "train")
    deadline = time.monotonic() + 60
    while not loop.count("train") and time.monotonic() < deadline:
        time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=30)
    assert (process.returncode, out) == (143, "")
    assert status_of_the_only_run(loop) == "KILLED"


def test_a_job_that_nobody_waits_for_any_more_ends_itself(loop: Loop) -> None:
    (loop.folder / "model.py").write_text(SLOW)
    process = start(job_variables(loop, seconds=15), "train")
    process.communicate(timeout=60)
    assert process.returncode == 143
    assert status_of_the_only_run(loop) == "KILLED"


def test_no_secret_is_printed_by_its_records(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    from include.jobs import env

    for name, value in job_variables(loop).items():
        monkeypatch.setenv(name, value)
    read = env.read()
    shown = repr((read, env.services(read)))
    assert loop.lake.connection.secret_access_key not in shown
    assert env.services(read).lake == loop.lake.connection
