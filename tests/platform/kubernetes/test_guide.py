"""README and the guide for clusters agree with the manifests."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from include.settings import ROOT
from tests.support.manifests import (
    KUBERNETES,
    OVERLAYS,
    containers,
    guide,
    kustomize,
    named,
    objects,
    overlay,
    own_values,
    pod_of,
    title,
    values,
)
from tests.support.program import program

README = (ROOT / "README.md").read_text()
GUIDE = guide()
DIGEST = "0" * 64
TOLD = {"README": README.partition("\n## A cluster\n")[2].partition("\n## ")[0], "guide": GUIDE}


@pytest.mark.parametrize("name", TOLD)
def test_every_file_of_the_commands_exists(name: str) -> None:
    files = set(re.findall(r"include/platform/kubernetes/[\w./-]*\w", TOLD[name]))
    assert len(files) > 3
    assert [file for file in files if not (ROOT / file).exists()] == []


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A home folder with a checkout, the real kustomize, and stand-ins that accept all existing files."""
    shutil.copytree(KUBERNETES, tmp_path / "checkout/include/platform/kubernetes")
    for name in ("kubectl", "helm"):
        program(tmp_path / "bin" / name, PROGRAM)
    (tmp_path / "bin/kustomize").symlink_to(kustomize())
    (tmp_path / "millrace-values.yaml").touch()
    return tmp_path


PROGRAM = """set -eu
echo "$(basename "$0") $*" >>~/calls
case "$*" in *' -f -') exec cat >~/applied ;; esac
while [ $# != 0 ]; do
    case $1 in -f | --values) test -f "$2" || { echo "there is no $2" >&2; exit 1; } ;; esac
    shift
done
"""


@pytest.mark.parametrize("name", TOLD)
def test_the_commands_deploy_the_overlay_with_the_images_of_a_release(name: str, machine: Path) -> None:
    commands = re.findall(r"```sh\n(.*?)```", TOLD[name], re.DOTALL)[0]
    for word, value in (("REGISTRY", "registry.example"), ("DIGEST", DIGEST)):
        commands = commands.replace(word, value)
    commands = re.sub(r"(millrace-\w+)=…", rf"\1=registry.example/\1@sha256:{DIGEST}", commands)
    if name == "README":
        shutil.copy(KUBERNETES / "secrets.example.yaml", machine / "millrace-secrets.yaml")

    ended = subprocess.run(
        ["/bin/sh", "-eu", "-c", commands],
        cwd=machine / "checkout",
        env={"PATH": f"{machine}/bin:/usr/bin:/bin", "HOME": str(machine)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (ended.returncode, ended.stderr) == (0, "")
    found = objects((machine / "applied").read_text())
    assert {title(one) for one in found} == {title(one) for one in overlay("production")}
    images = {box["image"] for one in found if (pod := pod_of(one)) for box in containers(pod)}
    ours = {image for image in images if "millrace" in image}
    assert ours == {f"registry.example/millrace-{one}@sha256:{DIGEST}" for one in ("mlflow", "job")}
    calls = (machine / "calls").read_text().splitlines()
    assert [line.split()[:2] for line in calls if line.startswith(("kubectl apply", "helm"))] == [
        *[["kubectl", "apply"]] * 3,
        ["helm", "upgrade"],
    ]


@pytest.mark.parametrize("name", TOLD)
def test_the_chart_is_the_one_that_argo_cd_deploys(name: str) -> None:
    _, chart = yaml.safe_load((KUBERNETES / "argocd-application.yaml").read_text())["spec"]["sources"]
    (command,) = re.findall(r"helm upgrade --install (\w+) (\w+) --repo (\S+) --version (\S+)", TOLD[name])
    assert command == (
        chart["helm"]["releaseName"],
        chart["chart"],
        chart["repoURL"],
        chart["targetRevision"],
    )


def test_a_deployments_own_values_leave_out_no_variable() -> None:
    told, ours = own_values(), values()
    assert [one["name"] for one in told["env"]] == [one["name"] for one in ours["env"]]
    assert set(told) <= set(ours)


@pytest.mark.parametrize(
    ("account", "role"),
    [("airflow-scheduler", "Role/millrace/task-runner"), ("airflow-worker", "Role/millrace-jobs/job-runner")],
)
def test_the_table_of_rights_is_that_of_the_roles(account: str, role: str) -> None:
    (row,) = re.findall(
        rf"^\| `{account}`.*\| [^|]* \| [^|]*pods.*?: ((?:\w+, )+\w+)[;| ]", GUIDE, re.MULTILINE
    )
    (given,) = (one["rules"][0]["verbs"] for one in overlay("production") if title(one) == role)
    assert row.split(", ") == given


def test_the_table_of_limits_is_that_of_the_quota() -> None:
    found = {title(one): one for one in overlay("production")}
    quota = found["ResourceQuota/millrace-jobs/jobs"]["spec"]["hard"]
    (limits,) = found["LimitRange/millrace-jobs/jobs"]["spec"]["limits"]
    memory = quota["limits.memory"].replace("Gi", " GiB")
    assert f"{quota['pods']} pods, {quota['limits.cpu']} cores, {memory} together" in GUIDE
    assert (limits["default"]["cpu"], limits["default"]["memory"]) == ("1", "2Gi")
    assert "gets 1 core and 2 GiB" in GUIDE
    assert (limits["max"]["cpu"], limits["max"]["memory"]) == ("16", "64Gi")
    assert "more than 16 and 64 GiB" in GUIDE


@pytest.mark.parametrize("name", OVERLAYS)
def test_the_first_user_is_waited_for_at_once_and_before_the_way_in_is_opened(name: str) -> None:
    wait = r"kubectl wait --for=condition=complete job/(\S+) --namespace (\S+) --timeout=\d+m\n"
    job = named(overlay(name), "Job")["lakefs-setup"]
    steps, _, opened = GUIDE.partition("`millrace/web=allowed`")
    assert opened
    (waited,) = re.findall(rf"\| kubectl apply --server-side -f -\n(?:#.*\n)*{wait}", steps)
    assert waited == (job["metadata"]["name"], job["metadata"]["namespace"])
    assert f"this Job is deleted {job['spec']['ttlSecondsAfterFinished']} s after its end" in steps


@pytest.mark.parametrize("name", OVERLAYS)
def test_the_labels_that_open_the_way_in_are_those_of_the_policies(name: str) -> None:
    told = set(re.findall(r"`(millrace/\w+)=(\w+)`", GUIDE))
    opened = {
        label
        for one in overlay(name)
        if one["kind"] == "NetworkPolicy"
        for rule in one["spec"].get("ingress", [])
        for way in rule["from"]
        for label in way.get("namespaceSelector", {}).get("matchLabels", {}).items()
    }
    assert told == {label for label in opened if label[0].startswith("millrace/")}
