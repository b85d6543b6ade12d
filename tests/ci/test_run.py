"""`.ci/run` reports everything that it skips; here the project's other scripts and targets do nothing."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from include.settings import ROOT
from tests.support.program import program

CLOSING_LINE = "==== 7 passed in 1.00s ===="
NO_ENGINE = (
    "ci: without containers (above is why): the tests that need them are skipped, "
    "and the demo with jobs in containers is left out"
)
NO_CLUSTER = (
    "ci: without a cluster (above is why): the tests that need one are skipped, "
    "and the demo with jobs in pods is left out"
)
NO_COMPOSE = "ci: without Compose: the tests that need it are skipped"
NO_KUSTOMIZE = "ci: without kustomize (above is why): the tests that need it are skipped"
IN_CONTAINERS, IN_PODS = "demo docker", "demo kubernetes"

MAKE = f"""
while [ "${{1#--}}" != "$1" ]; do shift; done
verb=$1; shift
case $verb in
    lint)
        mkdir -p .venv/bin
        check='[ "$2" != include.platform.embedded.cluster ]'
        printf '#!/bin/sh\\necho 1 2 3\\n%s || exit ${{REACHED:-0}}\\n' "$check" \\
            >.venv/bin/python
        chmod +x .venv/bin/python ;;
    test) echo '{CLOSING_LINE}' ;;
    demo) echo "demo${{MILLRACE_RUNTIME:+ $MILLRACE_RUNTIME}}" >>"$DEMOS" ;;
esac
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository with the real `.ci/run` and `.ci/cluster`, and stand-ins for everything else."""
    folder = tmp_path / "project"
    for name in ("python", "kustomize", "statsd-exporter", "engine", "base-image"):
        program(folder / ".ci" / name, "exit 0")
    program(folder / ".ci/base-image", "echo some-base")
    for name in ("run", "cluster"):
        shutil.copy(ROOT / ".ci" / name, folder / ".ci" / name)
    (folder / ".env.example").write_text("#MILLRACE_RUNTIME=auto\n#MILLRACE_KUBERNETES_NAMESPACE=\n")
    program(tmp_path / "bin/make", MAKE)
    program(tmp_path / "bin/docker", "exit 0")
    return folder


def run(project: Path, **environment: str) -> tuple[list[str], list[str], str]:
    """Run it; return its own messages, the demos that it started, and the last line."""
    who = ("-c", "user.name=t", "-c", "user.email=t@example.com")
    for words in (("init", "--quiet"), ("add", "."), ("commit", "--quiet", "--message", "all")):
        subprocess.run(["git", *who, *words], cwd=project, check=True, capture_output=True)
    machine = project.parent
    started = machine / "demos"
    ended = subprocess.run(
        [project / ".ci/run"],
        env={
            "PATH": f"{machine}/bin:/usr/bin:/bin",
            "HOME": str(machine),
            "XDG_RUNTIME_DIR": str(machine),
            "DEMOS": str(started),
            "CLUSTER_TOOL": str(machine / "tool"),
            **environment,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout
    lines = ended.stdout.splitlines()
    return (
        [line for line in lines if line.startswith("ci: without")],
        started.read_text().splitlines(),
        lines[-1],
    )


def test_a_cluster_that_does_not_lead_back_is_left_out_with_a_word(project: Path) -> None:
    messages, demos, last = run(project, KUBECONFIG="/away", REACHED="1")
    assert (messages, demos, last) == ([NO_CLUSTER], ["demo", IN_CONTAINERS], CLOSING_LINE)


def test_with_an_engine_and_a_cluster_nothing_is_left_out(project: Path) -> None:
    tool = project.parent / "tool"
    program(tool / "load-image", "")
    program(tool / "down", "")
    program(tool / "up", "echo export KUBECONFIG=/the/config")
    assert run(project) == ([], ["demo", IN_CONTAINERS, IN_PODS], CLOSING_LINE)


def test_a_cluster_that_is_there_already_is_no_reason_to_leave_it_out(project: Path) -> None:
    assert run(project, KUBECONFIG="/mine") == ([], ["demo", IN_CONTAINERS, IN_PODS], CLOSING_LINE)


def test_a_slow_machine_leaves_out_the_demos_elsewhere_with_a_word(project: Path) -> None:
    messages, demos, last = run(project, KUBECONFIG="/mine", CI_SECONDS="0")
    assert [message.partition(": the ")[2] for message in messages] == [
        "demo with jobs in containers is left out",
        "demo with jobs in pods is left out",
    ]
    assert (demos, last) == (["demo"], CLOSING_LINE)


def test_what_is_left_out_is_told(project: Path) -> None:
    program(project / ".ci/engine", '[ "$1" = stop ] || exit 1')
    program(project / ".ci/kustomize", "exit 1")
    # A base image that the caller names does not replace the engine.
    messages = run(project, BASE_IMAGE="another")
    assert messages == ([NO_ENGINE, NO_KUSTOMIZE, NO_CLUSTER], ["demo"], CLOSING_LINE)


def test_without_a_base_image_there_are_no_containers(project: Path) -> None:
    program(project / ".ci/base-image", "exit 1")
    assert run(project, KUBECONFIG="/mine") == ([NO_ENGINE], ["demo", IN_PODS], CLOSING_LINE)


def test_without_compose_it_says_so(project: Path) -> None:
    program(project.parent / "bin/docker", '[ "$1" != compose ]')
    program(project.parent / "bin/docker-compose", "exit 1")
    program(project.parent / "bin/id", "echo 1000")
    assert run(project, KUBECONFIG="/mine")[0] == [NO_COMPOSE]


@pytest.mark.parametrize(("there", "missing"), [("make", "git"), ("git", "make")])
def test_each_tool_that_is_missing_is_told(project: Path, tmp_path: Path, there: str, missing: str) -> None:
    machine = tmp_path / "machine"
    for name, body in (("id", "echo 1000"), (there, "exit 0")):
        program(machine / name, body)
    for name in ("bash", "dirname", "sh"):
        (machine / name).symlink_to(str(shutil.which(name)))
    ended = subprocess.run(
        [project / ".ci/run"], env={"PATH": str(machine)}, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (1, f"ci: {missing} is not installed\n")
