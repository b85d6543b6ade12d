"""The operator that fixes the data version of a training."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from airflow.sdk import Context

from millrace.operators.pipeline import PipelineOperator


class PinOperator(PipelineOperator):
    """Resolves a ref to a commit, tags it, and finds the last day to learn from.

    Returns a `PinResult`. The tag derives from the run, so a second try pins the same commit even if
    the branch has moved on.

    :param ref: a branch, tag or commit; empty: the pipeline's branch.
    :param until: the last day to learn from (ISO date); empty: the newest partition of that commit
        whose targets can be known.
    :param tag: the name of the tag.
    """

    template_fields: Sequence[str] = (*PipelineOperator.template_fields, "ref", "until", "tag")

    def __init__(self, *, ref: str, until: str, tag: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.ref = ref
        self.until = until
        self.tag = tag

    def execute(self, context: Context) -> dict[str, Any]:
        """Pin the version."""
        from include.modelling.pin import pin

        pipeline = self.load_pipeline()
        until = date.fromisoformat(self.until) if self.until else None
        table = self.connect_table(pipeline)
        ref, delay = self.ref or pipeline.lake.branch, pipeline.monitoring.label_delay
        return pin(table, ref, self.tag, until=until, label_delay=delay).to_json()
