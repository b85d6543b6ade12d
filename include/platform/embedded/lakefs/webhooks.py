"""Webhooks: one POST with a time limit, whose status decides.

A redirect is not followed, and a response's body is read for the first characters of the output only: an
action file decides which address is called, but neither where the call ends nor what is shown of it.

Properties: https://docs.lakefs.io/howto/hooks/webhooks.html
"""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any, NamedTuple
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit

from include.settings import inherited_environment

_DEFAULT_TIMEOUT_SECONDS = 60.0
_QUOTED_CHARACTERS = 200
_VARIABLE = re.compile(r"\{\{ ?ENV\.(.*?) ?\}\}")
_PREFIX = "LAKEFSACTION_"
"""As in lakeFS, other variables of the server's environment read as empty."""
_DURATION = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(h|ms|us|µs|ns|m|s)")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}


class Outcome(NamedTuple):
    """What became of a hook: the reason of a failure (empty if it passed), and the output for people."""

    failure: str
    output: str


@dataclass(frozen=True)
class Webhook:
    """A webhook; the texts of `query` and `headers` may name variables of the environment."""

    url: SplitResult
    timeout: float = _DEFAULT_TIMEOUT_SECONDS
    query: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, properties: dict[str, Any]) -> Webhook:
        """Return the webhook with these properties; raise ValueError if they are not valid."""
        given = properties.get("url")
        url = urlsplit(given if isinstance(given, str) else "")
        if url.scheme not in ("http", "https") or not url.hostname or (url.port or 1) < 1:
            raise ValueError(f"url {given!r} has to be an address of http or https")
        timeout = _seconds(properties["timeout"]) if properties.get("timeout") else _DEFAULT_TIMEOUT_SECONDS
        return cls(url, timeout, _pairs(properties, "query_params"), _pairs(properties, "headers"))

    def send(self, body: bytes) -> Outcome:
        """Send a body of JSON; anything else than a status of 2xx within the time limit is a failure."""
        address = self.url.geturl()
        shown = [f"POST {address}", *(f"{name}: {_masked(text)}" for name, text in self.query + self.headers)]
        started = time.monotonic()
        try:
            status, quoted = self._answer(body)
        except (OSError, HTTPException, ValueError) as error:
            late = time.monotonic() - started >= self.timeout
            what = f"no answer within {self.timeout:g} s" if late else f"{type(error).__name__}: {error}"
            failure, answer = f"webhook failed ({what})", what
        else:
            failure = "" if 200 <= status <= 299 else f"webhook failed (status code: {status})"
            answer = f"status {status}: {quoted}"
        shown += ["", body.decode(), "", f"after {time.monotonic() - started:.3f} s: {answer}", ""]
        return Outcome(failure, "\n".join(shown))

    def _answer(self, body: bytes) -> tuple[int, str]:
        """Return the status and the beginning of the response."""
        query = [*parse_qsl(self.url.query, keep_blank_values=True), *_resolved(self.query)]
        target = (self.url.path or "/") + (f"?{urlencode(query)}" if query else "")
        headers = {**dict(_resolved(self.headers)), "Content-Type": "application/json"}
        kind = HTTPSConnection if self.url.scheme == "https" else HTTPConnection
        connection = kind(str(self.url.hostname), self.url.port, timeout=self.timeout)
        with _limited(connection, self.timeout):
            connection.request("POST", target, body, headers)
            response = connection.getresponse()
            with suppress(OSError, HTTPException):  # the status is known, and it decides
                beginning = response.read(4 * _QUOTED_CHARACTERS)
                text = beginning.decode("utf-8", "replace")[:_QUOTED_CHARACTERS]
                return response.status, "".join(c if c.isprintable() else " " for c in text)
            return response.status, ""


@contextmanager
def _limited(connection: HTTPConnection, timeout: float) -> Iterator[None]:
    """Connect, and cut the connection when the time is over.

    A socket's own limit counts from the last byte, so a server that sends a byte now and then could hold up
    a commit without an end.
    """
    deadline = time.monotonic() + timeout
    connection.connect()
    timer = threading.Timer(max(0.0, deadline - time.monotonic()), _cut, [connection.sock])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        connection.close()


def _cut(sock: socket.socket) -> None:
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


def _resolved(pairs: tuple[tuple[str, str], ...]) -> list[tuple[str, str]]:
    return [(name, _VARIABLE.sub(_value, text)) for name, text in pairs]


def _value(found: re.Match[str]) -> str:
    name = found[1]
    if not name.startswith(_PREFIX):
        return ""
    variables = inherited_environment()
    if name not in variables:
        raise ValueError(f"the server's environment has no variable {name!r}")
    return variables[name]


def _masked(text: str) -> str:
    return "*******" if _VARIABLE.search(text) else text


def _seconds(duration: Any) -> float:
    parts = _DURATION.findall(duration) if isinstance(duration, str) else []
    if not parts or "".join(number + unit for number, unit in parts) != duration:
        raise ValueError(f"timeout {duration!r} is not a duration, for example '1m30s'")
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


def _pairs(properties: dict[str, Any], key: str) -> tuple[tuple[str, str], ...]:
    given = properties.get(key) or {}
    if not isinstance(given, dict):
        raise ValueError(f"{key} has to be a mapping")
    pairs = [
        (name, text)
        for name, texts in given.items()
        for text in (texts if isinstance(texts, list) and key == "query_params" else [texts])
    ]
    if not all(isinstance(text, str) for _, text in pairs):
        raise ValueError(f"{key} has to hold texts")
    return tuple(pairs)
