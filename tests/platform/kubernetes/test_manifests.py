"""The overlays hold to the schemas of Kubernetes and to the policies, and each policy finds its fault."""

from __future__ import annotations

import copy
import os
import re
import subprocess
from typing import Any

import kubernetes_validate
import pytest
import yaml

from include.settings import ROOT
from tests.support.flows import OUTSIDE, one_sided, reached
from tests.support.manifests import OVERLAYS, Object, named, objects, overlay, pod_of, title
from tests.support.policies import AIRFLOW, POLICIES, Policy

# The oldest that the manifests are for, and the newest whose schemas are here.
VERSIONS = ("1.30", kubernetes_validate.latest_version().removesuffix(".0"))
Change = tuple[str, list[str | int], Any]


def changed(found: list[Object], change: Change) -> tuple[list[Object], Object]:
    """The objects with one place of one of them set, or taken away by None; and that object."""
    made = copy.deepcopy(found)
    one = next(other for other in made if title(other) == change[0])
    place: Any = one
    for step in change[1][:-1]:
        place = place[step]
    if change[2] is None:
        del place[change[1][-1]]
    else:
        place[change[1][-1]] = change[2]
    return made, one


@pytest.mark.parametrize("name", OVERLAYS)
@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_is_as_its_schema_says(name: str, version: str) -> None:
    found = overlay(name)
    assert len(found) > 20
    assert {kubernetes_validate.validate(one, version, strict=True) for one in found} == {version}


def test_a_word_that_kubernetes_does_not_know_is_found() -> None:
    _, one = changed(overlay("trial"), ("Deployment/millrace/mlflow", ["spec", "replica"], 2))
    with pytest.raises(kubernetes_validate.ValidationError, match="replica"):
        kubernetes_validate.validate(one, VERSIONS[0], strict=True)


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.__name__)
@pytest.mark.parametrize("name", OVERLAYS)
def test_every_object_holds_to_the_policy(name: str, policy: Policy) -> None:
    found = overlay(name)
    assert [f"{title(one)} {fault}" for one in found for fault in policy(one, found)] == []


POD: list[str | int] = ["spec", "template", "spec"]
CONTAINER: list[str | int] = [*POD, "containers", 0]
MLFLOW = "Deployment/millrace/mlflow"
BROKEN: tuple[tuple[str, Change, str], ...] = (
    ("in_a_namespace", ("Service/millrace/mlflow", ["metadata", "namespace"], None), "has no namespace"),
    ("restricted", (MLFLOW, [*POD, "hostNetwork"], True), "has hostNetwork"),
    ("restricted", (MLFLOW, [*POD, "volumes", 0], {"hostPath": {"path": "/"}}), "mounts '/' of the host"),
    ("restricted", (MLFLOW, [*POD, "securityContext", "runAsUser"], 0), "'mlflow' may run as root"),
    ("restricted", (MLFLOW, [*POD, "securityContext", "seccompProfile"], None), "no seccomp profile"),
    ("restricted", (MLFLOW, [*CONTAINER, "securityContext", "privileged"], True), "may gain privileges"),
    ("restricted", (MLFLOW, [*CONTAINER, "securityContext", "capabilities"], None), "keeps capabilities"),
    ("limited", (MLFLOW, [*CONTAINER, "resources", "limits", "memory"], None), "no limits of memory"),
    ("probed", (MLFLOW, [*CONTAINER, "livenessProbe"], None), "has no livenessProbe"),
    ("pinned", (MLFLOW, [*CONTAINER, "image"], "registry:5000/mlflow"), "another one tomorrow"),
    ("pinned", (MLFLOW, [*CONTAINER, "image"], "mlflow:latest"), "another one tomorrow"),
    ("without_secrets", (MLFLOW, [*CONTAINER, "env", 0], {"name": "PGPASSWORD", "value": "x"}), "a literal"),
    ("without_secrets", ("ServiceAccount/millrace/mlflow", ["kind"], "Secret"), "a secret in a manifest"),
    ("least_rights", ("Role/millrace-jobs/job-runner", ["rules", 0, "verbs"], ["*"]), "any of verbs"),
    ("least_rights", ("Role/millrace-jobs/job-runner", ["rules", 0, "resources"], ["secrets"]), "secrets"),
    (
        "without_a_token",
        ("ServiceAccount/millrace-jobs/millrace-job", ["automountServiceAccountToken"], True),
        "a token all the same",
    ),
    ("selects", ("Service/millrace/mlflow", ["spec", "selector"], {"app": "mlflow"}), "no pod has that"),
    (
        "selects",
        ("PodDisruptionBudget/millrace/mlflow", ["spec", "selector", "matchLabels"], {"app": "x"}),
        "no pod has that",
    ),
    (
        "selects",
        ("NetworkPolicy/millrace/mlflow", ["spec", "podSelector", "matchLabels"], {"app": "x"}),
        "no pod has that",
    ),
)


@pytest.mark.parametrize(("policy", "change", "said"), BROKEN)
def test_each_policy_finds_its_fault(policy: str, change: Change, said: str) -> None:
    found, one = changed(overlay("production"), change)
    held = next(other for other in POLICIES if other.__name__ == policy)
    assert [fault for fault in held(one, found) if said in fault]


def test_no_policy_is_left_without_a_fault_to_find() -> None:
    assert {policy.__name__ for policy in POLICIES} == {policy for policy, _, _ in BROKEN}


@pytest.mark.parametrize("name", OVERLAYS)
def test_both_namespaces_admit_restricted_pods_only_and_no_traffic_unasked(name: str) -> None:
    found = overlay(name)
    for namespace, about in named(found, "Namespace").items():
        assert about["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
        closed = [one["spec"] for one in found if title(one) == f"NetworkPolicy/{namespace}/default-deny"]
        assert closed == [{"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}]
    assert set(named(found, "Namespace")) == {"millrace", "millrace-jobs"}


AIRFLOW_PARTS = {labels["component"] for labels in AIRFLOW}
# Whom on what port, and all who may: a job is reached by nobody.
REACHED = {
    "lakefs:8000": AIRFLOW_PARTS | {"job", "lakefs-setup", "web"},
    "mlflow:5000": AIRFLOW_PARTS | {"job", "web"},
    "api-server:8080": AIRFLOW_PARTS | {"lakefs", "web"},
    "triggerer:8794": AIRFLOW_PARTS,
    "statsd:9125/UDP": AIRFLOW_PARTS,
    "statsd:9102": {"metrics"},
    "kube-dns:53": AIRFLOW_PARTS | {"job", "lakefs", "lakefs-setup", "mlflow"},
    "kube-dns:53/UDP": AIRFLOW_PARTS | {"job", "lakefs", "lakefs-setup", "mlflow"},
    "addresses:5432": AIRFLOW_PARTS | {"lakefs", "mlflow"},
    "addresses:443": AIRFLOW_PARTS | {"lakefs", "mlflow"},
    "addresses:6443": AIRFLOW_PARTS,
}
EVERYBODY = REACHED["kube-dns:53"] | {party.name for party in OUTSIDE}


@pytest.mark.parametrize("name", OVERLAYS)
def test_who_reaches_whom_is_this_and_nothing_else(name: str) -> None:
    found = overlay(name)
    assert reached(found) == REACHED
    assert one_sided(found) == set()


@pytest.mark.parametrize(
    ("policy", "place"),
    [("lakefs", ["ingress", 0, "from", 3]), ("lakefs-setup", ["egress", 0])],
    ids=["way-in", "way-out"],
)
def test_a_way_that_one_side_closes_is_found(policy: str, place: list[str | int]) -> None:
    found, _ = changed(overlay("trial"), (f"NetworkPolicy/millrace/{policy}", ["spec", *place], None))
    assert one_sided(found) == {("lakefs-setup", "lakefs", "8000")}


@pytest.mark.parametrize(
    ("part", "whom", "who"),
    [
        ("from", "mlflow:5000", EVERYBODY),
        ("ports", "mlflow:any", REACHED["mlflow:5000"]),
    ],
)
def test_a_way_that_is_open_to_all_is_found(part: str, whom: str, who: set[str]) -> None:
    mlflow = "NetworkPolicy/millrace/mlflow"
    found, _ = changed(overlay("trial"), (mlflow, ["spec", "ingress", 0, part], None))
    assert reached(found)[whom] == who


def test_lakefs_is_set_up_where_its_service_is() -> None:
    found = overlay("production")
    service, job = named(found, "Service")["lakefs"], pod_of(named(found, "Job")["lakefs-setup"])
    assert job is not None
    [container] = job["spec"]["containers"]
    told = {one["name"]: one.get("value") for one in container["env"]}
    where = f"http://{service['metadata']['name']}:{service['spec']['ports'][0]['port']}"
    assert told["LAKECTL_SERVER_ENDPOINT_URL"] == where


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({}, "MILLRACE_MLFLOW_ARTIFACTS is 's3://<bucket>'; name your own bucket there"),
        (
            {"MLFLOW_ARTIFACTS": "s3://bucket"},
            "MLFLOW_ARTIFACTS is called MILLRACE_MLFLOW_ARTIFACTS now; rename it, and keep its value",
        ),
    ],
    ids=["none", "old name"],
)
def test_mlflow_does_not_start_on_a_bucket_that_nobody_has_named(more: dict[str, str], said: str) -> None:
    pod = pod_of(named(overlay("production"), "Deployment")["mlflow"])
    assert pod
    told = {one["name"]: one.get("value", "from a secret") for one in pod["spec"]["containers"][0]["env"]}
    ended = subprocess.run(
        ["/bin/sh", ROOT / "include/platform/images/mlflow/serve"],
        env={"PATH": os.environ["PATH"], **told, **more},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (64, f"serve: {said}\n")


def test_tasks_may_do_what_the_guide_says_that_a_job_needs() -> None:
    guide = (ROOT / "docs/deployment.md").read_text()
    block = re.search(r"```yaml\n(rules:.*?)```", guide, re.DOTALL)
    assert block
    (role,) = (one for one in overlay("production") if title(one) == "Role/millrace-jobs/job-runner")
    assert role["rules"] == yaml.safe_load(block[1])["rules"]


def test_nothing_of_the_platform_reaches_the_clouds_metadata() -> None:
    blocks = [
        to["ipBlock"]
        for one in overlay("production")
        if one["kind"] == "NetworkPolicy"
        for rule in one["spec"].get("egress", [])
        for to in rule["to"]
        if "ipBlock" in to
    ]
    assert len(blocks) == 3
    assert [block["except"] for block in blocks] == [["169.254.0.0/16"]] * 3


def test_production_runs_two_of_each_and_the_trial_one() -> None:
    def replicas(name: str) -> dict[str, int]:
        return {
            key: one["spec"].get("replicas", 1) for key, one in named(overlay(name), "Deployment").items()
        }

    assert replicas("production") == {"lakefs": 2, "mlflow": 2}
    assert replicas("trial") == {"lakefs": 1, "mlflow": 1}


def test_pods_are_spread_by_labels_that_they_have() -> None:
    for one in named(overlay("production"), "Deployment").values():
        pod = pod_of(one)
        assert pod is not None
        for rule in pod["spec"]["topologySpreadConstraints"]:
            assert rule["labelSelector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()


def test_a_stream_with_empty_documents_is_read() -> None:
    assert objects("---\n---\nkind: A\n---\n") == [{"kind": "A"}]
