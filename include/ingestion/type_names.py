"""The contract's words for types, and the Arrow types that they stand for."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from include.contract.columns import Column, decimal_of

if TYPE_CHECKING:
    import pyarrow as pa


def arrow_type(column: Column) -> pa.DataType:
    """Return the Arrow type of a declared column."""
    import pyarrow as pa

    digits = decimal_of(column.type)
    return pa.decimal128(*digits) if digits else _arrow_types()[column.type]


def type_name(kind: pa.DataType) -> str:
    """Return the contract's word for an Arrow type, or Arrow's own where the contract has none."""
    import pyarrow as pa

    if pa.types.is_float32(kind):  # Arrow's `float`, and the contract's is of 64 bits
        return "float32"
    if pa.types.is_decimal128(kind):
        return f"decimal({kind.precision},{kind.scale})"
    return next((name for name, known in _arrow_types().items() if known == kind), str(kind))


@cache
def _arrow_types() -> dict[str, pa.DataType]:
    import pyarrow as pa

    return {
        "boolean": pa.bool_(),
        "integer": pa.int64(),
        "float": pa.float64(),
        "string": pa.string(),
        "date": pa.date32(),
        "timestamp": pa.timestamp("us"),
        "timestamptz": pa.timestamp("us", "UTC"),
    }
