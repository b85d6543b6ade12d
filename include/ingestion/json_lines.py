"""JSON Lines: one object a line, the keys of which are columns; what does not fit is counted, never quoted.

Arrow reads blocks of lines, as its reader of whole files guesses in three ways that lose values: text that
looks like a time becomes one, an offset in it is dropped, and a whole number of more than 64 bits becomes a
decimal one. A key may be absent from any line, so the types of a day's files are known at their end only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from include.contract.data import Source
from include.exceptions import BadData
from include.ingestion import json_faults
from include.ingestion.files import SourceFile
from include.ingestion.json_blocks import Block, blocks
from include.ingestion.json_types import large, parsed
from include.ingestion.unified import Misfit, learn, unified

if TYPE_CHECKING:
    import pyarrow as pa


def read(_: Source, files: Sequence[SourceFile]) -> Iterator[tuple[str, pa.RecordBatch]]:
    """Yield the rows of files that belong together, each batch with the name of its file.

    Objects become structs, arrays lists; text stays text. Raises BadData.
    """
    filled = [file for file in files if file.system.get_file_info(file.path).size != 0]
    # Spark writes an empty file for a task without rows; if there is nothing else, something is amiss.
    found = filled or files[:1]
    try:
        yield from unified(_batches(found), fills=True)
    except Misfit as misfit:
        raise BadData(json_faults.of_types(found, misfit.column)) from None


def _batches(files: Sequence[SourceFile]) -> Iterator[tuple[str, pa.RecordBatch]]:
    types: dict[str, pa.DataType] = {}
    rows = 0
    for file in files:
        for block in blocks(file):
            table = _parsed(block, types)
            learn(types, table.schema)
            rows += table.num_rows
            yield from ((file.name, batch) for batch in table.to_batches())
    if not rows:
        raise BadData(f"{files[0].name} is empty: no line holds an object; provide the file again")


def _parsed(block: Block, types: Mapping[str, pa.DataType]) -> pa.Table:
    """Return the rows of a block; raises BadData for a line that is not an object, Misfit for mixed ones."""
    import pyarrow as pa

    if json_faults.may_crash(block) or not block.is_utf8:
        _refuse(block)
    try:
        table = parsed(block.content, types)
    except pa.ArrowInvalid:
        _refuse(block)
        raise Misfit("") from None
    if table.num_rows != block.lines and table.num_rows != block.filled_lines:
        raise BadData(json_faults.of_lines(block))
    if paths := large(table):
        _refuse(block)
        if json_faults.has_inexact(block, paths):
            raise Misfit("")
    return table


def _refuse(block: Block) -> None:
    """Raise BadData if a line has a fault."""
    if fault := json_faults.found_in(block):
        raise BadData(fault)
