"""Versions as sorted lists of immutable, content-addressed ranges of entries.

A range ends after an entry whose path hashes to a boundary, so the boundaries depend on the paths alone:
the same content has the same ranges regardless of its history, and two versions share every range in which
they agree. Therefore the cost of a commit, a diff or a merge is proportional to the change (plus one line
of the list for each range), not to the size of the repository.

Source: Graveler's "metarange" and "ranges",
https://docs.lakefs.io/understand/how/versioning-internals/
"""

from __future__ import annotations

import hashlib
import json
import zlib
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import NamedTuple, Protocol

_MEAN_RANGE_ENTRIES = 128
"""Mean number of entries in a range; a commit of one object rewrites about this many."""


@dataclass(frozen=True)
class Entry:
    """One object of a version. `checksum` is the MD5 of its content, `address` its SHA-256."""

    path: str
    checksum: str
    size: int
    address: str
    mtime: int
    content_type: str = "application/octet-stream"
    metadata: dict[str, str] = field(default_factory=dict)

    def same_as(self, other: Entry | None) -> bool:
        """Return whether both have the same content and metadata, regardless of when they were written."""
        return other is not None and (self.checksum, self.size, self.metadata, self.content_type) == (
            other.checksum,
            other.size,
            other.metadata,
            other.content_type,
        )

    def to_row(self) -> list[object]:
        """Return the entry as a row of a stored range."""
        return [
            self.path,
            self.checksum,
            self.size,
            self.address,
            self.mtime,
            self.content_type,
            self.metadata,
        ]


def same(left: Entry | None, right: Entry | None) -> bool:
    """Return whether two sides agree on a path, or both lack it."""
    return left.same_as(right) if left else right is None


class Span(NamedTuple):
    """A range in a version's list: its id, its first and last path, its number of entries."""

    id: str
    first: str
    last: str
    entries: int


class Difference(NamedTuple):
    """A path at which two versions differ; a side that lacks it is None.

    It is a conflict if the target of a merge changed the path as well, and differently.
    """

    path: str
    left: Entry | None
    right: Entry | None
    conflict: bool = False


class Changes(Protocol):
    """Differences sorted by path, from a path on; can be called again with another start."""

    def __call__(self, start: str = "") -> Iterator[Difference]:
        """Yield the differences from the path `start` on."""


Edit = tuple[str, Entry | None]
"""A path with its new entry, or with None to remove it."""

Load = Callable[[str], Sequence[Entry]]
"""A function that reads the range with an id."""

Save = Callable[[str, bytes], None]
"""A function that writes a range under its id; it is idempotent."""


def encode(entries: Sequence[Entry]) -> tuple[str, bytes]:
    """Return the id of a range, which is a hash of its content, and the range as bytes."""
    plain = json.dumps([entry.to_row() for entry in entries], separators=(",", ":"), sort_keys=True).encode()
    return hashlib.sha256(plain).hexdigest(), zlib.compress(plain, 1)


def decode(name: str, content: bytes) -> tuple[Entry, ...]:
    """Return the entries of a range; raise ValueError or zlib.error if they do not match its id."""
    plain = zlib.decompress(content)
    if hashlib.sha256(plain).hexdigest() != name:
        raise ValueError("not what was stored")
    return tuple(Entry(*row) for row in json.loads(plain))


def version_of(spans: Sequence[Span]) -> str:
    """Return the id of a version, which is a hash of its ranges' ids."""
    return hashlib.sha256(json.dumps([span.id for span in spans]).encode()).hexdigest()


def find(spans: Sequence[Span], path: str, load: Load) -> Entry | None:
    """Return the entry of a path, or None; reads at most one range."""
    span = bisect_left(spans, path, key=attrgetter("last"))
    if span == len(spans) or path < spans[span].first:
        return None
    entries = load(spans[span].id)
    index = bisect_left(entries, path, key=attrgetter("path"))
    return entries[index] if index < len(entries) and entries[index].path == path else None


def scan(spans: Sequence[Span], start: str, load: Load) -> Iterator[Entry]:
    """Yield entries from the path `start` on, in order; ranges are read lazily."""
    for span in _from(spans, start):
        entries = load(span.id)
        yield from entries[bisect_left(entries, start, key=attrgetter("path")) :]


def apply(spans: Sequence[Span], edits: Sequence[Edit], load: Load, save: Save) -> list[Span]:
    """Return the ranges of a version after edits, which are sorted by path; unaffected ranges are reused."""
    writer = _Writer(save)
    done = 0
    for span in spans:
        is_last = span is spans[-1]
        end = len(edits) if is_last else bisect_left(edits, (span.last + "\0",), lo=done)
        mine = edits[done:end]
        done = end
        if mine or writer.is_open:
            writer.add(_merged(load(span.id), mine))
        else:
            writer.spans.append(span)
    writer.add(_merged((), edits[done:]))
    return writer.close()


def diff(left: Sequence[Span], right: Sequence[Span], load: Load) -> Changes:
    """Return the differences of two versions; ranges that both have are not read."""
    shared = {span.id for span in left} & {span.id for span in right}
    mine, theirs = ([span for span in side if span.id not in shared] for side in (left, right))
    return lambda start="": _joined(scan(mine, start, load), scan(theirs, start, load))


def three_way(base: Sequence[Span], ours: Sequence[Span], theirs: Sequence[Span], load: Load) -> Changes:
    """Return what `theirs` changed since `base` and `ours` lacks; a conflict if `ours` changed it as well."""
    changes = diff(base, theirs, load)

    def missing(start: str = "") -> Iterator[Difference]:
        for change in changes(start):
            mine = find(ours, change.path, load)
            if not same(mine, change.right):
                yield change._replace(conflict=not same(mine, change.left))

    return missing


class _Writer:
    """A writer that splits entries into ranges at the boundaries."""

    def __init__(self, save: Save) -> None:
        self.spans: list[Span] = []
        self._save = save
        self._open: list[Entry] = []

    @property
    def is_open(self) -> bool:
        return bool(self._open)

    def add(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            self._open.append(entry)
            if _is_boundary(entry.path):
                self._flush()

    def close(self) -> list[Span]:
        if self._open:
            self._flush()
        return self.spans

    def _flush(self) -> None:
        name, content = encode(self._open)
        self._save(name, content)
        self.spans.append(Span(name, self._open[0].path, self._open[-1].path, len(self._open)))
        self._open = []


def _is_boundary(path: str) -> bool:
    digest = hashlib.blake2b(path.encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") % _MEAN_RANGE_ENTRIES == 0


def _merged(entries: Iterable[Entry], edits: Sequence[Edit]) -> Iterator[Entry]:
    changed = dict(edits)
    kept = (entry for entry in entries if entry.path not in changed)
    new = [entry for entry in changed.values() if entry is not None]
    yield from sorted([*kept, *new], key=attrgetter("path"))


def _from(spans: Sequence[Span], start: str) -> Sequence[Span]:
    return spans[bisect_left(spans, start, key=attrgetter("last")) :]


def _joined(left: Iterator[Entry], right: Iterator[Entry]) -> Iterator[Difference]:
    a, b = next(left, None), next(right, None)
    while a or b:
        if a and (b is None or a.path < b.path):
            yield Difference(a.path, a, None)
            a = next(left, None)
        elif b and (a is None or b.path < a.path):
            yield Difference(b.path, None, b)
            b = next(right, None)
        elif a and b:
            if not a.same_as(b):
                yield Difference(a.path, a, b)
            a, b = next(left, None), next(right, None)
