"""Keys: the columns that join labels with rows have types of one kind in both tables."""

from __future__ import annotations

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


def key_types(feed: Feed, table: Table, ref: str, held: pa.Schema | None) -> dict[str, pa.DataType]:
    """Return the types of keys that only the other table knows: neither the contract nor this table does.

    So the table that is loaded first decides, and what is loaded into the other is brought to its types or
    refused. `held` are the columns of this table. Raises Misconfigured if both hold a key, and no value of
    one can be that of the other.
    """
    if feed.partner is None:
        return {}
    others = held_types(Table(table.lake, feed.partner), ref)
    found: dict[str, pa.DataType] = {}
    for name in feed.keys:
        if others is None or name not in others.names:
            continue
        kind = others.field(name).type
        if held is not None and name in held.names:
            _check(feed, name, held.field(name).type, kind)
        elif name not in feed.columns:
            found[name] = wide(kind)
    return found


def check_hashed_keys(columns: TableColumns, table: Table, ref: str) -> None:
    """Raise Misconfigured if the other table has a key as values, or as other hashes, than a load brings."""
    feed = columns.feed
    others = held_types(Table(table.lake, feed.partner), ref) if feed.partner else None
    for name in feed.keys:
        if others is None or name not in others.names:
            continue
        held, mark = Mark.of(others.field(name)), columns.mark(name)
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
