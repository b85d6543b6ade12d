"""HTTP's `Range` header (RFC 9110, section 14.2) as lakeFS supports it: one range of bytes."""

from __future__ import annotations

import re

from include.platform.embedded.lakefs.errors import BadRequest, NotSatisfiable

_VALID = re.compile(r"bytes=(\d{0,18}-\d{0,18},? ?)+", re.ASCII)
_ONE = re.compile(r"bytes=(\d*)-(\d*) ?", re.ASCII)


def content_range(header: str, size: int) -> tuple[int, int]:
    """Return the positions of the first and last byte that a header requests.

    Raises BadRequest if the header is not a range of bytes; NotSatisfiable if none of these bytes exists or,
    as in lakeFS, if it has several ranges.
    """
    if not _VALID.fullmatch(header):
        raise BadRequest(f"Range {header!r} is not valid: allowed are 'bytes=1-5', 'bytes=5-', 'bytes=-5'")
    match = _ONE.fullmatch(header)
    begin, end = match.groups() if match else ("", "")
    if begin:
        first, last = int(begin), min(int(end), size - 1) if end else size - 1
    else:
        first, last = (max(0, size - int(end)) if end else size), size - 1
    if first > last:
        raise NotSatisfiable(header, size)
    return first, last
