"""Columns of a table: the names, types and missing values that its contract declares, or that it holds.

What a column is does not depend on the values of one file. Where the contract is silent, the types of the
first load are kept with the table, and later rows are brought to them exactly or refused.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from include.contract.checks import named_columns
from include.contract.columns import Column
from include.contract.data import OnExtra, Reader
from include.contract.feed import Feed
from include.exceptions import BadData, Misconfigured
from include.excerpt import nearest, quote
from include.ingestion.casting import cast
from include.ingestion.hashing import Hasher, Mark, unlike
from include.ingestion.text_values import TextForm, has_leading_zeros
from include.ingestion.type_names import arrow_type, type_name
from include.settings import settings

if TYPE_CHECKING:
    import pyarrow as pa

_log = logging.getLogger(__name__)

_MAX_NAMED = 10
_EMPTY = "is empty"


@dataclass
class _Misfits:
    """Values of one column of one origin that do not fit; `first` is the number of the first such row."""

    first: int
    count: int = 0


@dataclass
class TableColumns:
    """What the columns of a feed's table are, while a source is read.

    `named` are the columns to keep where others are dropped or refused. `held` has the types that the table
    holds already, None before its first load, `keys` those that its keys have in another table. `learned`
    grows while the source is read, by columns that are neither declared nor held. `hasher` is for columns
    that are hashed; left out, it has the secret of this deployment, or raises Misconfigured where there is
    none.
    """

    feed: Feed
    named: frozenset[str] = frozenset()
    held: pa.Schema | None = None
    keys: Mapping[str, pa.DataType] = field(default_factory=dict)
    hasher: Hasher | None = None
    learned: dict[str, pa.DataType] = field(default_factory=dict)
    _misfits: dict[tuple[str, str, str], _Misfits] = field(default_factory=dict)
    _rows: dict[str, int] = field(default_factory=dict)
    _hashed: dict[str, pa.DataType] = field(default_factory=dict, init=False)
    _without_zeros: set[str] = field(default_factory=set)
    _form: TextForm = field(init=False)
    _names: dict[str, str] = field(init=False)
    _wanted: dict[str, pa.DataType] = field(init=False)

    def __post_init__(self) -> None:
        """Prepare what every batch needs."""
        self._form = TextForm.of(self.feed.source.csv) if self.reads_csv else TextForm()
        self._names = {column.source or name: name for name, column in self.declared.items()}
        held = {} if self.held is None else dict(zip(self.held.names, self.held.types, strict=True))
        declared = {name: arrow_type(column) for name, column in self.declared.items()}
        self._wanted = {**held, **self.keys, **declared}
        self._hashed = {name: arrow_type(column) for name, column in self.feed.hashed.items()}
        if self._hashed and self.hasher is None:
            self.hasher = Hasher.of(settings().privacy.secret)

    @classmethod
    def of(
        cls,
        feed: Feed,
        folder: Path,
        held: pa.Schema | None = None,
        keys: Mapping[str, pa.DataType] | None = None,
        hasher: Hasher | None = None,
    ) -> TableColumns:
        """Return the columns of a feed that is read; `folder` is the pipeline's."""
        keeps_all = feed.source.extra is OnExtra.KEEP
        named = frozenset[str]() if keeps_all else named_columns(feed, folder)
        return cls(feed, named, held, keys or {}, hasher)

    @property
    def declared(self) -> Mapping[str, Column]:
        """The columns that the contract declares."""
        return self.feed.columns

    @property
    def reads_csv(self) -> bool:
        """Whether every value of the source is text."""
        return self.feed.source.reader is Reader.CSV

    def name_of(self, source_name: str) -> str:
        """Return the table's name of a column of the source."""
        return self._names.get(source_name, source_name)

    def source_name_of(self, name: str) -> str:
        """Return the source's name of a column of the table."""
        column = self.declared.get(name)
        return (column.source if column else None) or name

    def wanted(self, name: str) -> pa.DataType | None:
        """Return the type that a column has to have, before it is hashed; None if nothing says so yet."""
        return self._hashed.get(name, self._wanted.get(name))

    def mark(self, name: str) -> Mark | None:
        """Return what marks a column as hashed; None for one whose values are kept as they are."""
        if self.hasher is None or name not in self._hashed:
            return None
        return self.hasher.mark(self._hashed[name])

    def is_measure(self, name: str) -> bool:
        """Return whether the contract needs a column as a number, so that no digit of it is a key's."""
        return name in self.feed.numbers

    def check_held(self) -> None:
        """Raise Misconfigured if the contract declares another type than the table holds, or other hashes."""
        if self.held is None:
            return
        for name in self.declared:
            self.check_mark(name)
            if name in self.held.names and (kind := self.held.field(name).type) != self.field(name).type:
                raise Misconfigured(
                    f"{self.feed.at}columns.{name}: the contract declares {self.declared[name].type!r}, and "
                    f"the table holds {type_name(kind)!r}; run `make evolve "
                    f"PIPELINE={self.feed.pipeline_name}`, which changes the table, or correct the contract"
                )

    def check_mark(self, name: str, *, may_evolve: bool = False) -> None:
        """Raise Misconfigured if a column would hold hashes beside values, or hashes that do not match.

        With `may_evolve` the values that the table holds are about to be hashed.
        """
        if self.held is None or name not in self.held.names:
            return
        held, mark = Mark.of(self.held.field(name)), self.mark(name)
        if held == mark or (may_evolve and held is None):
            return
        raise Misconfigured(f"privacy.hash: {unlike(name, held, mark, self.feed.pipeline_name)}")

    def apply(self, batch: pa.RecordBatch, origin: str, covers: tuple[date, date]) -> pa.RecordBatch | None:
        """Return a batch of the source with the names and types of the table; None if it does not fit.

        What does not fit is counted, see `refuse`.
        """
        import pyarrow as pa

        first = self._rows.get(origin, 0)
        self._rows[origin] = first + len(batch)
        columns, fits = {}, True
        for name, values in self._chosen(batch, origin, covers).items():
            kind = self.wanted(name)
            if kind is not None:
                if name in self.declared:
                    self._warn_of_zeros(origin, name, values, kind)
                found = cast(values, kind, form=self.form_of(name))
                if found.odd is not None:
                    self._count(origin, name, self._misfit(values.type, kind), found.odd, first)
                    fits = False
                values = found.values
            if values.null_count and self._needs_values(name, covers):
                self._count(origin, name, _EMPTY, values.is_null(), first)
                fits = False
            columns[name], is_hashed = self._hash(name, values, origin, first)
            fits = fits and is_hashed
        return pa.RecordBatch.from_pydict(columns) if fits else None

    def _hash(self, name: str, values: pa.Array, origin: str, first: int) -> tuple[pa.Array, bool]:
        """Return the values as the table holds them, and whether all of them can be hashed if they are to."""
        self.check_mark(name)
        if self.hasher is None or self.mark(name) is None:
            return values, True
        found = self.hasher.hash(values, origin)
        if found.odd is not None:
            self._count(origin, name, self._misfit(values.type, values.type), found.odd, first)
        return found.values, found.odd is None

    def _warn_of_zeros(self, origin: str, name: str, values: pa.Array, kind: pa.DataType) -> None:
        """Log, once a column, that what the contract declares a number drops the zeros before its digits."""
        import pyarrow as pa

        is_a = pa.types
        is_number = is_a.is_integer(kind) or is_a.is_floating(kind) or is_a.is_decimal(kind)
        if not is_number or not is_a.is_string(values.type) or name in self._without_zeros:
            return
        if has_leading_zeros(values):
            self._without_zeros.add(name)
            _log.warning(
                "%s: column %r loses leading zeros as %s; if they mean something, as in a code, set "
                "columns.%s to string, and load these days again",
                origin,
                name,
                type_name(kind),
                name,
            )

    def refuse(self) -> None:
        """End a pass over the source; raises BadData with all values that did not fit their columns."""
        self._rows.clear()  # a file that is read again begins with its first row
        if not self._misfits:
            return
        shown = [
            f"{origin}: column {quote(name)} {fault} in {misfits.count} row(s), first in row {misfits.first}"
            for (origin, name, fault), misfits in list(self._misfits.items())[:_MAX_NAMED]
        ]
        more = len(self._misfits) - len(shown)
        remedies = [self._remedy(name, fault) for _, name, fault in self._misfits]
        raise BadData(f"{'; '.join(shown)}{f'; and {more} more' if more else ''}; {remedies[0]}")

    def _misfit(self, found: pa.DataType, wanted: pa.DataType) -> str:
        fault = f"does not fit {type_name(wanted)}"
        return fault if self.reads_csv or found == wanted else f"{fault} ({type_name(found)} in the source)"

    def _remedy(self, name: str, fault: str) -> str:
        if fault == _EMPTY:
            return f"complete the source, or set {self.feed.at}columns.{name}.nullable to true"
        if name in self.declared:
            return f"correct the source, or {self.feed.at}columns.{name} (its type, format or null_values)"
        return (
            f"correct the source, or say what the column is by {self.feed.at}columns.{name} of the contract, "
            f"and run `make evolve PIPELINE={self.feed.pipeline_name}`"
        )

    def learn(self, types: Mapping[str, pa.DataType]) -> None:
        """Keep the types of columns that nothing has declared.

        Lists and structures are of each load: the contract has no words for them, so nobody could declare a
        further key, or what an empty list may hold.
        """
        import pyarrow as pa

        for name, kind in types.items():
            if not (pa.types.is_null(kind) or pa.types.is_nested(kind)) and name not in self._wanted:
                self.learned[name] = kind

    @property
    def schema(self) -> pa.Schema:
        """The columns of the table after this load: those that it held, and new ones behind them."""
        import pyarrow as pa

        return pa.schema([self.field(name) for name in {**self._wanted, **self.learned}])

    def field(self, name: str) -> pa.Field:
        """Return a column as the table holds it after this load: hashes are text, with a mark."""
        import pyarrow as pa

        if mark := self.mark(name):
            return pa.field(name, pa.string(), metadata=mark.metadata)
        if self.held is not None and name in self.held.names and name not in self.declared:
            return self.held.field(name)
        return pa.field(name, self._wanted[name] if name in self._wanted else self.learned[name])

    def marked(self, schema: pa.Schema) -> pa.Schema:
        """Return the columns of some rows with the marks of those that are hashed."""
        import pyarrow as pa

        return pa.schema([self.field(one.name) if self.mark(one.name) else one for one in schema])

    def form_of(self, name: str) -> TextForm | None:
        """Return how text of a column is read; None if the column has to have its type already."""
        column = self.declared.get(name)
        if column is None:
            return replace(self._form, keeps_zeros=not self.is_measure(name)) if self.reads_csv else None
        return replace(
            self._form,
            null_values=(*self._form.null_values, *column.null_values),
            time_formats=(column.format,) if column.format else self._form.time_formats,
            keeps_zeros=False,
        )

    def _chosen(self, batch: pa.RecordBatch, origin: str, covers: tuple[date, date]) -> dict[str, pa.Array]:
        """Return the columns to keep, by the names of the table."""
        import pyarrow as pa

        self._check_declared(batch, origin, covers)
        found = {self.name_of(name): batch.column(name) for name in batch.schema.names}
        if len(found) < batch.num_columns:
            names = [self.name_of(name) for name in batch.schema.names]
            twice = next(name for name in found if names.count(name) > 1)
            raise BadData(
                f"{origin}: two columns become {quote(twice)}; give one of them another name by `from` under "
                "columns"
            )
        for name in self.declared:
            if name not in found:
                found[name] = pa.nulls(len(batch), self._wanted[name])
        self._refuse_target(found, origin)
        return self._without_extra(found, origin)

    def _refuse_target(self, found: Mapping[str, pa.Array], origin: str) -> None:
        """Raise BadData for rows that have the target, which labels bring: two answers to one question."""
        target = self.feed.elsewhere
        if target in found and self.feed.source.extra is not OnExtra.DROP:
            raise BadData(
                f"{origin}: column {quote(target)} is model.target, which the section labels brings; leave "
                "it out by privacy.drop, or, if this is the better one, remove the section labels"
            )

    def _check_declared(self, batch: pa.RecordBatch, origin: str, covers: tuple[date, date]) -> None:
        """Raise BadData for a declared column that the source lacks, though it has begun."""
        known = batch.schema.names
        for name, column in self.declared.items():
            wanted = column.source or name
            if wanted not in known and self._is_known(column, covers):
                begins = "" if column.since else f"set columns.{name}.since if only later days have it, "
                raise BadData(
                    f"{origin}: column {quote(wanted)} ({self.feed.at}columns.{name}) is missing among the "
                    f"{len(known)} columns; {nearest(wanted, known)}{begins}correct columns.{name}, or the "
                    "source"
                )

    def _without_extra(self, found: dict[str, pa.Array], origin: str) -> dict[str, pa.Array]:
        if self.feed.source.extra is OnExtra.KEEP:
            return found
        known = self.declared.keys() | self.named
        extra = [name for name in found if name not in known]
        if extra and self.feed.source.extra is OnExtra.FAIL:
            shown = ", ".join(map(quote, extra[:_MAX_NAMED]))
            raise BadData(
                f"{origin}: {len(extra)} column(s) that the contract does not name: {shown}; name them under "
                "columns, or set source.extra to 'keep' or 'drop'"
            )
        return {name: values for name, values in found.items() if name in known}

    def _needs_values(self, name: str, covers: tuple[date, date]) -> bool:
        column = self.declared.get(name)
        return column is not None and not column.nullable and self._is_known(column, covers)

    def _is_known(self, column: Column, covers: tuple[date, date]) -> bool:
        return column.since is None or column.since <= covers[0]

    def _count(self, origin: str, name: str, fault: str, odd: pa.BooleanArray, first: int) -> None:
        import pyarrow.compute as pc

        key = origin, name, fault
        if key not in self._misfits:
            self._misfits[key] = _Misfits(first + 1 + pc.index(odd, True).as_py())
        self._misfits[key].count += odd.true_count
