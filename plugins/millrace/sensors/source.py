"""The sensor that waits for the files of a source."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from airflow.sdk import BaseSensorOperator, Context

from include.contract.feed import Stage
from include.excerpt import quote
from millrace.operators.pipeline import PipelineMixin
from millrace.sensors.lakefs import WAIT_DEFAULTS

_MAX_NAMED = 10


class SourceSensor(PipelineMixin, BaseSensorOperator):
    """Waits until the source has a file for each of some days.

    :param first: the first day (ISO date).
    :param last: the last day, included.
    :param stage: the ingestion whose source it is: of rows or of labels.
    """

    template_fields: Sequence[str] = ("pipeline_name", "first", "last")

    def __init__(self, *, first: str, last: str, stage: str = Stage.INGEST.value, **kwargs: Any) -> None:
        super().__init__(**{**WAIT_DEFAULTS, **kwargs})
        self.first = first
        self.last = last
        self.stage = stage

    def poke(self, context: Context) -> bool:
        """Look for the files."""
        from include.ingestion.readers import missing_files

        feed = self.load_pipeline().feed(Stage(self.stage))
        days = date.fromisoformat(self.first), date.fromisoformat(self.last)
        if missing := missing_files(feed.source, *days, folder=self.folder):
            named = ", ".join(map(quote, missing[:_MAX_NAMED]))
            more = ", …" if len(missing) > _MAX_NAMED else ""
            self.log.info(
                "waiting for %d path(s) without a file, up to %ssource.missing_timeout: %s%s",
                len(missing),
                feed.at,
                named,
                more,
            )
        return not missing
