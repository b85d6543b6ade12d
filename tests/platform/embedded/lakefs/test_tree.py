"""Versions: commits write and diffs read only what changed, and ranges do not depend on the history."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.platform.embedded.lakefs import tree
from include.platform.embedded.lakefs.listing import after
from include.platform.embedded.lakefs.tree import Changes, Difference, Edit, Entry, Load, Span, decode

SIZES = pytest.mark.parametrize("size", [1_000, 10_000, 100_000])


class Ranges:
    """Ranges in a dict, which records those that were read and those that are new."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.read: list[str] = []
        self.written: list[str] = []

    def load(self, name: str) -> tuple[Entry, ...]:
        self.read.append(name)
        return decode(name, self.kept[name])

    def save(self, name: str, content: bytes) -> None:
        if name not in self.kept:
            self.written.append(name)
        self.kept[name] = content

    def apply(self, spans: list[Span], *edits: Edit) -> list[Span]:
        """Return the version after edits; resets the record."""
        self.read, self.written = [], []
        return tree.apply(spans, sorted(edits, key=lambda edit: edit[0]), self.load, self.save)

    def filled(self, size: int) -> list[Span]:
        kept, spans = _filled(size)
        self.kept.update(kept)
        return spans

    def diff(self, left: list[Span], right: list[Span]) -> list[str]:
        self.read = []
        return [change.path for change in tree.diff(left, right, self.load)()]


@cache
def _filled(size: int) -> tuple[dict[str, bytes], list[Span]]:
    """Return a version with a number of objects, which is built once."""
    ranges = Ranges()
    spans = ranges.apply([], *(edit(number) for number in range(size)))
    return ranges.kept, spans


def path_of(number: int) -> str:
    return f"t/dt={number:06}/part"


def edit(number: int, content: str = "1", suffix: str = "") -> Edit:
    path = path_of(number) + suffix
    return path, Entry(path, content, 1, content, 0)


@SIZES
def test_a_version_has_a_range_for_some_hundred_objects(size: int) -> None:
    spans = Ranges().filled(size)
    assert size / 250 < len(spans) < size / 60
    assert sum(span.entries for span in spans) == size


@SIZES
def test_a_commit_of_one_changed_object_reads_and_writes_one_range(size: int) -> None:
    ranges = Ranges()
    before = ranges.filled(size)
    after = ranges.apply(before, edit(size // 2, "2"))
    assert (len(ranges.read), len(ranges.written)) == (1, 1)
    assert len({*after} - {*before}) == 1
    assert (ranges.diff(before, after), len(ranges.read)) == ([path_of(size // 2)], 2)


@SIZES
def test_a_new_partition_costs_the_range_that_it_falls_into(size: int) -> None:
    ranges = Ranges()
    before = ranges.filled(size)
    after = ranges.apply(before, *(edit(size // 2, suffix=f"-{part}") for part in range(3)))
    assert (len(ranges.read), len(ranges.written)) == (1, 1)
    assert len(ranges.diff(before, after)) == 3
    assert len(ranges.read) == 2


@SIZES
def test_removing_the_end_of_a_range_joins_it_with_the_next(size: int) -> None:
    ranges = Ranges()
    before = ranges.filled(size)
    gone = before[1].last
    after = ranges.apply(before, (gone, None))
    assert (len(ranges.read), len(ranges.written), len(after)) == (2, 1, len(before) - 1)
    assert (ranges.diff(before, after), len(ranges.read)) == ([gone], 3)


@SIZES
def test_a_look_up_reads_one_range_or_none(size: int) -> None:
    ranges = Ranges()
    spans = ranges.filled(size)
    found = tree.find(spans, path_of(size // 3), ranges.load)
    assert (found and found.path, len(ranges.read)) == (path_of(size // 3), 1)
    assert (tree.find(spans, "zzz", ranges.load), len(ranges.read)) == (None, 1)


@SIZES
def test_a_merge_reads_what_was_changed_and_our_side_of_it(size: int) -> None:
    ranges = Ranges()
    base = ranges.filled(size)
    ours, theirs = ranges.apply(base, edit(1, "ours")), ranges.apply(base, edit(size - 1, "theirs"))
    ranges.read = []
    changed = Difference(path_of(size - 1), edit(size - 1)[1], edit(size - 1, "theirs")[1])
    assert list(tree.three_way(base, ours, theirs, ranges.load)()) == [changed]
    assert len(ranges.read) == 3


def test_what_both_sides_changed_is_a_conflict_unless_they_agree() -> None:
    ranges = Ranges()
    base = ranges.filled(10)
    ours = ranges.apply(base, edit(1, "ours"), edit(2, "both"), (path_of(3), None), edit(4, "ours"))
    theirs = ranges.apply(base, edit(1, "theirs"), edit(2, "both"), edit(3, "theirs"), edit(5, "theirs"))
    found = tree.three_way(base, ours, theirs, ranges.load)()
    assert [(change.path, change.conflict) for change in found] == [
        (path_of(1), True),
        (path_of(3), True),
        (path_of(5), False),
    ]


@SIZES
def test_a_diff_begins_where_it_is_asked_for(size: int) -> None:
    ranges = Ranges()
    spans, start = ranges.filled(size), path_of(size - 10)
    found = [change.path for change in tree.diff([], spans, ranges.load)(start)]
    assert found == [path_of(number) for number in range(size - 10, size)]
    assert len(ranges.read) <= 2


@SIZES
@pytest.mark.parametrize("compare", [tree.diff, partial(tree.three_way, [])])
def test_folders_of_a_diff_are_skipped_and_not_read(
    size: int, compare: Callable[[list[Span], list[Span], Load], Changes]
) -> None:
    ranges = Ranges()
    paths = [f"{folder}/{number:06}" for folder in "abc" for number in range(size // 3)]
    spans = ranges.apply([], *((path, Entry(path, "1", 1, "1", 0)) for path in paths))
    ranges.read = []
    assert list(after(compare([], spans, ranges.load), "", "/", "")) == ["a/", "b/", "c/"]
    assert len(ranges.read) <= 6


def test_versions_that_agree_are_compared_without_reading() -> None:
    ranges = Ranges()
    spans = ranges.filled(1_000)
    again = ranges.apply(ranges.apply(spans, edit(5, "2")), edit(5))
    assert again == spans
    assert (ranges.diff(spans, again), ranges.read) == ([], [])


FULL = Ranges()
FULL_SPANS = FULL.filled(1_500)
PATHS = st.sampled_from([span.last for span in FULL_SPANS]) | st.integers(0, 1_600).map(path_of)
EDITS = st.dictionaries(PATHS, st.sampled_from(["2", None]), min_size=1, max_size=8)


@settings(deadline=None, max_examples=40)
@given(st.lists(EDITS, min_size=1, max_size=5))
def test_a_version_depends_on_its_content_alone(steps: list[dict[str, str | None]]) -> None:
    ranges, spans, expected = FULL, FULL_SPANS, dict(edit(number) for number in range(1_500))
    for step in steps:
        edits = [
            (path, Entry(path, content, 1, content, 0) if content else None) for path, content in step.items()
        ]
        spans = ranges.apply(spans, *edits)
        expected = {path: entry for path, entry in {**expected, **dict(edits)}.items() if entry}
    assert spans == ranges.apply([], *expected.items())
    assert {entry.path: entry for entry in tree.scan(spans, "", ranges.load)} == expected
