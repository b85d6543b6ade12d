"""MLflow runs that are found again, closed whatever happens, and errors that are ours."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import requests
from mlflow.exceptions import MlflowException, RestException

from include.exceptions import (
    Absent,
    Conflict,
    MillraceError,
    Misconfigured,
    Transient,
    Unauthorized,
    Unavailable,
)
from include.run_identity import RunIdentity
from include.tracking.errors import mlflow_errors
from include.tracking.runs import Experiment
from include.tracking.server import TrackingServer
from include.tracking.tags import Tag, run_tags
from tests.support.lake import free_port
from tests.support.strangers import server_that_answers


@pytest.fixture
def experiment(tracking: TrackingServer) -> Experiment:
    return Experiment(tracking, f"test.{uuid4().hex}")


def states(experiment: Experiment) -> list[str]:
    """The states of all runs, the oldest first."""
    found = experiment.client.search_runs([experiment.id], order_by=["attributes.start_time ASC"])
    return [run.info.status for run in found]


def start(experiment: Experiment, key: str = "k", name: str = "n", **tags: str) -> str:
    with experiment.attempts(key).start(name=name, tags=tags) as run:
        return run.id


def test_a_finished_run_is_found_by_its_key_with_all_that_was_written(experiment: Experiment) -> None:
    with experiment.attempts("k").start(name="2024-03-31", tags={"millrace.version": "3"}) as run:
        run.log_params({"depth": 3, "features": {"numerical": ["a"]}, "text": "as it is"})
        run.log_metrics({"drift.a b/c": 0.25})
        run.set_tags({"millrace.verdict": "passed"})
        run.log_json({"a": [1]}, "verdict.json")
        run.log_dataset(
            name="orders", commit="c" * 64, source="lakefs://r/c/orders/", context="training", rows=7
        )
    found = experiment.attempts("k").finished
    assert found is not None
    stored = found.run
    assert (stored.info.run_id, stored.info.status, stored.info.run_name) == (
        run.id,
        "FINISHED",
        "2024-03-31",
    )
    assert stored.data.params == {"depth": "3", "features": '{"numerical": ["a"]}', "text": "as it is"}
    assert stored.data.metrics == {"drift.a b/c": 0.25}
    assert {name: value for name, value in stored.data.tags.items() if name.startswith("millrace")} == {
        "millrace.run_key": "k",
        "millrace.version": "3",
        "millrace.verdict": "passed",
    }
    assert json.loads(run.download_artifact("verdict.json")) == {"a": [1]}
    [data] = stored.inputs.dataset_inputs
    assert (data.dataset.digest, json.loads(data.dataset.source)) == (
        "cccccccccccc-training-7",
        {"uri": "lakefs://r/c/orders/"},
    )


def test_two_runs_of_one_commit_show_their_own_rows(experiment: Experiment) -> None:
    for rows in (100, 200):
        with experiment.attempts(f"{rows}").start(name="n", tags={}) as run:
            run.log_dataset(name="orders", commit="c" * 64, source="s", context="training", rows=rows)
    runs = [experiment.attempts(key).finished for key in ("100", "200")]
    profiles = [run.run.inputs.dataset_inputs[0].dataset.profile for run in runs if run]
    assert [json.loads(profile)["rows"] for profile in profiles] == [100, 200]


def test_a_key_is_found_whole_and_in_its_own_experiment_only(experiment: Experiment) -> None:
    start(experiment, "train/manual__2024-03-01T00:00:00+00:00")
    assert experiment.attempts("train/manual__2024-03-01T00:00:00+00:0").finished is None
    assert experiment.attempts("train/manual__2024-03-01T00:00:00+00:00").finished is not None
    assert (
        Experiment(experiment.server, f"{experiment.name}.other")
        .attempts("train/manual__2024-03-01T00:00:00+00:00")
        .finished
        is None
    )


@pytest.mark.parametrize(
    ("raised", "state"),
    [(ValueError, "FAILED"), (KeyboardInterrupt, "KILLED"), (SystemExit, "KILLED")],
)
def test_a_run_that_raises_is_closed_and_not_found(
    experiment: Experiment, raised: type[BaseException], state: str
) -> None:
    with pytest.raises(raised), experiment.attempts("k").start(name="n", tags={}):
        raise raised
    assert states(experiment) == [state]
    assert experiment.attempts("k").finished is None


def test_a_run_that_was_torn_is_closed_by_the_next_try(experiment: Experiment) -> None:
    experiment.client.create_run(experiment.id, tags={"millrace.run_key": "k"})
    experiment.client.create_run(experiment.id, tags={"millrace.run_key": "another"})
    made = start(experiment)
    assert states(experiment) == ["KILLED", "RUNNING", "FINISHED"]
    found = experiment.attempts("k").finished
    assert found is not None
    assert found.id == made


def test_search_gives_the_newest_finished_runs_with_all_of_the_tags(experiment: Experiment) -> None:
    for day in ("2024-03-02", "2024-03-03", "2024-03-01"):
        start(experiment, day, day, **{"millrace.as_of": day, "millrace.version": "1"})
    start(experiment, "other", "other", **{"millrace.as_of": "2024-03-04", "millrace.version": "2"})
    with (
        pytest.raises(ZeroDivisionError),
        experiment.attempts("f").start(name="f", tags={"millrace.version": "1"}),
    ):
        raise ZeroDivisionError
    by_start = experiment.find_runs({Tag.VERSION: "1"}, limit=2)
    by_day = experiment.find_runs({Tag.VERSION: "1"}, limit=2, newest="tags.`millrace.as_of`")
    assert [run.info.run_name for run in by_start] == ["2024-03-01", "2024-03-03"]
    assert [run.info.run_name for run in by_day] == ["2024-03-03", "2024-03-02"]
    assert experiment.find_runs({Tag.VERSION: "1", Tag.AS_OF: "2024-03-04"}, limit=2) == []


def test_what_is_not_there_is_absent(experiment: Experiment) -> None:
    with pytest.raises(Absent, match="there is no run 'f00' in MLflow at"):
        experiment.get_run("f00")
    run = experiment.open_run(start(experiment))
    with pytest.raises(Absent, match=r"there is no artifact 'none\.html' of run"):
        run.download_artifact("none.html")


def test_a_deleted_experiment_is_to_be_restored(experiment: Experiment) -> None:
    experiment.client.delete_experiment(experiment.id)
    again = Experiment(experiment.server, experiment.name)
    with pytest.raises(Misconfigured, match="was deleted; restore it there"):
        start(again)


def test_two_who_make_an_experiment_at_once_get_the_same(experiment: Experiment) -> None:
    assert Experiment(experiment.server, experiment.name).id == experiment.id


SILENT: dict[str, Callable[[Experiment, Path], Any]] = {
    "attempts": lambda found, _: found.attempts("k").finished,
    "start": lambda found, _: start(found),
    "get_run": lambda found, _: found.get_run("f00"),
    "params": lambda found, _: found.open_run("f00").log_params({"a": 1}),
    "metrics": lambda found, _: found.open_run("f00").log_metrics({"a": 1.0}),
    "tags": lambda found, _: found.open_run("f00").set_tags({"a": "b"}),
    "text": lambda found, _: found.open_run("f00").log_text("a", "a.txt"),
    "file": lambda found, scratch: found.open_run("f00").log_file(scratch),
    "read": lambda found, _: found.open_run("f00").download_artifact("a.txt"),
    "end": lambda found, _: found.open_run("f00").end("FINISHED"),
}


@pytest.mark.parametrize("call", SILENT.values(), ids=SILENT)
def test_a_server_that_does_not_answer_is_named(
    call: Callable[[Experiment, Path], Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    uri = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(Unavailable, match=f"MLflow at '{uri}' does not answer while asking for"):
        call(Experiment(TrackingServer(uri=uri), "orders.train"), tmp_path)


@pytest.mark.parametrize(
    ("raised", "ours"),
    [
        (RestException({"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "m"}), Absent),
        (RestException({"error_code": "PERMISSION_DENIED", "message": "m"}), Unauthorized),
        (RestException({"error_code": "UNAUTHENTICATED", "message": "m"}), Unauthorized),
        (RestException({"error_code": "TEMPORARILY_UNAVAILABLE", "message": "m"}), Transient),
        (RestException({"error_code": "REQUEST_LIMIT_EXCEEDED", "message": "m"}), Transient),
        (RestException({"error_code": "INTERNAL_ERROR", "message": "m"}), Transient),
        (RestException({"error_code": "INVALID_PARAMETER_VALUE", "message": "m"}), Misconfigured),
        (MlflowException("API request to http://m failed with exception x"), Unavailable),
        (MlflowException("The saved model references untrusted types"), Misconfigured),
        (MlflowException(""), Misconfigured),
        (requests.ConnectionError("refused"), Unavailable),
        (requests.Timeout("slow"), Unavailable),
    ],
    ids=lambda value: getattr(value, "error_code", None) or getattr(value, "__name__", type(value).__name__),
)
def test_each_of_mlflows_errors_has_one_of_ours(raised: Exception, ours: type[MillraceError]) -> None:
    with pytest.raises(MillraceError, match="'http://m'") as caught, mlflow_errors("the thing", "http://m"):
        raise raised
    assert type(caught.value) is ours
    assert caught.value.__cause__ is raised
    assert "the thing" in str(caught.value)


def proxy(status: int) -> AbstractContextManager[str]:
    """A server that answers every request with a status and a page, as a proxy before a dead MLflow does."""
    return server_that_answers(status, b"<html>no</html>", "text/html")


@pytest.mark.parametrize(
    ("status", "ours"),
    [(403, Unauthorized), (429, Transient), (500, Transient), (502, Transient), (503, Transient)],
)
def test_a_proxys_page_is_an_error_of_ours_too(
    status: int, ours: type[MillraceError], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with proxy(status) as uri, pytest.raises(ours):
        Experiment(TrackingServer(uri=uri), "orders.train").get_run("f00")


def test_a_client_opens_nothing_before_its_first_call() -> None:
    client = TrackingServer(uri=f"http://127.0.0.1:{free_port()}").client
    assert client.tracking_uri.startswith("http://127.0.0.1:")


RUN = RunIdentity(dag_id="orders.train", run_id="r1")


def work(experiment: Experiment, try_number: int, key: str = "orders.train/r1/train", **tags: str) -> Any:
    """Start a try of a step; the run is ended with the block."""
    owner = run_tags(replace(RUN, try_number=try_number))
    return experiment.attempts(key).start(name=f"try {try_number}", tags={**owner, **tags})


def ended(experiment: Experiment) -> dict[str, str]:
    """The state of each run by its name."""
    found = experiment.client.search_runs([experiment.id])
    return {run.info.run_name: run.info.status for run in found}


@pytest.mark.parametrize("ends", ["before", "after"])
def test_a_frozen_worker_that_comes_back_finishes_nothing(experiment: Experiment, ends: str) -> None:
    """Before its successor has finished, or after it."""
    frozen = work(experiment, 1)
    frozen.__enter__()
    successor = work(experiment, 2)
    result = successor.__enter__()
    if ends == "after":
        successor.__exit__(None, None, None)
    with pytest.raises(Conflict, match="a later try of this step has taken over"):
        frozen.__exit__(None, None, None)
    if ends == "before":
        successor.__exit__(None, None, None)
    assert ended(experiment) == {"try 1": "KILLED", "try 2": "FINISHED"}
    found = experiment.attempts("orders.train/r1/train").finished
    assert found is not None
    assert found.id == result.id


def test_an_error_of_a_frozen_worker_is_raised_and_its_run_stays_as_it_was_closed(
    experiment: Experiment,
) -> None:
    def freeze_and_fail() -> None:
        with work(experiment, 1):
            with work(experiment, 2):
                pass
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        freeze_and_fail()
    assert ended(experiment) == {"try 1": "KILLED", "try 2": "FINISHED"}


def test_a_worker_that_was_frozen_before_it_looked_closes_nothing_of_its_successor(
    experiment: Experiment,
) -> None:
    with (
        work(experiment, 2),
        pytest.raises(Conflict, match="a later try of this step has taken over"),
        work(experiment, 1),
    ):
        raise AssertionError("the earlier try went on")
    assert ended(experiment) == {"try 2": "FINISHED"}


def test_a_worker_that_was_frozen_between_looking_and_starting_gives_way(experiment: Experiment) -> None:
    frozen = work(experiment, 1)  # has looked, and found no run
    with work(experiment, 2):
        frozen.__enter__()
        with pytest.raises(Conflict):
            frozen.__exit__(None, None, None)
    assert ended(experiment) == {"try 1": "KILLED", "try 2": "FINISHED"}


def test_what_was_finished_between_a_check_and_its_end_is_closed_by_the_successor(
    experiment: Experiment,
) -> None:
    frozen = work(experiment, 1)
    run = frozen.__enter__()
    with work(experiment, 2):
        run.end("FINISHED")  # the check is done
    assert ended(experiment) == {"try 1": "KILLED", "try 2": "FINISHED"}


def test_tries_of_two_airflow_runs_have_no_order(experiment: Experiment) -> None:
    """A decision has one key for all runs that take it; each counts its own tries."""
    with work(experiment, 3, "held/c", **{Tag.BY: "orders.monitor/other"}):
        pass
    with work(experiment, 1, "held/c", **{Tag.BY: RUN.key}):
        pass
    assert ended(experiment) == {"try 3": "FINISHED", "try 1": "FINISHED"}
