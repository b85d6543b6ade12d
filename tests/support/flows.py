"""Who reaches whom, as the network policies of the manifests let them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product

from tests.support.manifests import Object, pod_of
from tests.support.policies import AIRFLOW, matches

Flow = tuple[str, str, str]
"""Who, whom, and on what port: `("lakefs-setup", "lakefs", "8000")`."""


@dataclass(frozen=True)
class Party:
    """Pods that policies treat alike, by the labels of their namespace and their own."""

    name: str
    namespace: dict[str, str]
    labels: dict[str, str] = field(default_factory=dict)


def _in(namespace: str) -> dict[str, str]:
    return {"kubernetes.io/metadata.name": namespace}


ADDRESSES = Party("addresses", {})  # what `ipBlock` is for: whatever is no pod
OUTSIDE = (
    Party("web", {**_in("ingress"), "millrace/web": "allowed"}),
    Party("metrics", {**_in("monitoring"), "millrace/metrics": "allowed"}),
    Party("kube-dns", _in("kube-system"), {"k8s-app": "kube-dns"}),
    Party("stranger", _in("default")),
    ADDRESSES,
)


def inside(found: list[Object]) -> list[Party]:
    """The pods of an overlay, those of Airflow's chart, and jobs."""
    pods = [(one["metadata"], pod["metadata"]["labels"]) for one in found if (pod := pod_of(one))]
    return [
        *(Party(about["name"], _in(about["namespace"]), labels) for about, labels in pods),
        *(Party(labels["component"], _in("millrace"), labels) for labels in AIRFLOW),
        Party("job", _in("millrace-jobs")),
    ]


def reached(found: list[Object]) -> dict[str, set[str]]:
    """Whom and on what port, and all who may; by the rules of either side."""
    flows = defaultdict(set)
    for source, target, port in _sent(found) | _taken(found):
        flows[f"{target}:{port}"].add(source)
    return dict(flows)


def one_sided(found: list[Object]) -> set[Flow]:
    """Flows between pods of the platform that one side allows and the other does not: nothing passes."""
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
            # A rule that names nobody, or no port, allows all.
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
