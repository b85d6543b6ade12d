"""A Docker engine with the job image, and images of a test's own on top of it."""

from __future__ import annotations

import io
import json
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import docker
import pytest
from docker.errors import DockerException, ImageNotFound, NotFound

from include.platform.embedded.gateway import Gateway, job_gateway
from millrace.runtimes import labels
from millrace.runtimes.docker.operator import DockerJobOperator
from tests.support.task import Task

JOB_IMAGE = "millrace-job:latest"
NETWORK = "millrace"
DEPLOYMENT = f"test-{uuid4().hex[:12]}"
"""Whose the containers of this run of the tests are: others may test on the same engine."""
ANSWER = """echo '{"run_id": "r", "link": "http://10.0.0.1:5000/#/x"}'"""
"""A line of a script: the job's answer."""
SLEEPER = ("trap 'echo told to stop; exit 143' TERM", "echo begun", "sleep 120 & wait")
"""A script that works until it is told to stop."""


@dataclass
class Engine:
    """The engine, and what is to be removed from it."""

    client: docker.DockerClient
    images: list[str] = field(default_factory=list)

    def build(self, dockerfile: str, files: Path | None = None, **arguments: str) -> str:
        """An image of the test's own; `files` is a folder beside its Dockerfile."""
        context = io.BytesIO()
        with tarfile.open(fileobj=context, mode="w") as tar:
            about = tarfile.TarInfo("Dockerfile")
            about.size = len(dockerfile.encode())
            tar.addfile(about, io.BytesIO(dockerfile.encode()))
            if files:
                tar.add(files, arcname=".")
        context.seek(0)
        tag = f"millrace-test-{uuid4().hex[:12]}:latest"
        self.client.images.build(
            fileobj=context, custom_context=True, tag=tag, rm=True, network_mode="host", buildargs=arguments
        )
        self.images.append(tag)
        return tag

    def script(self, *lines: str) -> str:
        """An image that runs a few lines of shell, whatever the job."""
        body = "\n".join(("#!/bin/sh", *lines)).replace("\n", "\\n").replace("'", "'\\''")
        return self.build(
            f"FROM {JOB_IMAGE}\nUSER root\nRUN printf '%b' '{body}' > /job && chmod +x /job\n"
            'ENTRYPOINT ["/job"]\n'
        )

    def containers(self, run_key: str = "") -> list[Any]:
        """Every container of a run, or of any, of this deployment."""
        asked = [f"{labels.DEPLOYMENT}={DEPLOYMENT}"]
        asked += [f"{labels.RUN_KEY}={run_key}"] if run_key else []
        return list(self.client.containers.list(all=True, ignore_removed=True, filters={"label": asked}))

    def begun(self, run_id: str) -> Any:
        """The running container of a run of `train_task`, once its script says that it has begun."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            for found in self.containers(f"orders.stage/{run_id}/train"):
                if b"begun" in found.logs():
                    return found
            time.sleep(0.05)
        raise AssertionError(f"no container of {run_id} has begun")

    def left_over(self, image: str, run_key: str, over: int, deployment: str = DEPLOYMENT) -> Any:
        """A container that a dead worker left; its time is over at `over`, in seconds of the epoch."""
        told = {labels.DEPLOYMENT: deployment, labels.RUN_KEY: run_key, labels.EXPIRES_AT: f"{over}"}
        return self.client.containers.run(image, detach=True, labels=told)

    def gateway(self) -> Gateway:
        """Where containers reach the machine."""
        return job_gateway(NETWORK)

    def forget(self) -> None:
        """Remove the test's images, and containers made from them."""
        for tag in self.images:
            for left in self.client.containers.list(all=True, filters={"ancestor": tag}):
                left.remove(force=True)
            self.client.images.remove(tag, force=True)


@contextmanager
def run_engine() -> Iterator[Engine]:
    """The engine of this machine; a test is skipped, with the reason, where it or the image is not there."""
    try:
        client = docker.from_env()
        client.images.get(JOB_IMAGE)
    except ImageNotFound:
        pytest.skip(f"the Docker engine has no image {JOB_IMAGE!r}; build it with `make images`")
    except DockerException as error:
        pytest.skip(f"no Docker engine answers ({error}); start one, as with `.ci/engine start`")
    engine = Engine(client)
    try:
        yield engine
    finally:
        engine.forget()
        client.close()


def connect(monkeypatch: pytest.MonkeyPatch, secret: str) -> None:
    """Connections of services: where Airflow finds them, and where a container does."""
    lake = {"conn_type": "lakefs", "host": "http://127.0.0.1:1", "login": "key", "password": secret}
    mlflow = {
        "conn_type": "http",
        "host": "http://127.0.0.1:5000",
        "extra": {"container_host": "http://10.0.0.1:5000"},
    }
    monkeypatch.setenv("AIRFLOW_CONN_LAKEFS_DEFAULT", json.dumps(lake))
    monkeypatch.setenv("AIRFLOW_CONN_MLFLOW_DEFAULT", json.dumps(mlflow))


def train_task(image: str, run_id: str = "r1", **options: Any) -> Task:
    """A task that trains in a container of an image."""
    told = {"commit": "c0ffee", "until": "2024-03-30", **options.pop("told", {})}
    limits = {"cpus": 0.5, "mem_limit": 128 * 2**20}
    operator = DockerJobOperator(
        task_id="train",
        pipeline_name="orders",
        job="train",
        job_args=told,
        image=image,
        **{**limits, "network_mode": NETWORK, "deployment": DEPLOYMENT, **options},
    )
    return Task(operator, run_id)


@contextmanager
def beside(call: Callable[[], Any]) -> Iterator[list[Any]]:
    """Run a call in a thread beside the block; afterwards the list holds what it returned or raised."""
    ended: list[Any] = []

    def run() -> None:
        try:
            ended.append(call())
        except (Exception, SystemExit) as error:  # noqa: BLE001 - the test looks at it
            ended.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield ended
    finally:
        thread.join(60)


def is_gone(container: Any) -> bool:
    """Whether the engine knows a container no more."""
    try:
        container.reload()
    except NotFound:
        return True
    return False
