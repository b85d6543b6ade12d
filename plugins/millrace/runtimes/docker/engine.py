"""A Docker engine as jobs use it: the limits of every container, and the meaning of the engine's errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any
from urllib.parse import urlsplit

from airflow.sdk.exceptions import AirflowException

from include.exceptions import MillraceError, Misconfigured, Transient, Unauthorized, Unavailable

PIDS = 512
"""Limit of a job's processes and threads together."""

LOG_SIZE = "10m"
"""Limit of a job's output that the engine keeps."""

_REFUSALS = ("401 Unauthorized", "no basic auth credentials", "authentication required", "denied")


def confinement(cpus: float, memory: int) -> dict[str, Any]:
    """Return the part of the engine's host configuration that the provider has no argument for.

    `cpus` in cores and `memory` in bytes are hard limits.
    """
    from docker.types import LogConfig

    return {
        "nano_cpus": round(cpus * 1e9),
        "memswap_limit": memory,  # memory and swap together: no swap
        "pids_limit": PIDS,
        "read_only": True,
        "tmpfs": {"/tmp": f"rw,noexec,nosuid,nodev,size={memory // 2}"},  # noqa: S108 - the container's own
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges"],
        # By name: an engine whose own driver is another, such as journald, refuses the option.
        "log_config": LogConfig(type=LogConfig.types.JSON, config={"max-size": LOG_SIZE}),
    }


def gpus(number: int) -> list[Any] | None:
    """Return the request for a number of GPUs, any of the engine's."""
    from docker.types import DeviceRequest

    return [DeviceRequest(count=number, capabilities=[["gpu"]])] if number else None


class SandboxedClient:
    """The engine's client, with these limits on every container that it makes.

    `check` may raise before an image is pulled on, and before a container is made and is started.
    """

    def __init__(self, client: Any, limits: dict[str, Any], check: Callable[[], None]) -> None:
        self._client = client
        self._limits = limits
        self._check = check
        self.has_started = False

    def create_host_config(self, **options: Any) -> Any:
        """Return the client's host configuration with the limits."""
        return self._client.create_host_config(**{**options, **self._limits})

    def pull(self, *args: Any, **options: Any) -> Iterator[Any]:
        """Return the client's progress of a pull."""
        with closing(self._client.pull(*args, **options)) as lines:
            for line in lines:
                self._check()
                yield line

    def create_container(self, **options: Any) -> Any:
        """Call the client."""
        self._check()
        return self._client.create_container(**options)

    def start(self, container: str) -> None:
        """Call the client."""
        self._check()
        self._client.start(container)
        self.has_started = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


@contextmanager
def errors(engine: str, image: str) -> Iterator[None]:
    """Map what the engine's client and the provider raise onto our errors."""
    from docker.errors import APIError, DockerException
    from requests import RequestException

    try:
        yield
    except APIError as error:
        raise _mapped(error, engine, image) from error
    except (DockerException, RequestException) as error:
        raise Unavailable(f"{engine} does not answer ({type(error).__name__}); start it") from error
    except AirflowException as error:
        if "Failed to establish connection" not in str(error):
            raise
        # All that the provider says of an engine that cannot be reached.
        raise Unavailable(f"{engine} does not answer; start it, or correct DOCKER_HOST") from error


def _mapped(error: Any, engine: str, image: str) -> MillraceError:
    from docker.errors import ImageNotFound

    message = f"{engine} answered {error.status_code}: {error.explanation}"
    path = urlsplit(error.response.url).path if error.response is not None else ""
    if isinstance(error, ImageNotFound) or path.endswith(("/auth", "/images/create")):
        return _of_registry(error, engine, image)
    # A missing network has the same status.
    if error.status_code == 404 and "no such container" in str(error.explanation).lower():
        return Transient(f"{message}; it was removed from outside")
    if error.status_code == 409:
        return Transient(f"{message}; another try of this task has just started its container")
    # An engine without GPUs says so with a 500.
    if error.is_server_error() and "device driver" not in str(error.explanation):
        return Transient(message)
    return Misconfigured(f"{message}; correct the image, training.resources or MILLRACE_JOB_NETWORK")


def _of_registry(error: Any, engine: str, image: str) -> MillraceError:
    """Return why an image cannot be pulled; a registry's refusal arrives as the engine's own 500."""
    why = str(error.explanation)
    if any(sign in why for sign in _REFUSALS):
        return Unauthorized(
            f"the registry of image {image!r} refused the login ({why}); set "
            "MILLRACE_JOB_REGISTRY_CONN_ID to an Airflow connection of type docker that may pull it"
        )
    if error.is_server_error():
        return Unavailable(f"the registry of image {image!r} does not answer {engine} ({why})")
    return Misconfigured(
        f"{engine} has no image {image!r} and cannot pull it ({why}); build it with `make images`, or "
        "correct MILLRACE_JOB_IMAGE or training.image"
    )
