"""`.ci/cluster` uses an existing cluster, or starts and stops one, and names what is missing."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from include.settings import ROOT
from tests.support.program import program


@pytest.fixture
def machine(tmp_path: Path) -> dict[str, str]:
    """The environment of a machine with an engine that has the job image, and nothing else."""
    (tmp_path / "bin").mkdir()
    program(tmp_path / "bin/docker", "exit 0")
    program(tmp_path / "bin/pidof", "exit 1")
    return {
        "PATH": f"{tmp_path}/bin:/usr/bin:/bin",
        "XDG_RUNTIME_DIR": str(tmp_path),
        "CLUSTER_TOOL": str(tmp_path / "tool"),
    }


@pytest.fixture
def tool(tmp_path: Path) -> Path:
    """A tool that writes its calls to the file `calls`."""
    folder = tmp_path / "tool"
    folder.mkdir()
    for name in ("up", "load-image", "down"):
        program(folder / name, f'echo "{name} $*" >> {folder}/calls')
    program(folder / "up", f"echo up >> {folder}/calls; echo export KUBECONFIG=/the/config")
    return folder


def cluster(verb: str, machine: dict[str, str]) -> tuple[int, str, str]:
    """Run a verb; return its status, standard output and standard error."""
    ended = subprocess.run(
        [ROOT / ".ci/cluster", verb], env=machine, capture_output=True, text=True, check=False
    )
    return ended.returncode, ended.stdout, ended.stderr


def test_one_that_is_named_is_left_alone(machine: dict[str, str], tool: Path) -> None:
    named = {**machine, "KUBECONFIG": "/mine"}
    assert cluster("start", named) == (0, "", "cluster: using the cluster of KUBECONFIG\n")
    assert cluster("stop", named) == (0, "", "")
    assert not (tool / "calls").exists()


def test_one_is_brought_up_with_the_job_image_and_taken_away(machine: dict[str, str], tool: Path) -> None:
    assert cluster("start", machine)[:2] == (0, "export KUBECONFIG=/the/config\n")
    assert cluster("stop", machine)[0] == 0
    assert cluster("stop", machine)[0] == 0
    assert (tool / "calls").read_text().splitlines() == ["up", "load-image millrace-job:latest", "down "]


def test_one_that_runs_already_is_used_and_not_stopped(machine: dict[str, str], tool: Path) -> None:
    program(Path(machine["PATH"].partition(":")[0]) / "pidof", "echo 7")
    assert cluster("start", machine)[:2] == (0, "export KUBECONFIG=/the/config\n")
    assert cluster("stop", machine)[0] == 0
    assert (tool / "calls").read_text().splitlines() == ["up", "load-image millrace-job:latest"]


def test_a_tool_that_cannot_is_a_reason_to_go_without(machine: dict[str, str], tool: Path) -> None:
    program(tool / "up", "echo 'needs root' >&2; exit 3")
    assert cluster("start", machine) == (1, "", "needs root\ncluster: no cluster came up\n")


def test_what_is_missing_is_told(machine: dict[str, str]) -> None:
    status, _, errors = cluster("start", machine)
    assert (status, "there is neither kind nor the tool" in errors) == (1, True)
    program(Path(machine["PATH"].partition(":")[0]) / "docker", "exit 1")
    assert cluster("start", machine)[2] == (
        "cluster: no Docker engine has the image millrace-job:latest to load; start one and run make images\n"
    )
