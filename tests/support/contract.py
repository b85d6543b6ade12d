"""A raw HTTP client of a lakeFS server, which shows complete responses."""

from __future__ import annotations

import json
import os
from base64 import b64encode
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

import urllib3

from include.lake.client import LakeConnection

REAL = ("LAKEFS_TEST_ENDPOINT", "LAKEFS_TEST_ACCESS_KEY_ID", "LAKEFS_TEST_SECRET_ACCESS_KEY")
"""Variables of a real lakeFS; if all three are set, the contract tests run against it as well."""


def real_lakefs() -> LakeConnection | None:
    """Return the connection to the real server of the environment, or None."""
    values = [os.environ.get(name, "") for name in REAL]
    if not all(values):
        return None
    endpoint, access_key_id, secret_access_key = values
    return LakeConnection(endpoint=endpoint, access_key_id=access_key_id, secret_access_key=secret_access_key)


@dataclass(frozen=True)
class Answer:
    """A response; `body` is parsed if it is JSON, else bytes."""

    status: int
    body: Any
    headers: urllib3.HTTPHeaderDict

    @property
    def paths(self) -> list[str]:
        return [row["path"] for row in self.body["results"]]

    @property
    def ids(self) -> list[str]:
        return [row["id"] for row in self.body["results"]]

    @property
    def page(self) -> tuple[int, bool, str]:
        """Number of results, whether there are more, and where the next page begins."""
        pagination = self.body["pagination"]
        assert (pagination["results"], pagination["max_per_page"]) == (len(self.body["results"]), 1000)
        return pagination["results"], pagination["has_more"], pagination["next_offset"]

    @property
    def refused(self) -> int:
        """Status of an error, after checking that its body conforms to the specification."""
        assert self.status >= 400, self
        assert isinstance(self.body, dict), self
        assert list(self.body) == ["message"], self
        assert self.body["message"], self
        return self.status


@dataclass(frozen=True)
class Wire:
    """A client for raw requests below a path of the server."""

    connection: LakeConnection
    below: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    def under(self, *parts: str) -> Wire:
        return Wire(
            self.connection, self.below + "".join(f"/{quote(part, safe='')}" for part in parts), self.headers
        )

    def ask(
        self,
        method: str,
        below: str = "",
        body: Any = None,
        /,
        content: bytes | None = None,
        headers: dict[str, str] | None = None,
        **query: Any,
    ) -> Answer:
        given = {
            key: str(value).lower() if isinstance(value, bool) else value for key, value in query.items()
        }
        url = f"{self.connection.endpoint}/api/v1{self.below}{below}"
        answer = urllib3.request(
            method,
            f"{url}?{urlencode(given, doseq=True)}" if given else url,
            headers={"Authorization": self.basic(), **self.headers, **(headers or {})},
            retries=False,
            **({"json": body} if content is None and body is not None else {"body": content}),
        )
        kind = answer.headers.get("Content-Type", "")
        read = json.loads(answer.data) if kind.startswith("application/json") and answer.data else answer.data
        return Answer(answer.status, read, answer.headers)

    def basic(self) -> str:
        keys = f"{self.connection.access_key_id}:{self.connection.secret_access_key}"
        return f"Basic {b64encode(keys.encode()).decode()}"

    def get(self, below: str = "", /, **given: Any) -> Answer:
        return self.ask("GET", below, **given)

    def head(self, below: str = "", /, **given: Any) -> Answer:
        return self.ask("HEAD", below, **given)

    def post(self, below: str = "", body: Any = None, /, **given: Any) -> Answer:
        return self.ask("POST", below, body, **given)

    def put(self, below: str = "", body: Any = None, /, **given: Any) -> Answer:
        return self.ask("PUT", below, body, **given)

    def delete(self, below: str = "", body: Any = None, /, **given: Any) -> Answer:
        return self.ask("DELETE", below, body, **given)
