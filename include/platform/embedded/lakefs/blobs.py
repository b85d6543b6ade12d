"""Contents of objects, addressed by their SHA-256. What is stored is never changed."""

from __future__ import annotations

import ctypes
import hashlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

from include.concurrency import BackgroundHash
from include.platform.embedded.lakefs.errors import Corrupt

_CHUNK = 1 << 20
_AT_ONCE = 1 << 23
"""Bytes that the disk is given together while more arrive: little is left to wait for at the end then."""
_BEGIN = 2
"""SYNC_FILE_RANGE_WRITE: begin, and wait for nothing."""


class Stored(NamedTuple):
    """A content on disk: its SHA-256, its MD5, its size in bytes."""

    address: str
    checksum: str
    size: int


class Incoming:
    """A content that is being written, beside the store and on the same disk."""

    def __init__(self, folder: Path) -> None:
        descriptor, name = tempfile.mkstemp(dir=folder)
        self.path = Path(name)
        self._file = os.fdopen(descriptor, "wb", buffering=0)
        self._sha256, self._md5, self._size = hashlib.sha256(), BackgroundHash("md5"), 0
        self._given = 0

    def write(self, chunks: Sequence[bytes]) -> None:
        """Append chunks; each is read once, for the disk and for both digests.

        MD5 takes as long as all the rest, so it has a thread of its own.
        """
        self._md5.update(*chunks)
        for chunk in chunks:
            self._sha256.update(chunk)
            self._append(chunk)
        if self._size - self._given >= _AT_ONCE:
            _begin_to_store(self._file.fileno(), self._given, self._size - self._given)
            self._given = self._size

    def _append(self, chunk: bytes) -> None:
        self._size += len(chunk)
        rest = memoryview(chunk)
        while rest:
            rest = rest[self._file.write(rest) :]

    def finish(self) -> Stored:
        """Bring what was written to the disk; it survives a power cut once it is kept."""
        os.fsync(self._file.fileno())
        self._file.close()
        return Stored(self._sha256.hexdigest(), self._md5.hexdigest(), self._size)

    def drop(self) -> None:
        """Forget it; fine if it was kept."""
        self._file.close()
        self.path.unlink(missing_ok=True)


class Blobs:
    """A folder of contents."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._temporary = folder / "tmp"
        self._temporary.mkdir(parents=True, exist_ok=True)

    def sweep(self) -> None:
        """Remove uploads that a crash cut off; nobody was told of them. For the server's start only."""
        for torn in self._temporary.iterdir():
            torn.unlink()

    def path(self, address: str) -> Path:
        """Where a content is kept."""
        return self._folder / address[:2] / address

    @contextmanager
    def incoming(self) -> Iterator[Incoming]:
        """A place to write a new content to; gone at the end unless it was kept."""
        incoming = Incoming(self._temporary)
        try:
            yield incoming
        finally:
            incoming.drop()

    def keep(self, incoming: Incoming, address: str) -> None:
        """Take a finished content into the store; it survives a power cut once this returns."""
        target = self.path(address)  # replaced even if it is there: storing again mends a damaged content
        created = not target.parent.exists()
        target.parent.mkdir(exist_ok=True)
        incoming.path.replace(target)
        _sync_folder(target.parent)
        if created:
            _sync_folder(self._folder)

    def older_than(self, moment: float) -> Iterator[tuple[str, int]]:
        """Address and size in bytes of each content stored before a moment (seconds since 1970)."""
        for folder in self._folder.glob("[0-9a-f][0-9a-f]"):
            with os.scandir(folder) as found:
                for file in found:
                    state = file.stat()
                    if state.st_mtime < moment:
                        yield file.name, state.st_size

    def remove(self, address: str, moment: float) -> None:
        """Remove a content, unless it was stored again since a moment; fine if it is gone."""
        path = self.path(address)
        try:
            if path.stat().st_mtime < moment:
                path.unlink()
        except FileNotFoundError:
            return

    def read(self, address: str, first: int, last: int, *, whole: bool) -> Iterator[bytes]:
        """The bytes from `first` to `last`, both included.

        A whole content is checked: if it is not what was stored, Corrupt is raised, before the first byte
        for contents of one chunk and otherwise before the last chunk, so a reader never gets all of it.
        """
        digest, left = BackgroundHash("sha256"), last - first + 1
        damaged = Corrupt(f"the stored content at {self.path(address)} is damaged")
        with self._opened(address) as source:
            if os.fstat(source.fileno()).st_size <= last:
                raise damaged
            source.seek(first)
            while left > 0:
                chunk = source.read(min(_CHUNK, left))
                left -= len(chunk)
                if whole:
                    digest.update(chunk)
                if not chunk or (whole and left == 0 and digest.hexdigest() != address):
                    raise damaged
                yield chunk

    def _opened(self, address: str) -> BinaryIO:
        try:
            return self.path(address).open("rb")
        except FileNotFoundError as error:
            raise Corrupt(f"the stored content at {self.path(address)} is missing") from error


def _begin_to_store(descriptor: int, first: int, size: int) -> None:
    """Let Linux write a part of a file to the disk meanwhile; whether it could is told by `fsync`.

    An early `fsync` would do it too, but commits the disk's journal each time, with what others wrote.
    Source: sync_file_range(2)
    """
    if begin := getattr(ctypes.CDLL(None), "sync_file_range", None):
        begin(descriptor, ctypes.c_int64(first), ctypes.c_int64(size), _BEGIN)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
