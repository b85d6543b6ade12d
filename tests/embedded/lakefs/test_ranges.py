"""The `Range` header: what is asked of ten bytes, or of none."""

from __future__ import annotations

import pytest

from include.embedded.lakefs.errors import ApiError
from include.embedded.lakefs.ranges import content_range


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-9", (0, 9)),
        (" bytes=3-3 ", (3, 3)),
        ("bytes=9-", (9, 9)),
        ("bytes=-1", (9, 9)),
        ("bytes=5-500", (5, 9)),
        ("bytes=-", None),
        ("bytes=4-2", None),
        ("bytes=0-1,3-4", None),
        ("lines=0-1", None),
        ("bytes=a-b", None),
    ],
)
def test_one_range_is_cut_to_the_object_and_everything_else_is_ignored(
    header: str, expected: tuple[int, int] | None
) -> None:
    assert content_range(header, 10) == expected


@pytest.mark.parametrize(
    ("header", "size"), [("bytes=10-", 10), ("bytes=-0", 10), ("bytes=0-", 0), ("bytes=-1", 0)]
)
def test_a_range_without_a_byte_is_refused(header: str, size: int) -> None:
    with pytest.raises(ApiError) as caught:
        content_range(header, size)
    assert (caught.value.status, header in str(caught.value)) == (416, True)
