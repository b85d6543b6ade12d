"""Folders that an export may not be: those of sources, of other exports, and of the platform itself."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from os.path import normpath
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from include.contract.pipeline import Pipeline
from include.exceptions import Fault
from include.excerpt import quote
from include.settings import settings

KEY = "exports.delta.uri"
_ALIASES = {"s3a": "s3", "abfss": "abfs"}
_CHOOSE = "name a folder that nothing else writes to or reads"


class Place(NamedTuple):
    """A folder or file of a store, in one spelling; `parts` are the names on the way to it."""

    scheme: str
    host: str
    parts: tuple[str, ...]

    def overlaps(self, other: Place) -> bool:
        """Return whether one is the other, or lies within it."""
        short = min(len(self.parts), len(other.parts))
        return self[:2] == other[:2] and self.parts[:short] == other.parts[:short]


def place_of(uri: str, folder: Path | None = None) -> Place:
    """Return the place that a URI names, or a path below `folder`; of a pattern, what is above its marks."""
    fixed = re.split(r"[*{]", uri, maxsplit=1)[0]
    fixed = fixed if fixed == uri else fixed.rpartition("/")[0]
    if "://" not in uri:
        path = (folder or Path()) / fixed
        return Place("file", "", _real(str(path)))
    found = urlsplit(fixed)
    names = tuple(part for part in unquote(found.path).split("/") if part)
    scheme = found.scheme.lower()
    if scheme == "file":
        return Place("file", "", _real("/" + "/".join(names)))
    return Place(_ALIASES.get(scheme, scheme), found.netloc.lower(), names)


def _real(path: str) -> tuple[str, ...]:
    """Return the names on the way to a local file, with links followed where it is there."""
    try:
        path = str(Path(path).resolve())
    except (OSError, ValueError, RuntimeError):  # a name that is too long, a link to itself
        path = normpath(path)
    return tuple(part for part in path.split("/") if part)


def own_faults(uri: object, sources: Mapping[str, object], folder: Path) -> Iterator[Fault]:
    """Yield the faults of an export into the pipeline's own sources, or into the platform's own data.

    `sources` are their URIs by the keys that give them.
    """
    export = _place(uri, folder)
    if export is None:
        return
    for key, source_uri in sources.items():
        source = _place(source_uri, folder)
        if source is not None and export.overlaps(source):
            yield Fault(KEY, f"{quote(uri)} and {key}, {quote(source_uri)}, lie within each other; {_CHOOSE}")
    if export.overlaps(place_of(str(settings().var))):
        yield Fault(
            KEY, f"{quote(uri)} overlaps with MILLRACE_VAR, the folder of lake, databases and logs; {_CHOOSE}"
        )


def shared_faults(pipelines: Iterable[Pipeline], folder: Path) -> Iterator[tuple[str, Fault]]:
    """Yield each pipeline's name with the fault that its export shares a folder with another pipeline."""
    pipelines = list(pipelines)
    exports = {one.name: place for one in pipelines if (place := _export_of(one))}
    for number, one in enumerate(pipelines if exports else ()):
        export = exports.get(one.name)
        read = {feed.source.uri: _place(feed.source.uri, folder / one.name) for feed in one.feeds}
        for position, other in enumerate(pipelines):
            theirs = exports.get(other.name)
            if theirs is None or other is one:
                continue
            for uri, source in read.items():
                if source is not None and theirs.overlaps(source):
                    yield other.name, _shared(other, f"what pipeline {one.name!r} reads, {quote(uri)},")
            if export is not None and theirs.overlaps(export) and position > number:
                yield other.name, _shared(other, f"the export of pipeline {one.name!r}")


def _export_of(pipeline: Pipeline) -> Place | None:
    delta = pipeline.exports.delta
    return None if delta is None else place_of(delta.uri)


def _shared(pipeline: Pipeline, what: str) -> Fault:
    delta = pipeline.exports.delta
    return Fault(KEY, f"{quote(delta and delta.uri)} and {what} lie within each other; {_CHOOSE}")


def _place(uri: object, folder: Path) -> Place | None:
    """Return the place of a value that may be a URI; None if it is none."""
    if not isinstance(uri, str):
        return None
    try:
        return place_of(uri, folder)
    except ValueError:  # such as half an address of IPv6, which the models report
        return None
