"""The manifests as a cluster gets them: overlays built by kustomize, the chart rendered by helm."""

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
    """The program that builds overlays; a test is skipped, with the reason, where it cannot be had."""
    asked = subprocess.run([ROOT / ".ci/kustomize"], capture_output=True, text=True, check=False)
    if asked.returncode:
        pytest.skip(asked.stderr.strip())
    return asked.stdout.strip()


@cache
def overlay_text(name: str) -> str:
    """What `kustomize build` prints for an overlay."""
    folder = KUBERNETES / "overlays" / name
    built = subprocess.run([kustomize(), "build", folder], capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return built.stdout


def overlay(name: str) -> list[Object]:
    """The objects of an overlay."""
    return objects(overlay_text(name))


def objects(text: str) -> list[Object]:
    """The objects of a stream of YAML."""
    return [found for found in yaml.safe_load_all(text) if found]


def values() -> Object:
    """What the chart of Airflow is told."""
    found: Object = yaml.safe_load((KUBERNETES / "airflow-values.yaml").read_text())
    return found


def guide() -> str:
    """What the guide tells about a cluster."""
    return (ROOT / "docs/cluster.md").read_text()


def own_values(**placeholders: str) -> Object:
    """What the guide shows as a deployment's own values, placeholders filled in."""
    (block,) = re.findall(r"```yaml\n(images:.*?)```", guide(), re.DOTALL)
    found: Object = yaml.safe_load(reduce(lambda text, one: text.replace(*one), placeholders.items(), block))
    return found


@cache
def chart_text(*more: str) -> str:
    """The rendered chart of Airflow; skipped without helm, or without the unpacked chart in AIRFLOW_CHART."""
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
    """The objects of Airflow's chart with our values, and the pod that tasks are made from."""
    found = objects(chart_text(*more))
    (tasks,) = (
        one["data"]["pod_template_file.yaml"] for one in found if title(one) == "ConfigMap/airflow-config"
    )
    found += objects(tasks)
    for one in found:
        one["metadata"].setdefault("namespace", "millrace")  # as an installation does
    return found


def title(found: Object) -> str:
    """An object's kind, namespace and name."""
    about = found["metadata"]
    return "/".join(filter(None, (found["kind"], about.get("namespace"), about.get("name", "?"))))


def pod_of(found: Object) -> Object | None:
    """The pod that an object makes, with `metadata` and `spec`."""
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
    """Every container of a pod, those that run first among them."""
    yield from pod["spec"].get("initContainers") or []
    yield from pod["spec"]["containers"]


def named(found: list[Object], kind: str) -> dict[str, Object]:
    """Objects of a kind by name."""
    return {one["metadata"]["name"]: one for one in found if one["kind"] == kind}
