"""Immutable contents of objects, addressed by their SHA-256."""

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
from include.free_space import mib, shortage
from include.platform.embedded.lakefs.errors import Corrupt, TooFull

_CHUNK_BYTES = 1 << 20
_WRITEBACK_BYTES = 1 << 23
"""Amount after which writing to the disk begins while more arrives: the final `fsync` has little to do."""
_SYNC_FILE_RANGE_WRITE = 2
"""Start writing, and do not wait for it."""


class Stored(NamedTuple):
    """A content on disk: `address` is its SHA-256, `checksum` its MD5, `size` in bytes."""

    address: str
    checksum: str
    size: int


class Incoming:
    """A content that is being written, to a temporary file on the store's disk."""

    def __init__(self, folder: Path) -> None:
        descriptor, name = tempfile.mkstemp(dir=folder)
        self.path = Path(name)
        self._file = os.fdopen(descriptor, "wb", buffering=0)
        self._sha256, self._md5, self._size = hashlib.sha256(), BackgroundHash("md5"), 0
        self._flushed = 0

    def write(self, chunks: Sequence[bytes]) -> None:
        """Append chunks; each is read once, for the disk and for both digests.

        MD5 takes as long as everything else together, so it is computed in another thread.
        """
        self._md5.update(*chunks)
        for chunk in chunks:
            self._sha256.update(chunk)
            self._append(chunk)
        if self._size - self._flushed >= _WRITEBACK_BYTES:
            _start_writeback(self._file.fileno(), self._flushed, self._size - self._flushed)
            self._flushed = self._size

    def _append(self, chunk: bytes) -> None:
        self._size += len(chunk)
        rest = memoryview(chunk)
        while rest:
            rest = rest[self._file.write(rest) :]

    def finish(self) -> Stored:
        """Flush the content to the disk; it survives a power cut once `Blobs.keep` has returned."""
        os.fsync(self._file.fileno())
        self._file.close()
        return Stored(self._sha256.hexdigest(), self._md5.hexdigest(), self._size)

    def drop(self) -> None:
        """Remove the temporary file; do nothing if the content was kept."""
        self._file.close()
        self.path.unlink(missing_ok=True)


class Blobs:
    """The folder with the contents, which takes none that leaves less than `min_free` bytes on the disk."""

    def __init__(self, folder: Path, min_free: int = 0) -> None:
        self._folder = folder.absolute()
        self._min_free = min_free
        self._temporary = self._folder / "tmp"
        self._temporary.mkdir(parents=True, exist_ok=True)

    def sweep(self) -> None:
        """Remove uploads that a crash interrupted; call it only before the server takes requests.

        They were never acknowledged to a client.
        """
        for interrupted in self._temporary.iterdir():
            interrupted.unlink()

    def path(self, address: str) -> Path:
        """Return the file of a content."""
        return self._folder / address[:2] / address

    def uri(self, address: str) -> str:
        """Return where a program of this machine finds a content, as lakeFS writes it for a local store."""
        # Without `path`, which would take half of the time of a listing.
        return f"local://{self._folder}/{address[:2]}/{address}"

    @contextmanager
    def incoming(self, size: int = 0) -> Iterator[Incoming]:
        """Yield a place to write a new content to; it is removed at the end unless it was kept.

        `size` is the number of bytes to come, as far as it is known. Raises TooFull if they would leave too
        little free space: what else is on the disk, a database for example, would be harmed as well.
        """
        what = f"new data of {mib(size)}"
        if reason := shortage("the lake", self._folder, self._min_free, what=what, size=size):
            raise TooFull(reason)
        incoming = Incoming(self._temporary)
        try:
            yield incoming
        finally:
            incoming.drop()

    def keep(self, incoming: Incoming, address: str) -> None:
        """Move a finished content into the store; it survives a power cut once this returns."""
        target = self.path(address)  # replaced even if it exists: storing again repairs a damaged content
        created = not target.parent.exists()
        target.parent.mkdir(exist_ok=True)
        incoming.path.replace(target)
        _sync_folder(target.parent)
        if created:
            _sync_folder(self._folder)

    def older_than(self, moment: float) -> Iterator[tuple[str, int]]:
        """Yield address and size in bytes of each content stored before a moment (seconds since 1970)."""
        for folder in self._folder.glob("[0-9a-f][0-9a-f]"):
            with os.scandir(folder) as files:
                for file in files:
                    state = file.stat()
                    if state.st_mtime < moment:
                        yield file.name, state.st_size

    def remove(self, address: str, moment: float) -> None:
        """Remove a content, unless it was stored again since a moment; do nothing if it is gone."""
        path = self.path(address)
        try:
            if path.stat().st_mtime < moment:
                path.unlink()
        except FileNotFoundError:
            return

    def read(self, address: str, first: int, last: int, *, whole: bool) -> Iterator[bytes]:
        """Yield the bytes from `first` to `last`, both included.

        A whole content is verified. If it is not what was stored, raises Corrupt: before the first byte of a
        content of one chunk, else before the last chunk, so a reader never receives all of a damaged content.
        """
        digest, remaining = BackgroundHash("sha256"), last - first + 1
        damaged = Corrupt(f"the stored content at {self.path(address)} is damaged")
        with self._opened(address) as source:
            if os.fstat(source.fileno()).st_size <= last:
                raise damaged
            source.seek(first)
            while remaining > 0:
                chunk = source.read(min(_CHUNK_BYTES, remaining))
                remaining -= len(chunk)
                if whole:
                    digest.update(chunk)
                if not chunk or (whole and remaining == 0 and digest.hexdigest() != address):
                    raise damaged
                yield chunk

    def _opened(self, address: str) -> BinaryIO:
        try:
            return self.path(address).open("rb")
        except FileNotFoundError as error:
            raise Corrupt(f"the stored content at {self.path(address)} is missing") from error


def _start_writeback(descriptor: int, first: int, size: int) -> None:
    """Let Linux start writing a part of a file to the disk; a later `fsync` reports whether it succeeded.

    An early `fsync` would do so too, but it commits the file system's journal each time, including other
    processes' writes. Source: sync_file_range(2)
    """
    if sync_file_range := getattr(ctypes.CDLL(None), "sync_file_range", None):
        sync_file_range(descriptor, ctypes.c_int64(first), ctypes.c_int64(size), _SYNC_FILE_RANGE_WRITE)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
