"""Listing objects: order, pages, prefixes, delimiters."""

from __future__ import annotations

import pytest

from tests.support.contract import Wire
from tests.support.repo import Repo

LIST = "/refs/main/objects/ls"
PATHS = ["a", "b/1", "b/2", "b/3/x", "c", "d/1", "d1", "z z", "é/ü"]


@pytest.fixture
def shelf(repo: Repo, wire: Wire) -> Wire:
    """A repository with committed, staged, and again deleted objects."""
    for path in [*PATHS[:5], "b/gone"]:
        repo.put(path)
    repo.commit()
    for path in PATHS[5:]:
        repo.put(path)
    repo.delete("b/gone")
    return wire


@pytest.mark.endpoint("list_objects")
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, PATHS),
        ({"amount": 0}, PATHS),
        ({"amount": -1}, PATHS),
        ({"prefix": "b/"}, ["b/1", "b/2", "b/3/x"]),
        ({"prefix": "none"}, []),
        ({"after": "b/1"}, PATHS[2:]),
        ({"prefix": "b/", "after": "a"}, ["b/1", "b/2", "b/3/x"]),
        ({"prefix": "b/", "after": "c"}, []),
        ({"delimiter": "/"}, ["a", "b/", "c", "d/", "d1", "z z", "é/"]),
        ({"delimiter": "/", "after": "b/"}, ["c", "d/", "d1", "z z", "é/"]),
        ({"delimiter": "/", "after": "b"}, ["b/", "c", "d/", "d1", "z z", "é/"]),
        ({"delimiter": "/", "after": "b/1"}, ["b/", "c", "d/", "d1", "z z", "é/"]),
        ({"delimiter": "/", "prefix": "b"}, ["b/"]),
        ({"delimiter": "/", "prefix": "b/"}, ["b/1", "b/2", "b/3/"]),
        ({"delimiter": "3/"}, ["a", "b/1", "b/2", "b/3/", "c", "d/1", "d1", "z z", "é/ü"]),
    ],
)
def test_a_listing_is_in_order_of_bytes(shelf: Wire, query: dict[str, str], expected: list[str]) -> None:
    answer = shelf.get(LIST, **query)
    assert (answer.paths, answer.page) == (expected, (len(expected), False, ""))


@pytest.mark.endpoint("list_objects")
@pytest.mark.parametrize("delimiter", ["", "/"])
@pytest.mark.parametrize("amount", [1, 2, 3])
def test_pages_make_up_the_whole(shelf: Wire, delimiter: str, amount: int) -> None:
    whole = shelf.get(LIST, delimiter=delimiter).paths
    found: list[str] = []
    more, after = True, ""
    while more:
        answer = shelf.get(LIST, delimiter=delimiter, amount=amount, after=after)
        _, more, after = answer.page
        assert after == (answer.paths[-1] if more else "")
        found += answer.paths
    assert found == whole


@pytest.mark.endpoint("list_objects")
def test_a_row_tells_what_is_known_of_the_object(shelf: Wire) -> None:
    row = shelf.get(LIST, amount=1).body["results"][0]
    assert row.items() >= {"path": "a", "path_type": "object", "size_bytes": 1}.items()
    known = shelf.get("/refs/main/objects/stat", path="a").body
    assert [row[key] for key in ("checksum", "mtime", "content_type")] == [
        known[key] for key in ("checksum", "mtime", "content_type")
    ]


@pytest.mark.endpoint("list_objects")
def test_a_row_of_a_prefix_is_told_apart(shelf: Wire) -> None:
    row = shelf.get(LIST, delimiter="/", prefix="b").body["results"][0]
    assert (row["path"], row["path_type"], row["checksum"]) == ("b/", "common_prefix", "")


@pytest.mark.endpoint("list_objects")
def test_metadata_of_the_user_is_listed_unless_unwanted(wire: Wire) -> None:
    wire.post("/branches/main/objects", content=b"x", path="a", headers={"x-lakefs-meta-k": "v"})
    rows = [wire.get(LIST, user_metadata=wanted).body["results"][0] for wanted in (True, False)]
    assert [row.get("metadata", {}) for row in rows] == [{"k": "v"}, {}]


@pytest.mark.endpoint("list_objects")
def test_an_object_without_metadata_has_no_key_for_it(shelf: Wire) -> None:
    assert not any("metadata" in row for row in shelf.get(LIST).body["results"])


@pytest.mark.endpoint("list_objects")
@pytest.mark.parametrize("query", [{"amount": 1001}, {"amount": -2}, {"amount": "x"}, {"presign": True}])
def test_a_listing_that_makes_no_sense_is_refused(shelf: Wire, query: dict[str, object]) -> None:
    assert shelf.get(LIST, **query).refused == 400
    assert shelf.get(LIST.replace("main", "absent")).refused == 404


@pytest.mark.endpoint("list_objects")
@pytest.mark.parametrize("amount", ["%0D0", "%205", "1_0", "1.0", "1e1", "0x5", "", "5&amount=6", "1001"])
def test_an_amount_is_one_whole_number(wire: Wire, amount: str) -> None:
    assert wire.get(f"{LIST}?amount={amount}").status == 400
    assert wire.get(f"{LIST}?amount=%2B5").status == 200


@pytest.mark.endpoint("log_commits")
def test_paths_of_a_log_may_be_several(wire: Wire) -> None:
    assert wire.get("/refs/main/commits?objects=a&objects=b&prefixes=c&prefixes=d").status == 200
