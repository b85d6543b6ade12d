"""The trigger that waits for a job's pod: the provider's, which also gives up on an unstartable container."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from airflow.providers.cncf.kubernetes.kubernetes_helper_functions import PodLaunchFailedException
from airflow.providers.cncf.kubernetes.triggers.pod import KubernetesPodTrigger
from airflow.providers.cncf.kubernetes.utils.pod_manager import AsyncPodManager

from millrace.runtimes.kubernetes.pods import is_refused


class _ImpatientPodManager(AsyncPodManager):
    """A pod manager that refuses to wait for a pod whose container cannot be made."""

    async def read_pod(self, pod: Any) -> Any:
        found = await super().read_pod(pod)
        for status in found.status.container_statuses or ():
            waiting = status.state.waiting
            # Else the provider would wait as for a slow start; of images it gives up on by itself.
            if is_refused(waiting):
                raise PodLaunchFailedException(f"{waiting.reason}: {waiting.message}")
        return found


class JobPodTrigger(KubernetesPodTrigger):
    """Fires when a job's pod has ended, or can never begin.

    It holds no secret: how to reach the cluster is looked up where it runs.
    """

    @classmethod
    def like(cls, other: KubernetesPodTrigger) -> JobPodTrigger:
        """Return a copy of a provider's trigger, without the cluster's credentials in it."""
        return cls(**{**other.serialize()[1], "config_dict": None, "connection_extras": None})

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return f"{__name__}.JobPodTrigger", super().serialize()[1]

    @cached_property
    def pod_manager(self) -> AsyncPodManager:
        """The manager that reads the pod."""
        return _ImpatientPodManager(async_hook=self.hook)
