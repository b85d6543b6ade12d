"""Numbers of the contract: within a range, and never `true` or `false`.

`NUMBER` comes last in an `Annotated`, or pydantic leaves the range out of the JSON Schema.
"""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import BeforeValidator, Field

from include.excerpt import quote


def _check_number(value: object) -> object:
    """Return the value; raises ValueError for a truth value, which Python counts as 0 or 1, and for NaN."""
    if isinstance(value, bool):
        raise ValueError(f"{value} is not a number; write digits")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{quote(value)} is not finite; write a number such as 0.5")
    return value


NUMBER = BeforeValidator(_check_number)

Real = Annotated[float, NUMBER]

Share = Annotated[float, Field(ge=0, le=1), NUMBER]

Count = Annotated[int, Field(ge=1, le=2**31 - 1), NUMBER]
"""At least one, and within an `integer` of PostgreSQL."""

Seed = Annotated[int, Field(ge=0, le=2**32 - 1), NUMBER]
"""What NumPy takes: https://numpy.org/doc/stable/reference/random/legacy.html."""
