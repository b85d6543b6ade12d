"""What every manifest has to hold to: each policy yields what is wrong with one object among all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from tests.support.manifests import Object, containers, pod_of

CLUSTER_WIDE = {"Namespace", "ClusterRole", "ClusterRoleBinding", "PriorityClass"}
SERVES = {"Deployment", "StatefulSet", "DaemonSet"}
# Pods of Airflow's chart, which network policies of the overlays select.
AIRFLOW = [
    {"tier": "airflow", "component": part}
    for part in ("api-server", "scheduler", "dag-processor", "triggerer", "worker", "statsd")
]

Policy = Callable[[Object, list[Object]], Iterator[str]]


def in_a_namespace(one: Object, _: list[Object]) -> Iterator[str]:
    if one["kind"] not in CLUSTER_WIDE and not one["metadata"].get("namespace"):
        yield "has no namespace"


def restricted(one: Object, _: list[Object]) -> Iterator[str]:
    """What Pod Security's level "restricted" asks for."""
    if not (pod := pod_of(one)):
        return
    shared = pod["spec"].get("securityContext") or {}
    for name in ("hostNetwork", "hostPID", "hostIPC"):
        if pod["spec"].get(name):
            yield f"has {name}"
    for volume in pod["spec"].get("volumes") or []:
        if "hostPath" in volume:
            yield f"mounts {volume['hostPath']['path']!r} of the host"
    for container in containers(pod):
        yield from _unrestricted(container, shared)


def _unrestricted(container: Object, shared: Object) -> Iterator[str]:
    own = container.get("securityContext") or {}
    either = {**shared, **own}
    if not either.get("runAsNonRoot") or either.get("runAsUser") == 0:
        yield f"container {container['name']!r} may run as root"
    if (either.get("seccompProfile") or {}).get("type") != "RuntimeDefault":
        yield f"container {container['name']!r} has no seccomp profile"
    if own.get("privileged") or own.get("allowPrivilegeEscalation") is not False:
        yield f"container {container['name']!r} may gain privileges"
    if own.get("capabilities") != {"drop": ["ALL"]}:
        yield f"container {container['name']!r} keeps capabilities"


def limited(one: Object, _: list[Object]) -> Iterator[str]:
    for container in containers(pod_of(one) or {"spec": {"containers": []}}):
        given = container.get("resources") or {}
        for part in ("requests", "limits"):
            if missing := {"cpu", "memory"} - (given.get(part) or {}).keys():
                yield f"container {container['name']!r} has no {part} of {', '.join(sorted(missing))}"


def probed(one: Object, _: list[Object]) -> Iterator[str]:
    if one["kind"] not in SERVES:
        return
    for container in one["spec"]["template"]["spec"]["containers"]:
        for probe in ("livenessProbe", "readinessProbe"):
            if container.get("ports") and not container.get(probe):
                yield f"container {container['name']!r} has no {probe}"


def pinned(one: Object, _: list[Object]) -> Iterator[str]:
    for container in containers(pod_of(one) or {"spec": {"containers": []}}):
        image = str(container["image"])
        tag = image.rpartition("/")[2].partition(":")[2]
        if "@sha256:" not in image and tag in ("", "latest"):
            yield f"container {container['name']!r} has the image {image!r}, another one tomorrow"


def without_secrets(one: Object, _: list[Object]) -> Iterator[str]:
    if one["kind"] == "Secret":
        yield "is a secret in a manifest"
    for container in containers(pod_of(one) or {"spec": {"containers": []}}):
        for variable in container.get("env") or []:
            name, words = variable["name"], ("PASSWORD", "SECRET", "TOKEN", "ACCESS_KEY", "CONNECTION_STRING")
            # MILLRACE_KUBERNETES_SECRET is the name of one.
            if (
                variable.get("value")
                and name != "MILLRACE_KUBERNETES_SECRET"
                and any(word in name for word in words)
            ):
                yield f"container {container['name']!r} is given {name} as a literal"


def least_rights(one: Object, _: list[Object]) -> Iterator[str]:
    if one["kind"] not in ("Role", "ClusterRole"):
        return
    for rule in one.get("rules") or []:
        for part in ("apiGroups", "resources", "verbs"):
            if "*" in rule.get(part, []):
                yield f"allows any of {part}"
        if "secrets" in rule.get("resources", []):
            yield "allows secrets"


def without_a_token(one: Object, everything: list[Object]) -> Iterator[str]:
    """Only what is bound to rights is given the cluster's token."""
    if one["kind"] != "ServiceAccount":
        return
    bound = [
        (subject.get("namespace"), subject["name"])
        for binding in everything
        if binding["kind"] in ("RoleBinding", "ClusterRoleBinding")
        for subject in binding.get("subjects") or []
    ]
    key = (one["metadata"].get("namespace"), one["metadata"]["name"])
    if key not in bound and one.get("automountServiceAccountToken") is not False:
        yield "has no rights, and a token all the same"


def selects(one: Object, everything: list[Object]) -> Iterator[str]:
    """Budgets, services and network policies are about pods that exist."""
    spec = one.get("spec") or {}
    match one["kind"]:
        case "PodDisruptionBudget" | "NetworkPolicy":
            selector = spec.get("selector") or spec.get("podSelector") or {}
        case "Service":
            selector = {"matchLabels": spec.get("selector") or {}}
        case _:
            return
    if not any(matches(selector, labels) for labels in _labels(one, everything)):
        yield f"selects {selector}, and no pod has that"


def _labels(one: Object, everything: list[Object]) -> Iterator[dict[str, str]]:
    if one["kind"] == "NetworkPolicy":
        yield from AIRFLOW
    for other in everything:
        pod, here = pod_of(other), one["metadata"].get("namespace")
        if pod and other["metadata"].get("namespace") == here:
            yield pod["metadata"].get("labels") or {}
    if one["kind"] == "NetworkPolicy" and one["metadata"]["namespace"] == "millrace-jobs":
        yield {}  # jobs come and go


def matches(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    """Whether a selector, in the words of Kubernetes, takes a pod with these labels."""
    wanted = selector.get("matchLabels") or {}
    listed = selector.get("matchExpressions") or []
    return all(labels.get(name) == value for name, value in wanted.items()) and all(
        rule["operator"] == "In" and labels.get(rule["key"]) in rule["values"] for rule in listed
    )


POLICIES: tuple[Policy, ...] = (
    in_a_namespace,
    restricted,
    limited,
    probed,
    pinned,
    without_secrets,
    least_rights,
    without_a_token,
    selects,
)
