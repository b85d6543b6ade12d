"""The sensor that waits for a day's partition."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from airflow.sdk import BaseSensorOperator, Context, PokeReturnValue
from airflow.sdk.exceptions import AirflowSkipException

from include.exceptions import Absent
from millrace.operators.pipeline import PipelineMixin
from millrace.sensors.lakefs import WAIT_DEFAULTS


class PartitionSensor(PipelineMixin, BaseSensorOperator):
    """Waits until a day's partition is published; returns `{commit, champion}`.

    Skips itself, and so the run, while the pipeline has no champion: there is nothing to watch yet.

    :param day: the partition's day (ISO date).
    """

    template_fields: Sequence[str] = ("pipeline", "day")

    def __init__(self, *, pipeline: str, day: str, **kwargs: Any) -> None:
        super().__init__(**{**WAIT_DEFAULTS, **kwargs})
        self.pipeline = pipeline
        self.day = day

    def poke(self, context: Context) -> bool | PokeReturnValue:
        from include.tracking.registry import Alias, Registry

        spec, day = self.spec(), date.fromisoformat(self.day)
        champion = Registry(self.tracking_uri).version_of(spec.name, Alias.CHAMPION)
        if champion is None:
            raise AirflowSkipException(f"{spec.name!r} has no champion: train one with {spec.name}.train")
        table = self.table(spec)
        try:
            commit = table.lake.resolve(spec.lake.branch)
        except Absent as absent:
            self.log.info("%s", absent)
            return False
        if not table.parts(commit, day, day):
            self.log.info("no partition dt=%s at %s yet", self.day, commit)
            return False
        return PokeReturnValue(True, {"commit": commit, "champion": champion})
