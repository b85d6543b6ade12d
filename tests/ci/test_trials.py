"""`.ci/compose` and `.ci/trial`, with stand-ins for programs: their names exist in the manifests."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from include.settings import ROOT
from tests.support.manifests import KUBERNETES, objects, overlay, title, values
from tests.support.program import program

COMPOSE = yaml.safe_load((ROOT / "docker-compose.yaml").read_text())
TRIAL = (ROOT / ".ci/trial").read_text()
OWN = objects((ROOT / ".ci/trial.d/postgres.yaml").read_text())
EXAMPLE = objects((KUBERNETES / "secrets.example.yaml").read_text())
# Each records its calls; kubectl's stand-in returns the same value for every secret.
PROGRAMS = {
    "make": 'if [ "$*" = "compose DO=env" ]; then echo AIRFLOW_ADMIN_PASSWORD=word >>.env; fi\n'
    'case $3 in TO=*) mkdir "${3#TO=}" && echo saved >"${3#TO=}/manifest.json" ;; esac',
    "docker": """case $* in *query*) echo '{"value": [0, "2"]}' ;; esac""",
    "kubectl": "case $* in\n'config current-context') echo kind-millrace ;;\n"
    "port-forward*) exec sleep 60 ;;\napply*-) cat >/dev/null ;;\nget*secret*) printf 'd29yZA==' ;;\nesac",
    "kind": "",
    "helm": "",
    "curl": "",
}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The two scripts and the files that they read, on a machine where programs only record their calls."""
    folder = tmp_path / "checkout"
    shutil.copytree(ROOT / ".ci", folder / ".ci", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    (folder / "dags").mkdir()
    (folder / "dags/ingest.py").touch()
    (tmp_path / "bin").mkdir()
    for name, body in PROGRAMS.items():
        program(tmp_path / "bin" / name, f'echo "{name} $*" >>"{tmp_path}/calls"\n{body}')
    (folder / ".venv/bin").mkdir(parents=True)
    noted = f'echo "python $* [$AIRFLOW_PASSWORD]" >>"{tmp_path}/calls"'
    program(folder / ".venv/bin/python", noted)
    program(folder / ".ci/kustomize", f"echo {tmp_path}/bin/kustomize")
    program(tmp_path / "bin/kustomize", "")
    program(folder / ".ci/airflow-chart", "echo AIRFLOW_CHART=/chart")
    return folder


def run(checkout: Path, script: str) -> tuple[int, str, list[str]]:
    """Run a script; return its status, its output, and the calls of the programs."""
    machine = checkout.parent
    ended = subprocess.run(
        [checkout / ".ci" / script],
        env={"PATH": f"{machine}/bin:/usr/bin:/bin", "HOME": str(machine), "TMPDIR": str(machine)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    calls = machine / "calls"
    return ended.returncode, ended.stdout, calls.read_text().splitlines() if calls.exists() else []


def test_compose_is_started_used_saved_and_removed(checkout: Path) -> None:
    status, output, calls = run(checkout, "compose")

    assert (status, output.splitlines()[-1]) == (0, "compose: started, ingested, read by Prometheus, saved")
    verbs = [" ".join(line.split()[:4]) for line in calls]
    assert verbs[:4] == [
        "make setup",
        "make compose DO=env",
        "make compose DO=up",
        "python .ci/ingest_day.py http://localhost:8080 [word]",
    ]
    assert verbs[4] == "docker compose exec -T"
    assert verbs[5].startswith("make compose DO=backup TO=")
    assert verbs[6] == "docker compose down --volumes"
    assert not (checkout / ".env").exists()


def test_a_platform_that_is_there_is_left_alone(checkout: Path) -> None:
    (checkout / ".env").write_text("AIRFLOW_ADMIN_PASSWORD=mine\n")
    status, output, calls = run(checkout, "compose")
    assert (status, calls) == (1, [])
    assert "run it in a fresh clone" in output
    assert (checkout / ".env").read_text() == "AIRFLOW_ADMIN_PASSWORD=mine\n"


def test_a_fault_is_one_and_all_is_removed(checkout: Path) -> None:
    program(checkout / ".venv/bin/python", "exit 3")
    status, _, calls = run(checkout, "compose")
    assert status == 3
    assert calls[-2:] == [
        "docker compose logs --tail 50",
        "docker compose down --volumes --remove-orphans",
    ]
    assert not (checkout / ".env").exists()


def test_what_compose_is_asked_for_is_in_its_file() -> None:
    text = (ROOT / ".ci/compose").read_text()
    (profiles,) = re.findall(r"^COMPOSE_PROFILES=(.*)$", text, re.MULTILINE)
    there = {name for service in COMPOSE["services"].values() for name in service.get("profiles", ())}
    assert set(profiles.split(",")) == there
    (service,) = re.findall(r"compose exec -T (\S+)", text)
    scraped = yaml.safe_load((ROOT / "include/platform/observability/prometheus.yaml").read_text())[
        "scrape_configs"
    ]
    assert (service in COMPOSE["services"], len(scraped)) == (True, 2)


def test_the_trial_runs_to_its_end(checkout: Path) -> None:
    status, output, calls = run(checkout, "trial")

    assert (status, output.splitlines()[-1]) == (
        0,
        "trial: lakeFS, MLflow and Airflow run, and a day was ingested",
    )
    assert [line for line in calls if line.startswith("helm")] == [
        "helm upgrade --install airflow /chart --namespace millrace --timeout 15m --values "
        "include/platform/kubernetes/airflow-values.yaml --values .ci/trial.d/values.yaml"
    ]
    (ingested,) = (line for line in calls if "ingest_day" in line)
    assert re.fullmatch(r"python \.ci/ingest_day\.py http://localhost:8080 \[[0-9a-f]{32}\]", ingested)


def test_another_cluster_is_left_alone(checkout: Path) -> None:
    program(checkout.parent / "bin/kubectl", "echo production")
    status, output, calls = run(checkout, "trial")
    assert (status, calls) == (1, [])
    assert "kubectl's context is 'production', not 'kind-millrace'" in output


def test_what_the_trial_waits_for_is_made() -> None:
    made = {title(one) for one in [*overlay("trial"), *OWN]}
    for name in (
        "job/lakefs-setup",
        "deployment/lakefs",
        "deployment/mlflow",
        "service/mlflow",
        "service/lakefs",
    ):
        kind, _, own = name.partition("/")
        assert f"{kind.capitalize()}/millrace/{own}" in made
    assert {"Deployment/millrace-database/postgres", "Service/millrace-database/postgres"} <= made
    ports = {
        one["metadata"]["name"]: one["spec"]["ports"][0]["port"]
        for one in overlay("trial")
        if one["kind"] == "Service"
    }
    forwarded = {name: int(port) for name, port in re.findall(r"^forward (\S+) (\d+)$", TRIAL, re.MULTILINE)}
    assert forwarded == ports | {"airflow-api-server": 8080}
    for file in re.findall(r"(?:include/platform/kubernetes|\.ci/trial\.d)/[\w./-]*\w", TRIAL):
        assert (ROOT / file).exists(), file


def test_the_trials_postgresql_is_composes_with_every_database() -> None:
    (container,) = next(one for one in OWN if one["kind"] == "Deployment")["spec"]["template"]["spec"][
        "containers"
    ]
    assert container["image"] == COMPOSE["services"]["postgres"]["image"]
    assert {kubernetes_validate.validate(one, "1.30", strict=True) for one in OWN} == {"1.30"}
    (sql,) = next(one for one in OWN if one["kind"] == "ConfigMap")["data"].values()
    (listed,) = re.findall(r"databases (`lakefs`[^)]*)\)", (ROOT / "docs/cluster.md").read_text())
    assert set(re.findall(r"CREATE DATABASE (\w+);", sql)) == set(re.findall(r"`(\w+)`", listed))


def test_the_trials_values_change_what_a_trial_lacks_and_no_more() -> None:
    trial, ours = yaml.safe_load((ROOT / ".ci/trial.d/values.yaml").read_text()), values()
    assert set(trial) <= set(ours)
    changed = [one for one in trial["env"] if one not in ours["env"]]
    assert [one["name"] for one in trial["env"]] == [one["name"] for one in ours["env"]]
    assert changed == [{"name": "PGSSLMODE", "value": "prefer"}]
    assert trial["images"]["airflow"]["tag"] == trial["images"]["pod_template"]["tag"] == "trial"
    assert "--tag millrace-airflow:trial" in TRIAL


@cache
def secrets() -> dict[tuple[str, str], dict[str, Any]]:
    command = [sys.executable, str(ROOT / ".ci/trial.d/fill_secrets.py")]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return {
        (one["metadata"]["namespace"], one["metadata"]["name"]): one["stringData"] for one in objects(text)
    }


def test_every_secret_of_the_example_is_filled_in() -> None:
    wanted = {
        (one["metadata"]["namespace"], one["metadata"]["name"]): set(one["stringData"]) for one in EXAMPLE
    }
    wanted["millrace-database", "postgres"] = {"POSTGRES_PASSWORD"}
    assert {place: set(content) for place, content in secrets().items()} == wanted
    assert all(value for content in secrets().values() for value in content.values())
    for place, name, key in re.findall(r"\$\(secret (\S+) (\S+) (\w+)\)", TRIAL):
        assert secrets()[place, name][key]


def test_connections_hold_what_jobs_and_servers_were_given() -> None:
    job = secrets()["millrace-jobs", "millrace-job"]
    connections = {
        name.removeprefix("AIRFLOW_CONN_"): json.loads(connection)
        for name, connection in secrets()["millrace", "airflow-connections"].items()
    }
    login = {name: (one.get("login"), one.get("password")) for name, one in connections.items()}
    assert login["LAKEFS_DEFAULT"] == (
        job["LAKECTL_CREDENTIALS_ACCESS_KEY_ID"],
        job["LAKECTL_CREDENTIALS_SECRET_ACCESS_KEY"],
    )
    assert login["MLFLOW_DEFAULT"] == (job["MLFLOW_TRACKING_USERNAME"], job["MLFLOW_TRACKING_PASSWORD"])
    assert f"COPY --chown=50000:0 origin {connections['GIT_MILLRACE']['host']}\\n" in TRIAL
