"""The lake's operators, sensors, watcher, webhook and connection form on a running Airflow."""

from __future__ import annotations

import time
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pytest
import urllib3

from tests.support.faults import asset_events, down, wait_until
from tests.support.stack import RunningStack, run_stack

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

EXAMPLES = ("branches", "objects", "commits", "tags", "waiting")
WATCHED, ON_COMMIT = "example-watched", "example.on_commit"


@pytest.fixture(scope="module")
def shown() -> Iterator[RunningStack]:
    """A stack that shows the examples."""
    with run_stack(examples=True) as stack:
        for name in (*EXAMPLES, "on_commit"):
            stack.airflow.wait_for_dag(f"example.{name}")
        yield stack


def ask(stack: RunningStack, method: str, path: str, body: Any = None, token: str | None = None) -> Any:
    """Return the status and the JSON of Airflow's response."""
    token = stack.airflow._client.configuration.access_token if token is None else token
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    answer = urllib3.request(method, f"{stack.airflow.url}{path}", json=body, headers=headers, timeout=30)
    assert answer.status < 500, f"{method} {path}: {answer.status}\n{stack.stack.tail(lines=80)}"
    return answer.status, answer.json()


def commit(stack: RunningStack, text: str) -> str:
    lake = stack.lake("flights")
    lake.upload(WATCHED, "a", BytesIO(text.encode()))
    return str(lake.commit(WATCHED, text, {}))


def events(stack: RunningStack) -> list[str]:
    """Return the commits of the watched branch's asset events, oldest first, at most twice a second.

    After a part was down, nothing reads the output of the others, to which each request adds a line.
    """
    time.sleep(0.5)
    every = asset_events(stack, limit=100, order_by=["timestamp"])
    ours = [event.extra for event in every if event.uri == f"lakefs://flights/{WATCHED}"]
    return [extra.get("payload", extra)["commit"] for extra in ours]


def reached(stack: RunningStack) -> str:
    """Return the last commit in the watcher's state store."""
    time.sleep(0.5)
    assets = ask(stack, "GET", f"/api/v2/assets?uri_pattern={WATCHED}")[1]["assets"]
    return str(ask(stack, "GET", f"/api/v2/assets/{assets[0]['id']}/state-store/commit")[1].get("value"))


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_of_each_group_runs_green(shown: RunningStack, name: str) -> None:
    dag_id = f"example.{name}"
    shown.airflow.run(dag_id, "once")
    states = {task.task_id: task.state for task in shown.airflow.tasks(dag_id, "once")}
    assert states == dict.fromkeys(states, "success")
    assert [
        branch for branch in shown.lake("flights").list_branches("example-") if "target" not in branch
    ] == []


def test_a_connection_has_a_form_of_its_own(shown: RunningStack) -> None:
    _, metas = ask(shown, "GET", "/ui/connections/hook_meta")
    [lakefs] = [meta for meta in metas if meta["connection_type"] == "lakefs"]
    fields = {name: field["title"] for name, field in lakefs["standard_fields"].items() if field}
    assert (fields["host"], fields["login"]) == ("URL", "Access key ID")
    assert set(lakefs["extra_fields"]) == {"repository", "verify_tls", "ui_url"}


def test_a_connection_is_tested_from_the_form(shown: RunningStack) -> None:
    keys = shown.secrets
    body = {
        "connection_id": "try",
        "conn_type": "lakefs",
        "host": shown.stack.connection().endpoint,
        "login": keys.lake_access_key_id,
        "password": keys.lake_secret_access_key,
    }
    status, response = ask(shown, "POST", "/api/v2/connections/test", body)
    assert (status, response["status"]) == (200, True), response
    _, response = ask(shown, "POST", "/api/v2/connections/test", {**body, "password": "wrong-wrong-wrong"})
    assert (response["status"], "refused access key" in response["message"]) == (False, True), response


BODY = {
    "event_type": "post-merge",
    "event_time": "2026-11-24T01:02:03Z",
    "action_name": "airflow",
    "hook_id": "asset_event",
    "repository_id": "flights",
    "branch_id": WATCHED,
    "source_ref": "f00d",
    "commit_id": "f00d",
    "commit_message": "Merge 'b' into 'main'",
    "committer": "admin",
    "commit_metadata": {".lakefs.merge.strategy": "default"},
    "merge_source": "b",
}
HOOK = "/millrace/lakefs/events"


def test_a_webhook_of_lakefs_makes_an_asset_event_once(shown: RunningStack) -> None:
    status, first = ask(shown, "POST", HOOK, BODY)
    assert (status, first["asset"], first["created"]) == (200, f"lakefs://flights/{WATCHED}", True), first
    assert ask(shown, "POST", HOOK, BODY) == (200, {**first, "created": False})
    assert events(shown).count("f00d") == 1


@pytest.mark.parametrize("token", ["", "no.such.token"])
def test_a_webhook_without_a_token_of_airflow_is_refused(shown: RunningStack, token: str) -> None:
    status, _ = ask(shown, "POST", HOOK, {**BODY, "commit_id": "bad"}, token)
    assert status in (401, 403)
    assert "bad" not in events(shown)


def test_a_webhook_for_an_unknown_asset_is_refused(shown: RunningStack) -> None:
    status, response = ask(shown, "POST", HOOK, {**BODY, "branch_id": "other"})
    assert (status, "no DAG has an asset 'lakefs://flights/other'" in response["detail"]) == (404, True)
    assert ask(shown, "POST", HOOK, {**BODY, "event_type": "pre-merge"})[0] == 422


def test_every_commit_is_an_event_even_without_a_triggerer_at_the_time(shown: RunningStack) -> None:
    lake = shown.lake("flights")
    wait_until(lambda: reached(shown) == "")  # the watch began without the branch: its head will be an event
    lake.create_branch(WATCHED, "main")
    wait_until(lambda: lake.resolve(WATCHED) in events(shown))
    before = events(shown)
    commits = [commit(shown, "first")]
    wait_until(lambda: events(shown) == before + commits)
    wait_until(lambda: reached(shown) == commits[0])  # killed earlier, it would emit this event twice
    with down(shown, "triggerer"):
        commits += [commit(shown, "second"), commit(shown, "third")]
    wait_until(lambda: len(events(shown)) >= len(before + commits))
    commits.append(commit(shown, "fourth"))
    wait_until(lambda: commits[-1] in events(shown))
    assert events(shown) == before + commits
