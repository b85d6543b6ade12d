"""Files of a source: which there are, and how they are opened; failures become errors that say what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path, PurePosixPath
from typing import Any

from include.exceptions import BadData, Misconfigured, Transient


def files(uri: str, first: date, last: date) -> Iterator[tuple[str, date, date]]:
    """Yield the files of the days from `first` to `last`, each with the days that it is read for."""
    if "{dt}" not in uri:
        yield uri, first, last
        return
    while first <= last:
        yield uri.replace("{dt}", str(first)), first, first
        first += timedelta(days=1)


CODECS = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd", ".lz4": "lz4", ".br": "brotli"}
"""How a CSV file is compressed, by the end of its name."""

_BEGINNINGS = {
    b"\x1f\x8b": "is compressed with gzip; let its name end in '.gz'",
    b"BZh": "is compressed with bzip2; let its name end in '.bz2'",
    b"\x28\xb5\x2f\xfd": "is compressed with Zstandard; let its name end in '.zst'",
    b"\x04\x22\x4d\x18": "is compressed with LZ4; let its name end in '.lz4'",
    b"PK\x03\x04": "is a ZIP archive, as workbooks of Excel are; provide the CSV that is in it",
    b"PAR1": "is a Parquet file; set source.reader to 'parquet'",
}
_DAMAGED = re.compile(r"Truncated compressed stream|(zlib inflate|\w+ decompress) failed")


@contextmanager
def opened(uri: str, folder: Path) -> Iterator[Any]:
    """Open a file of any file system that Arrow supports; a plain path is relative to `folder`."""
    import pyarrow as pa
    from pyarrow import fs

    name, local = shown(uri), fs.LocalFileSystem()
    try:
        system, path = fs.FileSystem.from_uri(uri) if "://" in uri else (local, str(folder / uri))
    except pa.ArrowInvalid as error:
        raise Misconfigured(f"source.uri {name} cannot be opened: {first_line(error)}; correct it") from None
    try:
        with system.open_input_file(path) as file:
            if file.size() == 0:
                raise BadData(f"{name} is empty: 0 bytes; provide the file again")
            yield file
    except FileNotFoundError:
        raise BadData(f"{name} does not exist; provide it, or correct source.uri") from None
    except PermissionError:
        raise Misconfigured(f"{name} may not be read by this user; correct its permissions") from None
    except pa.ArrowInvalid as error:
        raise BadData(f"{name} cannot be read: {first_line(error)}; provide the file again") from None
    except OSError as error:  # without a number it is Arrow's own: the content is damaged
        if _DAMAGED.match(str(error)) or (system == local and error.errno is None):
            raise BadData(f"{name} cannot be read: {first_line(error)}; provide the file again") from None
        raise Transient(f"{name} cannot be read now: {first_line(error)}") from None


@contextmanager
def opened_text(uri: str, folder: Path) -> Iterator[Any]:
    """Open a file of text, decompressed as its name says; raises BadData if it plainly is none."""
    import pyarrow as pa

    with opened(uri, folder) as file:
        if codec := CODECS.get(PurePosixPath(uri.partition("?")[0]).suffix.lower()):
            with pa.CompressedInputStream(file, codec) as content:
                yield content
            return
        beginning = file.read(4)
        if fault := next((what for mark, what in _BEGINNINGS.items() if beginning.startswith(mark)), None):
            raise BadData(f"{shown(uri)} {fault}")
        file.seek(0)
        yield file


def shown(uri: str) -> str:
    """Return a URI for messages, without the credentials that it may hold."""
    return repr(re.sub(r"//[^/@]*@", "//***@", uri))


def first_line(error: object) -> str:
    """Return an error's first line, without the row that Arrow quotes after a count of its columns."""
    line = (str(error).splitlines() or [""])[0]
    counted = re.match(r"CSV parse error: (Expected \d+ columns, got \d+)", line)
    return counted[1] if counted else line[:200].rstrip(".")
