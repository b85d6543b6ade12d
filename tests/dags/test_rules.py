"""House rules over every DAG. A message names the DAG, the task and the way out."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from include.contract import loader
from include.settings import settings
from millrace.dags.retries import RETRY_POLICY
from tests.support.dags import dag_bag, stages_of

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "dags").rglob("*.py"))


@pytest.fixture(scope="module")
def bag() -> Any:
    return dag_bag()


def test_the_bag_holds_every_stage_of_every_pipeline(bag: Any) -> None:
    assert bag.import_errors == {}
    names = loader.names(settings().pipelines)
    assert names
    assert bag.dags
    assert set(bag.dags) == {f"{name}.{stage}" for name in names for stage in stages_of(bag.dags)}


def test_every_stage_is_a_file_of_its_name(bag: Any) -> None:
    for dag in bag.dags.values():
        stage = dag.dag_id.partition(".")[2]
        assert Path(dag.fileloc).stem == stage, f"{dag.dag_id}: build it in dags/{stage}.py"


def test_every_stage_is_tried_by_contract_errors(bag: Any) -> None:
    tried = (ROOT / "dags/contract_errors.py").read_text()
    for stage in stages_of(bag.dags):
        assert f'"{stage}"' in tried, f"{stage}: add it to STAGES of dags/contract_errors.py"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_airflows_safe_mode_reads_every_file(file: Path) -> None:
    """Airflow's default: a file without the words "airflow" and "dag" (or "asset") is skipped silently.

    Both count anywhere in the file and in any case: an import from `airflow.sdk` and a name such as
    `stage_dag` are enough.
    """
    from airflow.utils.file import might_contain_dag

    assert might_contain_dag(str(file), safe_mode=True), f"{file}: neither imports airflow nor names a DAG"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_no_dag_file_imports_the_library_itself(file: Path) -> None:
    """The project's folder need not be on Python's path: importing `millrace` makes `include` importable."""
    found = re.findall(r"^\s*(?:from|import) include\b.*", file.read_text(), re.MULTILINE)
    assert found == [], f"{file}: import it from millrace"


def test_every_dag_tells_what_it_is_for(bag: Any) -> None:
    for dag in bag.dags.values():
        for part in ("**Produces**", "**Flow**", "**Run again**"):
            assert part in (dag.doc_md or ""), f"{dag.dag_id}: its docstring lacks {part}"
        assert "{pipeline}" not in dag.doc_md, f"{dag.dag_id}: doc_md holds an unfilled name"


def test_every_dag_has_an_owner_tags_and_a_bound_of_runs(bag: Any) -> None:
    for dag in bag.dags.values():
        assert set(dag.dag_id.split(".")) <= set(dag.tags), f"{dag.dag_id}: tags"
        assert dag.max_active_runs <= 4, f"{dag.dag_id}: set max_active_runs"
        assert not dag.catchup or dag.start_date, f"{dag.dag_id}: catchup needs schedule.since"
        assert not dag.is_paused_upon_creation, f"{dag.dag_id}: cron schedules are on"


def test_every_task_fails_by_kind(bag: Any) -> None:
    for dag in bag.dags.values():
        for task in dag.tasks:
            where = f"{dag.dag_id}.{task.task_id}"
            assert task.owner not in ("", "airflow"), f"{where}: owner comes from pipeline.yaml"
            assert task.retry_policy is RETRY_POLICY, f"{where}: use millrace.dags.builder.stage_dag"
            assert task.retries > 0, f"{where}: transient failures need retries"
            assert task.retry_delay > timedelta(0), f"{where}: a retry needs a wait"


def test_every_param_refuses_rubbish(bag: Any) -> None:
    for dag in bag.dags.values():
        for name, param in dag.params.items():
            schema = dag.params.get_param(name).schema
            assert "type" in schema, f"{dag.dag_id}: param {name!r} ({param!r}) needs a type"


def test_sensors_free_their_worker_slot(bag: Any) -> None:
    sensors = [task for dag in bag.dags.values() for task in dag.tasks if hasattr(task, "poke")]
    assert sensors
    for task in sensors:
        assert task.mode == "reschedule", f"{task.dag_id}.{task.task_id}: mode='reschedule'"
        assert task.timeout <= 86_400, f"{task.dag_id}.{task.task_id}: a sensor must give up within a day"


def test_what_is_published_is_announced_as_an_asset(bag: Any) -> None:
    outlets = {
        f"{dag.dag_id}.{task.task_id}": [asset.uri for asset in task.outlets]
        for dag in bag.dags.values()
        for task in dag.tasks
        if task.outlets
    }
    for pipeline in loader.valid(settings().pipelines):
        name, lake = pipeline.name, pipeline.lake
        table = f"lakefs://{lake.repository}/{lake.branch}/{lake.table}"
        assert outlets[f"{name}.ingest.publish"] == [table]
        assert outlets[f"{name}.train.promote"] == [f"mlflow://{name}/"]  # Airflow adds the slash
