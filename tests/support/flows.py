"""The connections that the network policies of the manifests allow."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product

from tests.support.manifests import Object, pod_of
from tests.support.policies import AIRFLOW, matches

Flow = tuple[str, str, str]
"""Source, target and port, such as `("lakefs-setup", "lakefs", "8000")`."""


@dataclass(frozen=True)
class Party:
    """Pods that policies treat alike, by the labels of their namespace and of their own."""

    name: str
    namespace: dict[str, str]
    labels: dict[str, str] = field(default_factory=dict)


def _in(namespace: str) -> dict[str, str]:
    return {"kubernetes.io/metadata.name": namespace}


ADDRESSES = Party("addresses", {})  # addresses outside of the cluster, which `ipBlock` selects
OUTSIDE = (
    Party("web", {**_in("ingress"), "millrace/web": "allowed"}),
    Party("metrics", {**_in("monitoring"), "millrace/metrics": "allowed"}),
    Party("kube-dns", _in("kube-system"), {"k8s-app": "kube-dns"}),
    Party("stranger", _in("default")),
    ADDRESSES,
)


def inside(found: list[Object]) -> list[Party]:
    """Return the pods of an overlay, those of Airflow's chart, and jobs."""
    pods = [(one["metadata"], pod["metadata"]["labels"]) for one in found if (pod := pod_of(one))]
    return [
        *(Party(about["name"], _in(about["namespace"]), labels) for about, labels in pods),
        *(Party(labels["component"], _in("millrace"), labels) for labels in AIRFLOW),
        Party("job", _in("millrace-jobs")),
    ]


def reached(found: list[Object]) -> dict[str, set[str]]:
    """Return the allowed sources of each `target:port`, by the rules of either side."""
    flows = defaultdict(set)
    for source, target, port in _sent(found) | _taken(found):
        flows[f"{target}:{port}"].add(source)
    return dict(flows)


def one_sided(found: list[Object]) -> set[Flow]:
    """Return connections between the platform's pods that only one side allows, so that they fail."""
    own = {party.name for party in inside(found)}
    return {flow for flow in _sent(found) ^ _taken(found) if own.issuperset(flow[:2])}


def _sent(found: list[Object]) -> set[Flow]:
    return {(own, peer, port) for own, peer, port in _allowed(found, "Egress", "to")}


def _taken(found: list[Object]) -> set[Flow]:
    return {(peer, own, port) for own, peer, port in _allowed(found, "Ingress", "from")}


def _allowed(found: list[Object], direction: str, side: str) -> Iterator[Flow]:
    own = inside(found)
    for policy in found:
        if policy["kind"] != "NetworkPolicy" or direction not in policy["spec"]["policyTypes"]:
            continue
        here, spec = _in(policy["metadata"]["namespace"]), policy["spec"]
        chosen = [one for one in own if one.namespace == here and matches(spec["podSelector"], one.labels)]
        rules = spec.get(direction.lower()) or []
        for one, rule, peer in product(chosen, rules, (*own, *OUTSIDE)):
            # A rule without peers allows all peers, one without ports all ports.
            if not rule.get(side) or any(_means(way, peer, here) for way in rule[side]):
                yield from ((one.name, peer.name, _text(port)) for port in rule.get("ports") or [{}])


def _means(way: Object, peer: Party, here: dict[str, str]) -> bool:
    if "ipBlock" in way or peer is ADDRESSES:
        return "ipBlock" in way and peer is ADDRESSES
    near = matches(way.get("namespaceSelector", {"matchLabels": here}), peer.namespace)
    return near and matches(way.get("podSelector", {}), peer.labels)


def _text(port: Object) -> str:
    protocol = port.get("protocol", "TCP")
    return f"{port.get('port', 'any')}" + ("" if protocol == "TCP" else f"/{protocol}")
