"""Hooks of the embedded server: time limits, hooks that call back, and gates that cannot run."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import yaml

from include.exceptions import BadData, Misconfigured
from include.lake.client import Lake
from include.platform.embedded.lakefs import actions
from include.platform.embedded.lakefs.actions import ActionInvalid
from include.yaml_text import MAX_DEPTH
from tests.support.contract import Answer, Wire
from tests.support.lake import LakeServer
from tests.support.webhooks import OK, Receiver, Reply, run_receiver


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with run_receiver() as running:
        yield running


@pytest.fixture
def wire(lake_server: LakeServer, lake: Lake) -> Wire:
    return Wire(lake_server.connection).under("repositories", lake.repository)


def text(url: str, *events: str, kind: str = "webhook", **properties: Any) -> str:
    hook = {"id": "check", "type": kind, "properties": {"url": url, **properties}}
    return yaml.safe_dump({"name": "Checks", "on": dict.fromkeys(events), "hooks": [hook]})


def put(wire: Wire, path: str, content: str = "x", branch: str = "main") -> Answer:
    return wire.post(f"/branches/{branch}/objects", content=content.encode(), path=path)


def install(wire: Wire, content: str, path: str = "_lakefs_actions/checks.yaml") -> Answer:
    put(wire, path, content)
    return wire.post("/branches/main/commits", {"message": "actions"})


@pytest.mark.parametrize("drip", [False, True], ids=["silent", "byte by byte"])
def test_a_hook_that_does_not_answer_in_time_refuses(wire: Wire, drip: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor() as pool:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        answer = pool.submit(install, wire, text(url, "pre-commit", timeout="700ms"))
        server.settimeout(20)
        peer, _ = server.accept()
        with peer:
            started = time.monotonic()
            while drip and not answer.done() and time.monotonic() < started + 20:
                try:
                    peer.send(b"H")
                except OSError:
                    break
                time.sleep(0.1)
            assert answer.result(20).refused == 412
    assert "no answer within 0.7 s" in answer.result().body["message"]


def test_a_hook_that_nobody_answers_refuses(wire: Wire) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert install(wire, text(f"http://127.0.0.1:{port}", "pre-commit")).refused == 412


def test_hooks_call_the_server_back_while_it_waits_for_them(
    wire: Wire, receiver: Receiver, lake: Lake
) -> None:
    """More commits at once than the server has threads for other routes."""
    number = 45
    assert install(wire, text(receiver.url, "pre-commit")).status == 201
    for index in range(number):
        assert wire.post("/branches", {"name": f"b{index}", "source": "main"}).status == 201
        put(wire, "a", branch=f"b{index}")

    def call_back(body: dict[str, Any], _: str) -> Reply:
        branch = body["branch_id"]
        deadline = time.monotonic() + 20
        while len(receiver.bodies) < number + 1 and time.monotonic() < deadline:
            time.sleep(0.05)  # until all of them wait
        read = wire.get(f"/refs/{branch}/objects/ls").status
        written = put(wire, "seen", branch=branch).status
        return (200, b"", {}) if (read, written) == (200, 201) else (500, b"", {})

    receiver.reply = call_back
    with ThreadPoolExecutor(number) as pool:
        made = list(pool.map(lambda n: lake.commit(f"b{n}", "m", {}), range(number)))
    assert all(made)
    assert wire.get("/branches/b0/diff").paths == ["seen"]


def test_what_is_staged_while_a_hook_runs_stays_staged(wire: Wire, receiver: Receiver) -> None:
    assert install(wire, text(receiver.url, "pre-commit")).status == 201
    put(wire, "a", "old")
    put(wire, "b", "old")

    def write(body: dict[str, Any], path: str) -> Reply:
        put(wire, "a", "newer")
        return OK

    receiver.reply = write
    made = wire.post("/branches/main/commits", {"message": "m"}).body["id"]
    assert wire.get(f"/refs/{made}/objects", path="a").body == b"old"
    assert wire.get("/refs/main/objects", path="a").body == b"newer"
    assert wire.get("/branches/main/diff").paths == ["a"]


def test_a_hook_before_a_commit_may_add_to_it(wire: Wire, receiver: Receiver) -> None:
    receiver.reply = lambda _body, _path: OK if put(wire, "added").status == 201 else (500, b"", {})
    made = install(wire, text(receiver.url, "prepare-commit"))
    assert wire.get(f"/refs/{made.body['id']}/objects/ls").paths == ["_lakefs_actions/checks.yaml", "added"]
    assert wire.get("/branches/main/diff").paths == []


def test_a_merge_is_checked_again_when_its_branch_moves_meanwhile(wire: Wire, receiver: Receiver) -> None:
    wire.post("/branches", {"name": "dev", "source": "main"})
    put(wire, "_lakefs_actions/checks.yaml", text(receiver.url, "pre-merge"), branch="dev")
    wire.post("/branches/dev/commits", {"message": "dev"})

    def move(body: dict[str, Any], _: str) -> Reply:
        if len(receiver.bodies) == 1:
            wire.post("/branches/main/commits", {"message": "meanwhile", "allow_empty": True})
        return OK

    receiver.reply = move
    merged = wire.post("/refs/dev/merge/main", {}).body["reference"]
    assert [body["commit_id"] == merged for body in receiver.bodies] == [False, True]
    messages = [row["message"] for row in wire.get("/refs/main/commits").body["results"]]
    assert "meanwhile" in messages


def test_a_branch_that_keeps_moving_is_given_up(wire: Wire, receiver: Receiver) -> None:
    wire.post("/branches", {"name": "dev", "source": "main"})
    put(wire, "_lakefs_actions/checks.yaml", text(receiver.url, "pre-merge"), branch="dev")
    wire.post("/branches/dev/commits", {"message": "dev"})
    moved = {"message": "again", "allow_empty": True}
    receiver.reply = lambda _body, _path: (
        OK if wire.post("/branches/main/commits", moved).status == 201 else (500, b"", {})
    )
    assert wire.post("/refs/dev/merge/main", {}).refused == 429
    assert wire.get("/refs/main/objects/ls").paths == []


def test_a_redirect_is_not_followed_and_an_answer_is_quoted_briefly(wire: Wire, receiver: Receiver) -> None:
    receiver.reply = lambda _body, path: (
        (307, b"y" * 5000, {"Location": f"{receiver.url}/elsewhere"}) if path != "/elsewhere" else OK
    )
    answer = install(wire, text(f"{receiver.url}/here", "pre-commit"))
    assert (answer.refused, receiver.paths) == (412, ["/here"])
    [run] = wire.get("/actions/runs").body["results"]
    output = wire.get(f"/actions/runs/{run['run_id']}/hooks/0000_0000/output").body
    assert (output.count(b"y" * 200), b"y" * 201 in output) == (1, False)
    assert "yyy" not in answer.body["message"]


@pytest.mark.parametrize("kind", ["lua", "airflow"])
def test_a_hook_that_is_not_run_here_refuses_commits_and_merges(wire: Wire, kind: str) -> None:
    answer = install(wire, text("http://127.0.0.1:9", "post-create-tag", kind=kind))
    assert answer.refused == 501
    assert f"'check' of type '{kind}'" in answer.body["message"]
    assert wire.post("/branches", {"name": "dev", "source": "main"}).status == 201
    wire.delete("/branches/main/objects", path="_lakefs_actions/checks.yaml")
    assert wire.post("/branches/main/commits", {"message": "m", "allow_empty": True}).status == 201


@pytest.mark.parametrize("path", ["_lakefs_actions/notes.md", "_lakefs_actions/x.yaml"])
def test_an_action_file_that_cannot_be_read_refuses_commits(wire: Wire, path: str) -> None:
    answer = install(wire, "name: [", path)
    assert answer.refused == 412
    assert f"action file '{path}' is not valid" in answer.body["message"]


def test_what_is_deeper_in_the_folder_is_no_action(wire: Wire) -> None:
    assert install(wire, "name: [", "_lakefs_actions/library/x.lua").status == 201


def test_the_lake_client_sorts_refusals_by_hooks(lake: Lake, wire: Wire, receiver: Receiver) -> None:
    receiver.reply = lambda _body, _path: (400, b"", {})
    put(wire, "_lakefs_actions/checks.yaml", text(receiver.url, "pre-commit"))
    with pytest.raises(BadData, match="pre-commit hook aborted"):
        lake.commit("main", "m", {})
    put(wire, "_lakefs_actions/checks.yaml", "name: [")
    with pytest.raises(BadData, match="action file"):
        lake.commit("main", "m", {})
    put(wire, "_lakefs_actions/checks.yaml", text(receiver.url, "pre-commit", kind="lua"))
    with pytest.raises(Misconfigured, match="does not run"):
        lake.commit("main", "m", {})


def test_a_read_only_repository_has_no_hooks(lake_server: LakeServer, receiver: Receiver, lake: Lake) -> None:
    wire = Wire(lake_server.connection)
    name = f"{lake.repository}-ro"[-60:].lstrip("-")
    body = {"name": name, "storage_namespace": f"local://{name}", "read_only": True}
    assert wire.post("/repositories", body).status == 201
    own = wire.under("repositories", name)
    own.post("/branches/main/objects", content=b"name: [", path="_lakefs_actions/x.yaml", force=True)
    assert own.post("/branches/main/commits", {"message": "m", "force": True}).status == 201


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"name": "x"}, "name 'x'"),
        ({"on": {}}, "no event"),
        ({"on": {"pre-push": None}}, "'pre-push' is not known"),
        ({"on": {"pre-create-tag": {"branches": ["a"]}}}, "takes no branches"),
        ({"on": {"pre-commit": {"branches": "main"}}}, "has to be a list"),
        ({"hooks": [{"id": "a b", "type": "webhook"}]}, "hook id 'a b'"),
        ({"hooks": [{"id": "ab", "type": "shell"}]}, "unknown type 'shell'"),
        ({"hooks": [{"id": "ab", "type": "webhook"}]}, "url None"),
        ({"hooks": [{"id": "ab", "type": "lua"}, {"id": "ab", "type": "lua"}]}, "same id"),
        ({"hooks": [{"id": "ab", "type": "lua", "if": "exit()"}]}, "condition 'exit"),
        ({"hooks": [{"id": "ab", "type": "lua", "if": "success() success()"}]}, "cannot be read"),
    ],
)
def test_the_fault_of_an_action_file_is_named(change: dict[str, Any], fault: str) -> None:
    file = {"name": "Checks", "on": {"pre-commit": None}, "hooks": [], **change}
    with pytest.raises(ActionInvalid, match=fault):
        actions.parse("f.yaml", yaml.safe_dump(file).encode())


@pytest.mark.parametrize(
    ("properties", "fault"),
    [
        ({"url": "ftp://x"}, "http or https"),
        ({"url": "http://x", "timeout": "1 minute"}, "is not a duration"),
        ({"url": "http://x", "headers": {"a": ["b"]}}, "headers has to hold texts"),
        ({"url": "http://x", "query_params": "a"}, "query_params has to be a mapping"),
    ],
)
def test_the_fault_of_a_webhook_is_named(properties: dict[str, Any], fault: str) -> None:
    hook = {"id": "check", "type": "webhook", "properties": properties}
    file = {"name": "Checks", "on": {"pre-commit": None}, "hooks": [hook]}
    with pytest.raises(ActionInvalid, match=f"hook 'check': .*{fault}"):
        actions.parse("f.yaml", yaml.safe_dump(file).encode())


def test_variables_of_the_environment_are_sent_and_not_shown(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAKEFSACTION_TOKEN", "s3cret")
    monkeypatch.setenv("HOME_SECRET", "other")
    headers = {"Authorization": "Bearer {{ ENV.LAKEFSACTION_TOKEN }}", "X-Other": "{{ENV.HOME_SECRET}}"}
    action = actions.parse("f.yaml", text(receiver.url, "pre-commit", headers=headers).encode())
    assert action.hooks[0].webhook
    outcome = action.hooks[0].webhook.send(b"{}")
    assert outcome.failure == ""
    assert receiver.headers[0]["Authorization"] == "Bearer s3cret"
    assert receiver.headers[0]["X-Other"] == ""
    assert ("s3cret" in outcome.output, "*******" in outcome.output) == (False, True)
    monkeypatch.delenv("LAKEFSACTION_TOKEN")
    assert "LAKEFSACTION_TOKEN" in action.hooks[0].webhook.send(b"{}").failure


def test_two_action_files_have_different_names() -> None:
    content = text("http://x", "pre-commit").encode()
    with pytest.raises(ActionInvalid, match=r"'b\.yaml' is not valid: another file has the name 'Checks'"):
        actions.parse_all({"a.yaml": content, "b.yaml": content})


def test_an_action_file_that_is_nested_too_deep_is_a_fault_of_the_file() -> None:
    nested = "name: " + "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1)
    with pytest.raises(ActionInvalid, match=r"'a\.yaml' is not valid: is nested deeper than 64 levels"):
        actions.parse_all({"a.yaml": nested.encode()})
