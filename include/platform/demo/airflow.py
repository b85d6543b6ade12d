"""A client of Airflow's REST API with the calls that the demo, the benchmarks and the tests need.

API: https://airflow.apache.org/docs/apache-airflow/stable/stable-rest-api-ref.html
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple
from urllib.parse import quote

from include.exceptions import Absent, MillraceError, Unauthorized, Unavailable

_POLL_SECONDS = 0.2
_FINAL = {"success", "failed"}


class TaskRun(NamedTuple):
    """The state of a task in a run; `queued`, `start` and `end` are None if it never got that far."""

    task_id: str
    state: str
    queued: datetime | None
    start: datetime | None
    end: datetime | None


class RunFailed(MillraceError):
    """A DAG run failed, did not start, or did not end in time."""


class Airflow:
    """A client that starts runs and waits for them.

    :param url: the api-server, `http://localhost:8080`.
    """

    def __init__(self, url: str, username: str, password: str) -> None:
        self.url = url
        self.username = username
        self._password = password

    def start(self, dag_id: str, run_id: str, conf: dict[str, Any] | None = None) -> None:
        """Start a run unless it exists; if it has failed, clear its failed tasks so that it continues."""
        from airflow_client.client.exceptions import ApiException
        from airflow_client.client.models.trigger_dag_run_post_body import TriggerDAGRunPostBody

        body = TriggerDAGRunPostBody(dag_run_id=run_id, conf=conf or {}, logical_date=None)
        try:
            self._api("DagRunApi").trigger_dag_run(dag_id, body)
        except ApiException as error:
            if error.status != 409:
                raise RunFailed(f"{dag_id} did not start {run_id!r}: {error.status} {error.body}") from error
            if self.state(dag_id, run_id) == "failed":
                self._clear(dag_id, run_id)

    def wait(self, dag_id: str, run_id: str, *, timeout: float = 600) -> str:
        """Wait until a run has ended and return its state.

        :raises RunFailed: after `timeout` seconds.
        :raises Absent: there is no such run.
        :raises Unavailable: Airflow does not answer.
        """
        deadline = time.monotonic() + timeout
        while True:  # again where the answer breaks off
            for state in self._states(dag_id, run_id):
                if state in _FINAL:
                    return state
                if time.monotonic() > deadline:
                    raise RunFailed(f"{dag_id} {run_id!r} is still {state!r} after {timeout:.0f} s")
            time.sleep(_POLL_SECONDS)

    def run(self, dag_id: str, run_id: str, conf: dict[str, Any] | None = None) -> None:
        """Start a run and wait until it has succeeded; raise RunFailed with the failed tasks otherwise."""
        self.start(dag_id, run_id, conf)
        self.finish(dag_id, run_id)

    def finish(self, dag_id: str, run_id: str) -> None:
        """Wait until a run has succeeded; raise RunFailed with the failed tasks otherwise."""
        if self.wait(dag_id, run_id) != "success":
            failed = [task.task_id for task in self.tasks(dag_id, run_id) if task.state == "failed"]
            raise RunFailed(f"{dag_id} {run_id!r} failed in {failed}; see {self.link(dag_id, run_id)}")

    def state(self, dag_id: str, run_id: str) -> str:
        """Return the state of a run; raise Absent if there is none."""
        from airflow_client.client.exceptions import NotFoundException

        try:
            return str(self._api("DagRunApi").get_dag_run(dag_id, run_id).state.value)
        except NotFoundException as error:
            raise Absent(f"{dag_id} has no run {run_id!r}") from error

    def tasks(self, dag_id: str, run_id: str) -> list[TaskRun]:
        """Return the tasks of a run."""
        instances = self._api("TaskInstanceApi").get_task_instances(dag_id, run_id).task_instances
        return [
            TaskRun(
                task.task_id,
                getattr(task.state, "value", "none"),
                task.queued_when,
                task.start_date,
                task.end_date,
            )
            for task in instances
        ]

    def result(self, dag_id: str, run_id: str, task_id: str) -> Any:
        """Return a task's result (its XCom `return_value`), or None."""
        from airflow_client.client.exceptions import NotFoundException

        try:
            entry = self._api("XComApi").get_xcom_entry(
                dag_id=dag_id, dag_run_id=run_id, task_id=task_id, xcom_key="return_value"
            )
        except NotFoundException:
            return None
        value = entry.actual_instance.value if hasattr(entry, "actual_instance") else entry.value
        return json.loads(value) if isinstance(value, str) and value[:1] in '{["' else value

    def wait_for_dag(self, dag_id: str, timeout: float = 120) -> None:
        """Wait until Airflow has parsed a DAG, some seconds after its first start; raise Absent."""
        from airflow_client.client.exceptions import NotFoundException

        deadline = time.monotonic() + timeout
        while True:
            try:
                self._api("DAGApi").get_dag(dag_id)
                return
            except NotFoundException as error:
                if time.monotonic() > deadline:
                    raise Absent(
                        f"Airflow at {self.url} has no DAG {dag_id!r}; see its import errors"
                    ) from error
            time.sleep(1)

    def link(self, dag_id: str, run_id: str) -> str:
        """Return the URL of a run's page."""
        return f"{self.url}/dags/{dag_id}/runs/{run_id}"

    def _states(self, dag_id: str, run_id: str) -> Iterator[str]:
        """Yield the state of a run again and again, until it has ended or the answer breaks off.

        One answer that goes on: a request each time takes as much of the server as the tasks do.
        """
        import urllib3

        url = f"{self.url}/api/v2/dags/{quote(dag_id, safe='')}/dagRuns/{quote(run_id, safe='')}/wait"
        try:
            answer = urllib3.request(
                "GET",
                url,
                fields={"interval": str(_POLL_SECONDS)},
                headers={"Authorization": f"Bearer {self._client.configuration.access_token}"},
                timeout=30,
                preload_content=False,
            )
        except urllib3.exceptions.HTTPError as error:
            raise Unavailable(f"Airflow at {self.url} does not answer; run `make up`") from error
        with answer:
            if answer.status == 404:
                raise Absent(f"{dag_id} has no run {run_id!r}")
            if answer.status != 200:
                raise RunFailed(f"{dag_id} {run_id!r} cannot be waited for: Airflow answered {answer.status}")
            with suppress(urllib3.exceptions.HTTPError):
                yield from (json.loads(line)["state"] for line in _lines(answer))

    def _clear(self, dag_id: str, run_id: str) -> None:
        from airflow_client.client.models.clear_task_instances_body import ClearTaskInstancesBody

        body = ClearTaskInstancesBody(
            dry_run=False, dag_run_id=run_id, only_failed=True, include_downstream=True
        )
        self._api("TaskInstanceApi").post_clear_task_instances(dag_id, body)

    def _api(self, name: str) -> Any:
        import airflow_client.client as client

        return getattr(client, name)(self._client)

    @cached_property
    def _client(self) -> Any:
        import airflow_client.client as client

        return client.ApiClient(client.Configuration(host=self.url, access_token=self._token()))

    def _token(self) -> str:
        import urllib3

        body = {"username": self.username, "password": self._password}
        try:
            answer = urllib3.request("POST", f"{self.url}/auth/token", json=body, timeout=10, retries=2)
        except urllib3.exceptions.HTTPError as error:
            raise Unavailable(f"Airflow at {self.url} does not answer; run `make up`") from error
        if answer.status != 201:
            raise Unauthorized(f"Airflow at {self.url} refused user {self.username!r} ({answer.status})")
        return str(answer.json()["access_token"])


def _lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the lines of a body that arrives in pieces; the end of one that breaks off is dropped."""
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        yield from whole
