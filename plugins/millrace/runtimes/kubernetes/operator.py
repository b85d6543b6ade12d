"""The operator that runs a job in a pod of a Kubernetes cluster: the provider's, with limits.

The provider makes the pod and waits for it in the triggerer. This module adds what is known only when the
task runs (the specification, the run's name, an earlier try's pod), and the outcome of the pod.
docs/deployment.md lists what is enforced.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NoReturn

from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.sdk import Context
from kubernetes.client import (  # noqa: TID253 - the provider has it loaded
    ApiException,
    V1DeleteOptions,
    V1EnvFromSource,
    V1EnvVar,
    V1EnvVarSource,
    V1ObjectFieldSelector,
    V1Pod,
    V1Preconditions,
    V1SecretEnvSource,
)

from include.exceptions import MillraceError, Transient
from include.jobs.env import SECRETS
from include.jobs.results import RunResult, set_image
from include.record import Record
from include.settings import ROOT
from millrace.hooks.mlflow import MlflowHook
from millrace.operators.pipeline import PipelineOperator
from millrace.runtimes.kubernetes import pods
from millrace.runtimes.kubernetes.trigger import JobPodTrigger
from millrace.runtimes.labels import EXPIRES_AT, RUN_KEY, digest
from millrace.runtimes.process import JobMixin
from millrace.runtimes.results import STOP_SECONDS, result, stopped_early, too_long
from millrace.ui.links import ReportLink

_POLL_SECONDS = 0.5
_LOG_SECONDS = 10
"""Intervals at which a pod and its log are read."""
_GONE_SECONDS = 60
"""The longest wait for the removal of an earlier pod; nodes report to the cluster every ten seconds."""
_STAYS_SECONDS = 4
"""How long a pod is watched before it is adopted: this may be the next try of a task that was cleared while
deferred, whose pod the triggerer is about to remove; it checks once a second."""
_LOST = "unable to retrieve container logs"


class KubernetesJobOperator(JobMixin, KubernetesPodOperator):
    """Runs a job in a pod and returns its result, as `ProcessJobOperator` does.

    :param secret: the Secret whose keys are the job's secret variables.
    :param environment: further variables of the container.
    """

    template_fields: Sequence[str] = ("pipeline_name", "job_args", "image")
    operator_extra_links = (ReportLink(),)
    ui_color = PipelineOperator.ui_color

    def __init__(
        self,
        *,
        job: str,
        secret: str,
        environment: dict[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            **{
                "job": job,
                "arguments": [job],
                "base_container_name": pods.CONTAINER,
                "pod_template_file": str(ROOT / "include/platform/kubernetes/job-pod.yaml"),
                "env_from": [V1EnvFromSource(secret_ref=V1SecretEnvSource(name=secret))],
                "random_name_suffix": False,  # see millrace.runtimes.kubernetes.pods.pod_name
                "durable": False,  # an earlier pod is found by its name, here
                "deferrable": True,
                "poll_interval": _POLL_SECONDS,
                "startup_check_interval_seconds": _POLL_SECONDS,
                "logging_interval": _LOG_SECONDS,
                "log_events_on_startup": False,  # every look at them reads all events of the namespace
                "termination_grace_period": STOP_SECONDS,
                "do_xcom_push": True,
                **kwargs,
            }
        )
        self.environment = environment or {}

    def execute(self, context: Context) -> Any:
        with pods.errors(str(self.namespace)):
            self._prepare(context)
            self.in_cluster = None if self.kubernetes_conn_id else self.hook.is_in_cluster
            self.pod = self._earlier()
            if self.pod and pods.has_succeeded(self.pod):
                return self._end(self.pod, {"status": "success"})
            self._sweep()
            if self.pod is None:
                self.require_space()
            return super().execute(context)  # makes the pod unless there is one, and waits in the triggerer

    def get_or_create_pod(self, *args: Any, **kwargs: Any) -> V1Pod:
        """Extend the provider's step: refuse if the task was stopped before there was a pod to remove."""
        self._refuse_if_killed()
        return super().get_or_create_pod(*args, **kwargs)

    def defer(self, *, trigger: Any, **kwargs: Any) -> NoReturn:
        self._refuse_if_killed()
        super().defer(trigger=JobPodTrigger.like(trigger), **kwargs)

    def build_pod_request_obj(self, *args: Any, **kwargs: Any) -> V1Pod:
        """Extend the provider's step: leave out the sidecar for the result, which the log holds."""
        self.do_xcom_push = False
        try:
            return super().build_pod_request_obj(*args, **kwargs)
        finally:
            self.do_xcom_push = True

    def trigger_reentry(self, context: Context, event: dict[str, Any]) -> Any:
        """Take over from the trigger: the pod has ended, or the wait for it broke off."""
        with pods.errors(str(self.namespace)):
            self.pod = self._read(event["name"])
            if self.pod is None:
                raise Transient(
                    f"the job's pod {event['name']!r} is gone; it was deleted, or its node was lost"
                )
            self._refuse_if_killed()
            return self._end(self.pod, event)

    def _refuse_if_killed(self) -> None:
        """Fail after `on_kill`, which removes the known pod and lets `execute` go on."""
        if not self._killed:
            return
        if self.pod and (found := self._read(self.pod.metadata.name)):
            self._remove(found)
        raise stopped_early()

    def _prepare(self, context: Context) -> None:
        """Set what is known only to a running task; secrets are left out, as the cluster has them."""
        spec, variables = self.job_spec(context), self.job_variables(context)
        self.name = pods.pod_name(self.pipeline_name, self.job, spec.run_key)
        self.labels = {
            "millrace.pipeline": self.pipeline_name.rstrip("_"),
            "millrace.job": self.job,
            RUN_KEY: digest(spec.run_key),
            EXPIRES_AT: self._over(),
        }
        self.annotations = {RUN_KEY: spec.run_key}
        plain = {name: value for name, value in variables.items() if name not in SECRETS} | self.environment
        uid = V1EnvVarSource(field_ref=V1ObjectFieldSelector(field_path="metadata.uid"))
        self.env_vars = [
            # "$$": the cluster would put other variables in the place of "$(NAME)".
            *(V1EnvVar(name=name, value=value.replace("$", "$$")) for name, value in plain.items()),
            V1EnvVar(name="MILLRACE_POD", value_from=uid),
            V1EnvVar(name="MILLRACE_IMAGE", value=self._image("$(MILLRACE_POD)")),
        ]

    def _over(self) -> str:
        """Return when this pod has certainly ended; it may wait for a node and for its image first."""
        waits = self.schedule_timeout_seconds + self.startup_timeout_seconds
        return str(int(time.time()) + waits + self.seconds) if self.seconds else ""

    def _image(self, pod: str) -> str:
        """Return what is known of the image before the pod runs: a digest, else the name and the pod."""
        return str(self.image) if "@" in str(self.image) else f"{self.image} of pod {pod}"

    def _earlier(self) -> V1Pod | None:
        """Return an earlier try's pod that may go on, or has succeeded; remove any other."""
        pod = self._read(str(self.name))
        if pod is None:
            return None
        if self._has_same_spec(pod) and (found := self._staying(pod)):
            self.log.info("pod %s of an earlier try is %s", self.name, found.status.phase)
            return found
        self.log.warning("removing pod %s of an earlier try", self.name)
        self._remove(pod)
        self._wait_gone(pod)
        return None

    def _has_same_spec(self, pod: V1Pod) -> bool:
        """Return whether a pod works for this run (its specification has the key), and on the same data."""
        theirs, ours = (
            [one.value for one in variables if one.name == "MILLRACE_JOB"]
            for variables in (pod.spec.containers[0].env or (), list[Any](self.env_vars))
        )
        return bool(theirs == ours)

    def _staying(self, pod: V1Pod) -> V1Pod | None:
        """Return the pod as it is by now, if it has succeeded or goes on."""
        found: V1Pod | None = pod
        deadline = time.monotonic() + _STAYS_SECONDS
        while found and not pods.is_leaving(found) and not pods.has_failed(found):
            if pods.has_succeeded(found) or time.monotonic() > deadline:
                return found
            time.sleep(_POLL_SECONDS)
            found = self._read(pod.metadata.name)
        return None

    def _sweep(self) -> None:
        """Remove expired pods, whose own tasks never came to do so."""
        found = self.client.list_namespaced_pod(self.namespace, label_selector=f"{RUN_KEY},{EXPIRES_AT}")
        for pod in found.items:
            over = pod.metadata.labels[EXPIRES_AT]
            if over and int(over) < time.time() - 2 * STOP_SECONDS and pod.metadata.name != self.name:
                self.log.warning("removing expired pod %s", pod.metadata.name)
                self._remove(pod)

    def _read(self, name: str) -> V1Pod | None:
        try:
            return self.client.read_namespaced_pod(name, self.namespace)
        except ApiException as error:
            if error.status == 404:
                return None
            raise

    def _remove(self, pod: V1Pod) -> None:
        """Stop a pod if it is at work, and remove it unless it is gone."""
        options = V1DeleteOptions(
            # Its node would let the name go a minute later; where nothing runs there is nothing to wait for.
            grace_period_seconds=0 if pods.is_idle(pod) else STOP_SECONDS,
            preconditions=V1Preconditions(uid=pod.metadata.uid),
        )
        try:
            self.client.delete_namespaced_pod(pod.metadata.name, pod.metadata.namespace, body=options)
        except ApiException as error:
            if error.status not in (404, 409):  # the second: another pod has its name by now
                raise

    def _wait_gone(self, pod: V1Pod) -> None:
        deadline = time.monotonic() + _GONE_SECONDS
        while (found := self._read(pod.metadata.name)) and found.metadata.uid == pod.metadata.uid:
            if time.monotonic() > deadline:
                raise Transient(
                    f"pod {pod.metadata.name!r} of an earlier try cannot be removed, its node may be lost; "
                    "it may still be training, so no other is started before it is gone"
                )
            if pods.is_idle(found):
                self._remove(found)
            time.sleep(0.2)

    def _end(self, pod: V1Pod, event: dict[str, Any]) -> Any:
        """Return the result of a pod, or raise why there is none; remove it unless a try may adopt it."""
        is_late = event["status"] == "timeout" and pods.is_at_work(pod)
        if event["status"] == "error" and not pods.is_idle(pod):
            raise Transient(f"the wait for pod {pod.metadata.name!r} broke off: {event['message']}")
        lines = self._log(pod, event.get("last_log_time"))
        if pods.has_succeeded(pod) and lines is not None:
            return self._take(pod, lines)
        self._remove(pod)
        if pods.has_succeeded(pod):
            raise Transient(f"the log of pod {pod.metadata.name!r} is gone, and its result with it")
        if is_late:
            raise too_long(self.pipeline_name, self.seconds)
        raise pods.failure(
            pod, pipeline_name=self.pipeline_name, job=self.job, seconds=self.seconds, lines=lines or []
        )

    def _take(self, pod: V1Pod, lines: list[str]) -> dict[str, Any]:
        """Return the result of a pod that succeeded; where MLflow is unavailable, the next try takes it."""
        try:
            record = result(self.job, str(self.image), lines, MlflowHook(self.mlflow_conn_id))
            self._set_image(record, pod)
        except Transient:
            raise
        except MillraceError:
            self._remove(pod)
            raise
        self._remove(pod)
        return record.to_json()

    def _log(self, pod: V1Pod, since: Any) -> list[str] | None:
        """Return the lines of a pod's log, None if its node lost it; write new ones to the task's log."""
        if not pods.has_begun(pod):
            return []
        response = self.client.read_namespaced_pod_log(
            pod.metadata.name,
            pod.metadata.namespace,
            container=pods.CONTAINER,
            timestamps=True,
            _preload_content=False,
        )
        text = response.data.decode(errors="replace")
        if text.startswith(_LOST):  # with status 200
            self.log.warning("%s", text)
            return None
        stamped = [line.partition(" ") for line in text.splitlines()]
        logged_until = _second(since) if since else ""
        for moment, _, line in stamped:
            if moment >= logged_until:
                self.log.info("[%s] %s", pods.CONTAINER, line)
        return [line for _, _, line in stamped]

    def _set_image(self, record: Record, pod: V1Pod) -> None:
        """Tag the MLflow run that this pod made with its image by digest, which the pod could not know."""
        placeholder = self._image(pod.metadata.uid)
        if not isinstance(record, RunResult) or "@" in placeholder:
            return
        image = pods.image_of(pod, str(self.image))
        if set_image(record, self.connect_tracking(), image, instead_of=placeholder):
            self.log.info("image %s", image)


def _second(moment: Any) -> str:
    """Return a moment as the cluster stamps the lines of a log, to the second."""
    return datetime.fromisoformat(str(moment)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
