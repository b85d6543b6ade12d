"""Categories: one text for each value, whatever its neighbours, its column's width and its scale are.

A column of whole numbers is one of floats where another part of the table has fractions, a decimal has the
scale of its query, a time the unit and zone of its writer. Of all these the same value has to be the same
category, on each day.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

from include.floats import MAX_EXACT

if TYPE_CHECKING:
    import pandas as pd


def text_of(column: pd.Series) -> pd.Series:
    """Return each value of a column as text, missing values as None."""
    import numpy as np
    import pandas as pd

    if column.dtype.kind == "O" and not isinstance(column.dtype, pd.CategoricalDtype):
        missing = column.isna()
        found = [None if gone else text(value) for value, gone in zip(column, missing, strict=True)]
        return pd.Series(found, column.index, dtype="object", name=column.name)
    codes, values = pd.factorize(column)  # few values, many rows
    texts = np.array([*map(text, values), None], dtype="object")
    return pd.Series(texts[codes], column.index, dtype="object", name=column.name)  # -1, missing, is the last


def text(value: Any) -> str:
    """Return the text of one value.

    Numbers are as short as can be: 1, 1.0 and Decimal("1.00") are "1". Truth values are "true" and "false";
    dates and times are in ISO 8601, those with a zone in UTC; bytes are hexadecimal.
    """
    import numpy as np
    import pandas as pd

    if isinstance(value, str):
        return value
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, Integral):
        return str(int(value))
    if isinstance(value, Decimal):
        return _decimal(value)
    if isinstance(value, Real):
        return _float(float(value))
    if isinstance(value, datetime):
        return _moment(value)
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return str(pd.Timedelta(value).isoformat())
    return value.hex() if isinstance(value, bytes) else str(value)


def _float(value: float) -> str:
    return str(int(value)) if abs(value) < MAX_EXACT and value.is_integer() else repr(value)


def _decimal(value: Decimal) -> str:
    """Return a decimal without trailing zeros; `normalize` would round it to the digits of the context."""
    digits = format(value, "f")
    digits = digits.rstrip("0").rstrip(".") if "." in digits else digits
    return "0" if digits == "-0" else digits


def _moment(value: datetime) -> str:
    import pandas as pd

    moment = pd.Timestamp(value)
    return str((moment if moment.tzinfo is None else moment.tz_convert("UTC")).isoformat())
