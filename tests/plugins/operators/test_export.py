"""The task `export`: after publish, alone in being red, and skipped if nothing is to do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from airflow.sdk.exceptions import AirflowSkipException

from include.contract import loader
from include.exceptions import Misconfigured
from include.lake.client import Lake
from millrace.operators.export import ExportOperator
from tests.support.dags import dag_bag
from tests.support.exports import Exported, orders
from tests.support.pipeline import write_pipeline
from tests.support.task import Task


@pytest.fixture
def shop(tmp_path: Path, lake: Lake, connections: None, use_pipelines: Callable[[Path], None]) -> Exported:
    made = Exported(lake, tmp_path)
    use_pipelines(tmp_path / "pipelines")
    return made


def export() -> Task:
    return Task(ExportOperator(task_id="export", pipeline_name="orders"))


def test_it_returns_what_it_wrote_and_is_skipped_when_there_is_nothing(shop: Exported) -> None:
    commit = shop.put({0: orders(0)})
    assert export().run() == {"versions": 1, "version": 0, "commit": commit, "rows": 3}
    assert shop.rows() == shop.lake_rows(commit)
    with pytest.raises(AirflowSkipException, match="holds the newest commit"):
        export().run()


def test_it_brings_what_an_export_that_failed_has_left(shop: Exported) -> None:
    shop.put({0: orders(0)})
    export().run()
    commits = [shop.put({number: orders(number)}) for number in (1, 2)]
    shop.folder.rename(away := shop.parent / "away")
    shop.folder.write_text("in the way")
    with pytest.raises(Misconfigured, match="is a file"):
        export().run()
    shop.folder.unlink()
    away.rename(shop.folder)
    assert export().run()["versions"] == 2
    assert shop.commits()[1:] == commits


def test_only_pipelines_that_export_have_the_task(
    tmp_path: Path, use_pipelines: Callable[[Path], None]
) -> None:
    write_pipeline(tmp_path, "kept", exports={"delta": {"uri": "s3://warehouse/kept"}})
    write_pipeline(tmp_path, "plain", lake={"repository": "plain"})
    use_pipelines(tmp_path)
    assert loader.names(tmp_path) == ["kept", "plain"]
    dags = dag_bag().dags
    task = dags["kept.ingest"].get_task("export")
    assert (task.upstream_task_ids, task.downstream_task_ids) == ({"publish"}, set())
    assert task.trigger_rule == "none_failed"  # a publish that is skipped leaves it running
    assert "export" not in dags["plain.ingest"].task_ids
    assert dags["kept.ingest"].get_task("quarantine").upstream_task_ids == {"load", "validate"}
