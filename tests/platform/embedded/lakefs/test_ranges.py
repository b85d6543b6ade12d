"""The `Range` header, for objects of ten bytes and of none."""

from __future__ import annotations

import pytest

from include.platform.embedded.lakefs.errors import BadRequest, NotSatisfiable
from include.platform.embedded.lakefs.ranges import content_range


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-9", (0, 9)),
        ("bytes=3-3", (3, 3)),
        ("bytes=9-", (9, 9)),
        ("bytes=-1", (9, 9)),
        ("bytes=-99", (0, 9)),
        ("bytes=5-500", (5, 9)),
    ],
)
def test_one_range_is_cut_to_the_object(header: str, expected: tuple[int, int]) -> None:
    assert content_range(header, 10) == expected


@pytest.mark.parametrize(
    ("header", "size"),
    [
        ("bytes=10-", 10),
        ("bytes=-0", 10),
        ("bytes=-", 10),
        ("bytes=4-2", 10),
        ("bytes=0-1,3-4", 10),
        ("bytes=0-", 0),
        ("bytes=-1", 0),
    ],
)
def test_a_range_without_a_byte_and_several_ranges_are_refused(header: str, size: int) -> None:
    with pytest.raises(NotSatisfiable) as caught:
        content_range(header, size)
    assert (header in str(caught.value), caught.value.headers) == (True, {"Content-Range": f"bytes */{size}"})


@pytest.mark.parametrize("header", ["", "lines=0-1", "bytes=a-b", "bytes=", "bytes=1", "bytes=²-"])
def test_what_is_no_range_is_told_what_is_allowed(header: str) -> None:
    with pytest.raises(BadRequest, match="allowed are 'bytes=1-5'"):
        content_range(header, 10)
