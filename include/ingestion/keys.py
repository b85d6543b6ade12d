"""Keys: the columns that join labels with rows have types of one kind in both tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from include.contract.feed import Feed
from include.exceptions import Misconfigured
from include.ingestion.columns import TableColumns
from include.ingestion.hashing import Mark, unlike
from include.ingestion.held import held_types
from include.ingestion.type_names import type_name
from include.lake.exact import family
from include.lake.table import Table

if TYPE_CHECKING:
    import pyarrow as pa


def partner_keys(feed: Feed, table: Table, ref: str) -> dict[str, pa.Field]:
    """Return the keys that the other table holds at a ref, each as the column that it is there."""
    others = held_types(Table(table.lake, feed.partner), ref) if feed.partner else None
    return {name: others.field(name) for name in feed.keys if others is not None and name in others.names}


def key_types(feed: Feed, partner: Mapping[str, pa.Field], held: pa.Schema | None) -> dict[str, pa.DataType]:
    """Return the types of keys that only the other table knows: neither the contract nor this table does.

    So the table that is loaded first decides, and what is loaded into the other is brought to its types or
    refused. `partner` are the keys of the other table, `held` the columns of this one. Raises Misconfigured
    if both hold a key, and no value of one can be that of the other.
    """
    found: dict[str, pa.DataType] = {}
    for name, column in partner.items():
        if held is not None and name in held.names:
            _check(feed, name, held.field(name).type, column.type)
        elif name not in feed.columns:
            found[name] = wide(column.type)
    return found


def check_hashed_keys(columns: TableColumns, partner: Mapping[str, pa.Field]) -> None:
    """Raise Misconfigured if the other table has a key as values, or as other hashes, than a load brings."""
    feed = columns.feed
    for name, column in partner.items():
        held, mark = Mark.of(column), columns.mark(name)
        if held != mark:
            raise Misconfigured(f"table {feed.partner!r}: {unlike(name, held, mark, feed.pipeline_name)}")


def _check(feed: Feed, name: str, ours: pa.DataType, theirs: pa.DataType) -> None:
    if family(ours) != family(theirs):
        raise Misconfigured(
            f"key {name!r} is {type_name(ours)} in table {feed.table!r}, and {type_name(theirs)} in table "
            f"{feed.partner!r}: no label would find its row; declare columns.{name}, and run `make evolve "
            f"PIPELINE={feed.pipeline_name}`"
        )


def wide(kind: pa.DataType) -> pa.DataType:
    """Return the type of 64 bits for a narrower number: an identifier of more digits is not bad data."""
    import pyarrow as pa

    if pa.types.is_integer(kind) and kind.bit_width < 64:
        return pa.int64()
    return pa.float64() if pa.types.is_floating(kind) else kind
