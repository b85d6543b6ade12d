"""Section `labels`: targets that arrive later than their rows, from a source of their own."""

from __future__ import annotations

from collections import Counter
from typing import Annotated

from pydantic import AfterValidator, Field

from include.contract.columns import Columns
from include.contract.data import Source
from include.contract.text import ColumnName, File
from include.contract.types import Days, Section
from include.excerpt import quote


def _check_keys(keys: tuple[str, ...]) -> tuple[str, ...]:
    if twice := sorted(name for name, times in Counter(keys).items() if times > 1):
        raise ValueError(f"keys names {quote(twice[0])} twice; name each column once")
    return keys


class Labels(Section):
    """Where labels come from, and how they find their rows."""

    source: Source = Field(description="Where labels come from: the keys of the section `source`.")
    keys: Annotated[
        tuple[ColumnName, ...], Field(min_length=1, max_length=16), AfterValidator(_check_keys)
    ] = Field(description="The columns, in rows and labels alike, that say which row a label is for.")
    target: ColumnName | None = Field(
        None, description="The column with the label; null: it is called as `model.target`."
    )
    columns: Columns = Field(
        default_factory=dict,
        description="What columns of the labels are, as in the section `columns`; a key that only one of the "
        "two sections declares is the same in both tables.",
    )
    suite: File | None = Field(
        None, description="A suite for the labels, below the pipeline's folder; null: implied checks only."
    )
    refresh: Days | None = Field(
        None,
        description="How many days before its own a run of the schedule brings again, to find corrections.",
    )
