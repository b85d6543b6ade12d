"""The parameters of the DAGs: what a run may be started with, checked before it does anything."""

from __future__ import annotations

import inspect
import re
from copy import deepcopy
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.definitions.param import process_params
from airflow.sdk.exceptions import ParamValidationError
from airflow.serialization.serialized_objects import DagSerialization

from include.contract.reserved import PARAMS
from include.exceptions import Misconfigured
from include.excerpt import LIMIT
from millrace.dags.params import DECIDE_PARAMS, INTERVAL_PARAMS, TRAIN_PARAMS, check_conf
from tests.support.dags import dag_bag


@pytest.fixture(scope="module")
def dags() -> dict[str, Any]:
    found: dict[str, Any] = dag_bag().dags
    assert found
    return found


def context(dag: Any, task: Any, conf: dict[str, Any] | None) -> dict[str, Any]:
    return {"dag": dag, "task": task, "dag_run": SimpleNamespace(conf=conf)}


def run_first_tasks(dag: Any, conf: dict[str, Any] | None) -> None:
    """What Airflow calls before it executes the first tasks of a run with this `conf`."""
    for task in dag.roots:
        task._pre_execute_hook(context(dag, task, conf))


@pytest.mark.parametrize(
    ("stage", "conf", "message"),
    [
        (
            "train",
            {"unitl": "2013-03-31"},
            "this DAG has no parameter 'unitl' (did you mean 'until'?); start",
        ),
        (
            "train",
            {"start": "2013-03-31"},
            "no parameter 'start'; start the run again with some of: reason, ref",
        ),
        ("ingest", {"strat": "2013-03-31", "end": None}, "'strat' (did you mean 'start'?)"),
        ("ingest", {"until": "2013-03-31"}, "'until'; start the run again with some of: start, end"),
        ("decide", {"branch": "quarantine-a"}, "no parameter 'branch'; start the run again with some of: qu"),
        ("monitor", {"start": "2013-03-31"}, "'start'; start the run again with some of: end"),
        ("monitor", {"End": "2013-03-31"}, "'End' (did you mean 'end'?)"),
    ],
)
def test_an_unknown_key_of_conf_is_refused_in_the_first_task(
    dags: dict[str, Any], stage: str, conf: dict[str, Any], message: str
) -> None:
    of_stage = [dag for dag_id, dag in dags.items() if dag_id.endswith(f".{stage}")]
    assert of_stage
    for dag in of_stage:
        with pytest.raises(Misconfigured, match=re.escape(message)):
            run_first_tasks(dag, conf)


@pytest.mark.parametrize(
    "conf", [None, {}, {"openlineage": {"parentRunId": "1"}}, {"airflow/task_span_detail_level": 2}]
)
def test_what_airflow_itself_puts_into_conf_is_allowed(dags: dict[str, Any], conf: Any) -> None:
    for dag in dags.values():
        run_first_tasks(dag, conf)
        run_first_tasks(dag, {**(conf or {}), **dict.fromkeys(dag.params)})


def test_what_a_dag_starts_another_with_is_allowed(dags: dict[str, Any]) -> None:
    started = [task for dag in dags.values() for task in dag.tasks if hasattr(task, "trigger_dag_id")]
    assert started
    for task in started:
        run_first_tasks(dags[task.trigger_dag_id], task.conf)


def test_a_later_task_checks_nothing_again(dags: dict[str, Any]) -> None:
    for dag in dags.values():
        for task in set(dag.tasks) - set(dag.roots):
            check_conf(context(dag, task, {"unitl": "2013-03-31"}))


def test_a_message_names_ten_keys_and_cuts_each(dags: dict[str, Any]) -> None:
    dag = next(iter(dags.values()))
    with pytest.raises(Misconfigured) as raised:
        run_first_tasks(dag, {f"{number:02}{'x' * 9999}": 1 for number in range(99)})
    assert len(re.findall("x+", str(raised.value))) == 10
    assert max(map(len, re.findall("x+", str(raised.value)))) < LIMIT


def test_the_check_is_stored_as_the_same_text_by_every_process(dags: dict[str, Any]) -> None:
    """Airflow stores a new version of a DAG when its serialised form changes, as an address would."""
    for dag in dags.values():
        for task in DagSerialization.to_dict(dag)["dag"]["tasks"]:
            assert task["__var"]["_pre_execute_hook"] == inspect.getsource(check_conf)


def resolved(params: dict[str, Any], conf: dict[str, Any]) -> dict[str, Any]:
    task = SimpleNamespace(params={})
    return process_params(SimpleNamespace(params=params), task, conf, suppress_exception=False)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("params", "conf"),
    [
        (INTERVAL_PARAMS, {"start": "1899-12-31"}),
        (INTERVAL_PARAMS, {"end": "2200-01-01"}),
        (INTERVAL_PARAMS, {"end": "0001-01-01"}),
        (INTERVAL_PARAMS, {"end": "2013-02-30"}),
        (INTERVAL_PARAMS, {"end": 20130228}),
        (TRAIN_PARAMS, {"until": "0001-01-01"}),
        (TRAIN_PARAMS, {"until": "{{ ds }}"}),
        (TRAIN_PARAMS, {"reason": "a\0b c"}),
        (TRAIN_PARAMS, {"reason": "two\nlines"}),
        (TRAIN_PARAMS, {"reason": "a line\n"}),
        (TRAIN_PARAMS, {"ref": "main\n"}),
        (TRAIN_PARAMS, {"reason": "x" * 501}),
        (TRAIN_PARAMS, {"ref": "my branch"}),
        (TRAIN_PARAMS, {"ref": "a\0"}),
        (TRAIN_PARAMS, {"ref": "x" * 256}),
        (TRAIN_PARAMS, {"params": {"a=b": 1}}),
        (TRAIN_PARAMS, {"params": {"x" * 251: 1}}),
        *((TRAIN_PARAMS, {"params": {name: 1}}) for name in PARAMS),
    ],
    ids=lambda value: None if value in (INTERVAL_PARAMS, TRAIN_PARAMS) else ascii(value)[:40],
)
def test_a_value_out_of_bounds_is_refused_when_the_run_is_started(
    params: dict[str, Any], conf: dict[str, Any]
) -> None:
    with pytest.raises(ParamValidationError):
        resolved(params, conf)


DECISION = {"quarantine": "quarantine-2024-03-01-abcd", "decision": "accept", "reason": "the strike is real"}


@pytest.mark.parametrize("missing", DECISION)
def test_nobody_decides_by_leaving_a_field_as_it_is(missing: str) -> None:
    assert resolved(deepcopy(DECIDE_PARAMS), DECISION) == DECISION  # Airflow keeps what it resolved
    with pytest.raises(ParamValidationError, match="No value passed"):
        resolved(
            deepcopy(DECIDE_PARAMS), {name: value for name, value in DECISION.items() if name != missing}
        )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("quarantine", "main"),
        ("quarantine", "quarantine-"),
        ("quarantine", "quarantine-a/b"),
        ("quarantine", "quarantine-a\n"),
        ("quarantine", "quarantine-" + "x" * 250),
        ("quarantine", None),
        ("decision", "Accept"),
        ("decision", ""),
        ("decision", None),
        ("decision", ["accept"]),
        ("reason", ""),
        ("reason", "   "),
        ("reason", None),
        ("reason", "two\nlines"),
        ("reason", "x" * 501),
        ("reason", " " * 200_000 + "\n"),
    ],
    ids=lambda value: ascii(value)[:30],
)
def test_a_decision_out_of_bounds_is_refused_when_the_run_is_started(name: str, value: Any) -> None:
    with pytest.raises(ParamValidationError):
        resolved(deepcopy(DECIDE_PARAMS), {**DECISION, name: value})


@pytest.mark.parametrize(
    ("params", "conf"),
    [
        (INTERVAL_PARAMS, {"start": "1900-01-01", "end": "2199-12-31"}),
        (TRAIN_PARAMS, {"until": None, "ref": None, "reason": "größer: 5 %", "params": {}}),
        (TRAIN_PARAMS, {"until": "2024-02-29", "ref": "main~2", "params": {"max_iter": 3, "a.b/c d": [1]}}),
    ],
)
def test_what_the_services_hold_is_taken(params: dict[str, Any], conf: dict[str, Any]) -> None:
    assert resolved(params, conf) == {**{name: param.resolve() for name, param in params.items()}, **conf}
