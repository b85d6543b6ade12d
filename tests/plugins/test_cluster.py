"""What is asked of a cluster, without one: names, the pod's template, the words for what became of a pod."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from kubernetes import client

from include.exceptions import MillraceError, Misconfigured, Transient
from include.settings import ROOT
from millrace.cluster import failure, image_of, pod_name

TEMPLATE = yaml.safe_load((ROOT / "include/kubernetes/job-pod.yaml").read_text())
POD = "V1Pod"


@pytest.mark.parametrize("pipeline", ["flights", "a", "a_", "x" * 63, "under_score_" * 5])
def test_a_name_is_one_that_the_cluster_takes(pipeline: str) -> None:
    name = pod_name(pipeline, "evaluate", f"{pipeline}.train/manual__2026-01-01T00:00:00+00:00/evaluate")
    assert re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", name)
    assert name != pod_name(pipeline, "evaluate", "another run")


def unknown(value: Any, kind: str, path: str = "") -> list[str]:
    """The keys below a value that the API has no field for; `kind` is a type in the words of its schema."""
    if inner := re.fullmatch(r"list\[(\w+)\]|dict\(\w+, (\w+)\)", kind):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        return [key for name, one in items for key in unknown(one, inner[1] or inner[2], f"{path}[{name}]")]
    if (model := getattr(client, kind, None)) is None:
        return []
    fields = {name: model.openapi_types[ours] for ours, name in model.attribute_map.items()}
    wrong = [f"{path}.{key}" for key in value if key not in fields]
    known = [(key, one) for key, one in value.items() if key in fields]
    return wrong + [found for key, one in known for found in unknown(one, fields[key], f"{path}.{key}")]


def test_the_api_knows_every_key_of_the_template() -> None:
    assert unknown(TEMPLATE, POD) == []
    broken = {"spec": {"containers": [{"securitycontext": {}}], "volumes": [{"emptyDir": {"size": 1}}]}}
    assert unknown(broken, POD) == [".spec.containers[0].securitycontext", ".spec.volumes[0].emptyDir.size"]


def test_the_template_keeps_the_pod_security_standard_restricted() -> None:
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted, line by line."""
    spec, [container] = TEMPLATE["spec"], TEMPLATE["spec"]["containers"]
    inside, outside = container["securityContext"], spec["securityContext"]
    assert inside["allowPrivilegeEscalation"] is False
    assert inside["capabilities"] == {"drop": ["ALL"]}
    assert (outside["runAsNonRoot"], outside["runAsUser"] > 0) == (True, True)
    assert outside["seccompProfile"]["type"] == "RuntimeDefault"
    assert [set(volume) - {"name"} for volume in spec["volumes"]] == [{"emptyDir"}]
    assert {"hostNetwork", "hostPID", "hostIPC", "hostAliases"} & spec.keys() == set()
    assert {"privileged", "procMount", "seLinuxOptions"} & (inside.keys() | outside.keys()) == set()
    assert {"ports", "lifecycle", "livenessProbe"} & container.keys() == set()


def pod(reason: str = "", message: str = "", **state: Any) -> client.V1Pod:
    status = client.V1ContainerStatus(
        name="base",
        image="i",
        image_id="docker-pullable://registry.example/i@sha256:1",
        ready=False,
        restart_count=0,
        state=client.V1ContainerState(**state),
    )
    container = client.V1Container(name="base", image="i", resources=client.V1ResourceRequirements())
    return client.V1Pod(
        spec=client.V1PodSpec(containers=[container]),
        status=client.V1PodStatus(
            phase="Failed", reason=reason, message=message, container_statuses=[status]
        ),
    )


@pytest.mark.parametrize(
    ("reason", "message", "kind", "said"),
    [
        (
            "NodeLost",
            "Node n is unresponsive",
            Transient,
            "taken away by the cluster: NodeLost: Node n is unr",
        ),
        (
            "Evicted",
            "The node was low on resource: memory.",
            Transient,
            "cluster: Evicted: The node was low on",
        ),
        (
            "Evicted",
            'Usage of EmptyDir volume "tmp" exceeds the limit "2Gi".',
            Misconfigured,
            "write less to /t",
        ),
        (
            "Evicted",
            "Pod ephemeral local storage usage exceeds",
            Misconfigured,
            "write less to /tmp, or raise",
        ),
    ],
)
def test_what_takes_a_pod_away_is_told_apart(
    reason: str, message: str, kind: type[MillraceError], said: str
) -> None:
    """What a cluster of one node cannot be brought to do in a test."""
    found = failure(pod(reason, message), pipeline="orders", job="train", seconds=60, lines=[])
    assert (type(found), said in str(found)) == (kind, True)


def test_an_image_is_named_by_digest() -> None:
    assert image_of(pod(), "i") == "registry.example/i@sha256:1"
    loaded = pod()
    loaded.status.container_statuses[0].image_id = "sha256:2"
    assert image_of(loaded, "i") == "i@sha256:2"
