"""The embedded stack beside a Kubernetes cluster: the gateway for job pods, and their namespace."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from include.exceptions import MillraceError, Misconfigured, Unauthorized, Unavailable
from include.platform import cli
from include.platform.embedded.gateway import Gateway
from include.settings import Settings
from include.settings import settings as current_settings

_STACK_LABEL = "millrace.stack"
"""Label of a Secret that identifies the stack whose keys it holds."""


def find_gateway(settings: Settings) -> Gateway:
    """Return the address at which pods reach this machine, and its bridge.

    That is MILLRACE_KUBERNETES_GATEWAY, else the bridge between this machine and the cluster's nodes.
    Raises Misconfigured if there is no such bridge: the lake is never opened to a shared network.
    """
    if settings.kubernetes.gateway:
        return Gateway.parse(settings.kubernetes.gateway)
    with _api() as api:
        nodes = [address.address for node in api.list_node().items for address in node.status.addresses or ()]
    for node in nodes:
        route = _route_to(node)
        if route and Path(f"/sys/class/net/{route.bridge}/bridge").exists():
            return route
    raise Misconfigured(
        f"no bridge of this machine leads to the cluster's nodes ({', '.join(nodes)}); set "
        "MILLRACE_KUBERNETES_GATEWAY to `address%interface` of this machine as pods reach it, or use an "
        "MLflow and a lake that pods reach"
    )


def prepare(settings: Settings, secret: Mapping[str, str], deployment: str) -> None:
    """Create the jobs' namespace, their service account and the Secret with the keys, where missing.

    Raises Misconfigured if the Secret belongs to another `deployment`.
    """
    from kubernetes.client import V1Namespace, V1ObjectMeta, V1ServiceAccount

    name, labels = settings.kubernetes.namespace, {"pod-security.kubernetes.io/enforce": "restricted"}
    account = V1ServiceAccount(
        metadata=V1ObjectMeta(name=settings.kubernetes.service_account), automount_service_account_token=False
    )
    with _api() as api:
        # 403: without the right to create these two, somebody else has to have created them.
        _create_if_absent(
            api.create_namespace,
            V1Namespace(metadata=V1ObjectMeta(name=name, labels=labels)),
            allowed=(403, 409),
        )
        _create_if_absent(api.create_namespaced_service_account, name, account, allowed=(403, 409))
        _put_secret(api, settings, secret, deployment)


def _put_secret(api: Any, settings: Settings, content: Mapping[str, str], deployment: str) -> None:
    from kubernetes.client import V1ObjectMeta, V1Secret

    name, namespace = settings.kubernetes.secret, settings.kubernetes.namespace
    own = hashlib.sha256(deployment.encode()).hexdigest()[:16]  # labels allow less than deployment names
    metadata = V1ObjectMeta(name=name, labels={_STACK_LABEL: own})
    body = V1Secret(metadata=metadata, string_data=dict(content))
    if _create_if_absent(api.create_namespaced_secret, namespace, body, allowed=(409,)):
        return
    existing = api.read_namespaced_secret(name, namespace)
    if (existing.metadata.labels or {}).get(_STACK_LABEL) != own:
        raise Misconfigured(
            f"namespace {namespace!r} has a Secret {name!r} of another stack; set "
            "MILLRACE_KUBERNETES_NAMESPACE or MILLRACE_KUBERNETES_SECRET to another name, or, if its "
            f"stack is gone, remove it (`kubectl delete secret {name} --namespace {namespace}`)"
        )
    api.replace_namespaced_secret(name, namespace, body)


def _create_if_absent(create: Any, *arguments: Any, allowed: tuple[int, ...]) -> bool:
    """Create an object; return False if the cluster refused it with one of the allowed statuses."""
    from kubernetes.client import ApiException

    try:
        create(*arguments)
    except ApiException as error:
        if error.status not in allowed:
            raise
        return False
    return True


def _route_to(node: str) -> Gateway | None:
    """Return this machine's address and interface on the route to a node, or None without a route."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((node, 9))  # sends nothing
            own = probe.getsockname()[0]
    except OSError:
        return None
    for name, addresses in psutil.net_if_addrs().items():
        if own in [address.address for address in addresses]:
            return Gateway(own, name)
    return None


@contextmanager
def _api() -> Iterator[Any]:
    """Yield the API of the cluster of KUBECONFIG, with its errors mapped to ours."""
    from kubernetes.client import ApiClient, ApiException, CoreV1Api
    from kubernetes.config import load_kube_config
    from kubernetes.config.config_exception import ConfigException
    from urllib3.exceptions import HTTPError

    need = "MILLRACE_RUNTIME=kubernetes needs the cluster of KUBECONFIG"
    try:
        load_kube_config()
        with ApiClient() as client:
            yield CoreV1Api(client)
    except ConfigException as error:
        raise Misconfigured(f"{need} ({error}); set it, or set MILLRACE_RUNTIME=process") from error
    except HTTPError as error:
        raise Unavailable(f"{need}, which does not answer ({type(error).__name__}); start it") from error
    except ApiException as error:
        raise _mapped(error, need) from error


def _mapped(error: Any, need: str) -> MillraceError:
    answer = f"{need}; it answered {error.status} {error.reason}"
    if error.status in (401, 403):
        return Unauthorized(f"{answer}; name an account that may read nodes and write a Secret")
    if error.status == 429 or error.status >= 500:
        return Unavailable(f"{answer}; try again")
    return Misconfigured(
        f"{answer}; correct MILLRACE_KUBERNETES_NAMESPACE, MILLRACE_KUBERNETES_SERVICE_ACCOUNT or "
        "MILLRACE_KUBERNETES_SECRET"
    )


def main() -> None:
    """Check that pods of the cluster of KUBECONFIG can reach a stack on this machine."""
    find_gateway(current_settings())


if __name__ == "__main__":
    cli.run(main)
