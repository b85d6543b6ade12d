"""Partitions from one version to another: their objects are linked, not moved."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

from include.concurrency import map_ordered
from include.lake.table import Table, checksum
from include.lake.types import LakeObject

_PARALLEL_COPIES = 8

Parts = dict[date, list[LakeObject]]


def parts_of(table: Table, ref: str, days: Collection[date]) -> Parts:
    """Return the parts of some days at a ref; a day without parts is left out."""
    if not days:
        return {}
    found = table.parts(ref, min(days), max(days))
    return {day: items for day, items in found.items() if day in days}


def differing(left: Parts, right: Parts) -> set[date]:
    """Return the days that hold other parts on one side than on the other."""
    return {
        day
        for day in left.keys() | right.keys()
        if checksum(left.get(day, [])) != checksum(right.get(day, []))
    }


def copy_days(table: Table, branch: str, days: Collection[date], source: str) -> None:
    """Give days of a branch, uncommitted, the parts that they have at the ref `source`, or none.

    What a day holds already is not copied again, so a second try does only what is left.
    """
    wanted, held = parts_of(table, source, days), parts_of(table, branch, days)
    known = {item.path: item for items in held.values() for item in items}
    items = [item for items in wanted.values() for item in items]
    missing = [item for item in items if known.get(item.path) != item]

    def copy(item: LakeObject) -> None:
        table.lake.copy(branch, item.path, item.path, source)

    for _ in map_ordered(copy, missing, _PARALLEL_COPIES):
        pass
    table.lake.delete_objects(branch, known.keys() - {item.path for item in items})
