"""Agree: two loads of a new table, at the same time, each find columns that the other does not know yet."""

from __future__ import annotations

from collections.abc import Mapping

from include.exceptions import Conflict
from include.ingestion.type_names import type_name
from include.lake.table import Table


def agree(table: Table, branch: str, into: str, metadata: Mapping[str, str]) -> bool:
    """Bring to a branch the columns that another load has published meanwhile.

    Returns whether the branch can be merged now: False if more than the columns stands against it. Raises
    Conflict if both have a column of the same name with other types.
    """
    import pyarrow as pa

    lake, ours, theirs = table.lake, table.schema(branch), table.schema(into)
    conflicts = {change.path for change in lake.diff(branch, into) if change.kind == "conflict"}
    if ours is None or theirs is None or conflicts != {table.schema_path}:
        return False
    for field in ours:
        if field.name in theirs.names and (other := theirs.field(field.name).type) != field.type:
            raise Conflict(
                f"another load has published column {field.name!r} of the new table {table.name!r} as "
                f"{type_name(other)}, and in these rows it is {type_name(field.type)}; clear `open_branch` "
                f"with everything downstream, or write columns.{field.name} of the contract"
            )
    new = [field for field in ours if field.name not in theirs.names]
    # In this order: a try that is killed after the merge has left no conflict, so nobody would come back here.
    table.write_schema(branch, pa.schema([*theirs, *new]))
    lake.commit(branch, f"keep {len(new)} new column(s)", dict(metadata))
    lake.merge(into, branch, f"take the columns of {into}", dict(metadata), strategy="dest-wins")
    return True
