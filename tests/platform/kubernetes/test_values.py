"""The values of Airflow's chart agree with the manifests; the DAG bundle pins a run to its commit."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import pytest
import yaml

from include.settings import ROOT, Settings, SettingsGroup
from tests.support.manifests import KUBERNETES, containers, overlay, own_values, pod_of, values

VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
APPLICATION = yaml.safe_load((KUBERNETES / "argocd-application.yaml").read_text())["spec"]


def bundle_settings() -> dict[str, Any]:
    (found,) = values()["dagProcessor"]["dagBundleConfigList"]
    return dict(found)


def test_a_release_is_one_version_everywhere() -> None:
    found, images = values(), values()["images"]
    environment = {one["name"]: one["value"] for one in found["env"]}
    ours = {
        container["image"]
        for one in overlay("production")
        if (pod := pod_of(one))
        for container in containers(pod)
        if container["image"].startswith("millrace-")
    }
    assert images["airflow"] == images["pod_template"] == {"repository": "millrace-airflow", "tag": VERSION}
    assert environment["MILLRACE_JOB_IMAGE"] == f"millrace-job:{VERSION}"
    assert ours == {f"millrace-mlflow:{VERSION}", f"millrace-job:{VERSION}"}
    assert bundle_settings()["kwargs"]["tracking_ref"] == f"v{VERSION}"
    assert APPLICATION["sources"][0]["targetRevision"] == f"v{VERSION}"


def test_the_chart_runs_the_airflow_that_is_tested() -> None:
    (pinned,) = re.findall(r"^apache-airflow==(\S+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    assert values()["airflowVersion"] == pinned
    dockerfile = (ROOT / "include/platform/images/airflow/Dockerfile").read_text()
    assert f"apache/airflow:{pinned}-" in dockerfile


def test_rights_are_bound_to_the_service_accounts_of_the_values() -> None:
    named = {
        part["serviceAccount"]["name"]
        for part in values().values()
        if isinstance(part, dict) and "name" in part.get("serviceAccount", {})
    }
    bound = {
        who["name"]
        for one in overlay("production")
        if one["kind"] == "RoleBinding"
        for who in one["subjects"]
    }
    assert bound == {"airflow-worker", "airflow-triggerer", "airflow-scheduler"}
    assert bound <= named


def test_no_user_with_a_known_password_and_no_database_of_the_charts() -> None:
    found = values()
    assert [found[name]["enabled"] for name in ("createUserJob", "postgresql", "redis")] == [False] * 3
    assert "FabAuthManager" in found["config"]["core"]["auth_manager"]


def test_jobs_run_where_the_manifests_have_made_room_for_them() -> None:
    told = {one["name"]: one["value"] for one in values()["env"]}
    groups: list[type[SettingsGroup]] = [Settings, *Settings.groups().values()]
    known = {name: field.default for group in groups for name, field in group.declared().items()}
    made = {f"{one['kind']}/{one['metadata']['name']}" for one in overlay("production")}
    assert set(told) - set(known) == {"PGSSLMODE"}
    assert {
        name: told[name]
        for name in (
            "MILLRACE_KUBERNETES_NAMESPACE",
            "MILLRACE_KUBERNETES_SERVICE_ACCOUNT",
            "MILLRACE_KUBERNETES_SECRET",
        )
    } == {
        name: known[name]
        for name in (
            "MILLRACE_KUBERNETES_NAMESPACE",
            "MILLRACE_KUBERNETES_SERVICE_ACCOUNT",
            "MILLRACE_KUBERNETES_SECRET",
        )
    }
    assert {
        f"Namespace/{told['MILLRACE_KUBERNETES_NAMESPACE']}",
        f"ServiceAccount/{told['MILLRACE_KUBERNETES_SERVICE_ACCOUNT']}",
    } <= made


def test_every_setting_is_said_as_text() -> None:
    # The chart copies them into airflow.cfg: a YAML false would become "false" there.
    config = values()["config"]
    assert {type(value) for section in config.values() for value in section.values()} == {str}


def test_argo_cd_deploys_what_is_here() -> None:
    kustomize, chart = APPLICATION["sources"]
    assert (ROOT / kustomize["path"] / "kustomization.yaml").is_file()
    for file in chart["helm"]["valueFiles"]:
        assert (ROOT / file.removeprefix("$millrace/")).is_file()
    own = {name: value for name, value in chart["helm"]["valuesObject"].items() if name in own_values()}
    assert own == own_values()
    assert (chart["chart"], chart["helm"]["releaseName"]) == ("airflow", "airflow")
    assert re.fullmatch(r"\d+\.\d+\.\d+", chart["targetRevision"])


def git(folder: Path, *words: str) -> str:
    who = ("-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "init.defaultBranch=main")
    return subprocess.check_output(["git", *who, *words], cwd=folder, text=True).strip()


def release(folder: Path, text: str) -> str:
    """Commit a DAG file, move the release's tag to the commit, and return the commit."""
    (folder / "dags").mkdir(exist_ok=True)
    (folder / "dags/ingest.py").write_text(text)
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", text)
    git(folder, "tag", "--force", f"v{VERSION}")
    return git(folder, "rev-parse", "HEAD")


def test_a_run_sees_the_dags_of_the_commit_that_it_began_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin = tmp_path / "origin"
    origin.mkdir()
    git(origin, "init", "--quiet")
    first = release(origin, "first = 1\n")
    settings = bundle_settings()
    connection = {"conn_type": "git", "host": str(origin)}
    monkeypatch.setenv(f"AIRFLOW_CONN_{settings['kwargs']['git_conn_id'].upper()}", json.dumps(connection))
    monkeypatch.setenv("AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH", str(tmp_path / "bundles"))

    def bundle(version: str | None) -> Any:
        kind = resolve_name(settings["classpath"])
        found = kind(name=settings["name"], version=version, **settings["kwargs"])
        found.initialize()
        return found

    parsed = bundle(None)
    begun = parsed.get_current_version().version
    second = release(origin, "second = 2\n")
    parsed.refresh()

    assert (begun, parsed.get_current_version().version) == (first, second)
    assert (parsed.path / "ingest.py").read_text() == "second = 2\n"
    assert (bundle(begun).path / "ingest.py").read_text() == "first = 1\n"
