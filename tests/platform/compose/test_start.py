"""The whole platform with Docker Compose: it works, is secured, survives restarts, and can be restored."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE

import pytest
import requests
import urllib3

from tests.support.compose import Server, run_server
from tests.support.engine import JOB_IMAGE, run_engine

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]

SERVICES = {
    "airflow-api-server",
    "airflow-cleanup",
    "airflow-dag-processor",
    "airflow-init",
    "airflow-scheduler",
    "airflow-triggerer",
    "databases",
    "docker-proxy",
    "lakefs",
    "mlflow",
    "postgres",
}
PROBE = """
import json, socket
def opens(host, port):
    try:
        socket.create_connection((host, port), 3).close()
    except OSError:
        return False
    return True
places = [("lakefs", 8000), ("mlflow", 5000), ("postgres", 5432), ("docker-proxy", 2375), ("1.1.1.1", 443)]
print(json.dumps([host for host, port in places if opens(host, port)]))
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A running platform, set up according to the documentation."""
    with run_engine(), run_server() as found:
        found.make("compose", "DO=env")
        output = found.make("compose", "DO=up")
        assert "building job airflow mlflow" in output
        assert {
            line.removesuffix(" ready") for line in output.splitlines() if line.endswith(" ready")
        } == SERVICES
        yield found


def test_what_is_old_was_looked_for_in_the_database_and_the_logs(server: Server) -> None:
    # As the database's owner, who is not a superuser.
    deadline = time.monotonic() + 60
    while "deleted data from before" not in (output := server.logs("airflow-cleanup")):
        assert time.monotonic() < deadline, output
        time.sleep(1)
    assert "cleaning failed" not in output


def token(server: Server, password: str) -> urllib3.BaseHTTPResponse:
    body = {"username": "admin", "password": password}
    return urllib3.request("POST", f"{server.url('MILLRACE_AIRFLOW_PORT')}/auth/token", json=body)


def test_airflow_opens_to_its_password_only_and_has_its_roles(server: Server) -> None:
    assert token(server, "admin").status == 401
    opened = token(server, server.variables["AIRFLOW_ADMIN_PASSWORD"])
    assert opened.status == 201
    found = urllib3.request(
        "GET",
        f"{server.url('MILLRACE_AIRFLOW_PORT')}/auth/fab/v1/roles",
        headers={"Authorization": f"Bearer {opened.json()['access_token']}"},
    )
    assert {role["name"] for role in found.json()["roles"]} >= {"Viewer", "User", "Op", "Admin"}


def test_mlflow_opens_to_its_password_only(server: Server) -> None:
    asked = ("experiments/search", {"max_results": 1})
    assert [server.mlflow(*asked, password=word).status for word in ("", "password1234")] == [401, 401]
    assert server.mlflow(*asked).status == 200


@pytest.mark.parametrize(
    ("page", "status"), [("https://mlflow.example.org", 200), ("https://elsewhere.example.org", 403)]
)
def test_mlflows_page_works_behind_a_proxy_with_tls_and_no_other_page_asks_it(
    server: Server, page: str, status: int
) -> None:
    asked = ("experiments/search", {"max_results": 1})
    assert server.mlflow(*asked, Host="mlflow.example.org", Origin=page).status == status


def test_behind_a_proxy_with_tls_airflows_login_is_for_tls_only(server: Server) -> None:
    with requests.Session() as browser:
        # Like a browser's request that a proxy forwards.
        page = "https://airflow.example.org/auth/login/"
        browser.headers.update({"X-Forwarded-Proto": "https", "Host": "airflow.example.org", "Referer": page})
        url = f"{server.url('MILLRACE_AIRFLOW_PORT')}/auth/login/"
        (csrf,) = re.findall(r'name="csrf_token"[^>]*value="([^"]+)"', browser.get(url, timeout=30).text)
        form = {
            "username": "admin",
            "password": server.variables["AIRFLOW_ADMIN_PASSWORD"],
            "csrf_token": csrf,
        }
        answer = browser.post(url, data=form, allow_redirects=False, timeout=30)
    (found,) = (cookie for cookie in answer.cookies if cookie.name == "_token")
    assert found.secure


def test_only_pages_are_reached_and_from_this_machine_only(server: Server) -> None:
    published: dict[str, list[str]] = {}
    for found in server.compose.containers():
        form = "{{json .NetworkSettings.Ports}}"
        ports = json.loads(server.compose.docker("inspect", "--format", form, found.id, stdout=PIPE)) or {}
        for rows in ports.values():
            published.setdefault(found.service, []).extend(row["HostIp"] for row in rows or [])
    assert {name: hosts for name, hosts in published.items() if hosts} == {
        name: ["127.0.0.1"] for name in ("airflow-api-server", "lakefs", "mlflow")
    }


def test_what_is_limited_in_the_file_is_limited_on_the_engine(server: Server) -> None:
    for found in server.compose.containers():
        host = json.loads(
            server.compose.docker("inspect", "--format", "{{json .HostConfig}}", found.id, stdout=PIPE)
        )
        assert host["Memory"] > 0
        assert host["NanoCpus"] > 0
        assert host["PidsLimit"] == 512
        assert (host["Privileged"], host["CapAdd"], host["CapDrop"]) == (False, None, ["ALL"])
        assert host["SecurityOpt"] == ["no-new-privileges:true"]


def test_starting_again_is_harmless(server: Server) -> None:
    before = server.lake.resolve("main")

    server.compose.up(lambda _: None, "airflow-init")

    output = server.logs("airflow-init")
    assert "Could not import connection mlflow_default: connection already exists" in output
    assert "admin already exist" in output
    assert server.lake.resolve("main") == before


@pytest.mark.parametrize(
    ("call", "status"),
    [
        ("GET /_ping", 200),
        ("GET /v1.41/containers/json?all=1", 200),
        ("GET /version", 200),
        ("GET /v1.41/images/millrace-job:latest/json", 200),
        ("GET /images/json", 200),
        ("GET /containers/no-such-job/json", 404),
        ("POST /containers/no-such-job/attach?logs=0&stdout=1&stderr=1&stream=1", 404),
        ("POST /containers/no-such-job/attach?logs=1", 403),
        ("POST /containers/no-such-job/attach?logs=0&%6Cogs=1", 403),
        ("POST /containers/no-such-job/attach", 403),
        ("POST /containers/no-such-job/start", 404),
        ("POST /containers/no-such-job/wait", 404),
        ("POST /containers/no-such-job/stop?t=3", 404),
        ("DELETE /containers/no-such-job?force=1", 404),
        ("POST /containers/no-such-job/kill", 403),
        ("GET /containers/no-such-job/logs?stdout=1", 403),
        ("GET /containers/no-such-job/stats", 403),
        ("GET /containers/no-such-job/top", 403),
        ("GET /containers/no-such-job/attach/ws", 403),
        ("GET /containers/no-such-job/changes", 403),
        ("GET /distribution/abc/json", 403),
        ("GET /info", 403),
        ("GET /events", 403),
        ("GET /networks", 403),
        ("GET /networks/bridge", 403),
        ("POST /networks/create", 403),
        ("POST /v1.41/containers/no-such-job/exec", 403),
        ("POST /exec/abc/start", 403),
        ("GET /containers/no-such-job/archive?path=/", 403),
        ("PUT /containers/no-such-job/archive?path=/", 403),
        ("POST /build", 403),
        ("DELETE /images/abc", 403),
        ("GET /volumes", 403),
        ("POST /volumes/create", 403),
        ("GET /secrets", 403),
        ("POST /swarm/init", 403),
        ("POST /containers/prune", 403),
        ("GET /v1.41/../containers/no-such-job/archive", 403),
    ],
)
def test_airflow_asks_the_engine_for_no_more_than_jobs_need(server: Server, call: str, status: int) -> None:
    method, path = call.split()
    form = ("curl", "--silent", "--output", "/dev/null", "--path-as-is", "--write-out", "%{http_code}")
    output = server.inside("airflow-scheduler", *form, "--request", method, f"http://docker-proxy:2375{path}")
    assert output == str(status)


def test_an_old_log_is_not_had_by_a_form_either(server: Server) -> None:
    form = ("curl", "--silent", "--output", "/dev/null", "--write-out", "%{http_code}", "--data", "logs=1")
    url = "http://docker-proxy:2375/containers/no-such-job/attach?logs=0&stdout=1"
    assert server.inside("airflow-scheduler", *form, url) == "403"


def test_a_job_reaches_the_lake_and_mlflow_and_nothing_else(server: Server) -> None:
    network = f"{server.variables['COMPOSE_PROJECT_NAME']}-jobs"
    command = ("--rm", "--network", network, "--entrypoint", "python", JOB_IMAGE, "-c", PROBE)
    assert json.loads(server.compose.docker("run", *command, stdout=PIPE)) == ["lakefs", "mlflow"]


def run(server: Server, dag: str, run_id: str, **conf: str) -> None:
    server.airflow.wait_for_dag(dag)
    server.airflow.run(dag, run_id, conf)


def train(server: Server) -> None:
    """Train a model on a month, unless there is one."""
    run(server, "flights.ingest", "month", start="2013-01-01", end="2013-01-28")
    run(server, "flights.train", "first", until="2013-01-28", reason="a test")


def test_a_model_is_made_of_days_that_were_ingested_in_a_container(server: Server) -> None:
    train(server)

    trained = server.airflow.result("flights.train", "first", "train")
    found = server.mlflow("runs/search", {"experiment_ids": ["1", "2", "3"], "max_results": 10}).json()[
        "runs"
    ]
    [run_of_it] = [one for one in found if one["info"]["run_id"] == trained["run_id"]]
    assert run_of_it["info"]["status"] == "FINISHED"
    assert "/containers/create?name=millrace-flights-train-" in server.logs("docker-proxy")


def test_a_killed_service_comes_back(server: Server) -> None:
    script = "import os; os.kill(int(open('/proc/1/task/1/children').read().split()[0]), 9)"
    before = server.compose.container("airflow-triggerer").state["StartedAt"]

    # 137: the container may be killed before the command has ended.
    killer = ("exec", server.compose.container("airflow-triggerer").id, "python", "-c", script)
    server.compose.docker(*killer, allowed=(0, 137))

    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        found = server.compose.container("airflow-triggerer")
        if found.state["StartedAt"] != before and not found.problem:
            return
        time.sleep(1)
    pytest.fail(f"the triggerer is {found.problem!r}, started at {found.state['StartedAt']}")


def test_what_was_saved_is_back_after_a_wipe(server: Server, tmp_path: Path) -> None:
    train(server)
    run(server, "flights.ingest", "saved", start="2013-02-01", end="2013-02-01")
    saved = contents(server)
    server.make("compose", "DO=backup", f"TO={tmp_path}/one")
    assert (tmp_path / "one").stat().st_mode & 0o777 == 0o700
    run(server, "flights.ingest", "lost", start="2013-02-02", end="2013-02-02")
    assert contents(server) != saved
    server.wipe()

    server.make("compose", "DO=restore", f"FROM={tmp_path}/one")

    assert contents(server) == saved
    assert server.airflow.state("flights.ingest", "saved") == "success"
    # Connections can be decrypted with the former key, and the lake accepts new data.
    run(server, "flights.ingest", "after", start="2013-02-03", end="2013-02-03")


def contents(server: Server) -> dict[str, str]:
    """Return users' data by name with digests: objects of the lake, and artifacts of runs in MLflow."""
    found = {
        path: server.lake.download("main", path)
        for path in (row.path for row in server.lake.list_objects("main"))
    }
    runs = server.mlflow("runs/search", {"experiment_ids": ["1", "2", "3"], "max_results": 100}).json()
    for run_id in (row["info"]["run_id"] for row in runs.get("runs", [])):
        kept = server.artifact(run_id, "features.json")
        found |= {run_id: b""} if kept is None else {f"{run_id}/features.json": kept}
    assert any(name.endswith("features.json") for name in found)
    return {name: hashlib.sha256(content).hexdigest() for name, content in found.items()}


def test_an_upgrade_saves_before_anything_new_starts(server: Server, tmp_path: Path) -> None:
    with (server.folder / ".env").open("a") as file:
        file.write("COMPOSE_PROFILES=celery\nAIRFLOW_EXECUTOR=CeleryExecutor\n")
    run(server, "flights.ingest", "kept", start="2013-02-04", end="2013-02-04")
    server.compose.call("down")  # even though it was down during the upgrade

    output = server.make("compose", "DO=upgrade", f"TO={tmp_path}/before")

    built, saved = output.index("building job airflow mlflow"), output.index("the backup is in")
    assert built < saved < output.index("airflow-init ready")
    assert json.loads((tmp_path / "before/manifest.json").read_text())["files"].keys() >= {"lakefs.tar"}
    assert {"airflow-worker ready", "redis ready"} <= set(output.splitlines())
    assert server.airflow.state("flights.ingest", "kept") == "success"
    run(server, "flights.ingest", "by-worker", start="2013-02-05", end="2013-02-05")
    assert "succeeded in" in server.logs("airflow-worker")
