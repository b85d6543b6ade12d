"""The plugin's routes in Airflow's api-server: what nobody sends on purpose, and what strangers may do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import urllib3

from tests.fuzz.webhook import Plugin, fuzz, run_plugin

pytestmark = pytest.mark.stack

FEW = ("--max-examples", "20", "--phases", "coverage,fuzzing", "--generation-deterministic")
EVENT = {
    "event_type": "post-merge",
    "event_time": "2026-11-24T01:02:03Z",
    "repository_id": "fuzz",
    "branch_id": "main",
    "commit_id": "f00d",
}


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plugin]:
    with run_plugin(tmp_path_factory.mktemp("plugin")) as running:
        yield running


def send(plugin: Plugin, body: bytes, query: str = "", token: str | None = None) -> urllib3.BaseHTTPResponse:
    bearer = plugin.token if token is None else token
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {bearer}"}
    return urllib3.request("POST", f"{plugin.url}/lakefs/events{query}", body=body, headers=headers)


def test_every_route_answers_as_described(plugin: Plugin) -> None:
    outcome = fuzz(plugin, *FEW)
    assert outcome.failures == (), outcome.output
    assert outcome.operations == len(json.loads(plugin.schema.read_text())["paths"])
    assert outcome.requests > 50


@pytest.mark.parametrize("name", [*EVENT, "merge_source", "committer"])
@pytest.mark.parametrize("value", ["nul\0", "line\nbreak", "\ud800", "x" * 501, None, 1])
def test_text_that_a_database_does_not_hold_is_refused(plugin: Plugin, name: str, value: Any) -> None:
    answer = send(plugin, json.dumps({**EVENT, name: value}).encode())
    assert (answer.status, answer.json()["detail"][0]["loc"]) == (422, ["body", name])
    assert b"input" not in answer.data


@pytest.mark.parametrize("query", ["?asset=%00", "?asset=" + "x" * 1501, "?asset=a%0Ab"])
def test_an_asset_that_cannot_be_one_is_refused(plugin: Plugin, query: str) -> None:
    answer = send(plugin, json.dumps(EVENT).encode(), query)
    assert (answer.status, answer.json()["detail"][0]["loc"]) == (422, ["query", "asset"])


@pytest.mark.parametrize(
    ("body", "status"), [(b"", 422), (b"{", 422), (b"[]", 422), (b"null", 422), (b"\xff", 400)]
)
def test_a_body_without_an_event_is_refused(plugin: Plugin, body: bytes, status: int) -> None:
    assert send(plugin, body).status == status


def test_a_response_runs_nothing_in_the_origin_of_airflow(plugin: Plugin) -> None:
    for answer in (
        send(plugin, json.dumps(EVENT).encode()),
        send(plugin, b"{}"),
        send(plugin, b"{}", token=""),
        urllib3.request("GET", f"{plugin.url}/nothing"),
    ):
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        policy = answer.headers["Content-Security-Policy"].split("; ")
        assert {"default-src 'none'", "frame-ancestors 'none'", "sandbox"} == set(policy)


@pytest.mark.parametrize("token", ["", "no.such.token"])
def test_a_stranger_is_refused_before_the_body_is_judged(plugin: Plugin, token: str) -> None:
    for body in (b"{}", json.dumps(EVENT).encode()):
        assert send(plugin, body, token=token).status in (401, 403)
