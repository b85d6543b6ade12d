"""Operators for tags of the lake."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow.sdk import Context

from include.exceptions import Absent, Misconfigured
from millrace.operators.lakefs.base import LakeFSOperator
from millrace.ui.links import CommitLink


class LakeFSCreateTagOperator(LakeFSOperator):
    """Tag the commit that a ref points to unless the tag exists; returns `{tag, commit}`.

    :param tag: the tag's name.
    :param ref: the ref to tag.
    """

    template_fields: Sequence[str] = (*LakeFSOperator.template_fields, "tag", "ref")
    operator_extra_links = (CommitLink(),)

    def __init__(self, *, tag: str, ref: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.tag = tag
        self.ref = ref

    def execute(self, context: Context) -> dict[str, str]:
        try:
            return {"tag": self.tag, "commit": self.lake().create_tag(self.tag, self.ref)}
        except Absent as error:
            raise Misconfigured(
                f"ref {self.ref!r} cannot be tagged: {error}; set ref to an existing branch, tag or commit"
            ) from error


class LakeFSDeleteTagOperator(LakeFSOperator):
    """Delete a tag; does nothing if there is no such tag.

    :param tag: the tag's name.
    """

    template_fields: Sequence[str] = (*LakeFSOperator.template_fields, "tag")

    def __init__(self, *, tag: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.tag = tag

    def execute(self, context: Context) -> None:
        self.lake().delete_tag(self.tag)
