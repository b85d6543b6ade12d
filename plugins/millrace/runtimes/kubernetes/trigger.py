"""The wait for a job's pod: the provider's own, which also gives up on a container that cannot be made."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from airflow.providers.cncf.kubernetes.kubernetes_helper_functions import PodLaunchFailedException
from airflow.providers.cncf.kubernetes.triggers.pod import KubernetesPodTrigger
from airflow.providers.cncf.kubernetes.utils.pod_manager import AsyncPodManager

from millrace.runtimes.kubernetes.pods import is_refused


class _Impatient(AsyncPodManager):
    """Reads pods, and refuses to wait for one whose container cannot be made."""

    async def read_pod(self, pod: Any) -> Any:
        found = await super().read_pod(pod)
        for status in found.status.container_statuses or ():
            waiting = status.state.waiting
            # Else the provider would wait as for a slow start; of images it gives up on by itself.
            if is_refused(waiting):
                raise PodLaunchFailedException(f"{waiting.reason}: {waiting.message}")
        return found


class JobPodTrigger(KubernetesPodTrigger):
    """Fires when a job's pod has ended, or never will begin.

    It holds no secret: how to reach the cluster is looked up where it runs.
    """

    @classmethod
    def like(cls, other: KubernetesPodTrigger) -> JobPodTrigger:
        """The same, without the cluster's credentials that the provider gives its own on the way."""
        return cls(**{**other.serialize()[1], "config_dict": None, "connection_extras": None})

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return f"{__name__}.JobPodTrigger", super().serialize()[1]

    @cached_property
    def pod_manager(self) -> AsyncPodManager:
        """What it reads the pod with."""
        return _Impatient(async_hook=self.hook)
