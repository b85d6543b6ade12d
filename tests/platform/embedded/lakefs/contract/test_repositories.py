"""Repositories: names, listing, metadata, read-only ones, branch protection."""

from __future__ import annotations

import time
from collections.abc import Iterator
from uuid import uuid4

import pytest

from tests.support.contract import Wire


@pytest.fixture
def names(lakefs: Wire) -> Iterator[list[str]]:
    """Two new names, sorted; repositories with these names are deleted at the end."""
    stem = f"contract-{uuid4().hex[:12]}"
    made = [f"{stem}-a", f"{stem}-b"]
    yield made
    for name in made:
        lakefs.delete(f"/repositories/{name}", force=True)


def create(lakefs: Wire, name: str, **fields: object) -> dict[str, object]:
    answer = lakefs.post("/repositories", {"name": name, "storage_namespace": f"local://{name}", **fields})
    assert answer.status == 201, answer
    return dict(answer.body)


@pytest.mark.endpoint("create_repository", "get_repository")
def test_a_repository_begins_with_one_commit_on_its_default_branch(lakefs: Wire, names: list[str]) -> None:
    made = create(lakefs, names[0])
    assert made.pop("creation_date") == pytest.approx(time.time(), abs=60)
    assert made == {
        "id": names[0],
        "default_branch": "main",
        "storage_id": "",
        "storage_namespace": f"local://{names[0]}",
        "read_only": False,
    }
    assert lakefs.get(f"/repositories/{names[0]}").body.items() >= made.items()
    commits = lakefs.get(f"/repositories/{names[0]}/refs/main/commits")
    assert [(row["message"], row["parents"]) for row in commits.body["results"]] == [
        ("Repository created", [])
    ]


@pytest.mark.endpoint("create_repository")
def test_the_default_branch_can_be_named(lakefs: Wire, names: list[str]) -> None:
    assert create(lakefs, names[0], default_branch="trunk")["default_branch"] == "trunk"
    assert lakefs.get(f"/repositories/{names[0]}/branches").ids == ["trunk"]


@pytest.mark.endpoint("create_repository")
def test_a_bare_repository_has_no_branch(lakefs: Wire, names: list[str]) -> None:
    body = {"name": names[0], "storage_namespace": f"local://{names[0]}"}
    assert lakefs.post("/repositories", body, bare=True).status == 201
    assert lakefs.get(f"/repositories/{names[0]}/branches").ids == []


@pytest.mark.endpoint("create_repository")
def test_sample_data_is_one_commit_on_a_protected_branch(lakefs: Wire, names: list[str]) -> None:
    create(lakefs, names[0], sample_data=True)
    own = lakefs.under("repositories", names[0])
    paths = own.get("/refs/main/objects/ls").paths
    assert {"README.md", "lakes.parquet", "data/lakes.source.md"} <= set(paths)
    assert b"PAR1" in own.get("/refs/main/objects", path="lakes.parquet").body[:4]
    messages = [row["message"] for row in own.get("/refs/main/commits").body["results"]]
    assert messages == ["Add sample data", "Repository created"]
    assert own.get("/branches/main/diff").paths == []
    assert own.get("/settings/branch_protection").body == [{"pattern": "main"}]
    assert own.post("/branches/main/objects", content=b"x", path="a").refused == 403


@pytest.mark.endpoint("create_repository")
@pytest.mark.parametrize(
    "other", [{"storage_namespace": "foo"}, {"sample_data": True}, {"storage_id": "none"}]
)
def test_a_name_that_is_taken_is_found_first(
    lakefs: Wire, names: list[str], other: dict[str, object]
) -> None:
    create(lakefs, names[0])
    body = {"name": names[0], "storage_namespace": f"local://{names[1]}", **other}
    assert lakefs.post("/repositories", body).refused == 409


@pytest.mark.endpoint("create_repository")
def test_a_store_that_does_not_exist_is_refused(lakefs: Wire, names: list[str]) -> None:
    body = {"name": names[0], "storage_namespace": f"local://{names[0]}", "storage_id": "none"}
    assert lakefs.post("/repositories", body).refused == 400


@pytest.mark.endpoint("create_repository")
@pytest.mark.parametrize("name", ["ab", "Abc", "-abc", "a_c", "a.c", "a" * 64, "", "a c", "ä-b-c"])
def test_names_of_repositories_follow_the_rule(lakefs: Wire, name: str) -> None:
    body = {"name": name, "storage_namespace": f"local://{uuid4().hex}"}
    assert lakefs.post("/repositories", body).refused == 400


@pytest.mark.endpoint("create_repository")
@pytest.mark.parametrize("namespace", ["foo", "", "s3://bucket", None, 1])
def test_a_namespace_names_the_servers_storage(lakefs: Wire, namespace: object) -> None:
    body = {"name": f"contract-{uuid4().hex[:12]}", "storage_namespace": namespace}
    assert lakefs.post("/repositories", body).refused == 400


@pytest.mark.endpoint("create_repository")
def test_a_name_and_a_namespace_are_taken_once(lakefs: Wire, names: list[str]) -> None:
    create(lakefs, names[0])
    again = {"name": names[0], "storage_namespace": f"local://{names[1]}"}
    assert lakefs.post("/repositories", again).refused == 409
    shared = {"name": names[1], "storage_namespace": f"local://{names[0]}"}
    assert lakefs.post("/repositories", shared).refused == 400


@pytest.mark.endpoint("create_repository")
@pytest.mark.parametrize("body", [b"{", b"[]", b"", b'"x"', b'{"name": 1}'])
def test_a_body_that_breaks_the_specification_is_refused(lakefs: Wire, body: bytes) -> None:
    sent = {"Content-Type": "application/json"}
    assert lakefs.post("/repositories", content=body, headers=sent).refused == 400


@pytest.mark.endpoint("list_repositories")
def test_repositories_are_listed_in_pages(lakefs: Wire, names: list[str]) -> None:
    for name in names:
        create(lakefs, name)
    stem = names[0][:-2]
    first = lakefs.get("/repositories", prefix=stem, amount=1)
    assert (first.ids, first.page) == ([names[0]], (1, True, names[0]))
    second = lakefs.get("/repositories", prefix=stem, amount=1, after=names[0])
    assert (second.ids, second.page) == ([names[1]], (1, False, ""))
    assert lakefs.get("/repositories", search=stem[12:]).ids == names
    assert lakefs.get("/repositories", prefix=stem[1:]).ids == []


@pytest.mark.endpoint("list_repositories")
@pytest.mark.parametrize("amount", ["-2", "1001", "x", "1.5"])
def test_an_amount_is_at_most_a_thousand(lakefs: Wire, amount: str) -> None:
    assert lakefs.get("/repositories", amount=amount).refused == 400


@pytest.mark.endpoint("get_repository", "delete_repository")
def test_a_deleted_repository_is_gone(lakefs: Wire, names: list[str]) -> None:
    create(lakefs, names[0])
    below = f"/repositories/{names[0]}"
    assert lakefs.delete(below).status == 204
    assert [lakefs.get(below).refused, lakefs.delete(below).refused] == [404, 404]
    assert lakefs.get(f"{below}/branches").refused == 404
    assert lakefs.get("/repositories/No_Valid").refused == 400


@pytest.mark.endpoint("get_repository_metadata", "set_repository_metadata", "delete_repository_metadata")
def test_metadata_of_a_repository_is_merged_and_deleted_by_key(wire: Wire) -> None:
    assert wire.get("/metadata").body == {}
    assert wire.post("/metadata", {"metadata": {"a": "1", "b": "2"}}).status == 204
    assert wire.post("/metadata", {"metadata": {"b": "3"}}).status == 204
    assert wire.get("/metadata").body == {"a": "1", "b": "3"}
    assert wire.delete("/metadata", {"keys": ["a", "absent"]}).status == 204
    assert wire.get("/metadata").body == {"b": "3"}
    assert wire.post("/metadata", {"metadata": {"b": 3}}).refused == 400


@pytest.mark.endpoint("create_repository", "delete_repository")
def test_a_read_only_repository_takes_no_writes(lakefs: Wire, names: list[str]) -> None:
    assert create(lakefs, names[0], read_only=True)["read_only"] is True
    own = lakefs.under("repositories", names[0])
    refused = [
        own.post("/branches", {"name": "b", "source": "main"}),
        own.post("/tags", {"id": "t", "ref": "main"}),
        own.post("/branches/main/objects", content=b"x", path="a"),
        own.delete("/branches/main/objects", path="a"),
        own.post("/branches/main/commits", {"message": "m", "allow_empty": True}),
        own.delete(),
    ]
    assert [answer.refused for answer in refused] == [403] * 6
    assert own.get("/refs/main/objects/ls").paths == []
    assert own.delete(force=True).status == 204


@pytest.mark.endpoint("get_branch_protection_rules", "set_branch_protection_rules")
def test_rules_of_protection_are_replaced_as_a_whole(wire: Wire) -> None:
    rules = "/settings/branch_protection"
    assert wire.get(rules).body == []
    assert wire.put(rules, [{"pattern": "main"}, {"pattern": "stable_*"}]).status == 204
    found = wire.get(rules)
    assert sorted(rule["pattern"] for rule in found.body) == ["main", "stable_*"]
    assert wire.put(rules, [], headers={"If-Match": "stale"}).refused == 412
    assert wire.put(rules, [], headers={"If-Match": found.headers["ETag"]}).status == 204
    assert wire.get(rules).body == []
    assert wire.put(rules, [{"pattern": ""}]).refused == 400


@pytest.mark.endpoint(
    "set_branch_protection_rules", "upload_object", "delete_object", "commit", "reset_branch"
)
def test_a_protected_branch_changes_by_merges_only(wire: Wire) -> None:
    wire.put("/settings/branch_protection", [{"pattern": "ma*"}])  # before the branch is used: lakeFS caches
    refused = [
        wire.post("/branches/main/objects", content=b"x", path="a"),
        wire.delete("/branches/main/objects", path="a"),
        wire.post("/branches/main/commits", {"message": "m", "allow_empty": True}),
        wire.put("/branches/main", {"type": "reset"}),
    ]
    assert [answer.refused for answer in refused] == [403] * 4
    wire.post("/branches", {"name": "dev", "source": "main"})
    assert wire.post("/branches/dev/objects", content=b"x", path="a").status == 201
    assert wire.post("/branches/dev/commits", {"message": "m"}).status == 201
    assert wire.post("/refs/dev/merge/main", {}).status == 200
    assert wire.get("/refs/main/objects/ls").paths == ["a"]


@pytest.mark.endpoint("list_pull_requests", "get_gc_rules")
def test_a_new_repository_has_no_pull_requests_and_no_rules_of_collection(wire: Wire) -> None:
    answer = wire.get("/pulls")
    assert (answer.status, answer.ids, answer.page) == (200, [], (0, False, ""))
    assert wire.get("/settings/gc_rules").refused == 404


@pytest.mark.endpoint("delete_objects")
def test_deleting_many_tells_what_a_protection_refused(wire: Wire) -> None:
    wire.put("/settings/branch_protection", [{"pattern": "main"}])
    answer = wire.post("/branches/main/objects/delete", {"paths": ["a", "b"]})
    assert answer.status == 200
    assert [(row["path"], row["status_code"]) for row in answer.body["errors"]] == [("a", 403), ("b", 403)]
