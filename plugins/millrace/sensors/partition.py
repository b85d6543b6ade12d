"""The sensor that waits for a day's partition."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from airflow.sdk import BaseSensorOperator, Context, PokeReturnValue
from airflow.sdk.exceptions import AirflowSkipException

from include.exceptions import Absent
from include.lake.table import PART_NAMES, Table
from millrace.operators.pipeline import PipelineMixin
from millrace.sensors.lakefs import WAIT_DEFAULTS


class PartitionSensor(PipelineMixin, BaseSensorOperator):
    """Waits until a day's partition is published; returns `{commit}`.

    Skipped, with all that follows, for a day that the source will never have (`source.skip_days`).

    :param day: the partition's day (ISO date).
    """

    template_fields: Sequence[str] = ("pipeline_name", "day")

    def __init__(self, *, day: str, **kwargs: Any) -> None:
        super().__init__(**{**WAIT_DEFAULTS, **kwargs})
        self.day = day

    def poke(self, context: Context) -> bool | PokeReturnValue:
        """Look for the partition at the head of the pipeline's branch."""
        pipeline, day = self.load_pipeline(), date.fromisoformat(self.day)
        if day in pipeline.source.skip_days:
            raise AirflowSkipException(f"{day} is one of source.skip_days: there is nothing to monitor")
        table = self.connect_table(pipeline)
        try:
            commit = table.lake.resolve(pipeline.lake.branch)
        except Absent as absent:
            self.log.info("%s", absent)
            return False
        if not table.parts(commit, day, day):
            self.log.info("%s", _absence(table, commit, day))
            return False
        return PokeReturnValue(True, {"commit": commit})


def _absence(table: Table, commit: str, day: date) -> str:
    """Return what the sensor waits for, and what it found instead."""
    absence = f"no partition dt={day} of {table.name!r} at {commit} yet"
    if not (left_out := table.count_left_out(commit, day)):
        return absence
    return (
        f"{absence}: its folder holds {left_out} object(s), none a part; parts are named {PART_NAMES!r}: "
        "run the pipeline's ingest for that day, which writes them"
    )
