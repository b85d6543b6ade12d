"""With the chart's values and the guide, task logs are written to an S3 store and read from there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.support.bare_airflow import run_bare_airflow
from tests.support.manifests import KUBERNETES, guide, own_values, values
from tests.support.s3 import REGION, Store, run_s3

BUCKET = "logs-of-a-team"
SECTION = guide().partition("\n## Logs of tasks\n")[2].partition("\n## ")[0]
CONNECTIONS = dict(re.findall(r"^\| ([^|]+) \| `(\{.*\})` \|$", SECTION, re.MULTILINE))
KEYS, ROLE, ELSEWHERE = CONNECTIONS
DAG = """
from airflow.sdk import DAG, task

with DAG("logged"):

    @task
    def report() -> None:
        print("printed by the task")

    report()
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store with the permissions of the guide."""
    of_objects = re.findall(r"`(s3:\w+Object)`", SECTION)
    of_bucket = re.findall(r"`(s3:\w+Bucket)`", SECTION)
    with run_s3(tmp_path_factory.mktemp("s3"), BUCKET, of_bucket, of_objects) as found:
        yield found


def settings() -> dict[str, str]:
    """Return the settings of logs in the chart's and the deployment's values, as Airflow's variables."""
    ours, own = (one["config"]["logging"] for one in (values(), own_values(BUCKET=BUCKET)))
    return {f"AIRFLOW__LOGGING__{name.upper()}": value for name, value in {**ours, **own}.items()}


def connection(kind: str, store: Store) -> dict[str, str]:
    """Return the guide's connection for logs, under the name that the values use."""
    told = CONNECTIONS[kind]
    known = {
        "KEY ID": store.access_key_id,
        "KEY": store.secret_access_key,
        "REGION": REGION,
        # By host name, to test the path style: for an IP address boto3 uses it in any case.
        "https://STORE": store.url.replace("127.0.0.1", "localhost"),
    }
    for name, value in known.items():
        told = told.replace(f'"{name}"', json.dumps(value))
    return {f"AIRFLOW_CONN_{values()['config']['logging']['remote_log_conn_id'].upper()}": told}


def surroundings(kind: str, store: Store, folder: Path) -> dict[str, str]:
    """Return a pod's other variables: the store's address, and its service account's token."""
    if kind == ELSEWHERE:
        return {}
    token = folder / "token"
    token.write_text("a.b.c")
    role = {"AWS_ROLE_ARN": store.role, "AWS_WEB_IDENTITY_TOKEN_FILE": str(token)}
    return {"AWS_ENDPOINT_URL": store.url, **(role if kind == ROLE else {})}


def test_the_values_take_the_connection_from_the_secret_that_the_example_describes() -> None:
    (name,) = connection(KEYS, Store("", BUCKET, "", "", ""))
    assert {"envName": name, "secretName": "airflow-connections", "secretKey": name} in values()["secret"]
    plain = re.sub(r'"(KEY ID|KEY|REGION)"', r"\1", CONNECTIONS[KEYS])
    described = (
        (KUBERNETES / "secrets.example.yaml").read_text().partition(f"{plain}, for the bucket of logs;")[2]
    )
    first = re.search(r"^  (\w+):", described, re.MULTILINE)
    assert first
    assert first[1] == name


def test_the_role_is_given_to_service_accounts_that_the_values_name() -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", SECTION, re.DOTALL)
    given = yaml.safe_load(block)
    assert {values()[part]["serviceAccount"]["name"] for part in given} == {
        "airflow-api-server",
        "airflow-triggerer",
        "airflow-worker",
    }
    assert {tuple(one["serviceAccount"]) for one in given.values()} == {("annotations",)}


@pytest.mark.stack
@pytest.mark.parametrize(
    "kind", [KEYS, *(pytest.param(kind, marks=pytest.mark.soak) for kind in (ROLE, ELSEWHERE))]
)
def test_a_log_goes_to_the_store_and_is_read_from_there(kind: str, store: Store, tmp_path: Path) -> None:
    dags = tmp_path / "dags"
    dags.mkdir()
    (dags / "logged.py").write_text(DAG)
    more = {**settings(), **connection(kind, store), **surroundings(kind, store, tmp_path)}

    with run_bare_airflow(tmp_path, dags, more) as airflow:
        run_id = airflow.run("logged")
        shown = airflow.log("logged", run_id, "report")

    place = f"dag_id=logged/run_id={run_id}/task_id=report/attempt=1.log"
    assert f"s3://{BUCKET}/{place}" in shown
    assert "printed by the task" in shown
    assert '"printed by the task"' in store.read()[place]
    assert (tmp_path / "logs" / place).read_text() == ""
