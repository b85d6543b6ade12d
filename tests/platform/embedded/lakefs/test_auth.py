"""Authentication: pairs of keys, tokens of a login, and read-only keys."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest
import urllib3
from pydantic import ValidationError

from include.lake.client import LakeConnection
from include.platform.embedded.lakefs.auth import COOKIE, Keys
from include.platform.embedded.settings import LakeServerSettings
from tests.support.lake import ACCESS_KEY, READER_KEY, READER_SECRET, SECRET_KEY, LakeServer
from tests.support.repo import Repo, ask

ADMIN = Keys("admin", ACCESS_KEY, SECRET_KEY)
READER = Keys("reader", READER_KEY, READER_SECRET, read_only=True)
NOW = int(time.time())
LATER = NOW + 3600


def login(connection: LakeConnection) -> Any:
    given = {
        "access_key_id": connection.access_key_id,
        "secret_access_key": connection.secret_access_key,
    }
    return ask(connection, "POST", "auth/login", given, Authorization="")


def who(server: LakeServer, **headers: str) -> str | int:
    """Return the user of the headers, or the status of the refusal."""
    status, answer = ask(server.connection, "GET", "user", **headers)
    return str(answer["user"]["id"]) if status == 200 else int(status)


def test_keys_say_who_asks(lake_server: LakeServer) -> None:
    answers = [ask(keys, "GET", "user") for keys in (lake_server.connection, lake_server.reader)]
    assert [(status, answer["user"]["id"]) for status, answer in answers] == [(200, "admin"), (200, "reader")]


def test_a_login_stands_for_its_keys_as_bearer_and_as_cookie(lake_server: LakeServer) -> None:
    status, made = login(lake_server.reader)
    assert (status, made["token_expiration"]) == (200, pytest.approx(time.time() + 7 * 24 * 3600, abs=60))
    assert who(lake_server, Authorization=f"Bearer {made['token']}") == "reader"
    assert who(lake_server, Authorization="", Cookie=f"{COOKIE}={made['token']}") == "reader"


def test_a_login_with_wrong_keys_is_refused(lake_server: LakeServer) -> None:
    mixed = replace(lake_server.connection, secret_access_key=READER_SECRET)
    assert login(mixed) == (401, {"message": "error authenticating request"})


@pytest.mark.parametrize(
    "token",
    [
        "",
        "a.b.c",
        ADMIN.token(NOW - 1),
        Keys("admin", ACCESS_KEY, "another secret").token(LATER),
        ADMIN.token(LATER)[:-1],
        ".".join([*READER.token(LATER).split(".")[:2], ADMIN.token(LATER).split(".")[2]]),
        "\u00e9.\u00fc.\u00df",
    ],
    ids=["none", "torn", "over", "of other keys", "cut", "mixed", "odd"],
)
def test_a_token_that_is_not_ours_or_is_over_is_refused(lake_server: LakeServer, token: str) -> None:
    assert who(lake_server, Authorization=f"Bearer {ADMIN.token(LATER)}") == "admin"
    assert who(lake_server, Authorization=f"Bearer {token}") == 401


@pytest.mark.parametrize("way", ["keys", "token"])
def test_a_reader_reads_and_changes_nothing(lake_server: LakeServer, repo: Repo, way: str) -> None:
    repo.save(a=b"1")
    headers = {"Authorization": f"Bearer {READER.token(LATER)}"} if way == "token" else {}
    below = f"repositories/{repo.name}"
    status, found = ask(lake_server.reader, "GET", f"{below}/refs/main/objects/ls", **headers)
    assert (status, [item["path"] for item in found["results"]]) == (200, ["a"])
    for method, path in (
        ("POST", f"{below}/branches/main/objects?path=a"),
        ("POST", f"{below}/branches"),
        ("PUT", f"{below}/branches/main"),
        ("DELETE", f"{below}/branches/main/objects?path=a"),
        ("DELETE", below),
    ):
        status, answer = ask(lake_server.reader, method, path, **headers)
        assert (status, "may read only" in answer["message"]) == (403, True)
    assert repo.contents() == {"a": b"1"}


def test_keys_do_not_show_when_printed() -> None:
    assert SECRET_KEY not in f"{ADMIN!r} {ADMIN}"


@pytest.mark.parametrize("content", [b"{", b'{"paths": ["a"]}'], ids=["no JSON", "JSON"])
def test_a_stranger_is_refused_before_the_body_is_looked_at(lake_server: LakeServer, content: bytes) -> None:
    url = f"{lake_server.connection.endpoint}/api/v1/repositories/r/branches/main/objects/delete"
    headers = {"Content-Type": "application/json"}
    assert urllib3.request("POST", url, body=content, headers=headers).status == 401


def test_a_body_that_no_call_needs_is_not_read(lake_server: LakeServer) -> None:
    keys = f"{ACCESS_KEY}:{SECRET_KEY}"
    headers = {**urllib3.make_headers(basic_auth=keys), "Content-Type": "application/json"}
    url = f"{lake_server.connection.endpoint}/api/v1/repositories"
    assert urllib3.request("POST", url, body=b" " * (9 << 20), headers=headers).status == 400


@pytest.mark.parametrize(
    ("reader", "secret"), [("RD", ""), ("", "x" * 16), ("RD", "short"), (ACCESS_KEY, "x" * 16)]
)
def test_readers_have_keys_of_their_own_or_there_are_none(reader: str, secret: str) -> None:
    with pytest.raises(ValidationError, match="go together: set both"):
        LakeServerSettings(
            access_key_id=ACCESS_KEY,
            secret_access_key=SECRET_KEY,
            read_only_access_key_id=reader,
            read_only_secret_access_key=secret,
        )
