"""The scripts that bring a cluster and a chart to the CI, with stand-ins for the programs they call."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
import yaml

from include.settings import ROOT
from tests.support.program import program

SCRIPTS = sorted(
    file for file in (ROOT / ".ci").iterdir() if file.is_file() and file.read_bytes().startswith(b"#!/bin/sh")
)


def programs(folder: Path, **bodies: str) -> dict[str, str]:
    """An environment in which these programs are stand-ins, and write down what they are asked."""
    for name, body in bodies.items():
        program(folder / name, f'echo "{name} $*" >>"{folder}/asked"\n{body}')
    path = os.pathsep.join((str(folder), "/usr/bin", "/bin"))
    return {"PATH": path, "HOME": str(folder), "XDG_RUNTIME_DIR": str(folder)}


def run(script: str, *words: str, environment: dict[str, str]) -> tuple[int, str]:
    ended = subprocess.run(
        [ROOT / ".ci" / script, *words], env=environment, capture_output=True, text=True, check=False
    )
    return ended.returncode, ended.stdout


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda file: file.name)
def test_a_script_is_one_that_any_sh_can_read(script: Path) -> None:
    assert subprocess.run(["/bin/sh", "-n", script], check=False).returncode == 0


def test_kind_has_the_job_image_and_tells_where_pods_reach_this_machine(tmp_path: Path) -> None:
    line = "7: br-34d02a75e671    inet 172.18.0.1/16 brd 172.18.255.255 scope global br-34d02a75e671"
    there = programs(tmp_path, kind="", docker="echo 34d02a75e671", ip=f"echo '{line}'")

    status, told = run("kind", "up", environment=there)

    settings = dict(setting.split("=", 1) for setting in told.splitlines())
    state = Path(settings.pop("KUBECONFIG")).parent
    assert status == 0
    assert settings == {
        "MILLRACE_KUBERNETES_GATEWAY": "172.18.0.1%br-34d02a75e671",
        "MILLRACE_JOB_IMAGE_PULL": "never",
    }
    assert state.parent == tmp_path
    asked = (tmp_path / "asked").read_text()
    assert "kind load docker-image --name millrace millrace-job:latest" in asked
    assert "ip -4 -oneline address show br-34d02a75e671" in asked


def test_without_a_cluster_there_are_no_settings(tmp_path: Path) -> None:
    there = programs(tmp_path, kind="exit 1", docker="", ip="")
    assert run("kind", "up", environment=there) == (1, "")


def test_the_chart_is_fetched_in_the_version_that_is_deployed(tmp_path: Path) -> None:
    application = yaml.safe_load((ROOT / "include/platform/kubernetes/argocd-application.yaml").read_text())
    version = application["spec"]["sources"][1]["targetRevision"]
    there = programs(tmp_path, helm="")

    status, told = run("airflow-chart", environment=there)

    folder = tmp_path / f".cache/millrace/airflow-chart-{version}"
    assert (status, told) == (0, f"AIRFLOW_CHART={folder}/airflow\n")
    assert f" --version {version} --untar " in (tmp_path / "asked").read_text()
