"""Objects of one repository: list, read and write them, in memory that does not grow with their size."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO
from uuid import uuid4

from include.concurrency import BackgroundHash
from include.exceptions import Absent, Misconfigured, Transient, Unavailable
from include.lake.transport import RepositoryClient
from include.lake.types import LakeObject

_CHUNK_BYTES = 1 << 20
_READ_BUFFER_BYTES = 1 << 17
_DELETE_BATCH_PATHS = 1000
"""Most paths that one request may delete."""
_MAX_RESUMES = 5
"""Times that an interrupted download resumes; each attempt must have received bytes."""
_MAX_LISTED_ERRORS = 10


class ObjectClient(RepositoryClient):
    """A client of the objects of one repository, at any ref; base of `Lake`."""

    def list_objects(self, ref: str, prefix: str = "", after: str = "") -> Iterator[LakeObject]:
        """Yield the objects below a prefix whose path comes after `after`, ordered by path."""
        subject = f"objects of {ref!r} below {prefix!r}"
        for entry in self._pages(subject, "objects.list_objects", ref, prefix=prefix, after=after):
            with self._errors(subject):
                item = LakeObject.of(entry)
            yield item

    def list_common_prefixes(self, ref: str, prefix: str) -> Iterator[str]:
        """Yield the common prefixes ("folders") one level below a prefix, each ending in `/`."""
        subject = f"common prefixes of {ref!r} below {prefix!r}"
        for entry in self._pages(subject, "objects.list_objects", ref, prefix=prefix, delimiter="/"):
            with self._errors(subject):
                is_prefix, path = entry["path_type"] == "common_prefix", str(entry["path"])
            if is_prefix:
                yield path

    def stat(self, ref: str, path: str) -> LakeObject:
        """Return the size and checksum of an object; raises Absent if there is no such object."""
        subject = f"object {path!r} of {ref!r}"
        response = self._call(subject, "objects.stat_object", ref, path)
        with self._errors(subject):
            return LakeObject.of(response)

    def upload(self, branch: str, path: str, content: Path | BinaryIO) -> LakeObject:
        """Upload a file or a stream to a branch, uncommitted, and return what the server stored.

        The content is sent while it is read. If the size or MD5 that the server reports differs from what
        was sent, the upload is discarded and Transient is raised.
        """
        if isinstance(content, Path):
            with content.open("rb") as file:
                return self._upload(branch, path, _HashedStream(file, os.fstat(file.fileno()).st_size))
        return self._upload(branch, path, _HashedStream(content, None))

    def _upload(self, branch: str, path: str, stream: _HashedStream) -> LakeObject:
        subject = f"upload of {path!r} to {branch!r}"
        try:
            response = self._send(subject, branch, path, iter(stream), stream.expected_size)
        except _SourceError as error:
            raise error.cause from None
        with self._errors(subject):
            stored = LakeObject.of(response)
        if (stored.size, stored.checksum) != (stream.size, stream.md5):
            self._discard_upload(branch, stored)
            raise Transient(
                f"{subject}: {stream.size} bytes with MD5 {stream.md5} were sent, but the lake stored "
                f"{stored.size} with {stored.checksum}; the upload was discarded, send it again"
            )
        return stored

    def _discard_upload(self, branch: str, damaged: LakeObject) -> None:
        """Reset an object to its committed state, unless another writer has replaced it since."""
        body = {"type": "object", "path": damaged.path}
        with suppress(Absent):
            if self.stat(branch, damaged.path) == damaged:
                self._call(f"object {damaged.path!r} of {branch!r}", "branches.reset_branch", branch, body)

    def read(self, ref: str, path: str, first: int, last: int) -> bytes:
        """Return the bytes of an object from offset `first` to `last`, both included."""
        return b"".join(self._chunks(ref, path, f"bytes={first}-{last}"))

    def download(self, ref: str, path: str) -> bytes:
        """Return the whole content of an object, in memory."""
        return b"".join(self._chunks(ref, path))

    def download_to(self, ref: str, path: str, file: Path) -> LakeObject:
        """Download an object to a file, which appears complete or not at all.

        An interrupted download resumes where it stopped. Raises Transient if size or MD5 differ from what
        the server reports, which also happens if the object changes during the download.
        """
        item = self.stat(ref, path)
        part = file.with_name(f".{file.name}.{uuid4().hex}")  # mkstemp would ignore the user's umask
        try:
            with part.open("x+b") as target:
                self._fill(target, ref, item)
            part.replace(file)
        finally:
            part.unlink(missing_ok=True)
        return item

    def _fill(self, target: BinaryIO, ref: str, item: LakeObject) -> None:
        digest = BackgroundHash("md5")
        for attempt in range(_MAX_RESUMES + 1):
            start = target.tell()
            try:
                for chunk in self._chunks(ref, item.path, f"bytes={start}-" if start else None):
                    digest.update(chunk)
                    target.write(chunk)
                break
            except Unavailable:
                if attempt == _MAX_RESUMES or target.tell() == start:
                    raise
        md5 = digest.hexdigest()
        if target.tell() != item.size or (item.md5 or md5) != md5:
            raise Transient(
                f"object {item.path!r} of {ref!r}: received {target.tell()} bytes with MD5 {md5}, expected "
                f"{item.size} with {item.checksum}; download it again"
            )

    def open(self, item: LakeObject, ref: str) -> BinaryIO:
        """Return an object as a seekable file, for readers that need only parts of it."""
        return io.BufferedReader(_RangeReader(self, ref, item), _READ_BUFFER_BYTES)

    def _chunks(self, ref: str, path: str, byte_range: str | None = None) -> Iterator[bytes]:
        subject = f"object {path!r} of {ref!r}"
        options = {"_preload_content": False, **({"range": byte_range} if byte_range else {})}
        response = self._call(subject, "objects.get_object", ref, path, **options)
        try:
            with self._errors(subject):
                if byte_range and response.status != 206:
                    raise ValueError(f"status {response.status} for a range request")
                yield from response.stream(_CHUNK_BYTES)
        finally:
            response.release_conn()

    def copy(self, branch: str, path: str, source_path: str, source_ref: str | None = None) -> LakeObject:
        """Copy an object to a branch without moving its content; `source_ref` defaults to the branch."""
        subject = f"copy of {source_path!r} of {source_ref or branch!r} to {path!r} of {branch!r}"
        body = {"src_path": source_path, "src_ref": source_ref or branch}
        response = self._call(subject, "objects.copy_object", branch, path, body)
        with self._errors(subject):
            return LakeObject.of(response)

    def delete_object(self, branch: str, path: str) -> None:
        """Delete an object from a branch; does nothing if there is no such object."""
        with suppress(Absent):
            self._call(f"object {path!r} of {branch!r}", "objects.delete_object", branch, path)

    def delete_objects(self, branch: str, paths: Iterable[str]) -> int:
        """Delete objects from a branch, a thousand paths a request; return the number of paths.

        Paths without an object are counted, too. Raises Misconfigured with the first errors if the server
        refuses to delete some objects.
        """
        subject, count, remaining = f"objects of {branch!r}", 0, iter(paths)
        while batch := list(islice(remaining, _DELETE_BATCH_PATHS)):
            response = self._call(subject, "objects.delete_objects", branch, {"paths": batch})
            with self._errors(subject):
                errors = [error for error in response["errors"] if error["status_code"] != 404]
                listed = [
                    f"{error.get('path')!r}: {error['message']}" for error in errors[:_MAX_LISTED_ERRORS]
                ]
            if errors:
                raise Misconfigured(f"{len(errors)} {subject} cannot be deleted: {'; '.join(listed)}")
            count += len(batch)
        return count


class _SourceError(Exception):
    """The source of an upload could not be read; the lake is not the cause."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


class _HashedStream:
    """A stream to upload: yields its chunks and counts and hashes them on the way."""

    def __init__(self, content: BinaryIO, expected_size: int | None) -> None:
        self._content = content
        self._md5 = BackgroundHash("md5")
        self.expected_size = expected_size
        self.size = 0

    def __iter__(self) -> Iterator[bytes]:
        while chunk := self._next():
            self.size += len(chunk)
            self._md5.update(chunk)
            yield chunk
        if self.size < (self.expected_size or 0):
            raise _SourceError(
                Transient(f"{self._content!r} became shorter during the upload; upload it again")
            )

    def _next(self) -> bytes:
        expected = self.expected_size
        limit = _CHUNK_BYTES if expected is None else min(_CHUNK_BYTES, expected - self.size)
        try:
            return self._content.read(limit)
        except Exception as error:
            raise _SourceError(error) from error

    @property
    def md5(self) -> str:
        return self._md5.hexdigest()


class _RangeReader(io.RawIOBase):
    """An object as a raw file: each read is one range request."""

    def __init__(self, client: ObjectClient, ref: str, item: LakeObject) -> None:
        self._client = client
        self._ref = ref
        self._item = item
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._position = (0, self._position, self._item.size)[whence] + offset
        return self._position

    def readinto(self, buffer: Any) -> int:
        size = min(len(buffer), self._item.size - self._position)
        if size <= 0:
            return 0
        last = self._position + size - 1
        content = self._client.read(self._ref, self._item.path, self._position, last)
        buffer[: len(content)] = content
        self._position += len(content)
        return len(content)
