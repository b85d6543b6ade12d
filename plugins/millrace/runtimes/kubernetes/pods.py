"""Pods of a Kubernetes cluster as jobs use them: resources, states, and the meaning of errors."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowException

from include.contract.training import Resources
from include.exceptions import Busy, MillraceError, Misconfigured, Transient, Unauthorized, Unavailable
from millrace.runtimes import results
from millrace.runtimes.labels import digest

if TYPE_CHECKING:
    from kubernetes.client import V1ContainerStateWaiting, V1Pod, V1ResourceRequirements

CONTAINER = "base"
"""The one container of a job's pod."""
_IMAGE = {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError"}
_UNMADE = {"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}
_TRANSIENT = re.compile(
    r"timed? ?out|timeout|deadline exceeded|connection (refused|reset)|no such host|too ?many ?requests"
    r"|rate limit|\b50[0-9]\b|failed to sync",
    re.IGNORECASE,
)
"""Messages of registries and nodes about transient faults."""
_UNSTARTED = {"ContainerCannotRun", "StartError"}
_LOST = {"Unknown", "ContainerStatusUnknown"}
"""What containerd, with exit code 255, and the kubelet say of a container that is gone, as after a reset."""


def resources(limits: Resources) -> V1ResourceRequirements:
    """Return a pod's resources: requests equal to limits, so that no neighbour can take any of them away."""
    from kubernetes.client import V1ResourceRequirements

    given = {"cpu": f"{limits.cpu:g}", "memory": limits.memory}
    if limits.gpu:
        given["nvidia.com/gpu"] = str(limits.gpu)
    return V1ResourceRequirements(requests=dict(given), limits=given)


def pod_name(pipeline_name: str, job: str, run_key: str) -> str:
    """Return the name of a run's pod: a cluster allows one pod per name, so two tries never train at once."""
    return f"{pipeline_name.replace('_', '-')[:30].rstrip('-')}-{job}-{digest(run_key)}"


def state(pod: V1Pod) -> Any:
    """Return the state of a pod's container; None before there is one."""
    found = [one.state for one in pod.status.container_statuses or () if one.name == CONTAINER]
    return found[0] if found else None


def is_at_work(pod: V1Pod) -> bool:
    """Return whether a pod's container is running."""
    now = state(pod)
    return bool(now and now.running) and pod.status.phase != "Failed"


def has_begun(pod: V1Pod) -> bool:
    """Return whether a pod's container is running or has run."""
    now = state(pod)
    return bool(now and (now.running or now.terminated))


def has_ended(pod: V1Pod) -> bool:
    """Return whether a pod has ended, with success or without."""
    now = state(pod)
    return pod.status.phase in ("Succeeded", "Failed") or bool(now and now.terminated)


def has_succeeded(pod: V1Pod) -> bool:
    """Return whether a pod has succeeded."""
    now = state(pod)
    return bool(now and now.terminated and now.terminated.exit_code == 0) and pod.status.phase != "Failed"


def is_hopeless(pod: V1Pod) -> bool:
    """Return whether a pod's container cannot be made."""
    now = state(pod)
    return bool(now and now.waiting) and now.waiting.reason in _IMAGE | _UNMADE


def is_refused(waiting: V1ContainerStateWaiting | None) -> bool:
    """Return whether a container waits in vain, such as for a secret that does not exist."""
    if waiting is None or waiting.reason not in _UNMADE:
        return False
    return not _TRANSIENT.search(waiting.message or "")


def is_idle(pod: V1Pod) -> bool:
    """Return whether nothing of a pod is running, nor ever will."""
    return has_ended(pod) or is_hopeless(pod)


def has_failed(pod: V1Pod) -> bool:
    """Return whether a pod has failed."""
    return has_ended(pod) and not has_succeeded(pod)


def is_leaving(pod: V1Pod) -> bool:
    """Return whether a pod is being deleted, and may still be at work."""
    return pod.metadata.deletion_timestamp is not None


def image_of(pod: V1Pod, image: str) -> str:
    """Return the image that a pod runs, by digest."""
    [found] = [one.image_id for one in pod.status.container_statuses or () if one.name == CONTAINER]
    found = found.removeprefix("docker-pullable://")
    return found if "@" in found else f"{image}@{found}"


def failure(pod: V1Pod, *, pipeline_name: str, job: str, seconds: int, lines: Sequence[str]) -> MillraceError:
    """Return the error that explains why a pod did not do its job, with the remedy."""
    now, [container] = state(pod), pod.spec.containers
    if pod.status.reason == "DeadlineExceeded":
        return results.too_long(pipeline_name, seconds)
    if pod.status.reason:
        return _taken_away(pod.status.reason, pod.status.message or "")
    if now and now.terminated:
        ended, memory = now.terminated, (container.resources.limits or {}).get("memory", "")
        if ended.reason == "OOMKilled":
            return results.too_much_memory(pipeline_name, memory)
        if ended.reason in _LOST:
            return _taken_away(ended.reason, ended.message or "its node has lost the container")
        if ended.reason in _UNSTARTED:
            return Misconfigured(f"image {container.image!r} cannot be started: {ended.message}")
        return results.failure(job, container.image, ended.exit_code, lines)
    if is_hopeless(pod):
        return _unmade(now.waiting.reason, now.waiting.message or "", container.image)
    return _late(pod, pipeline_name)


def _taken_away(reason: str, message: str) -> MillraceError:
    # The node's own pressure is nobody's fault; what a pod wrote too much of is its own.
    if re.search(r"EmptyDir|ephemeral local storage", message):
        return Misconfigured(
            f"the job was evicted ({message}); write less to /tmp, or raise sizeLimit in "
            "include/platform/kubernetes/job-pod.yaml"
        )
    return Transient(f"the job's pod was taken away by the cluster: {reason}: {message}")


def _unmade(reason: str, message: str, image: str) -> MillraceError:
    if _TRANSIENT.search(message):
        return Unavailable(
            f"the cluster cannot make a container of image {image!r} at the moment ({reason}: {message})"
        )
    if reason in _IMAGE:
        return Misconfigured(
            f"the cluster cannot pull image {image!r} ({reason}: {message}); correct its name, push it "
            "(`make images` builds the job image), or set MILLRACE_KUBERNETES_PULL_SECRET to a Secret "
            "that may pull it"
        )
    return Misconfigured(
        f"the cluster cannot make a container of image {image!r} ({reason}: {message}); where it misses "
        "a secret, put it into the namespace of MILLRACE_KUBERNETES_NAMESPACE, or correct "
        "MILLRACE_KUBERNETES_SECRET"
    )


def _late(pod: V1Pod, pipeline_name: str) -> MillraceError:
    found = [one for one in pod.status.conditions or () if one.type == "PodScheduled"]
    if found and found[0].status != "True":
        return Misconfigured(
            f"no node takes the pod of {pipeline_name!r} ({found[0].message}); lower its training.resources, "
            "correct its training.node_selector or training.tolerations, or add a node; "
            "MILLRACE_KUBERNETES_START_SECONDS is the limit of the wait"
        )
    now = state(pod)
    waits = now.waiting.reason if now and now.waiting else pod.status.phase
    return Transient(
        f"the pod of {pipeline_name!r} has a node and does not start there ({waits}); where its image is "
        "large, raise MILLRACE_KUBERNETES_START_SECONDS"
    )


@contextmanager
def errors(namespace: str) -> Iterator[None]:
    """Map what the cluster's client and the provider raise onto our errors."""
    from kubernetes.client.exceptions import ApiException
    from kubernetes.config.config_exception import ConfigException
    from urllib3.exceptions import HTTPError

    try:
        yield
    except ApiException as error:
        raise _mapped(error, namespace) from error
    except HTTPError as error:
        raise Unavailable(
            f"the cluster does not answer ({type(error).__name__}); start it, or {_WHERE}"
        ) from error
    except ConfigException as error:
        raise Misconfigured(f"no cluster is known ({error}); {_WHERE}") from error
    except AirflowException as error:
        if type(error).__name__ != "KubernetesApiException":
            raise
        raise Unavailable(f"the cluster does not answer; start it, or {_WHERE}") from error


_WHERE = "name another by KUBECONFIG or MILLRACE_KUBERNETES_CONN_ID"
_REMEDIES = (
    (r"cannot \w+ resource", Unauthorized, "give Airflow's account the role in this namespace"),
    (r"service ?account", Misconfigured, "make it, or correct MILLRACE_KUBERNETES_SERVICE_ACCOUNT"),
    (r"namespaces? .* not found", Misconfigured, "make it, or correct MILLRACE_KUBERNETES_NAMESPACE"),
)  # fmt: skip


def _mapped(error: Any, namespace: str) -> MillraceError:
    message = f"the cluster answered {error.status} in namespace {namespace!r}: {_message(error)}"
    if "exceeded quota" in message:
        return _over_quota(message)
    for pattern, kind, remedy in _REMEDIES:
        if error.status in (403, 404) and re.search(pattern, message):
            return kind(f"{message}; {remedy}")
    if error.status == 401:
        return Unauthorized(f"{message}; {_WHERE}")
    if error.status in (409, 429) or error.status >= 500:
        return Transient(message)
    return Misconfigured(
        f"{message}; correct the image, training.resources or include/platform/kubernetes/job-pod.yaml"
    )


def _over_quota(message: str) -> MillraceError:
    """Return the error for a pod beyond its quota: busy now, or too large even for an empty one."""
    from kubernetes.utils.quantity import parse_quantity

    def amounts(label: str) -> dict[str, Any]:
        found = re.search(rf"{label}: (\S+=\w+)", message)
        rows = [row.split("=") for row in found[1].split(",")] if found else []
        return {name: parse_quantity(amount) for name, amount in rows}

    limits = amounts("limited")
    if any(amount > limits.get(name, amount) for name, amount in amounts("requested").items()):
        return Misconfigured(f"{message}; lower training.resources, or raise the quota")
    return Busy(f"{message}; it is tried again when others are done")


def _message(error: Any) -> str:
    try:
        return str(json.loads(error.body)["message"])
    except (TypeError, ValueError, KeyError):
        return str(error.reason)
