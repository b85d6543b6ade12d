"""The body of an upload, raw or as a form, is read once; an incomplete one is always detected."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from include.platform.embedded.lakefs.errors import BadRequest
from include.platform.embedded.lakefs.uploads import receive

FORM = "multipart/form-data; boundary=b"


class Sent:
    """The parts of a request that an upload uses."""

    def __init__(self, kind: str, *chunks: bytes) -> None:
        self.headers = Headers({"content-type": kind})
        self._chunks = chunks

    async def stream(self) -> AsyncIterator[bytes]:
        for chunk in self._chunks:
            yield chunk


def received(kind: str, *chunks: bytes) -> tuple[str, bytes]:
    """Return type and content as the store receives them."""
    written: list[bytes] = []

    def write(pieces: Iterable[bytes]) -> None:
        written.extend(pieces)

    found = asyncio.run(receive(Sent(kind, *chunks), write))  # type: ignore[arg-type]
    return found, b"".join(written)


def part(name: str, content: bytes, kind: str = "") -> bytes:
    header = f'--b\r\nContent-Disposition: form-data; name="{name}"; filename="x"\r\n'
    return (header + (f"Content-Type: {kind}\r\n" if kind else "") + "\r\n").encode() + content + b"\r\n"


@given(st.binary(max_size=300).filter(lambda content: b"--b" not in content), st.lists(st.integers(0, 500)))
def test_a_form_may_be_cut_anywhere(content: bytes, cuts: list[int]) -> None:
    body = part("other", b"no") + part("content", content, "text/csv") + part("content", b"no") + b"--b--\r\n"
    edges = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]
    chunks = [body[first:last] for first, last in pairwise(edges)]
    assert received(FORM, *chunks) == ("text/csv", content)


def test_a_raw_body_is_taken_as_it_is() -> None:
    large = [bytes([number]) * 700_000 for number in range(5)]
    assert received("text/csv", *large) == ("text/csv", b"".join(large))


def test_a_part_without_a_type_gets_the_usual_one() -> None:
    assert received(FORM, part("content", b"1") + b"--b--") == ("application/octet-stream", b"1")


@pytest.mark.parametrize(
    ("kind", "body", "message"),
    [
        ("multipart/form-data", b"", "without a boundary"),
        (FORM, b"", "incomplete"),
        (FORM, part("content", b"half"), "incomplete"),
        (FORM, part("other", b"1") + b"--b--", "missing key 'content'"),
        (FORM, b"no form at all", "cannot be read"),
        (f"multipart/form-data; boundary={'b' * 300}", b"", "cannot be read"),
    ],
)
def test_a_form_that_is_incomplete_or_empty_is_refused(kind: str, body: bytes, message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        received(kind, body)


def test_an_error_of_the_store_reaches_the_caller() -> None:
    def write(pieces: Iterable[bytes]) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        asyncio.run(receive(Sent("a/b", *[bytes(1 << 20)] * 3), write))  # type: ignore[arg-type]
