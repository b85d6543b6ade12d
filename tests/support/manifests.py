"""The manifests as they are applied to a cluster: overlays built by kustomize, the chart rendered by helm."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache, reduce
from pathlib import Path
from typing import Any

import pytest
import yaml

from include.settings import ROOT

KUBERNETES = ROOT / "include/platform/kubernetes"
OVERLAYS = sorted(folder.name for folder in (KUBERNETES / "overlays").iterdir())
Object = dict[str, Any]


@cache
def kustomize() -> str:
    """Return the path of kustomize; skip the test if it is not available."""
    process = subprocess.run([ROOT / ".ci/kustomize"], capture_output=True, text=True, check=False)
    if process.returncode:
        pytest.skip(process.stderr.strip())
    return process.stdout.strip()


@cache
def overlay_text(name: str) -> str:
    """Return the output of `kustomize build` for an overlay."""
    folder = KUBERNETES / "overlays" / name
    built = subprocess.run([kustomize(), "build", folder], capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return built.stdout


def overlay(name: str) -> list[Object]:
    """Return the objects of an overlay."""
    return objects(overlay_text(name))


def objects(text: str) -> list[Object]:
    """Return the objects of a stream of YAML documents."""
    return [document for document in yaml.safe_load_all(text) if document]


def values() -> Object:
    """Return the project's values for Airflow's chart."""
    content: Object = yaml.safe_load((KUBERNETES / "airflow-values.yaml").read_text())
    return content


def guide() -> str:
    """Return the text of the guide for clusters."""
    return (ROOT / "docs/cluster.md").read_text()


def own_values(**placeholders: str) -> Object:
    """Return the guide's example of a deployment's own values, with placeholders filled in."""
    (block,) = re.findall(r"```yaml\n(images:.*?)```", guide(), re.DOTALL)
    text = reduce(lambda text, pair: text.replace(*pair), placeholders.items(), block)
    content: Object = yaml.safe_load(text)
    return content


@cache
def chart_text(*more: str) -> str:
    """Return Airflow's rendered chart; skip the test without helm or the unpacked chart in AIRFLOW_CHART."""
    helm, chart = shutil.which("helm"), os.environ.get("AIRFLOW_CHART", "")
    if not helm or not Path(chart, "Chart.yaml").is_file():
        pytest.skip("needs helm on the path, and AIRFLOW_CHART: the folder of Airflow's unpacked chart")
    command = [helm, "template", "airflow", chart, "--namespace", "millrace", "--kube-version", "1.30.0"]
    rendered = subprocess.run(
        [*command, "--values", KUBERNETES / "airflow-values.yaml", *more],
        capture_output=True,
        text=True,
        check=False,
    )
    assert rendered.returncode == 0, rendered.stderr
    return rendered.stdout


def chart(*more: str) -> list[Object]:
    """Return the objects of Airflow's chart with the project's values, and the template of tasks' pods."""
    found = objects(chart_text(*more))
    (tasks,) = (
        one["data"]["pod_template_file.yaml"] for one in found if title(one) == "ConfigMap/airflow-config"
    )
    found += objects(tasks)
    for one in found:
        one["metadata"].setdefault("namespace", "millrace")  # as an installation does
    return found


def title(found: Object) -> str:
    """Return an object's kind, namespace and name as one text."""
    about = found["metadata"]
    return "/".join(filter(None, (found["kind"], about.get("namespace"), about.get("name", "?"))))


def pod_of(found: Object) -> Object | None:
    """Return the template of the pods that an object creates, or None."""
    match found["kind"]:
        case "Pod":
            return found
        case "Deployment" | "StatefulSet" | "DaemonSet" | "Job":
            template: Object = found["spec"]["template"]
            return template
        case "CronJob":
            job: Object = found["spec"]["jobTemplate"]["spec"]["template"]
            return job
    return None


def containers(pod: Object) -> Iterator[Object]:
    """Yield every container of a pod, including the init containers."""
    yield from pod["spec"].get("initContainers") or []
    yield from pod["spec"]["containers"]


def named(found: list[Object], kind: str) -> dict[str, Object]:
    """Return the objects of a kind by name."""
    return {one["metadata"]["name"]: one for one in found if one["kind"] == kind}
