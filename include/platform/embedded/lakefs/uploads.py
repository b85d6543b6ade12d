"""Reading the body of an upload, once and in constant memory.

While the event loop reads from the network, a thread hashes and writes what has arrived.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from include.platform.embedded.lakefs.errors import BadRequest

_BATCH_BYTES = 1 << 21
"""Amount that is passed to the thread at once."""

ANY_TYPE = "application/octet-stream"


async def receive(request: Request, write: Callable[[Sequence[bytes]], None]) -> str:
    """Pass the content of an upload to `write`, in order; return the content type.

    The body is the content itself, or a form whose part named `content` holds it (RFC 7578).
    """
    kind = request.headers.get("content-type", ANY_TYPE)
    if not kind.startswith("multipart/form-data"):
        await _pour(request.stream(), write)
        return content_type(kind)
    try:
        form = _Form(kind)
        await _pour(form.content(request.stream()), write)
    except FormParserError as error:
        raise BadRequest(f"multipart upload cannot be read: {error}") from error
    return content_type(form.content_type)


def content_type(text: str) -> str:
    """Return a content type; raises BadRequest if no response could have it as a header."""
    if not all(" " <= char <= "~" for char in text):
        raise BadRequest("the content type is not valid: it may consist of printable ASCII only")
    return text


async def _pour(chunks: AsyncIterator[bytes], write: Callable[[Sequence[bytes]], None]) -> None:
    batch: list[bytes] = []
    size = 0
    writing: asyncio.Future[None] | None = None
    try:
        async for chunk in chunks:
            batch.append(chunk)
            size += len(chunk)
            if size >= _BATCH_BYTES:
                if writing:
                    await writing
                writing = asyncio.ensure_future(run_in_threadpool(write, batch))
                batch, size = [], 0
    finally:
        if writing:  # even if the client has disconnected: the thread must not write to a closed file
            await asyncio.wait([writing])
    if writing:
        await writing
    await run_in_threadpool(write, batch)


class _Form:
    """A parser of a form while it arrives; only its first part named `content` is read."""

    def __init__(self, kind: str) -> None:
        _, options = parse_options_header(kind)
        if not options.get(b"boundary"):
            raise BadRequest("multipart upload without a boundary in its content type")
        self.content_type = ANY_TYPE
        self._headers: list[tuple[bytes, bytes]] = []
        self._pieces: list[bytes] = []
        self._inside = self._found = self._whole = False
        self._parser = MultipartParser(
            options[b"boundary"],
            {
                "on_part_begin": self._headers.clear,
                "on_header_begin": lambda: self._headers.append((b"", b"")),
                "on_header_field": self._name,
                "on_header_value": self._value,
                "on_headers_finished": self._look,
                "on_part_data": self._data,
                "on_end": self._end,
            },
        )

    async def content(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Yield the bytes of the part `content`; raise BadRequest if it is missing or incomplete."""
        async for chunk in chunks:
            self._parser.write(chunk)
            for piece in self._pieces:
                yield piece
            self._pieces.clear()
        if not self._whole:
            raise BadRequest("multipart upload is incomplete: its last boundary is missing")
        if not self._found:
            raise BadRequest("multipart upload missing key 'content'")

    def _name(self, data: bytes, start: int, end: int) -> None:
        self._headers[-1] = (self._headers[-1][0] + data[start:end], b"")

    def _value(self, data: bytes, start: int, end: int) -> None:
        name, value = self._headers[-1]
        self._headers[-1] = (name, value + data[start:end])

    def _look(self) -> None:
        headers = {name.lower(): value for name, value in self._headers}
        _, options = parse_options_header(headers.get(b"content-disposition"))
        self._inside = options.get(b"name") == b"content" and not self._found
        if self._inside:
            self._found = True
            self.content_type = headers.get(b"content-type", b"").decode("latin-1") or ANY_TYPE

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._inside:
            self._pieces.append(data[start:end])

    def _end(self) -> None:
        self._whole = True
