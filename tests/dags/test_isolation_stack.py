"""One pipeline never reaches another: a stack starts with a broken one, names it, and runs the others."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

import pytest

from tests.support.broken import ON_A_STACK
from tests.support.dags import ALWAYS
from tests.support.faults import wait_until
from tests.support.pipeline import write_pipeline
from tests.support.stack import RunningStack, database_folder, run_stack

pytestmark = [pytest.mark.stack, pytest.mark.timeout(1200)]

NAMES = ("alpha", "middle", "zulu")
OTHERS = {f"{name}.{stage}" for name in ("alpha", "zulu") for stage in ALWAYS}


def write_good(folder: Path, name: str) -> Path:
    lake = {"table": name, "repository": name}
    return write_pipeline(folder, name, lake=lake, schedule={"ingest": None, "monitor": None})


def restore(folder: Path) -> None:
    folder.unlink() if folder.is_symlink() else shutil.rmtree(folder)
    write_good(folder.parent, folder.name)


def active(running: RunningStack) -> set[str]:
    return {dag.dag_id for dag in running.airflow._api("DAGApi").get_dags().dags}


def report(running: RunningStack) -> str:
    errors = running.airflow._api("ImportErrorApi").get_import_errors().import_errors
    assert {Path(error.filename).name for error in errors} <= {"contract_errors.py"}
    return "\n".join(error.stack_trace for error in errors)


def names(running: RunningStack, message: str) -> bool:
    return message in report(running)


def test_a_stack_starts_names_the_broken_pipeline_and_keeps_the_others(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with database_folder() as folder:
        pipelines = folder / "pipelines"
        broken = [write_good(pipelines, name) for name in NAMES][1]
        ON_A_STACK["is not a regular file"](broken)
        with run_stack(pipelines=pipelines) as running:
            assert f"{broken}/pipeline.yaml: 1 fault(s)" in capfd.readouterr().err
            for name in ("alpha", "zulu"):
                assert running.lake(name).ref_exists("main")
                running.airflow.wait_for_dag(f"{name}.monitor")
            for message, break_it in ON_A_STACK.items():
                restore(broken)
                break_it(broken)
                wait_until(partial(names, running, message))
                assert f"{broken}/" in report(running)
                assert active(running) >= OTHERS
            restore(broken)
            wait_until(lambda: report(running) == "")
