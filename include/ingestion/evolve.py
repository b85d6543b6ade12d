"""Evolve: change the types of a table's columns, or hash them, in every partition and in one commit.

The one way in which a column becomes another: a load never changes what the table holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from typing import TYPE_CHECKING

from include.contract.feed import Feed
from include.contract.types import FIRST_DAY, LAST_DAY
from include.exceptions import Absent, BadData, Conflict
from include.excerpt import quote
from include.ingestion.casting import cast
from include.ingestion.columns import TableColumns
from include.ingestion.hashing import Hasher, Mark, described
from include.ingestion.held import held_types
from include.ingestion.text_values import TextForm
from include.ingestion.type_names import type_name
from include.lake.exact import Converted, exact
from include.lake.merge import publish
from include.lake.table import Table
from include.record import Record
from include.run_identity import RunIdentity

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq


class Evolution(Record):
    """What changed: what each column held before and after; `commit` is None if nothing did."""

    columns: Mapping[str, tuple[str, str]]
    parts: int
    commit: str | None


def evolve(feed: Feed, table: Table, *, run: RunIdentity, hasher: Hasher | None = None) -> Evolution:
    """Bring the table to the types and hashes that the contract declares, and merge that as one commit.

    Every part with such a column is written again on a branch, one in memory at a time, compressed, with a
    row group of it. `hasher` is that of `TableColumns`. Raises Absent if the table has no data, BadData with
    column and count if a value does not fit, Misconfigured if it holds hashes that would have to be values or
    other hashes, Conflict if a load published meanwhile.
    """
    lake, into = table.lake, feed.branch
    held = held_types(table, into)
    if held is None:
        raise Absent(f"table {table.name!r} holds no columns yet; its first load takes those of the contract")
    columns = TableColumns(feed, held=held, hasher=hasher)
    said = dict.fromkeys([*columns.declared, *feed.hashed])
    for name in said:
        columns.check_mark(name, may_evolve=True)
    changed = {
        name: (described(held.field(name)), described(columns.field(name)))
        for name in said
        if name in held.names and _differs(held, name, columns)
    }
    if not changed:
        return Evolution(columns={}, parts=0, commit=None)
    prefix = f"evolve-{table.name.replace('_', '-')}-"
    # Those of tries that were killed. One that still runs fails then: two would merge half of each.
    for other in list(lake.list_branches(prefix)):
        if len(other) == len(prefix) + len(run.short_hash):
            lake.delete_branch(other)
    branch = prefix + run.short_hash
    base = lake.create_branch(branch, into)
    try:
        parts = _rewrite(table, branch, columns, changed)
        table.write_schema(branch, columns.schema)
        metadata = {
            **run.metadata(),
            "pipeline": feed.pipeline_name,
            "columns": ", ".join(f"{name}: {before} to {after}" for name, (before, after) in changed.items()),
        }
        lake.commit(branch, f"{run.dag_id}: {metadata['columns']}", metadata)
        _check_untouched(table, base, into)
        commit = publish(lake, branch, into=into, run=run, metadata=metadata).commit
    finally:
        lake.delete_branch(branch)
    return Evolution(columns=changed, parts=parts, commit=commit)


def _check_untouched(table: Table, base: str, into: str) -> None:
    """Raise Conflict if a load has published since the branch was made: its rows have the types of before."""
    before, now = (table.parts(ref, FIRST_DAY, LAST_DAY) for ref in (base, into))
    if days := sorted(day for day in before.keys() | now.keys() if before.get(day) != now.get(day)):
        raise Conflict(
            f"{len(days)} partition(s) of table {table.name!r} were published meanwhile, first {days[0]}; "
            "nothing was changed: run `make evolve` again while no ingest runs"
        )


def _rewrite(table: Table, branch: str, columns: TableColumns, changed: Mapping[str, object]) -> int:
    """Write the parts again that hold a column of another type; return how many."""
    number, misfits = 0, dict.fromkeys(changed, 0)
    for items in table.parts(branch, FIRST_DAY, LAST_DAY).values():
        for item in items:
            with table.opened(branch, item) as file:
                if any(_differs(file.schema_arrow, name, columns) for name in changed):
                    content = _converted(file, columns, changed, misfits)
                    table.lake.upload(branch, item.path, content)
                    number += 1
    if odd := {name: count for name, count in misfits.items() if count}:
        name, count = next(iter(odd.items()))
        raise BadData(
            f"column {quote(name)} of table {table.name!r}: {count} value(s) do not fit "
            f"{type_name(columns.wanted(name))}; declare a type that they fit, or take columns.{name} out of "
            "the contract, load their days again, and put it back"
        )
    return number


def _differs(schema: pa.Schema, name: str, columns: TableColumns) -> bool:
    if name not in schema.names:
        return False
    found, wanted = schema.field(name), columns.field(name)
    return bool(found.type != wanted.type) or Mark.of(found) != Mark.of(wanted)


def _converted_values(values: pa.Array, name: str, columns: TableColumns) -> Converted:
    """Return values as the table is to hold them; misfits are odd."""
    kind = columns.wanted(name)
    found = _as_kind(values, kind, columns.form_of(name))
    if columns.hasher is None or columns.mark(name) is None or found.odd is not None:
        return found
    return columns.hasher.hash(found.values, f"table {columns.feed.table!r}")


def _as_kind(values: pa.Array, kind: pa.DataType, form: TextForm | None) -> Converted:
    """Return values as another type, and as text whatever they are; a load does not guess how a key looks."""
    import pyarrow as pa

    is_written = pa.types.is_string(kind) and not pa.types.is_string(values.type)
    return exact(values, kind) if is_written else cast(values, kind, form=form)


def _converted(
    file: pq.ParquetFile,
    columns: TableColumns,
    changed: Mapping[str, object],
    misfits: dict[str, int],
) -> BytesIO:
    """Return a part with the new types, and count the values that do not fit them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = file.schema_arrow.names
    odd = {name for name in changed if _differs(file.schema_arrow, name, columns)}
    schema = pa.schema([columns.field(one.name) if one.name in odd else one for one in file.schema_arrow])
    content = BytesIO()
    with pq.ParquetWriter(content, schema, compression="zstd", write_page_checksum=True) as writer:
        for group in range(file.num_row_groups):
            arrays = []
            for name, column in zip(names, file.read_row_group(group).columns, strict=True):
                values = column.combine_chunks()
                if name in odd:
                    found = _converted_values(values, name, columns)
                    misfits[name] += 0 if found.odd is None else found.odd.true_count
                    values = found.values
                arrays.append(values)
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
    content.seek(0)
    return content
