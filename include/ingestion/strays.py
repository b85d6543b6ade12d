"""Strays: rows that belong to none of the days that their origin may hold, or have no time at all.

The contract refuses them, or leaves them out up to a share of each file. What is left out depends on the
rows of that file alone, so a day read again, alone or among others, has the same rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from include.contract.data import OnStray, Source
from include.exceptions import BadData
from include.ingestion.local_days import between
from include.ingestion.readers import SourceBatch

if TYPE_CHECKING:
    import pyarrow as pa

_MAX_NAMED = 10


class _Key(NamedTuple):
    """A file, or the answer of a query or function for some days."""

    origin: str
    days: str


@dataclass
class _Counts:
    rows: int = 0
    undated: int = 0
    late: int = 0


class Strays:
    """The strays of a load; `late` and `undated` count those of settled passes that were left out.

    A source may be read in several passes: a file that is read in each is counted once.
    """

    def __init__(self, source: Source, at: str = "") -> None:
        self._source = source
        self._at = at
        self._pass: dict[_Key, _Counts] = {}
        self._settled: dict[_Key, _Counts] = {}

    @property
    def late(self) -> int:
        """The rows of other days than those of their file."""
        return sum(counts.late for counts in self._settled.values())

    @property
    def undated(self) -> int:
        """The rows without a time."""
        return sum(counts.undated for counts in self._settled.values())

    def count(self, found: SourceBatch, days: pa.Array) -> None:
        """Add the rows of a batch, whose local days are `days`."""
        import pyarrow.compute as pc

        key = _Key(found.origin, " … ".join(map(str, found.covers)))
        counts = self._pass.setdefault(key, _Counts())
        covered = pc.sum(between(days, *found.covers)).as_py() or 0
        counts.rows += len(days)
        counts.undated += days.null_count
        counts.late += len(days) - days.null_count - covered

    def settle(self) -> None:
        """End a pass; raises BadData for strays that the contract does not leave out."""
        faults = [fault for key, counts in self._pass.items() for fault in self._faults(key, counts)]
        if faults:
            more = f"; and {len(faults) - _MAX_NAMED} more" if len(faults) > _MAX_NAMED else ""
            raise BadData(f"{'; '.join(faults[:_MAX_NAMED])}{more}")
        self._settled |= self._pass
        self._pass = {}

    def _faults(self, key: _Key, counts: _Counts) -> list[str]:
        source = self._source
        column, of = f"{key.origin}: column {source.partition_by!r}", f"of {counts.rows} rows"
        outside = f"outside of {key.days} ({source.timezone})"
        faults = []
        if counts.undated and source.invalid_time is OnStray.REFUSE:
            faults.append(
                f"{column} is empty in {counts.undated} {of}; the source has to give each row its time, or "
                f"set {self._at}source.invalid_time to 'drop'"
            )
        if counts.late and source.late is OnStray.REFUSE:
            faults.append(
                f"{column} is {outside} in {counts.late} {of}; the source has to return the requested days, "
                f"or set {self._at}source.late to 'drop'"
            )
        if not faults and counts.undated + counts.late > source.max_dropped * counts.rows:
            faults.append(
                f"{column} is empty in {counts.undated} and {outside} in {counts.late} {of}, and at most the "
                f"share {source.max_dropped:g} may be left out; correct the source, or raise "
                f"{self._at}source.max_dropped"
            )
        return faults
