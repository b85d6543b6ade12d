"""Files of a source: which there are, and how they are opened; failures become errors that say what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path, PurePosixPath
from typing import Any

from include.contract.day_path import days_of, path_of
from include.exceptions import BadData, FileMissing, Misconfigured, Transient
from include.excerpt import quote

CODECS = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd", ".lz4": "lz4", ".br": "brotli"}
"""How a file of text is compressed, by the end of its name."""

_BEGINNINGS = {
    b"\x1f\x8b": "is compressed with gzip; let its name end in '.gz'",
    b"BZh": "is compressed with bzip2; let its name end in '.bz2'",
    b"\x28\xb5\x2f\xfd": "is compressed with Zstandard; let its name end in '.zst'",
    b"\x04\x22\x4d\x18": "is compressed with LZ4; let its name end in '.lz4'",
    b"PK\x03\x04": "is a ZIP archive; if it is a workbook, set source.reader to 'excel', else provide the "
    "file that is in it",
    b"\xd0\xcf\x11\xe0": "has the form of a document of Office; if it is a workbook, set source.reader to "
    "'excel', else provide it as text",
    b"PAR1": "is a Parquet file; set source.reader to 'parquet'",
}
_DAMAGED = re.compile(r"Truncated compressed stream|(zlib inflate|\w+ decompress) failed")


@dataclass(frozen=True)
class Period:
    """Days of one path: the requested days `first` to `last`, and the days that the path `covers`."""

    uri: str
    first: date
    last: date
    covers: tuple[date, date]


@dataclass(frozen=True)
class SourceFile:
    """A file, and its name for messages."""

    name: str
    system: Any
    path: str


def periods(uri: str, first: date, last: date) -> Iterator[Period]:
    """Yield the days from `first` to `last` by their paths: a day, or a month, or all in one."""
    while first <= last:
        covers = days_of(uri, first)
        end = min(last, covers[1])
        yield Period(path_of(uri, first), first, end, covers)
        first = end + timedelta(days=1)


def find(uri: str, folder: Path) -> list[SourceFile]:
    """Return the files that a URI names, in the order of their paths: a file, those of a folder or a pattern.

    A plain path is relative to `folder`. Files and folders whose names begin with '_' or '.' are left out, as
    every reader of Spark's and Hive's tables does. Raises FileMissing if there is none.
    """
    import pyarrow as pa
    from pyarrow import fs

    name = quote(uri)
    try:
        system, path = (
            fs.FileSystem.from_uri(uri) if "://" in uri else (fs.LocalFileSystem(), str(folder / uri))
        )
    except pa.ArrowInvalid as error:
        raise Misconfigured(f"source.uri {name} cannot be opened: {first_line(error)}; correct it") from None
    with _failures(name, system):
        path = path.rstrip("/")
        paths = _matching(system, path) if "*" in path else [path]
        infos = system.get_file_info(paths)
        if len(infos) == 1 and infos[0].type == fs.FileType.File and infos[0].path == path:
            return [SourceFile(name, system, path)]
        found = sorted(one for info in infos for one in _files_of(system, info, name))
        if not found:
            raise _missing(uri, is_folder=infos[0].type == fs.FileType.Directory if infos else False)
        return [SourceFile(_name(uri, folder, one), system, one) for one in found]


def _missing(uri: str, *, is_folder: bool) -> FileMissing:
    if "*" in uri:
        return FileMissing(f"no file matches {quote(uri)}; provide it, or correct source.uri")
    if is_folder:
        return FileMissing(f"{quote(uri)} is a folder without files; provide them, or correct source.uri")
    return FileMissing(f"{quote(uri)} does not exist; provide it, or correct source.uri")


def _matching(system: Any, path: str) -> list[str]:
    """Return the paths that match a pattern, in which `*` stands for any characters but '/'."""
    from pyarrow import fs

    first, *parts = path.split("/")
    found = [first]
    for number, part in enumerate(parts, start=1):
        if "*" not in part:
            found = [f"{above}/{part}" for above in found]
            continue
        pattern = re.compile(".*".join(map(re.escape, part.split("*"))), re.DOTALL)
        listed = (system.get_file_info(fs.FileSelector(above, allow_not_found=True)) for above in found)
        found = [
            info.path
            for infos in listed
            for info in infos
            if pattern.fullmatch(info.base_name)
            and (part[0] in "_." or not _is_hidden(info.base_name))
            and (number == len(parts) or info.type == fs.FileType.Directory)
        ]
    return found


def _files_of(system: Any, info: Any, name: str) -> list[str]:
    """Return a file's path, or those of the files below a folder."""
    from pyarrow import fs

    if info.type != fs.FileType.Directory:
        return [info.path] if info.type == fs.FileType.File else []
    below = system.get_file_info(fs.FileSelector(info.path, recursive=True))
    parts = {one.path: one.path.removeprefix(f"{info.path}/").split("/") for one in below if one.is_file}
    seen = {path: names for path, names in parts.items() if not any(map(_is_hidden, names))}
    if columns := sorted(
        {part.partition("=")[0] for names in seen.values() for part in names[:-1] if "=" in part}
    ):
        raise BadData(
            f"{name} has folders that hold values of column {quote(columns[0])}, which the files may lack; "
            "name the files by a pattern with '*' if they have every column"
        )
    return list(seen)


def _is_hidden(name: str) -> bool:
    return name.startswith(("_", "."))


def _name(uri: str, folder: Path, path: str) -> str:
    scheme, mark, _ = uri.partition("://")
    return repr(f"{scheme}://{path}" if mark else str(Path(path).relative_to(folder)))


@contextmanager
def opened(file: SourceFile) -> Iterator[Any]:
    """Open a file for reading at any place."""
    with _failures(file.name, file.system), file.system.open_input_file(file.path) as content:
        if content.size() == 0:
            raise BadData(f"{file.name} is empty: 0 bytes; provide the file again")
        yield content


@contextmanager
def opened_text(file: SourceFile) -> Iterator[Any]:
    """Open a file of text, decompressed as its name says; raises BadData if it plainly is none."""
    import pyarrow as pa

    with opened(file) as content:
        if codec := CODECS.get(PurePosixPath(file.path).suffix.lower()):
            with pa.CompressedInputStream(content, codec) as text:
                yield text
            return
        beginning = content.read(4)
        if fault := next((what for mark, what in _BEGINNINGS.items() if beginning.startswith(mark)), None):
            raise BadData(f"{file.name} {fault}")
        content.seek(0)
        yield content


@contextmanager
def _failures(name: str, system: Any) -> Iterator[None]:
    """Raise what goes wrong with a file as an error of ours."""
    import pyarrow as pa
    from pyarrow import fs

    try:
        yield
    except (FileNotFoundError, NotADirectoryError):
        raise FileMissing(f"{name} does not exist; provide it, or correct source.uri") from None
    except PermissionError:
        raise Misconfigured(f"{name} may not be read by this user; correct its permissions") from None
    except pa.ArrowInvalid as error:
        raise BadData(f"{name} cannot be read: {first_line(error)}; provide the file again") from None
    except OSError as error:  # without a number it is Arrow's own: the content is damaged
        is_own = isinstance(system, fs.LocalFileSystem) and error.errno is None
        if is_own or _DAMAGED.match(str(error)):
            raise BadData(f"{name} cannot be read: {first_line(error)}; provide the file again") from None
        raise Transient(f"{name} cannot be read now: {first_line(error)}") from None


def first_line(error: object) -> str:
    """Return an error's first line, without the row that Arrow quotes after a count of its columns."""
    line = (str(error).splitlines() or [""])[0]
    counted = re.match(r"CSV parse error: (Expected \d+ columns, got \d+)", line)
    return counted[1] if counted else line[:200].rstrip(".")
