"""The way to the lake, and the only module that knows `lakefs-client`.

Every call either returns what the API answered or raises a class of `include.exceptions`. Bodies are
plain dicts as the API's reference has them, so no generated model is needed.

API: https://docs.lakefs.io/reference/api.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any
from urllib.parse import quote

from include.exceptions import (
    Absent,
    Conflict,
    MillraceError,
    Misconfigured,
    Transient,
    Unauthorized,
    Unavailable,
)
from include.lake.records import LakeConnection

_PAGE = 1000
_TIMEOUT = (3.05, 120)
"""Seconds to connect, and seconds without a byte."""
# Without its check of types an answer is not walked twice; nested values are plain dicts then.
_LIMITS = {"_request_timeout": _TIMEOUT, "_check_return_type": False}
_REPOSITORY_NOT_FOUND = re.compile(r"\brepository\b.*\bnot found")
_NO_REPOSITORY = (
    "; `python -m include.platform.repositories <storage>` makes the repository of every pipeline "
    "(docs/existing-airflow.md)"
)


class NoChanges(MillraceError):
    """A commit or a merge had nothing to do."""


class Remote:
    """One repository of the lake, as something to send requests to.

    Opening it costs nothing: the client is made at the first call, and each call is one request
    (paged lists: one a thousand entries).
    """

    def __init__(self, connection: LakeConnection, repository: str) -> None:
        self.connection = connection
        self.repository = repository

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.connection.endpoint!r}, {self.repository!r})"

    @cached_property
    def _client(self) -> Any:
        import urllib3
        from lakefs_client import Configuration
        from lakefs_client.client import LakeFSClient

        configuration = Configuration(
            host=self.connection.endpoint,
            username=self.connection.access_key_id,
            password=self.connection.secret_access_key,
        )
        configuration.verify_ssl = self.connection.verify_tls
        configuration.connection_pool_maxsize = 16
        # Only connecting is retried here: an answer that got lost may have taken effect, and the task's
        # own retry looks for it first.
        configuration.retries = urllib3.Retry(connect=2, read=0, redirect=2, status=0, backoff_factor=0.2)
        return LakeFSClient(configuration)

    def _call(self, what: str, call: str, *arguments: Any, **options: Any) -> Any:
        """The answer to `<api>.<operation>` of the client, for this repository; `what` names the thing."""
        with self._errors(what):
            return self._operation(call)(self.repository, *arguments, **_LIMITS, **options)

    def _pages(self, what: str, call: str, *arguments: Any, after: str = "", **options: Any) -> Iterator[Any]:
        """The entries of a paged list, page after page."""
        with self._errors(what):
            while True:
                answer = self._operation(call)(
                    self.repository, *arguments, after=after, amount=_PAGE, **_LIMITS, **options
                )
                yield from answer.results
                if not answer.pagination["has_more"]:
                    return
                after = answer.pagination["next_offset"]

    def _operation(self, call: str) -> Callable[..., Any]:
        api, _, operation = call.partition(".")
        found: Callable[..., Any] = getattr(getattr(self._client, f"{api}_api"), operation)
        return found

    def _send(self, what: str, branch: str, path: str, body: Iterable[bytes], size: int | None) -> Any:
        """Upload an object as a raw body, which is read as it is sent; the API's answer.

        The generated operation reads all of a file into memory before it sends a form. This goes through
        the client's own pool: the same keys, the same checks of certificates, the same limits.
        """
        import json

        with self._errors(what):
            configuration = self._client._api.configuration
            headers = {
                "Authorization": configuration.get_basic_auth_token(),
                "User-Agent": self._client._api.user_agent,
                "Content-Type": "application/octet-stream",
                **({} if size is None else {"Content-Length": str(size)}),
            }
            where = f"repositories/{_quoted(self.repository)}/branches/{_quoted(branch)}/objects"
            answer = self._client._api.rest_client.pool_manager.request(
                "POST",
                f"{configuration.host}/{where}?path={_quoted(path)}",
                body=body,
                headers=headers,
                timeout=_timeout(),
                redirect=False,  # what was sent cannot be sent again
            )
            if not 200 <= answer.status <= 299:
                raise _refusal(answer)
            return json.loads(answer.data)

    @contextmanager
    def _errors(self, what: str) -> Iterator[None]:
        """Map the client's exceptions onto ours; `what` names the thing asked for."""
        import urllib3
        from lakefs_client.exceptions import ApiException, OpenApiException

        try:
            yield
        except ApiException as error:
            raise self._mapped(error, what) from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise Unavailable(
                f"the lake at {self.connection.endpoint!r} does not answer ({type(error).__name__}) "
                f"while asking for {what}; start it, or correct the connection's host"
            ) from error
        except (OpenApiException, AttributeError, LookupError, TypeError, ValueError) as error:
            if isinstance(error.__context__, ApiException):  # an error's body that is no UTF-8
                raise self._mapped(error.__context__, what) from error
            raise Misconfigured(
                f"{what}: lakefs-client cannot send this, or what the lake at {self.connection.endpoint!r} "
                f"answered is not of lakeFS ({error}); correct the name, or the connection's host"
            ) from error

    def _mapped(self, error: Any, what: str) -> MillraceError:
        where = f"{what} in repository {self.repository!r} at {self.connection.endpoint!r}"
        said = _message(error)
        if error.status == 400 and "no changes" in said:
            return NoChanges(f"{where}: {said}")
        if error.status == 501 or (error.status == 403 and "is not supported" in said):
            return Misconfigured(f"this lake cannot do it: {where}: {said}")
        if error.status in (401, 403):
            return Unauthorized(
                f"the lake refused access key {self.connection.access_key_id!r} for {where} "
                f"({error.status}, {said!r}): set the connection's login and password to a key pair that "
                "may do this"
            )
        if error.status == 404:
            remedy = _NO_REPOSITORY if _REPOSITORY_NOT_FOUND.search(said) else ""
            return Absent(f"there is no {where}: {said}{remedy}")
        if error.status in (409, 412):
            return Conflict(
                f"{where}: {said}; somebody changed it meanwhile, run the step again from its start"
            )
        if error.status in (408, 420, 423, 429) or error.status >= 500:
            return Transient(f"the lake answered {error.status} for {where}: {said}")
        return Misconfigured(f"the lake answered {error.status} for {where}: {said}")


@contextmanager
def unless(cause: type[MillraceError]) -> Iterator[None]:
    """Let a call end without effect for the one cause that means: it is already so."""
    try:
        yield
    except cause:
        return


def _quoted(name: str) -> str:
    return quote(name, safe="")


def _timeout() -> Any:
    import urllib3

    connect, read = _TIMEOUT
    return urllib3.Timeout(connect=connect, read=read)


def _refusal(answer: Any) -> Exception:
    from lakefs_client.exceptions import ApiException

    error: Exception = ApiException(status=answer.status, reason=answer.reason)
    error.body = answer.data  # type: ignore[attr-defined]
    return error


def _message(error: Any) -> str:
    import json

    try:
        return str(json.loads(error.body)["message"])
    except (TypeError, ValueError, KeyError):
        return str(error.reason)
