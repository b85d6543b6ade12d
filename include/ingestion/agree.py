"""Agree: two loads of a new table, at the same time, each find columns that the other does not know yet."""

from __future__ import annotations

from collections.abc import Mapping

from include.exceptions import Conflict
from include.ingestion.hashing import Mark, described
from include.lake.table import Table


def check_types(table: Table, branch: str, into: str, *, again: str = "open_branch") -> None:
    """Raise Conflict if a column has another type on a branch than it has, by now, where that is merged.

    So it has if it is hashed at one of them only, or with another secret. Another load, or `evolve`, has
    published since the branch was made, which the task `again` does.
    """
    ours, theirs = table.schema(branch), table.schema(into)
    for field in ours or ():
        if theirs is None or field.name not in theirs.names:
            continue
        other = theirs.field(field.name)
        if other.type != field.type or Mark.of(other) != Mark.of(field):
            raise Conflict(
                f"column {field.name!r} of table {table.name!r} has become {described(other)} since this run "
                f"loaded, and is {described(field)} in its rows; clear `{again}` with everything "
                f"downstream, or write columns.{field.name} of the contract"
            )


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
    check_types(table, branch, into)
    new = [field for field in ours if field.name not in theirs.names]
    # The merge is last: after it there is no conflict, so nobody would come back for a try that is killed.
    table.write_schema(branch, pa.schema([*theirs, *new]))
    lake.commit(branch, f"keep {len(new)} new column(s)", dict(metadata))
    lake.merge(into, branch, f"take the columns of {into}", dict(metadata), strategy="dest-wins")
    return True
