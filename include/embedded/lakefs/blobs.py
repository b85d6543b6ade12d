"""Contents of objects, addressed by their SHA-256. What is stored is never changed."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol

from include.embedded.lakefs.errors import Corrupt

_CHUNK = 1 << 20


class Readable(Protocol):
    """A stream of bytes."""

    def read(self, size: int, /) -> bytes: ...


class Stored(NamedTuple):
    """A content that is safe on disk: its SHA-256, its MD5, its size in bytes."""

    address: str
    checksum: str
    size: int


class Blobs:
    """A folder of contents."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._temporary = folder / "tmp"
        self._temporary.mkdir(parents=True, exist_ok=True)
        for torn in self._temporary.iterdir():  # uploads that a crash cut off; nobody was told of them
            torn.unlink()

    def path(self, address: str) -> Path:
        """Where a content is kept."""
        return self._folder / address[:2] / address

    def put(self, source: Readable) -> Stored:
        """Store a stream in constant memory; it survives a power cut once this returns."""
        sha256, md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
        descriptor, name = tempfile.mkstemp(dir=self._temporary)
        try:
            with os.fdopen(descriptor, "wb") as target:
                while chunk := source.read(_CHUNK):
                    sha256.update(chunk)
                    md5.update(chunk)
                    size += target.write(chunk)
                target.flush()
                os.fsync(target.fileno())
            self._keep(Path(name), sha256.hexdigest())
        finally:
            Path(name).unlink(missing_ok=True)
        return Stored(sha256.hexdigest(), md5.hexdigest(), size)

    def read(self, address: str, first: int, last: int, *, whole: bool) -> Iterator[bytes]:
        """The bytes from `first` to `last`, both included.

        A whole content is checked: if it is not what was stored, Corrupt is raised, before the first byte
        for contents of one chunk and otherwise before the last chunk, so a reader never gets all of it.
        """
        digest, left = hashlib.sha256(), last - first + 1
        damaged = Corrupt(f"the stored content at {self.path(address)} is damaged")
        with self._opened(address) as source:
            if os.fstat(source.fileno()).st_size <= last:
                raise damaged
            source.seek(first)
            while left > 0:
                chunk = source.read(min(_CHUNK, left))
                left -= len(chunk)
                digest.update(chunk)
                if not chunk or (whole and left == 0 and digest.hexdigest() != address):
                    raise damaged
                yield chunk

    def _opened(self, address: str) -> BinaryIO:
        try:
            return self.path(address).open("rb")
        except FileNotFoundError as error:
            raise Corrupt(f"the stored content at {self.path(address)} is missing") from error

    def _keep(self, temporary: Path, address: str) -> None:
        target = self.path(address)  # replaced even if it is there: storing again mends a damaged content
        created = not target.parent.exists()
        target.parent.mkdir(exist_ok=True)
        temporary.replace(target)
        _sync_folder(target.parent)
        if created:
            _sync_folder(self._folder)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
