"""Actions: webhooks refuse changes or follow them, and their runs are listed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.support.contract import Answer, Wire
from tests.support.webhooks import OK, Receiver, run_receiver

EVENTS = ("prepare-commit", *(f"{m}-{name}" for m in ("pre", "post") for name in ("commit", "merge")))


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with run_receiver() as running:
        yield running


def action(receiver: Receiver, *events: str, name: str = "Checks", **properties: Any) -> str:
    hook = {
        "id": "check",
        "type": "webhook",
        "properties": {"url": f"{receiver.url}/hook?fixed=1", **properties},
    }
    return yaml.safe_dump({"name": name, "on": dict.fromkeys(events), "hooks": [hook]})


def install(wire: Wire, content: str, branch: str = "main") -> Answer:
    """Commit an action file; the commit is already subject to it."""
    put(wire, "_lakefs_actions/checks.yaml", content, branch)
    return wire.post(f"/branches/{branch}/commits", {"message": "actions"})


def put(wire: Wire, path: str, content: str, branch: str = "main") -> None:
    answer = wire.post(f"/branches/{branch}/objects", content=content.encode(), path=path)
    assert answer.status == 201, answer


def no(body: dict[str, Any], _: str) -> tuple[int, bytes, dict[str, str]]:
    return (403, b"no: " + b"x" * 1000, {}) if body["event_type"].startswith("pre-") else OK


@pytest.mark.endpoint("commit", "list_repository_runs", "get_run")
def test_a_commit_is_checked_before_and_reported_after(wire: Wire, receiver: Receiver) -> None:
    made = install(wire, action(receiver, "prepare-commit", "pre-commit", "post-commit"))
    assert made.status == 201
    prepare, before, after = receiver.wait(3)
    common = {
        "action_name": "Checks",
        "hook_id": "check",
        "repository_id": wire.below.rpartition("/")[2],
        "branch_id": "main",
        "commit_message": "actions",
        "committer": made.body["committer"],
    }
    for body, kind, source in (
        (prepare, "prepare-commit", "main"),
        (before, "pre-commit", "main"),
        (after, "post-commit", made.body["id"]),
    ):
        assert body.pop("event_time").endswith("Z")
        assert body.pop("commit_id", source) == source
        assert body == {**common, "event_type": kind, "source_ref": source}
    runs = wire.get("/actions/runs", commit=made.body["id"]).body["results"]
    assert {run["event_type"] for run in runs} >= {"pre-commit"}
    assert {(run["status"], run["branch"]) for run in runs} == {("completed", "main")}
    assert wire.get(f"/actions/runs/{runs[0]['run_id']}").body == runs[0]


@pytest.mark.endpoint("commit", "get_run", "list_run_hooks", "get_run_hook_output")
def test_a_hook_that_fails_refuses_a_commit(wire: Wire, receiver: Receiver) -> None:
    receiver.reply = no
    answer = install(wire, action(receiver, "pre-commit"))
    assert (answer.refused, len(wire.get("/refs/main/commits").body["results"])) == (412, 1)
    [run] = wire.get("/actions/runs", branch="main").body["results"]
    assert f"pre-commit hook aborted, run id '{run['run_id']}'" in answer.body["message"]
    assert "status code: 403" in answer.body["message"]
    assert (run["status"], run["event_type"]) == ("failed", "pre-commit")
    hooks = wire.get(f"/actions/runs/{run['run_id']}/hooks")
    assert [(row["hook_id"], row["action"], row["status"]) for row in hooks.body["results"]] == [
        ("check", "Checks", "failed")
    ]
    [hook] = hooks.body["results"]
    output = wire.get(f"/actions/runs/{run['run_id']}/hooks/{hook['hook_run_id']}/output")
    assert (output.status, b"403" in output.body) == (200, True)
    assert wire.get("/refs/main/objects/ls").paths == ["_lakefs_actions/checks.yaml"]


@pytest.mark.endpoint("merge_into_branch")
def test_a_merge_is_checked_with_the_actions_of_its_source(wire: Wire, receiver: Receiver) -> None:
    wire.post("/branches", {"name": "dev", "source": "main"})
    head = install(wire, action(receiver, "pre-merge", "post-merge"), "dev").body["id"]
    receiver.reply = no
    assert wire.post("/refs/dev/merge/main", {}).refused == 412
    assert wire.get("/refs/main/objects/ls").paths == []
    receiver.reply = lambda _body, _path: OK
    merged = wire.post("/refs/dev/merge/main", {"message": "publish"}).body["reference"]
    _, before, after = receiver.wait(3)
    assert (before["source_ref"], before["commit_id"]) == (head, merged)
    assert (after["source_ref"], after["commit_id"]) == (merged, merged)
    for body in (before, after):
        assert (body["branch_id"], body["merge_source"]) == ("main", "dev")
        assert body["commit_message"] == "publish"
    assert wire.get("/branches/main").body["commit_id"] == merged


@pytest.mark.endpoint("create_branch", "delete_branch", "create_tag", "delete_tag")
def test_branches_and_tags_have_hooks(wire: Wire, receiver: Receiver) -> None:
    kinds = [f"{verb}-{what}" for verb in ("create", "delete") for what in ("branch", "tag")]
    install(wire, action(receiver, *(f"{m}-{kind}" for m in ("pre", "post") for kind in kinds)))
    receiver.reply = no
    assert wire.post("/branches", {"name": "b", "source": "main"}).refused == 412
    assert wire.post("/tags", {"id": "t", "ref": "main"}).refused == 412
    assert (wire.get("/branches/b").refused, wire.get("/tags/t").refused) == (404, 404)
    receiver.reply = lambda _body, _path: OK
    receiver.bodies.clear()
    assert wire.post("/branches", {"name": "b", "source": "main"}).status == 201
    assert wire.post("/tags", {"id": "t", "ref": "main"}).status == 201
    receiver.reply = no
    assert wire.delete("/branches/b").refused == 412
    assert wire.delete("/tags/t").refused == 412
    receiver.reply = lambda _body, _path: OK
    assert wire.delete("/branches/b").status == 204
    assert wire.delete("/tags/t").status == 204
    assert len(receiver.wait(10)) == 10
    head = wire.get("/branches/main").body["commit_id"]
    created = {body["event_type"]: body for body in receiver.bodies}
    shown = [(body.get("branch_id"), body.get("tag_id")) for body in receiver.bodies]
    assert set(shown) == {("b", None), (None, "t")}
    assert created["pre-create-branch"]["source_ref"] == "main"
    assert created["post-create-tag"]["source_ref"] == created["pre-delete-tag"]["commit_id"] == head


@pytest.mark.endpoint("revert_branch", "cherry_pick")
def test_reverts_and_picks_have_hooks(wire: Wire, receiver: Receiver) -> None:
    kinds = ("pre-revert", "post-revert", "pre-cherry-pick", "post-cherry-pick")
    install(wire, action(receiver, *kinds))
    put(wire, "a", "1")
    commit = wire.post("/branches/main/commits", {"message": "a"}).body["id"]
    assert wire.post("/branches/main/revert", {"ref": commit, "parent_number": 0}).status == 204
    assert wire.post("/branches/main/cherry-pick", {"ref": commit}).status == 201
    receiver.wait(4)
    assert sorted(receiver.events) == sorted(kinds)


@pytest.mark.endpoint("commit")
def test_a_hook_that_follows_never_fails_the_change(wire: Wire, receiver: Receiver) -> None:
    receiver.reply = lambda _body, _path: (500, b"", {})
    assert install(wire, action(receiver, "post-commit")).status == 201
    receiver.wait(1)


@pytest.mark.endpoint("commit")
def test_only_a_status_of_200_to_299_lets_a_change_pass(wire: Wire, receiver: Receiver) -> None:
    receiver.reply = lambda _body, _path: (300, b"", {})
    assert install(wire, action(receiver, "pre-commit")).refused == 412
    receiver.reply = lambda _body, _path: (204, b"", {})
    assert wire.post("/branches/main/commits", {"message": "m"}).status == 201


@pytest.mark.endpoint("commit")
def test_headers_and_the_query_are_sent(wire: Wire, receiver: Receiver) -> None:
    given: dict[str, Any] = {"headers": {"X-Team": "data"}, "query_params": {"a": "1", "b": ["2", "3"]}}
    assert install(wire, action(receiver, "pre-commit", **given)).status == 201
    assert receiver.headers[0]["X-Team"] == "data"
    assert receiver.headers[0]["Content-Type"] == "application/json"
    assert sorted(receiver.paths[0].partition("?")[2].split("&")) == ["a=1", "b=2", "b=3", "fixed=1"]


@pytest.mark.endpoint("commit")
def test_actions_run_for_the_branches_that_they_name(wire: Wire, receiver: Receiver) -> None:
    receiver.reply = no
    text = action(receiver, "pre-commit").replace("pre-commit: null", "pre-commit: {branches: ['ma*']}")
    assert install(wire, text).refused == 412
    wire.put("/branches/main", {"type": "reset"})
    wire.post("/branches", {"name": "dev", "source": "main"})
    assert install(wire, text, "dev").status == 201


@pytest.mark.endpoint("list_run_hooks", "get_run_hook_output")
def test_a_hook_after_a_failed_one_is_skipped_unless_it_wants_failures(
    wire: Wire, receiver: Receiver
) -> None:
    url = {"url": receiver.url}
    hooks = [
        {"id": "first", "type": "webhook", "properties": {"url": f"{receiver.url}/bad"}},
        {"id": "second", "type": "webhook", "properties": url},
        {"id": "alarm", "type": "webhook", "if": "failure() && !success()", "properties": url},
    ]
    receiver.reply = lambda _body, path: (500, b"", {}) if path == "/bad" else OK
    text = yaml.safe_dump({"name": "Chain", "on": {"pre-commit": None}, "hooks": hooks})
    assert install(wire, text).refused == 412
    [run] = wire.get("/actions/runs").body["results"]
    rows = wire.get(f"/actions/runs/{run['run_id']}/hooks").body["results"]
    assert [row["status"] for row in rows] == ["failed", "skipped", "completed"]
    assert [body["hook_id"] for body in receiver.bodies] == ["first", "alarm"]
    below = f"/actions/runs/{run['run_id']}/hooks"
    assert wire.get(f"{below}/{rows[1]['hook_run_id']}/output").status == 200


@pytest.mark.endpoint("list_repository_runs", "get_run", "list_run_hooks", "get_run_hook_output")
def test_without_actions_there_are_no_runs(wire: Wire) -> None:
    wire.post("/branches/main/commits", {"message": "m", "allow_empty": True})
    answer = wire.get("/actions/runs")
    assert (answer.status, answer.body["results"], answer.page) == (200, [], (0, False, ""))
    assert wire.get("/actions/runs/none").refused == 404
    assert wire.get("/actions/runs/none/hooks/0000_0000/output").refused == 404
    assert wire.get("/actions/runs", branch="main", commit="a").refused == 400
