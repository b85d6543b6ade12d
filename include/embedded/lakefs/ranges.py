"""The `Range` header of HTTP (RFC 9110, section 14.2), for one range of bytes."""

from __future__ import annotations

import re

from include.embedded.lakefs.errors import ApiError

_ONE = re.compile(r"bytes=(\d*)-(\d*)")


def content_range(header: str, size: int) -> tuple[int, int] | None:
    """The first and last byte asked for, or None where the header is to be ignored.

    Raises an answer 416 if nothing of the range exists.
    """
    match = _ONE.fullmatch(header.strip())
    if match is None or match[0] == "bytes=-":
        return None
    begin, end = match[1], match[2]
    first = int(begin) if begin else max(0, size - int(end))
    last = min(int(end), size - 1) if begin and end else size - 1
    if begin and end and int(end) < int(begin):
        return None
    if first >= size or (not begin and int(end) == 0):
        raise ApiError(f"range {header!r} is outside of the object's {size} bytes", 416)
    return first, last
