"""The index of some rows by their keys: finds the rows that a label is for, however often a key occurs."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from include.contract.feed import Feed
from include.exceptions import BadData
from include.lake.exact import exact, family

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


class _Level(NamedTuple):
    """One key: its different values, and the different pairs of the keys before with it."""

    name: str
    values: pa.Array
    pairs: pa.Array | None


class KeyIndex:
    """The different keys of some rows, each with a number; `len` counts them.

    Missing values and NaN are no keys: such a row is found by no label. Raises BadData for a column that no
    row can be found by.
    """

    def __init__(self, keys: pa.Table, table_name: str, feed: Feed) -> None:
        self._table_name, self._feed = table_name, feed
        self._levels: list[_Level] = []
        codes: pa.ChunkedArray | None = None
        for name in keys.column_names:
            column = self._plain(name, keys.column(name), table_name)
            level, codes = _grown(name, column, codes)
            self._levels.append(level)
        last = self._levels[-1]
        self._length = len(last.values if last.pairs is None else last.pairs)
        self._codes = _numbers(codes)

    def __len__(self) -> int:
        """Return how many different keys there are."""
        return self._length

    def places(self, labels: pa.Table) -> np.ndarray:
        """Return the number of each label's key, -1 where no row has it."""
        codes: pa.ChunkedArray | None = None
        for level in self._levels:
            column = self._plain(level.name, labels.column(level.name), self._feed.table)
            codes = _found(level, self._like(level, column), codes)
        return _numbers(codes)

    def spread(self, known: np.ndarray) -> np.ndarray:
        """Return for each row the value of its key, NaN for a row without one."""
        import numpy as np

        values: np.ndarray = np.append(known, np.nan)[self._codes]
        return values

    def _plain(self, name: str, column: pa.ChunkedArray, table_name: str) -> pa.ChunkedArray:
        """Return values with one type for each kind; a NaN is missing."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        if pa.types.is_large_string(column.type) or pa.types.is_string_view(column.type):
            column = column.cast(pa.string())
        if pa.types.is_nested(column.type):
            raise BadData(
                f"key {name!r} of table {table_name!r} is {str(column.type)!r}, by which no row is found; "
                "name a column of single values in labels.keys"
            )
        if pa.types.is_floating(column.type):
            column = pc.if_else(pc.is_nan(column), None, column)
        return column

    def _like(self, level: _Level, column: pa.ChunkedArray) -> pa.ChunkedArray:
        """Return labels' keys in the type of the rows', missing where a value is none of it."""
        import pyarrow as pa

        kind = level.values.type
        if column.type == kind:
            return column
        if pa.types.is_null(column.type) or pa.types.is_null(kind):
            return pa.chunked_array([pa.nulls(len(column), kind)])
        if family(column.type) != family(kind):
            ours, theirs = (f"{str(one)!r} in table" for one in (kind, column.type))
            raise BadData(
                f"key {level.name!r} is {ours} {self._table_name!r}, and {theirs} {self._feed.table!r}: no "
                f"label would find its row; declare columns.{level.name}, and run `make evolve "
                f"PIPELINE={self._feed.pipeline_name}`"
            )
        return pa.chunked_array([exact(chunk, kind).values for chunk in column.chunks], kind)


def _grown(
    name: str, column: pa.ChunkedArray, before: pa.ChunkedArray | None
) -> tuple[_Level, pa.ChunkedArray]:
    """Return the level of a further key, and the codes of the rows by it and the keys before."""
    level = _Level(name, column.unique().drop_null(), None)
    codes = _found(level, column, None)
    if before is None:
        return level, codes
    level = level._replace(pairs=_paired(before, codes, level).unique().drop_null())
    return level, _found(level, column, before)


def _found(level: _Level, column: pa.ChunkedArray, before: pa.ChunkedArray | None) -> pa.ChunkedArray:
    import pyarrow.compute as pc

    codes = pc.index_in(column, value_set=level.values, skip_nulls=True)
    if before is None or level.pairs is None:
        return codes
    return pc.index_in(_paired(before, codes, level), value_set=level.pairs, skip_nulls=True)


def _paired(before: pa.ChunkedArray, codes: pa.ChunkedArray, level: _Level) -> pa.ChunkedArray:
    """Return one number for each pair of two codes; they are below 2^31 each, so none is lost."""
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.add(pc.multiply(before.cast(pa.int64()), max(1, len(level.values))), codes.cast(pa.int64()))


def _numbers(codes: pa.ChunkedArray | None) -> np.ndarray:
    """Return codes as numbers, -1 for none."""
    import numpy as np
    import pyarrow.compute as pc

    if codes is None:
        return np.empty(0, "int64")
    found: np.ndarray = pc.fill_null(codes, -1).to_numpy().astype("int64")
    return found
