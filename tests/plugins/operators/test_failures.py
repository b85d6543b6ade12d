"""The first error in the log of a failed task is its message, and a time limit names its key."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, BaseOperator
from airflow.sdk.exceptions import AirflowSkipException, AirflowTaskTimeout
from airflow.sdk.execution_time.timeout import timeout
from structlog.testing import capture_logs

from include.exceptions import Absent, JobFailed, MillraceError, Misconfigured
from include.lake.client import Lake
from millrace.dags.params import check_conf
from millrace.operators.failures import FailureMixin
from millrace.operators.ingest import LoadOperator
from millrace.operators.lakefs import LakeFSGetRefOperator
from millrace.operators.snapshot import PinOperator
from millrace.runtimes.process import ProcessJobOperator
from millrace.sensors.lakefs import LakeFSCommitSensor
from millrace.sensors.partition import PartitionSensor
from tests.support.task import Task

ENDLESS = "    import time\n    while True:\n        time.sleep(0.01)\n"
DAYS = {"branch": "ingest-x", "first": "2024-03-01", "last": "2024-03-01"}


def failing(context: Any) -> Any:
    raise Absent("the result of 'load' is missing; clear 'load'")


def pin(**given: Any) -> PinOperator:
    return PinOperator(
        task_id="pin", **{"pipeline_name": "no_such", "ref": "", "until": "", "tag": "t", **given}
    )


TASKS: dict[str, Callable[[Lake], Any]] = {
    "a task of a pipeline": lambda lake: pin(),
    "a job": lambda lake: ProcessJobOperator(
        task_id="train", pipeline_name="no_such", job="train", job_args={"commit": "c", "until": "2024-03-30"}
    ),
    "a sensor of a pipeline": lambda lake: PartitionSensor(
        task_id="wait", pipeline_name="no_such", day="2024-03-01"
    ),
    "an operator of the lake": lambda lake: LakeFSGetRefOperator(
        task_id="get", repository=lake.repository, ref="no-such"
    ),
    "a sensor of the lake": lambda lake: LakeFSCommitSensor(task_id="wait", ref="main"),
}


def errors(logged: list[Any]) -> list[str]:
    return [event["event"] for event in logged if event["log_level"] == "error"]


@pytest.mark.parametrize("make", TASKS.values(), ids=TASKS)
def test_the_message_is_logged_first_and_once(
    make: Callable[[Lake], Any],
    lake: Lake,
    connections: None,
    tmp_path: Path,
    use_pipelines: Callable[[Path], None],
) -> None:
    use_pipelines(tmp_path)
    task = make(lake)
    with pytest.raises(MillraceError) as caught, capture_logs() as logged:
        Task(task).run()
    assert errors(logged) == [str(caught.value)]


def test_a_template_that_fails_is_reported() -> None:
    with DAG("orders.train", schedule=None, user_defined_macros={"result": failing}) as dag:
        task = pin(ref="{{ result('load').commit }}")
    with pytest.raises(Absent) as caught, capture_logs() as logged:
        task.render_template_fields({"dag": dag, "task": task}, dag.get_template_env())
    assert errors(logged) == [str(caught.value)]


def test_what_comes_back_from_the_triggerer_is_reported() -> None:
    sensor = LakeFSCommitSensor(task_id="wait", repository="r", ref="main")
    event = {"error": "Misconfigured", "message": "the lake refused; correct it"}
    with pytest.raises(Misconfigured), capture_logs() as logged:
        sensor.resume_execution("execute_complete", {"event": event}, {})
    assert errors(logged) == ["the lake refused; correct it"]


def test_a_wrong_conf_is_reported() -> None:
    from types import SimpleNamespace

    with DAG("orders.train", schedule=None, params={"until": None}) as dag:
        task = pin()
    context = {"task": task, "dag": dag, "dag_run": SimpleNamespace(conf={"unitl": "x"})}
    with pytest.raises(Misconfigured) as caught, capture_logs() as logged:
        check_conf(context)
    assert errors(logged) == [str(caught.value)]


def every_class() -> list[Any]:
    import millrace.operators.governance
    import millrace.operators.sweep
    import millrace.runtimes.docker.operator
    import millrace.runtimes.kubernetes.operator
    import millrace.sensors.drift  # noqa: F401

    found, pending = [], [BaseOperator]
    while pending:
        kind = pending.pop()
        pending += kind.__subclasses__()
        if kind.__module__.startswith("millrace."):
            found.append(kind)
    return found


def test_every_operator_and_sensor_reports_its_failures() -> None:
    kinds = every_class()
    assert len(kinds) >= 30
    assert [kind.__name__ for kind in kinds if not issubclass(kind, FailureMixin)] == []


def test_an_endless_source_ends_with_the_key_of_its_limit(
    lake: Lake,
    connections: None,
    tmp_path: Path,
    use_pipelines: Callable[[Path], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from tests.support.pipeline import write_pipeline

    (tmp_path / "endless_shop.py").write_text(f"def read(first, last):\n{ENDLESS}    yield\n")
    monkeypatch.syspath_prepend(tmp_path)
    source = {"reader": "python", "uri": None, "callable": "endless_shop:read"}
    write_pipeline(tmp_path, "orders_endless", lake={"repository": lake.repository}, source=source)
    use_pipelines(tmp_path)
    lake.create_branch("ingest-x", "main")
    limit = timedelta(seconds=2)
    task = LoadOperator(task_id="load", pipeline_name="orders_endless", execution_timeout=limit, **DAYS)
    started = time.monotonic()
    with pytest.raises(JobFailed) as caught, timeout(limit.total_seconds()):
        Task(task).run()
    assert str(caught.value) == (
        "load was not done after 2 s, its source.timeout; raise that of 'orders_endless', or ingest fewer "
        "days in a run"
    )
    assert time.monotonic() - started < 20


class EndlessSensor(LakeFSCommitSensor):
    """Waits for an answer that never comes."""

    def poke(self, context: Any) -> bool:
        while True:
            time.sleep(0.01)


def endless(**given: Any) -> EndlessSensor:
    limit = timedelta(seconds=1)
    return EndlessSensor(task_id="wait", ref="main", mode="poke", execution_timeout=limit, **given)


def test_a_task_at_its_limit_stops_what_it_has_started(monkeypatch: pytest.MonkeyPatch) -> None:
    stopped: list[str] = []
    monkeypatch.setattr(EndlessSensor, "on_kill", lambda self: stopped.append(self.task_id))
    with pytest.raises(JobFailed), timeout(1):
        Task(endless()).run()
    assert stopped == ["wait"]


def test_a_time_out_that_is_not_the_tasks_own_stays_what_it_is() -> None:
    task = EndlessSensor(task_id="wait", ref="main", mode="poke")
    with pytest.raises(AirflowTaskTimeout), timeout(1):
        Task(task).run()


@pytest.mark.parametrize("how", ["soft_fail", "never_fail"])
def test_a_sensor_that_is_to_be_skipped_is_skipped_at_its_limit(how: str) -> None:
    with pytest.raises(AirflowSkipException), timeout(1):
        Task(endless(**{how: True})).run()


@pytest.mark.parametrize("given", [{}, {"silent_fail": True}], ids=["stock", "silent"])
def test_no_sensor_goes_on_beyond_its_limit(given: dict[str, bool]) -> None:
    started = time.monotonic()
    with pytest.raises(JobFailed, match="wait was not done after 1 s, its execution_timeout"), timeout(1):
        Task(endless(**given, timeout=5)).run()
    assert time.monotonic() - started < 4


def test_endless_training_ends_with_the_key_of_its_limit(
    loop: Any, connections: None, use_pipelines: Callable[[Path], None]
) -> None:
    (loop.folder / "model.py").write_text(f"def build(model):\n{ENDLESS}")
    use_pipelines(loop.folder.parent)
    fields = {"commit": loop.head, "until": "2024-03-30"}
    task = ProcessJobOperator(
        task_id="train",
        pipeline_name=loop.folder.name,
        job="train",
        job_args=fields,
        execution_timeout=timedelta(seconds=6),
    )
    message = r"not done after 6 s, its training\.timeout; raise that of"
    with pytest.raises(JobFailed, match=message), timeout(6):
        Task(task).run()
    assert loop.count("train") == 1
