"""Setup, keys, repositories, and operations that are not supported."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
import urllib3
from lakefs_client.client import LakeFSClient
from lakefs_client.model.repository_creation import RepositoryCreation
from lakefs_client.model.setup import Setup

from include.platform.embedded.lakefs.routes.server import VERSION
from tests.support.lake import LakeServer
from tests.support.repo import Repo, ask, client_of, refused


def test_health_and_state_of_setup_need_no_keys(lake_server: LakeServer) -> None:
    anonymous = client_of(replace(lake_server.connection, access_key_id="", secret_access_key=""))
    anonymous.health_check_api.health_check()
    assert anonymous.internal_api.get_setup_state().state == "initialized"


def test_setup_is_done_once(client: LakeFSClient) -> None:
    with refused(409, "already initialized"):
        client.internal_api.setup(Setup(username="admin"))


def test_the_version_is_the_one_of_the_api(client: LakeFSClient) -> None:
    assert client.config_api.get_config().version_config.version == VERSION


@pytest.mark.parametrize("wrong", [{"access_key_id": "AKIAOTHER"}, {"secret_access_key": "wrong"}])
def test_wrong_keys_are_refused(lake_server: LakeServer, wrong: dict[str, Any]) -> None:
    with refused(401, "error authenticating request"):
        client_of(replace(lake_server.connection, **wrong)).repositories_api.list_repositories()


@pytest.mark.parametrize("header", ["", "Basic", "Basic ???", "Basic YQ==", "Basic \u00e9", "Bearer YQ=="])
def test_torn_credentials_are_refused(lake_server: LakeServer, header: str) -> None:
    answer = ask(lake_server.connection, "GET", "repositories", Authorization=header)
    assert answer == (401, {"message": "error authenticating request"})


def test_a_repository_is_created_found_and_deleted(client: LakeFSClient) -> None:
    name = f"life-{uuid4().hex[:8]}"
    creation = RepositoryCreation(name=name, storage_namespace=f"local://{name}", default_branch="trunk")
    made = client.repositories_api.create_repository(creation)
    assert (made.id, made.default_branch, made.storage_namespace) == (name, "trunk", f"local://{name}")
    assert client.repositories_api.get_repository(name) == made
    assert [r.id for r in client.repositories_api.list_repositories(prefix=name).results] == [name]
    assert Repo(client, name).log("trunk") == ["Repository created"]
    with refused(409, "not unique"):
        client.repositories_api.create_repository(creation)
    client.repositories_api.delete_repository(name)
    with refused(404, f"repository '{name}' not found"):
        client.repositories_api.get_repository(name)


def test_a_repository_created_again_knows_nothing_of_the_deleted_one(repo: Repo) -> None:
    repo.save(a=b"1")
    repo.put("staged")
    repo.tag("t")
    repo.client.repositories_api.delete_repository(repo.name)
    creation = RepositoryCreation(name=repo.name, storage_namespace="local://again")
    repo.client.repositories_api.create_repository(creation)
    assert (repo.log(), repo.list()) == (["Repository created"], [])
    with refused(404, "'t' not found"):
        repo.list("t")


@pytest.mark.parametrize("name", ["Upper", "ab", "-begins", "under_score", "x" * 64])
def test_names_of_repositories_are_checked(lake_server: LakeServer, name: str) -> None:
    body = {"name": name, "storage_namespace": "local://x"}
    status, answer = ask(lake_server.connection, "POST", "repositories", body)
    assert (status, name in answer["message"]) == (400, True)


def test_every_answer_names_the_repository_that_is_missing(client: LakeFSClient) -> None:
    with refused(404, "repository 'nowhere' not found"):
        Repo(client, "nowhere").list()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "auth/users"),
        ("POST", "statistics"),
        ("POST", "repositories/{}/pulls"),
        ("POST", "repositories/{}/branches/main/import"),
        ("POST", "repositories/{}/branches/main/staging/pmpu?path=a"),
        ("PUT", "repositories/{}/branches/main/objects?path=a"),
        ("PUT", "repositories/{}/refs/dump"),
        ("PUT", "repositories/{}/settings/gc_rules"),
    ],
)
def test_what_is_missing_here_is_not_supported(
    repo: Repo, lake_server: LakeServer, method: str, path: str
) -> None:
    status, answer = ask(lake_server.connection, method, path.format(repo.name))
    assert (status, "is not supported by the embedded lake" in answer["message"]) == (501, True)


@pytest.mark.parametrize(("method", "path"), [("GET", "nowhere"), ("PATCH", "repositories"), ("PUT", "user")])
def test_what_the_specification_does_not_have_is_not_found(
    lake_server: LakeServer, method: str, path: str
) -> None:
    assert ask(lake_server.connection, method, path) == (404, {"message": "invalid API endpoint"})


def test_a_body_that_is_no_json_or_no_text_is_refused(lake_server: LakeServer) -> None:
    keys = lake_server.connection
    headers = urllib3.make_headers(basic_auth=f"{keys.access_key_id}:{keys.secret_access_key}")
    url = f"{keys.endpoint}/api/v1/repositories"
    surrogate = b'{"name": "\\ud800", "storage_namespace": "local://x"}'
    for body in (b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe", surrogate):
        sent = {**headers, "Content-Type": "application/json"}
        answer = urllib3.request("POST", url, headers=sent, body=body)
        assert (answer.status, list(answer.json())) == (400, ["message"]), body


def test_a_slash_in_a_name_is_no_step_of_the_path(repo: Repo, lake_server: LakeServer) -> None:
    below = f"repositories/{repo.name}"
    assert ask(lake_server.connection, "GET", f"{below}/branches/a%2Fb")[0] == 400
    assert ask(lake_server.connection, "GET", f"{below}/refs/a%2fb/objects/ls")[0] == 404


@pytest.mark.parametrize(
    ("method", "path", "body", "named"),
    [
        ("GET", "refs/main/objects/ls?amount=1001", None, "amount"),
        ("GET", "refs/main/objects/stat", None, "path"),
        ("POST", "branches", {"name": "b"}, "source"),
        ("POST", "branches", {"name": "a/b", "source": "main"}, "a/b"),
        ("POST", "tags", {"id": "a..b", "ref": "main"}, "a..b"),
        ("POST", "refs/main/merge/main", {"strategy": "mine"}, "mine"),
        ("GET", "commits/~1", None, "~1"),
    ],
)
def test_a_request_that_makes_no_sense_is_told_what_is_wrong(
    repo: Repo, lake_server: LakeServer, method: str, path: str, body: dict[str, str] | None, named: str
) -> None:
    status, answer = ask(lake_server.connection, method, f"repositories/{repo.name}/{path}", body)
    assert (status, named in answer["message"]) == (400, True), answer
