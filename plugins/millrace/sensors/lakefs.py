"""Sensors of the lake: they wait for what is absent and retry what is transient."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from airflow.sdk import BaseSensorOperator, Context, PokeReturnValue
from airflow.sdk.exceptions import AirflowSkipException

from include.exceptions import Absent
from include.lake.client import Lake
from millrace.hooks.lakefs import LakeFSHook
from millrace.operators.pipeline import PipelineMixin

WAITING = {"mode": "reschedule", "poke_interval": 60.0, "timeout": 12 * 3600.0}
"""How a sensor waits unless told otherwise: a look a minute, half a day, no worker slot in between."""


class LakeFSCommitSensor(BaseSensorOperator):
    """Waits until a ref stands for a commit other than a known one; returns `{ref, commit}`.

    :param ref: a branch, tag or expression; it may not exist yet.
    :param known: the commit that does not count; empty: any commit does.
    """

    template_fields: Sequence[str] = ("repository", "ref", "known")

    def __init__(
        self,
        *,
        repository: str,
        ref: str,
        known: str = "",
        lakefs_conn_id: str = LakeFSHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{**WAITING, **kwargs})
        self.repository = repository
        self.ref = ref
        self.known = known
        self.lakefs_conn_id = lakefs_conn_id

    def lake(self) -> Lake:
        """The repository, by the connection."""
        return LakeFSHook(self.lakefs_conn_id).lake(self.repository)

    def poke(self, context: Context) -> bool | PokeReturnValue:
        try:
            commit = self.lake().commit_of(self.ref)
        except Absent as absent:
            self.log.info("%s", absent)
            return False
        return PokeReturnValue(commit != self.known, {"ref": self.ref, "commit": commit})


class PartitionSensor(PipelineMixin, BaseSensorOperator):
    """Waits until a day's partition is published; returns `{commit, champion}`.

    Skips itself, and so the run, while the pipeline has no champion: there is nothing to watch yet.

    :param day: the partition's day (ISO date).
    """

    template_fields: Sequence[str] = ("pipeline", "day")

    def __init__(self, *, pipeline: str, day: str, **kwargs: Any) -> None:
        super().__init__(**{**WAITING, **kwargs})
        self.pipeline = pipeline
        self.day = day

    def poke(self, context: Context) -> bool | PokeReturnValue:
        from include.registry import Alias, Registry

        spec, day = self.spec(), date.fromisoformat(self.day)
        champion = Registry(self.tracking_uri).version_of(spec.name, Alias.CHAMPION)
        if champion is None:
            raise AirflowSkipException(f"{spec.name!r} has no champion: train one with {spec.name}.train")
        table = self.table(spec)
        try:
            commit = table.lake.commit_of(spec.lake.branch)
        except Absent as absent:
            self.log.info("%s", absent)
            return False
        if not table.parts(commit, day, day):
            self.log.info("no partition dt=%s at %s yet", self.day, commit)
            return False
        return PokeReturnValue(True, {"commit": commit, "champion": champion})
