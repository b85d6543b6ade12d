"""The section `source.delta`: which version of a Delta Lake table is read."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from include.contract.numbers import NUMBER
from include.contract.types import Section


class Delta(Section):
    """Which version of a Delta Lake table is read."""

    version: Annotated[int, Field(ge=0, le=2**53), NUMBER] | None = Field(
        None, description="The version that is read; null: the newest when `load` begins."
    )
