"""Health, setup, authentication and configuration."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.contract import REAL, Wire, real_lakefs


def test_a_real_lakefs_is_held_to_the_same() -> None:
    """Every test here also runs against a real lakeFS, if there is one."""
    found = real_lakefs() or pytest.skip(f"no real lakeFS: set {', '.join(REAL)}")
    assert Wire(found).get("/config").status == 200


@pytest.mark.endpoint("health_check")
def test_health_needs_no_keys(lakefs: Wire) -> None:
    answer = lakefs.get("/healthcheck", headers={"Authorization": ""})
    assert (answer.status, answer.body) == (204, b"")


@pytest.mark.endpoint("get_setup_state")
def test_the_server_is_set_up(lakefs: Wire) -> None:
    answer = lakefs.get("/setup_lakefs", headers={"Authorization": ""})
    assert (answer.status, answer.body["state"]) == (200, "initialized")
    assert {"login_url", "logout_url", "login_cookie_names"} <= answer.body["login_config"].keys()


@pytest.mark.endpoint("setup")
def test_it_is_set_up_once(lakefs: Wire) -> None:
    assert lakefs.post("/setup_lakefs", {"username": "second"}).refused == 409


@pytest.mark.endpoint("get_config")
def test_config_tells_version_and_storage(lakefs: Wire) -> None:
    said = lakefs.get("/config").body
    assert {"version_config", "storage_config"} <= said.keys()
    assert said["version_config"]["version"]
    assert said["storage_config"]["blockstore_type"] == "local"


@pytest.mark.endpoint("get_lake_fs_version", "get_storage_config")
def test_parts_of_config_can_be_asked_for(lakefs: Wire) -> None:
    whole = lakefs.get("/config").body
    assert lakefs.get("/config/version").body == whole["version_config"]
    assert lakefs.get("/config/storage").body == whole["storage_config"]


@pytest.mark.endpoint("get_config")
@pytest.mark.parametrize("parameter", ["presign"])
def test_config_tells_the_truth_about_presigned_addresses(lakefs: Wire, wire: Wire, parameter: str) -> None:
    assert lakefs.get("/config").body["storage_config"]["pre_sign_support"] is False
    wire.post("/branches/main/objects", content=b"x", path="a")
    assert wire.get("/refs/main/objects/stat", path="a", presign=True).refused == 400


@pytest.mark.endpoint("get_config")
@pytest.mark.parametrize("sent", ["", "Basic eDp5", "Basic ???", "Basic", "Bearer x", "Digest x"])
def test_wrong_keys_are_refused(lakefs: Wire, sent: str) -> None:
    assert lakefs.get("/config", headers={"Authorization": sent}).refused == 401


@pytest.mark.endpoint("get_config")
def test_a_wrong_secret_is_refused(lakefs: Wire) -> None:
    wrong = Wire(replace(lakefs.connection, secret_access_key="wrong"))
    assert wrong.get("/repositories").refused == 401


@pytest.mark.endpoint("login")
def test_a_login_gives_a_token_that_stands_for_the_keys(lakefs: Wire) -> None:
    keys = lakefs.connection
    pair = {"access_key_id": keys.access_key_id, "secret_access_key": keys.secret_access_key}
    answer = lakefs.post("/auth/login", pair, headers={"Authorization": ""})
    assert (answer.status, sorted(answer.body)) == (200, ["token", "token_expiration"])
    token = f"Bearer {answer.body['token']}"
    assert lakefs.get("/repositories", headers={"Authorization": token}).status == 200
    assert lakefs.get("/repositories", headers={"Authorization": token + "x"}).refused == 401


@pytest.mark.endpoint("login")
def test_a_login_with_wrong_keys_is_refused(lakefs: Wire) -> None:
    assert lakefs.post("/auth/login", {"access_key_id": "x", "secret_access_key": "y"}).refused == 401
    assert lakefs.post("/auth/login", {"access_key_id": "x"}).refused == 400


@pytest.mark.endpoint("get_current_user")
def test_the_server_knows_who_asks(lakefs: Wire) -> None:
    answer = lakefs.get("/user")
    assert (answer.status, list(answer.body)) == (200, ["user"])
    assert answer.body["user"]["id"]


def test_what_the_specification_does_not_have_is_no_endpoint(lakefs: Wire) -> None:
    assert lakefs.get("/nothing/of/the/kind").refused == 404
