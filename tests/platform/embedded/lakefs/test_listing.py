"""Listings: prefix, delimiter, pages, and the order of paths."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from include.platform.embedded.lakefs.listing import after
from include.platform.embedded.lakefs.tree import Entry
from tests.support.repo import Repo

PATHS = ["a", "a!", "a/", "a//b", "a/b", "a/c/d", "a0", "b/x", "b/y", "é/1"]


@pytest.fixture
def filled(repo: Repo) -> Repo:
    """Half of the paths committed, the others staged."""
    for path in PATHS[::2]:
        repo.put(path)
    repo.commit()
    for path in PATHS[1::2]:
        repo.put(path)
    return repo


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, PATHS),
        ({"prefix": "a/"}, ["a/", "a//b", "a/b", "a/c/d"]),
        ({"prefix": "a"}, ["a", "a!", "a/", "a//b", "a/b", "a/c/d", "a0"]),
        ({"prefix": "nowhere"}, []),
        ({"delimiter": "/"}, ["a", "a!", "a/", "a0", "b/", "é/"]),
        ({"delimiter": "/", "prefix": "a/"}, ["a/", "a//", "a/b", "a/c/"]),
        ({"delimiter": "/", "prefix": "a//"}, ["a//b"]),
        ({"delimiter": "/", "prefix": "b"}, ["b/"]),
        ({"after": "a/b"}, ["a/c/d", "a0", "b/x", "b/y", "é/1"]),
        ({"after": "a/aa"}, ["a/b", "a/c/d", "a0", "b/x", "b/y", "é/1"]),
        ({"after": "a/", "delimiter": "/"}, ["a0", "b/", "é/"]),
        ({"after": "a", "prefix": "b/"}, ["b/x", "b/y"]),
        ({"after": "c", "prefix": "b/"}, []),
    ],
)
def test_what_is_asked_is_listed_in_order(filled: Repo, asked: dict[str, str], expected: list[str]) -> None:
    assert filled.list(**asked) == expected


def test_a_common_prefix_is_told_from_an_object(filled: Repo) -> None:
    found = [(row.path, row.path_type) for row in filled.page(prefix="a/", delimiter="/").results]
    assert found == [
        ("a/", "object"),
        ("a//", "common_prefix"),
        ("a/b", "object"),
        ("a/c/", "common_prefix"),
    ]


@pytest.mark.parametrize("delimiter", ["", "/"])
@pytest.mark.parametrize("amount", [1, 2, 3, 10])
def test_pages_joined_are_the_listing(filled: Repo, delimiter: str, amount: int) -> None:
    seen: list[str] = []
    more, start = True, ""
    while more:
        page = filled.page(after=start, amount=amount, delimiter=delimiter)
        seen += [row.path for row in page.results]
        assert page.pagination.results == len(page.results) <= amount
        more, start = page.pagination.has_more, page.pagination.next_offset
    assert seen == filled.list(delimiter=delimiter)


def test_folders_are_skipped_and_not_read() -> None:
    paths = [f"{folder}/{number:04}" for folder in "abc" for number in range(1000)]
    read: list[str] = []

    def scan(start: str) -> Iterator[Entry]:
        for path in paths:
            if path >= start:
                read.append(path)
                yield Entry(path, "", 0, "", 0)

    assert list(after(scan, "", "/", "")) == ["a/", "b/", "c/"]
    assert read == ["a/0000", "b/0000", "c/0000"]
