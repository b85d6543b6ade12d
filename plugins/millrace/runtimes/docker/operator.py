"""The operator that runs a job in a container of a Docker engine: the provider's, with limits.

`millrace.runtimes.factory` sets what the provider's operator has arguments for. This module adds what it has
none for (limits of the host configuration), and what is known only when the task runs: the specification, the
secrets, and the outcome of the container. docs/deployment.md lists what is enforced.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property
from typing import Any

from airflow.providers.docker.exceptions import DockerContainerFailedException
from airflow.providers.docker.operators.docker import DockerOperator
from airflow.sdk import Context

from include.exceptions import MillraceError, Misconfigured, Transient
from include.settings import Pull
from millrace.hooks.mlflow import MlflowHook
from millrace.operators.pipeline import PipelineOperator
from millrace.runtimes.docker.engine import SandboxedClient, confinement, errors
from millrace.runtimes.labels import DEPLOYMENT, EXPIRES_AT, RUN_KEY, digest
from millrace.runtimes.process import JobMixin
from millrace.runtimes.results import STOP_SECONDS, failure, result, stopped_early, too_much_memory
from millrace.ui.links import ReportLink

USER = "10001:10001"
"""Overrides the image's user, so that no job runs as root."""
_GONE_SECONDS = 30
"""The longest wait for the removal of an earlier container."""


class DockerJobOperator(JobMixin, DockerOperator):
    """Runs a job in a container and returns its result, as `ProcessJobOperator` does.

    :param deployment: the deployment that the containers belong to, on an engine that others use too.
    :param pull: when to pull the image.

    `cpus` and `mem_limit` (bytes) are hard limits here; the provider takes the first as a weight.
    """

    template_fields: Sequence[str] = ("pipeline_name", "job_args", "image")
    operator_extra_links = (ReportLink(),)
    ui_color = PipelineOperator.ui_color

    def __init__(
        self,
        *,
        job: str,
        deployment: str,
        pull: Pull = Pull.MISSING,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            job=job,
            command=[job],
            user=USER,
            mount_tmp_dir=False,
            auto_remove="never",  # its end is looked at before it is removed, here
            xcom_all=True,
            force_pull=pull is Pull.ALWAYS,
            **kwargs,
        )
        self.deployment = deployment
        self.pull = pull
        self._killed = False

    @cached_property
    def cli(self) -> Any:
        """The engine's client, which limits every container and starts none after `on_kill`."""
        limits = confinement(self.cpus, int(self.mem_limit or 0))
        return SandboxedClient(super().cli, limits, check=self._refuse_if_killed)

    def execute(self, context: Context) -> Any:
        with errors(f"the Docker engine at {self.docker_url!r}", self.image):
            self._prepare(context)
            self._remove_leftovers()
            self._find_image()
            try:
                lines: Any = super().execute(context)
            except DockerContainerFailedException as error:
                raise self._failure(error.logs or []) from error
            finally:
                if self.container:
                    self._stop(self.container["Id"], remove=True)
                self.cli.close()
        return result(self.job, self.image, lines or [], MlflowHook(self.mlflow_conn_id)).to_json()

    def on_kill(self) -> None:
        """Stop the container, and prevent the start of another; `execute` goes on, cleans up and fails.

        Airflow calls this from a handler of SIGTERM, between any two steps of `execute`, and lets that go on.
        """
        self._killed = True
        if self.container:
            self.log.info("stopping container %s", self.container["Id"][:12])
            # One that is about to start could not be stopped: it is taken away, and the start refused.
            self._stop(self.container["Id"], remove=not self.cli.has_started)

    def _refuse_if_killed(self) -> None:
        if self._killed:
            raise stopped_early()

    def _prepare(self, context: Context) -> None:
        """Set what is known only to a running task; secrets go where Airflow never shows them."""
        if not self.deployment:
            raise Misconfigured(
                "MILLRACE_DEPLOYMENT is '': this Airflow's containers cannot be distinguished from others' "
                "on the engine; set it, for all parts of this Airflow, to a name that no other one there has"
            )
        self.require_space()
        spec = self.job_spec(context)
        self._private_environment = self.job_variables(context)
        self.labels: dict[str, str] = {
            "millrace.pipeline": self.pipeline_name,
            "millrace.job": self.job,
            DEPLOYMENT: self.deployment,
            RUN_KEY: spec.run_key,
            EXPIRES_AT: str(int(time.time()) + self.seconds) if self.seconds else "",
        }
        # The engine allows one container a name: two tries can never train at once. Runs of two deployments
        # have the same key, as two Airflows count days alike.
        whose = digest(f"{self.deployment}/{spec.run_key}")
        self.container_name = f"millrace-{self.pipeline_name}-{self.job}-{whose}"

    def _remove_leftovers(self) -> None:
        """Remove what a dead worker left: an earlier try of this task, and expired containers of others."""
        now, mine = time.time() - 2 * STOP_SECONDS, [RUN_KEY, f"{DEPLOYMENT}={self.deployment}"]
        for found in self.cli.containers(all=True, filters={"label": mine}):
            labels, over = found["Labels"], found["Labels"].get(EXPIRES_AT)
            own = labels[RUN_KEY] == self.labels[RUN_KEY]
            if own or (over and int(over) < now):
                self.log.warning("removing expired container %s", found["Id"][:12])
                self._stop(found["Id"], remove=True)
            if own:
                self._wait_gone(found["Id"])

    def _wait_gone(self, container: str) -> None:
        """Wait until a container's name is free: its own task may be removing it at this moment."""
        from docker.errors import NotFound

        deadline = time.monotonic() + _GONE_SECONDS
        with suppress(NotFound):
            while time.monotonic() < deadline:
                self.cli.inspect_container(container)
                time.sleep(0.1)
            raise Transient(
                f"container {container[:12]} of an earlier try cannot be removed and may still be training, "
                f"so no other is started; see what `docker rm --force {container[:12]}` says"
            )

    def _stop(self, container: str, *, remove: bool = False) -> None:
        """Stop a container if it is running, and remove it if requested; it may be gone already."""
        from docker.errors import APIError

        try:
            self.cli.stop(container, timeout=STOP_SECONDS)
            if remove:
                self.cli.remove_container(container, force=True, v=True)
        except APIError as error:
            if error.status_code not in (404, 409):
                raise

    def _find_image(self) -> None:
        if self.pull is Pull.NEVER and not self.cli.images(name=self.image):
            raise Misconfigured(
                f"image {self.image!r} is not on the engine, and MILLRACE_JOB_IMAGE_PULL is 'never'; "
                "build it with `make images`, or load it"
            )

    def _run_image(self) -> Any:
        """Extend the provider's step after the pull, from which on the image is known by its digest."""
        found = self.cli.inspect_image(self.image)
        name = next(iter(found["RepoDigests"]), "") or f"{self.image}@{found['Id']}"
        self.log.info("image %s", name)
        self._private_environment["MILLRACE_IMAGE"] = name
        return super()._run_image()

    def _failure(self, lines: list[Any]) -> MillraceError:
        """Return the error that explains why a container ended."""
        state = self.cli.inspect_container(self.container["Id"])["State"]
        if state["OOMKilled"]:
            return too_much_memory(self.pipeline_name, f"{int(self.mem_limit or 0) >> 20} MiB")
        return failure(self.job, self.image, state["ExitCode"], lines)
