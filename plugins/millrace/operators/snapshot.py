"""The operator that fixes the data version of a training."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from airflow.sdk import Context

from include.exceptions import Absent, Misconfigured, NotEnoughData
from millrace.operators.pipeline import PipelineOperator


class PinOperator(PipelineOperator):
    """Resolves a ref to a commit, tags it, and finds the last day to learn from.

    Returns `{commit, until, tag}`. The tag derives from the run, so a second try pins the same commit even if
    the branch has moved on.

    :param ref: a branch, tag or commit; empty: the pipeline's branch.
    :param until: the last day to learn from (ISO date); empty: the newest partition of that commit.
    :param tag: the name of the tag.
    """

    template_fields: Sequence[str] = (*PipelineOperator.template_fields, "ref", "until", "tag")

    def __init__(self, *, ref: str, until: str, tag: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.ref = ref
        self.until = until
        self.tag = tag

    def execute(self, context: Context) -> dict[str, str]:
        """Pin the version."""
        pipeline = self.load_pipeline()
        table = self.connect_table(pipeline)
        try:
            commit = table.lake.create_tag(self.tag, self.ref or pipeline.lake.branch)
        except Absent as error:
            raise Misconfigured(
                f"ref {self.ref!r} does not exist; give a branch, tag or commit of "
                f"{pipeline.lake.repository!r}"
            ) from error
        days = table.days(commit)
        if not days:
            raise NotEnoughData(
                f"{table.name!r} has no partition at {commit}; run {pipeline.name}.ingest first"
            )
        until = min(date.fromisoformat(self.until), days[-1]) if self.until else days[-1]
        return {"commit": commit, "until": until.isoformat(), "tag": self.tag}
