"""Airflow's chart renders with the project's values, and conforms to the same policies as the overlays."""

from __future__ import annotations

import json
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.platform.kubernetes.test_manifests import VERSIONS
from tests.support.manifests import (
    KUBERNETES,
    Object,
    chart,
    chart_text,
    containers,
    named,
    objects,
    overlay,
    pod_of,
    title,
)
from tests.support.policies import AIRFLOW, POLICIES, Policy

# The chart has no such probe; the port serves the logs of deferred tasks only.
ACCEPTED = ["Deployment/millrace/airflow-triggerer container 'triggerer' has no readinessProbe"]
DIGEST = "5" * 64


@pytest.fixture(scope="module")
def everything() -> list[Object]:
    return chart() + overlay("production")


@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_is_as_its_schema_says(version: str) -> None:
    found = chart()
    assert len(found) > 25
    assert {kubernetes_validate.validate(one, version, strict=True) for one in found} == {version}


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.__name__)
def test_every_object_holds_to_the_policy(everything: list[Object], policy: Policy) -> None:
    faults = [f"{title(one)} {fault}" for one in chart() for fault in policy(one, everything)]
    assert faults == (ACCEPTED if policy.__name__ == "probed" else [])


def test_the_chart_has_every_pod_that_network_policies_speak_of(everything: list[Object]) -> None:
    labels = [pod["metadata"].get("labels") or {} for one in everything if (pod := pod_of(one))]
    assert [part for part in AIRFLOW if not any(part.items() <= one.items() for one in labels)] == []


def test_rights_go_to_service_accounts_that_the_chart_makes(everything: list[Object]) -> None:
    made = {title(one) for one in everything if one["kind"] == "ServiceAccount"}
    bound = {
        f"ServiceAccount/{who['namespace']}/{who['name']}"
        for one in everything
        if one["kind"] == "RoleBinding"
        for who in one["subjects"]
    }
    assert bound - made == set()


def test_in_the_platforms_namespace_only_the_scheduler_may_make_pods(everything: list[Object]) -> None:
    roles = {title(one): one["rules"] for one in everything if one["kind"] == "Role"}
    makers = {
        who["name"]
        for one in everything
        if one["kind"] == "RoleBinding" and one["metadata"]["namespace"] == "millrace"
        for rule in roles[f"Role/millrace/{one['roleRef']['name']}"]
        if "create" in rule["verbs"]
        for who in one["subjects"]
    }
    assert makers == {"airflow-scheduler"}
    assert [one for one in everything if one["kind"].startswith("ClusterRole")] == []


def test_tasks_and_services_run_the_image_that_a_release_names_by_digest() -> None:
    image = "registry.example/team/millrace-airflow"
    found = chart(
        f"--set=images.airflow.repository={image},images.airflow.digest=sha256:{DIGEST}",
        f"--set-string=images.pod_template.repository={image}@sha256,images.pod_template.tag={DIGEST}",
    )
    images = {
        container["image"]
        for one in found
        if (pod := pod_of(one))
        for container in containers(pod)
        if "statsd" not in container["name"]
    }
    assert images == {f"{image}@sha256:{DIGEST}"}
    config = named(found, "ConfigMap")["airflow-config"]["data"]["airflow.cfg"]
    assert "worker_container_repository = \nworker_container_tag = \n" in config


def test_with_keda_the_triggerers_follow_what_waits() -> None:
    found = objects(
        chart_text(
            "--values", str(KUBERNETES / "airflow-values-keda.yaml"), "--api-versions=keda.sh/v1alpha1"
        )
    )
    (scaled,) = (one["spec"] for one in found if one["kind"] == "ScaledObject")
    triggerer = named(found, "Deployment")["airflow-triggerer"]["spec"]
    (container,) = triggerer["template"]["spec"]["containers"][:1]
    (trigger,) = scaled["triggers"]
    assert scaled["scaleTargetRef"]["name"] == "airflow-triggerer"
    assert "replicas" not in triggerer
    assert trigger["metadata"]["connectionFromEnv"] in {variable["name"] for variable in container["env"]}


def test_argo_cd_runs_the_migration_before_what_waits_for_it() -> None:
    application = yaml.safe_load((KUBERNETES / "argocd-application.yaml").read_text())
    helm: Any = application["spec"]["sources"][1]["helm"]
    more = KUBERNETES / "airflow-values.yaml"
    migrate = helm["valuesObject"]["migrateDatabaseJob"]
    assert helm["valueFiles"] == [f"$millrace/{more.relative_to(KUBERNETES.parents[2])}"]
    (job,) = (
        one
        for one in chart(
            f"--set=migrateDatabaseJob.useHelmHooks={str(migrate['useHelmHooks']).lower()}",
            f"--set-json=migrateDatabaseJob.jobAnnotations={json.dumps(migrate['jobAnnotations'])}",
        )
        if one["kind"] == "Job"
    )
    assert job["metadata"]["annotations"] == {"argocd.argoproj.io/hook": "Sync"}
