"""Files of a source: which there are, and how they are opened; failures become errors that say what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
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
        if system == local and error.errno is None:
            raise BadData(f"{name} cannot be read: {first_line(error)}; provide the file again") from None
        raise Transient(f"{name} cannot be read now: {first_line(error)}") from None


def shown(uri: str) -> str:
    """Return a URI for messages, without the credentials that it may hold."""
    return repr(re.sub(r"//[^/@]*@", "//***@", uri))


def first_line(error: object) -> str:
    """Return an error's first line, without the row that Arrow quotes after a count of its columns."""
    line = (str(error).splitlines() or [""])[0]
    counted = re.match(r"CSV parse error: (Expected \d+ columns, got \d+)", line)
    return counted[1] if counted else line[:200].rstrip(".")
