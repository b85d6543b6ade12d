"""Objects of one repository: listing, reading, writing, in memory that does not grow with them."""

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
from include.lake.transport import Remote
from include.lake.types import LakeObject

_BLOCK = 1 << 20
"""Bytes of an object that are in memory at once."""
_AT_ONCE = 1000
"""Paths that one request may delete."""
_RESUMES = 5
"""Times that a download goes on after it was cut, each time with new bytes."""


class Objects(Remote):
    """The objects of one repository, at any ref."""

    def list(self, ref: str, prefix: str = "", after: str = "") -> Iterator[LakeObject]:
        """Objects below a prefix whose path comes after `after`, in the order of their paths."""
        what = f"objects of {ref!r} below {prefix!r}"
        for item in self._pages(what, "objects.list_objects", ref, prefix=prefix, after=after):
            with self._errors(what):
                found = LakeObject.of(item)
            yield found

    def folders(self, ref: str, prefix: str) -> Iterator[str]:
        """The common prefixes one level below a prefix, each ending in `/`."""
        what = f"folders of {ref!r} below {prefix!r}"
        for item in self._pages(what, "objects.list_objects", ref, prefix=prefix, delimiter="/"):
            with self._errors(what):
                folder, path = item["path_type"] == "common_prefix", str(item["path"])
            if folder:
                yield path

    def stat(self, ref: str, path: str) -> LakeObject:
        """What is known of an object; raises Absent."""
        what = f"object {path!r} of {ref!r}"
        answer = self._call(what, "objects.stat_object", ref, path)
        with self._errors(what):
            return LakeObject.of(answer)

    def upload(self, branch: str, path: str, content: Path | BinaryIO) -> LakeObject:
        """Upload a file or a stream to a branch; it is seen by others once it is committed and merged.

        It is sent as it is read. What the server says it has stored is held against what was sent; if it
        differs, the object is taken back and Transient is raised.
        """
        if isinstance(content, Path):
            with content.open("rb") as file:
                return self._upload(branch, path, _Sent(file, os.fstat(file.fileno()).st_size))
        return self._upload(branch, path, _Sent(content, None))

    def _upload(self, branch: str, path: str, sent: _Sent) -> LakeObject:
        what = f"upload of {path!r} to {branch!r}"
        try:
            answer = self._send(what, branch, path, iter(sent), sent.expected)
        except _SourceFailed as failed:
            raise failed.cause from None
        with self._errors(what):
            stored = LakeObject.of(answer)
        if (stored.size, stored.checksum) != (sent.size, sent.md5):
            self._take_back(branch, stored)
            raise Transient(
                f"{what}: {sent.size} bytes with MD5 {sent.md5} were sent, the lake says it stored "
                f"{stored.size} with {stored.checksum}; the object was taken back, send it again"
            )
        return stored

    def _take_back(self, branch: str, damaged: LakeObject) -> None:
        """Go back to what was committed, unless somebody has stored something else there since."""
        body = {"type": "object", "path": damaged.path}
        with suppress(Absent):
            if self.stat(branch, damaged.path) == damaged:
                self._call(f"object {damaged.path!r} of {branch!r}", "branches.reset_branch", branch, body)

    def read(self, ref: str, path: str, first: int, last: int) -> bytes:
        """The bytes of an object from `first` to `last`, both included."""
        return b"".join(self._blocks(ref, path, f"bytes={first}-{last}"))

    def download(self, ref: str, path: str) -> bytes:
        """The content of an object, in memory."""
        return b"".join(self._blocks(ref, path))

    def download_to(self, ref: str, path: str, file: Path) -> LakeObject:
        """The content of an object as a file, which appears whole or not at all.

        A download that is cut goes on where it was. Raises Transient if what arrived is not what the
        server says it has stored, which is also so if the object changed meanwhile.
        """
        found = self.stat(ref, path)
        part = file.with_name(f".{file.name}.{uuid4().hex}")  # not mkstemp: the user's umask is to count
        try:
            with part.open("x+b") as content:
                self._fill(content, ref, found)
            part.replace(file)
        finally:
            part.unlink(missing_ok=True)
        return found

    def _fill(self, content: BinaryIO, ref: str, found: LakeObject) -> None:
        md5 = BackgroundHash("md5")
        for turn in range(_RESUMES + 1):
            start = content.tell()
            try:
                for block in self._blocks(ref, found.path, f"bytes={start}-" if start else None):
                    md5.update(block)
                    content.write(block)
                break
            except Unavailable:
                if turn == _RESUMES or content.tell() == start:
                    raise
        arrived = md5.hexdigest()
        if content.tell() != found.size or (found.md5 or arrived) != arrived:
            raise Transient(
                f"object {found.path!r} of {ref!r}: {content.tell()} bytes with MD5 {arrived} "
                f"arrived, {found.size} with {found.checksum} were promised; fetch it again"
            )

    def open(self, found: LakeObject, ref: str) -> BinaryIO:
        """An object as a file to be read and sought in, for readers that need parts of it only."""
        return io.BufferedReader(_Ranges(self, ref, found), _BLOCK // 8)

    def _blocks(self, ref: str, path: str, span: str | None = None) -> Iterator[bytes]:
        what = f"object {path!r} of {ref!r}"
        options = {"_preload_content": False, **({"range": span} if span else {})}
        answer = self._call(what, "objects.get_object", ref, path, **options)
        try:
            with self._errors(what):
                if span and answer.status != 206:
                    raise ValueError(f"{answer.status} for a range")
                yield from answer.stream(_BLOCK)
        finally:
            answer.release_conn()

    def copy(self, branch: str, path: str, source_path: str, source_ref: str | None = None) -> LakeObject:
        """Copy an object to a branch, from a ref (the branch itself unless told); no content is moved."""
        what = f"copy of {source_path!r} of {source_ref or branch!r} to {path!r} of {branch!r}"
        body = {"src_path": source_path, "src_ref": source_ref or branch}
        answer = self._call(what, "objects.copy_object", branch, path, body)
        with self._errors(what):
            return LakeObject.of(answer)

    def delete(self, branch: str, path: str) -> None:
        """Delete an object from a branch; fine if there is none."""
        with suppress(Absent):
            self._call(f"object {path!r} of {branch!r}", "objects.delete_object", branch, path)

    def delete_many(self, branch: str, paths: Iterable[str]) -> int:
        """Delete objects from a branch, a thousand a request; how many paths; fine for absent ones.

        Raises Misconfigured with the first refusals if the server would not delete some of them.
        """
        what, count, wanted = f"objects of {branch!r}", 0, iter(paths)
        while some := list(islice(wanted, _AT_ONCE)):
            answer = self._call(what, "objects.delete_objects", branch, {"paths": some})
            with self._errors(what):
                refused = [error for error in answer["errors"] if error["status_code"] != 404]
                told = [f"{error.get('path')!r}: {error['message']}" for error in refused[:10]]
            if refused:
                raise Misconfigured(f"{len(refused)} {what} cannot be deleted: {'; '.join(told)}")
            count += len(some)
        return count


class _SourceFailed(Exception):
    """What was to be sent could not be read: no fault of the lake."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


class _Sent:
    """A stream that is sent: its blocks, and what is known of them so far."""

    def __init__(self, content: BinaryIO, expected: int | None) -> None:
        self._content = content
        self._md5 = BackgroundHash("md5")
        self.expected = expected
        self.size = 0

    def __iter__(self) -> Iterator[bytes]:
        while block := self._next():
            self.size += len(block)
            self._md5.update(block)
            yield block
        if self.size < (self.expected or 0):
            raise _SourceFailed(Transient(f"{self._content!r} became shorter while it was sent"))

    def _next(self) -> bytes:
        left = _BLOCK if self.expected is None else min(_BLOCK, self.expected - self.size)
        try:
            return self._content.read(left)
        except Exception as error:
            raise _SourceFailed(error) from error

    @property
    def md5(self) -> str:
        return self._md5.hexdigest()


class _Ranges(io.RawIOBase):
    """An object as a raw file: what is read is asked for by its range."""

    def __init__(self, objects: Objects, ref: str, found: LakeObject) -> None:
        self._objects = objects
        self._ref = ref
        self._found = found
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = (0, self._at, self._found.size)[whence] + offset
        return self._at

    def readinto(self, buffer: Any) -> int:
        wanted = min(len(buffer), self._found.size - self._at)
        if wanted <= 0:
            return 0
        content = self._objects.read(self._ref, self._found.path, self._at, self._at + wanted - 1)
        buffer[: len(content)] = content
        self._at += len(content)
        return len(content)
