"""The embedded stack beside a Kubernetes cluster: where its pods come in, and what they need in there."""

from __future__ import annotations

import hashlib
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from include.exceptions import MillraceError, Misconfigured, Unauthorized, Unavailable
from include.platform.embedded.gateway import Gateway
from include.settings import Settings
from include.settings import settings as current_settings

_STACK = "millrace.stack"
"""Label of a Secret: which stack's keys it holds."""


def gateway(settings: Settings) -> Gateway:
    """Return this machine's address as pods reach it.

    That is MILLRACE_KUBERNETES_GATEWAY, else the bridge that leads to the cluster's nodes.
    Raises Misconfigured if there is no such bridge: the lake is opened to no network that others are in.
    """
    if settings.kubernetes.gateway:
        return Gateway.parse(settings.kubernetes.gateway)
    with _api() as api:
        nodes = [one.address for node in api.list_node().items for one in node.status.addresses or ()]
    for node in nodes:
        found = _towards(node)
        if found and Path(f"/sys/class/net/{found.bridge}/bridge").exists():
            return found
    raise Misconfigured(
        f"no bridge of this machine leads to the cluster's nodes ({', '.join(nodes)}); set "
        "MILLRACE_KUBERNETES_GATEWAY to `address%interface` of this machine as pods reach it, or use an "
        "MLflow and a lake that pods reach"
    )


def prepare(settings: Settings, secret: Mapping[str, str], deployment: str) -> None:
    """Make the jobs' namespace, their account, and the Secret with the keys; harmless if they are there.

    Raises Misconfigured for a Secret of another `deployment`.
    """
    from kubernetes.client import V1Namespace, V1ObjectMeta, V1ServiceAccount

    name, labels = settings.kubernetes.namespace, {"pod-security.kubernetes.io/enforce": "restricted"}
    account = V1ServiceAccount(
        metadata=V1ObjectMeta(name=settings.kubernetes.service_account), automount_service_account_token=False
    )
    with _api() as api:
        # Who may not make the first two was given them.
        _unless_there(
            api.create_namespace,
            V1Namespace(metadata=V1ObjectMeta(name=name, labels=labels)),
            allowed=(403, 409),
        )
        _unless_there(api.create_namespaced_service_account, name, account, allowed=(403, 409))
        _put_secret(api, settings, secret, deployment)


def _put_secret(api: Any, settings: Settings, content: Mapping[str, str], deployment: str) -> None:
    from kubernetes.client import V1ObjectMeta, V1Secret

    name, namespace = settings.kubernetes.secret, settings.kubernetes.namespace
    mine = hashlib.sha256(deployment.encode()).hexdigest()[:16]  # a label takes less than a name may have
    about = V1ObjectMeta(name=name, labels={_STACK: mine})
    body = V1Secret(metadata=about, string_data=dict(content))
    if _unless_there(api.create_namespaced_secret, namespace, body, allowed=(409,)):
        return
    there = api.read_namespaced_secret(name, namespace)
    if (there.metadata.labels or {}).get(_STACK) != mine:
        raise Misconfigured(
            f"namespace {namespace!r} has a Secret {name!r} that is not this stack's; set "
            "MILLRACE_KUBERNETES_NAMESPACE or MILLRACE_KUBERNETES_SECRET to another name, or, if its stack "
            "is gone, remove it "
            f"(`kubectl delete secret {name} --namespace {namespace}`)"
        )
    api.replace_namespaced_secret(name, namespace, body)


def _unless_there(create: Any, *arguments: Any, allowed: tuple[int, ...]) -> bool:
    """Make an object; whether it was made, and not refused with an allowed status."""
    from kubernetes.client import ApiException

    try:
        create(*arguments)
    except ApiException as error:
        if error.status not in allowed:
            raise
        return False
    return True


def _towards(node: str) -> Gateway | None:
    """This machine's own address and interface on the way to a node."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((node, 9))  # sends nothing
            own = probe.getsockname()[0]
    except OSError:
        return None
    for name, addresses in psutil.net_if_addrs().items():
        if own in [one.address for one in addresses]:
            return Gateway(own, name)
    return None


@contextmanager
def _api() -> Iterator[Any]:
    """The cluster of KUBECONFIG."""
    from kubernetes.client import ApiClient, ApiException, CoreV1Api
    from kubernetes.config import load_kube_config
    from kubernetes.config.config_exception import ConfigException
    from urllib3.exceptions import HTTPError

    wanted = "MILLRACE_RUNTIME=kubernetes needs the cluster of KUBECONFIG"
    try:
        load_kube_config()
        with ApiClient() as client:
            yield CoreV1Api(client)
    except ConfigException as error:
        raise Misconfigured(f"{wanted} ({error}); set it, or set MILLRACE_RUNTIME=process") from error
    except HTTPError as error:
        raise Unavailable(f"{wanted}, which does not answer ({type(error).__name__}); start it") from error
    except ApiException as error:
        raise _mapped(error, wanted) from error


def _mapped(error: Any, wanted: str) -> MillraceError:
    said = f"{wanted}; it answered {error.status} {error.reason}"
    if error.status in (401, 403):
        return Unauthorized(f"{said}; name an account that may read nodes and write a Secret")
    if error.status == 429 or error.status >= 500:
        return Unavailable(f"{said}; try again")
    return Misconfigured(
        f"{said}; correct MILLRACE_KUBERNETES_NAMESPACE, MILLRACE_KUBERNETES_SERVICE_ACCOUNT or "
        "MILLRACE_KUBERNETES_SECRET"
    )


def main() -> None:
    """Say on stderr why pods of the cluster of KUBECONFIG would not reach a stack on this machine."""
    try:
        gateway(current_settings())
    except MillraceError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
