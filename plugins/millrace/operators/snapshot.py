"""The operator that fixes the data version of a training."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from airflow.sdk import Context

from include.exceptions import Absent, Misconfigured, NotEnoughData
from millrace.operators.pipeline import PipelineOperator


class PinOperator(PipelineOperator):
    """Turns a ref into a commit, tags it, and says up to which day to learn; returns `{commit, until, tag}`.

    The tag derives from the run, so a second try pins the same commit even if the branch has moved on.

    :param ref: a branch, tag or commit; empty: the pipeline's branch.
    :param until: the last day to learn from (ISO date); empty: the newest partition of that commit.
    """

    template_fields: Sequence[str] = (*PipelineOperator.template_fields, "ref", "until", "tag")

    def __init__(self, *, ref: str, until: str, tag: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.ref = ref
        self.until = until
        self.tag = tag

    def execute(self, context: Context) -> dict[str, str]:
        spec = self.spec()
        table = self.table(spec)
        try:
            commit = table.lake.create_tag(self.tag, self.ref or spec.lake.branch)
        except Absent as error:
            raise Misconfigured(
                f"ref {self.ref!r} does not exist; give a branch, tag or commit of {spec.lake.repository!r}"
            ) from error
        days = table.days(commit)
        if not days:
            raise NotEnoughData(
                f"{spec.lake.table!r} has no partition at {commit}; run {spec.name}.ingest first"
            )
        until = min(date.fromisoformat(self.until), days[-1]) if self.until else days[-1]
        return {"commit": commit, "until": until.isoformat(), "tag": self.tag}
