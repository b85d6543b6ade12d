"""Whatever the server sends, a browser runs nothing of it with the session of the user who looks at it."""

from __future__ import annotations

from base64 import b64encode

import pytest
import urllib3

from tests.support.lake import LakeServer
from tests.support.repo import Repo, ask

PAGE = b"<script>fetch('/api/v1/repositories', {method: 'DELETE'})</script>"


def directives(answer: urllib3.BaseHTTPResponse) -> dict[str, str]:
    found = answer.headers["Content-Security-Policy"].split("; ")
    return {name: value for name, _, value in (one.partition(" ") for one in found)}


@pytest.mark.parametrize("kind", ["text/html", "image/svg+xml", "application/xhtml+xml", "text/xml"])
def test_an_object_that_is_a_page_is_shown_without_its_scripts(
    lake_server: LakeServer, repo: Repo, kind: str
) -> None:
    where = f"{lake_server.connection.endpoint}/api/v1/repositories/{repo.name}"
    keys = f"{lake_server.connection.access_key_id}:{lake_server.connection.secret_access_key}"
    headers = {"Authorization": f"Basic {b64encode(keys.encode()).decode()}"}
    sent = {**headers, "Content-Type": kind}
    urllib3.request("POST", f"{where}/branches/main/objects?path=page", headers=sent, body=PAGE)

    answer = urllib3.request("GET", f"{where}/refs/main/objects?path=page", headers=headers)

    assert (answer.status, answer.data, answer.headers["Content-Type"]) == (200, PAGE, kind)
    policy = directives(answer)
    assert (policy["sandbox"], policy["default-src"]) == ("", "'none'")
    assert "script-src" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/", 200),
        ("/_health", 200),
        ("/metrics", 401),
        ("/api/v1/healthcheck", 204),
        ("/api/v1/config", 401),
        ("/nothing", 404),
        ("/?X-Amz-Signature=x", 501),
    ],
)
def test_every_response_says_what_a_browser_may_do_with_it(
    lake_server: LakeServer, path: str, status: int
) -> None:
    answer = urllib3.request("GET", lake_server.connection.endpoint + path)
    assert answer.status == status
    assert directives(answer).keys() == {
        *("default-src", "style-src", "base-uri", "form-action", "frame-ancestors", "sandbox")
    }
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_the_cookie_of_a_session_is_out_of_reach_of_scripts_and_other_sites(lake_server: LakeServer) -> None:
    keys = lake_server.connection
    answer = urllib3.request(
        "POST",
        f"{keys.endpoint}/api/v1/auth/login",
        json={"access_key_id": keys.access_key_id, "secret_access_key": keys.secret_access_key},
    )
    attributes = {part.strip().lower() for part in answer.headers["Set-Cookie"].split(";")}
    assert {"httponly", "samesite=strict"} <= attributes
    assert ask(keys, "GET", "user")[0] == 200
