"""The task that finds the champion, or ends the run where there is none."""

from __future__ import annotations

import pytest
from airflow.providers.common.compat.sdk import DownstreamTasksSkipped
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG

from millrace.operators.champion import ChampionOperator
from tests.support.loop import Loop
from tests.support.models import training_run
from tests.support.task import Task


def champion(shop: Loop) -> Task:
    with DAG(f"{shop.folder.name}.monitor", schedule=None):
        task = ChampionOperator(task_id="champion", pipeline_name=shop.folder.name)
        task >> EmptyOperator(task_id="score")
    return Task(task)


def test_without_a_champion_what_follows_is_skipped(shop: Loop) -> None:
    task = champion(shop)
    with pytest.raises(DownstreamTasksSkipped) as caught:
        task.run()
    assert caught.value.tasks == ["score"]
    assert task.xcoms["champion", "return_value"] == {"version": None}


def test_the_champions_version_is_returned(shop: Loop) -> None:
    version = shop.promote(training_run(shop.tracking))
    assert champion(shop).run() == {"version": version}
