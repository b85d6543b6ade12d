"""Symlink files, by which Hive and Spark read a table from the store itself.

Each folder of a table gets a text file with the addresses of its objects, one a line, which
`SymlinkTextInputFormat` reads. https://docs.lakefs.io/latest/integrations/hive/
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from threading import get_native_id

from include.excerpt import quote
from include.platform.embedded.lakefs.addresses import SCHEME
from include.platform.embedded.lakefs.errors import BadRequest
from include.platform.embedded.lakefs.tree import Entry

FILE = "symlink.txt"
_MAX_NAME_BYTES = 255
"""The limit of file systems."""


class Symlinks:
    """The folder of the symlink files: `<repository>/<ref>/<folder of the objects>/symlink.txt`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()

    @property
    def location(self) -> str:
        """The folder's address."""
        return f"{SCHEME}{self._folder}"

    def write(
        self, repository: str, ref: str, prefix: str, entries: Iterable[Entry], uri: Callable[[str], str]
    ) -> None:
        """Write the files for the objects below a prefix, and remove those of folders that have no objects.

        `uri` returns the address of a content. Raises BadRequest for a path of which the disk can have no
        folder; then nothing is changed.
        """
        lines: dict[tuple[str, ...], list[str]] = {}
        for entry in entries:
            lines.setdefault(tuple(entry.path.split("/")[:-1]), []).append(uri(entry.address))
        top = self._folder / _checked(repository) / _checked(ref)
        files = {top.joinpath(*map(_checked, names), FILE): found for names, found in lines.items()}
        for file, addresses in files.items():
            _replace(file, "\n".join(addresses))
        for file in set(top.rglob(FILE)) - files.keys():
            if f"{file.parent.relative_to(top)}/".startswith(prefix):
                file.unlink(missing_ok=True)

    def forget(self, repository: str) -> None:
        """Remove the files of a repository."""
        shutil.rmtree(self._folder / repository, ignore_errors=True)


def _checked(name: str) -> str:
    is_too_long = len(name.encode()) > _MAX_NAME_BYTES
    if name in ("", ".", "..", FILE) or "\0" in name or "/" in name or is_too_long:
        raise BadRequest(
            f"no symlink file can be written for {quote(name)}: the disk can have no folder of that name; "
            "choose a location without it"
        )
    return name


def _replace(file: Path, text: str) -> None:
    """Replace a file at once, so that no reader finds half of it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    # Of this thread alone: two requests may write the same file at once.
    unfinished = file.with_name(f".{FILE}.{get_native_id()}")
    unfinished.write_text(text)
    unfinished.replace(file)
