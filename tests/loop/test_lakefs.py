"""The lake's operators, sensors, watcher, webhook and connection form on a running Airflow."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from contextlib import suppress
from io import BytesIO
from typing import Any

import pytest
import urllib3

from tests.support.faults import asset_events, down, frozen, wait_until
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
    return [commit for extra in ours for commit in _commits(extra)]


def _commits(extra: Any) -> list[str]:
    payload = extra.get("payload", extra)
    return list(payload.get("commits", [payload["commit"]]))


def run_states(stack: RunningStack) -> dict[str, str]:
    """Return the states of the example's runs by their ids, oldest first."""
    time.sleep(0.5)
    found = ask(stack, "GET", f"/api/v2/dags/{ON_COMMIT}/dagRuns?order_by=run_after&limit=100")[1]
    return {run["dag_run_id"]: run["state"] for run in found["dag_runs"]}


def handed(stack: RunningStack, before: Collection[str]) -> list[tuple[list[str], str]]:
    """Return what each run that has come and ended since was handed, and the commit that it ran for."""
    ended = [run for run, state in run_states(stack).items() if state in ("success", "failed")]
    return [_handed(stack, run) for run in ended if run not in before]


def _handed(stack: RunningStack, run_id: str) -> tuple[list[str], str]:
    found = ask(stack, "GET", f"/api/v2/dags/{ON_COMMIT}/dagRuns/{run_id}/upstreamAssetEvents")[1]
    by_time = sorted(found["asset_events"], key=lambda event: event["timestamp"])
    commits = [commit for event in by_time for commit in _commits(event["extra"])]
    result = stack.airflow.result(ON_COMMIT, run_id, "show") or {}
    return commits, str(result.get("commit"))


def assert_runs(stack: RunningStack, before: Collection[str], *expected: list[str]) -> None:
    """Assert that a run has come for each of these lists of commits, for the newest, and no other follows."""
    runs = [(commits, commits[-1]) for commits in expected]
    with suppress(TimeoutError):
        wait_until(lambda: handed(stack, before) == runs, 150)  # a new triggerer takes over after 30 seconds
    time.sleep(3)  # a look of the watcher and a turn of the scheduler
    assert handed(stack, before) == runs


def pause(stack: RunningStack, *, paused: bool) -> None:
    status, _ = ask(stack, "PATCH", f"/api/v2/dags/{ON_COMMIT}", {"is_paused": paused})
    assert status == 200


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
    assert set(lakefs["extra_fields"]) == {"repository", "verify_tls", "ui_url", "storage"}


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


@pytest.fixture(scope="module")
def watched(shown: RunningStack) -> RunningStack:
    """The stack, once the branch's first commit has been an event and a run."""
    lake = shown.lake("flights")
    wait_until(lambda: reached(shown) == "")  # the watch began without the branch: its head will be an event
    lake.create_branch(WATCHED, "main")
    head = lake.resolve(WATCHED)
    wait_until(lambda: ([head], head) in handed(shown, ()))
    wait_until(lambda: reached(shown) == head)
    return shown


def hook(stack: RunningStack, *commits: str) -> None:
    """Call the webhook for commits, as lakeFS does."""
    for number in commits:
        status, response = ask(stack, "POST", HOOK, {**BODY, "commit_id": number})
        assert (status, response["created"]) == (200, True)


def hooked(stack: RunningStack, *texts: str) -> list[str]:
    """Make commits that no one watches."""
    lake = stack.lake("flights")
    lake.create_branch("example-hooked", "main")
    made = []
    for text in texts:
        lake.upload("example-hooked", "a", BytesIO(text.encode()))
        made.append(str(lake.commit("example-hooked", text, {})))
    return made


def test_the_commits_of_one_look_start_one_run_for_the_newest(watched: RunningStack) -> None:
    before = run_states(watched)
    with frozen(watched, "triggerer"):
        commits = [commit(watched, text) for text in ("one", "two", "three")]

    assert_runs(watched, before, commits)


def test_the_newest_commit_of_a_burst_of_webhooks_starts_its_run(watched: RunningStack) -> None:
    """A turn of the scheduler may come between two of them: then there are more runs, and the newest's."""
    before = run_states(watched)
    commits = hooked(watched, *(f"burst {number}" for number in range(8)))
    hook(watched, *commits)

    wait_until(lambda: commits[-1] in [newest for _, newest in handed(watched, before)])
    runs = handed(watched, before)
    assert [one for each, _ in runs for one in each] == commits
    assert runs[-1][1] == commits[-1]


@pytest.mark.timeout(600)
def test_a_dag_that_is_unpaused_runs_for_the_commits_of_its_pause(watched: RunningStack) -> None:
    before = run_states(watched)
    pause(watched, paused=True)
    try:
        # Seen at once, or after the pause: Airflow stops the watcher of the paused DAG as it parses its file.
        commits = [commit(watched, f"{number} of the pause") for number in ("first", "second")]
        time.sleep(5)
        assert run_states(watched).keys() == before.keys()
    finally:
        pause(watched, paused=False)

    # Airflow starts the watcher again as it parses the file: at the latest after `min_file_process_interval`.
    wait_until(lambda: [run[1] for run in handed(watched, before)][-1:] == commits[-1:], 340)
    assert [made for run in handed(watched, before) for made in run[0]] == commits


def test_commits_that_no_triggerer_saw_start_one_run_when_it_is_back(watched: RunningStack) -> None:
    before, stored = run_states(watched), events(watched)
    commits = [commit(watched, "first")]
    assert_runs(watched, before, commits)
    wait_until(lambda: reached(watched) == commits[0])  # killed earlier, it would emit this event twice
    with down(watched, "triggerer"):
        commits += [commit(watched, "second"), commit(watched, "third")]
    assert_runs(watched, before, commits[:1], commits[1:])
    commits.append(commit(watched, "fourth"))
    assert_runs(watched, before, commits[:1], commits[1:3], commits[3:])
    assert events(watched) == stored + commits
