"""HTTP access to the lake, and the only module that imports `lakefs-client`.

Every call either returns what the API responded or raises a class of `include.exceptions`. Bodies are plain
dicts in the form of the API reference, so no generated model is needed.

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
    BadData,
    Conflict,
    MillraceError,
    Misconfigured,
    Transient,
    Unauthorized,
    Unavailable,
    UncommittedChanges,
)
from include.lake.types import LakeConnection

_MAX_PAGE_ENTRIES = 1000
_CONNECT_TIMEOUT_SECONDS = 3.05
_READ_TIMEOUT_SECONDS = 120
"""Longest time without a byte from the server."""
REQUEST_OPTIONS = {
    "_request_timeout": (_CONNECT_TIMEOUT_SECONDS, _READ_TIMEOUT_SECONDS),
    # lakefs-client would walk each response a second time to check its types; unchecked, nested values are
    # plain dicts.
    "_check_return_type": False,
}
"""Options of every operation of lakefs-client."""
_REFUSED_BY_HOOK = re.compile(r"\bhook aborted\b|^action file\b")
_REPOSITORY_NOT_FOUND = re.compile(r"\brepository\b.*\bnot found")
_NO_REPOSITORY = (
    "; create it, then clear this task: `make up` on one machine and `make compose DO=up` on one server make "
    "the repository of every pipeline, elsewhere `python -m include.platform.repositories <storage>` does "
    "(docs/existing-airflow.md)"
)


class NoChanges(MillraceError):
    """A commit or a merge had nothing to do."""


class RepositoryClient:
    """A client of one repository; base of `Lake`.

    The connection is opened by the first call. Each call is one request, a paged list one request for each
    thousand entries.
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
        # Only connecting is retried here: a request whose response was lost may have taken effect, and the
        # task's own retry looks for that first.
        configuration.retries = urllib3.Retry(connect=2, read=0, redirect=2, status=0, backoff_factor=0.2)
        return LakeFSClient(configuration)

    def _call(self, subject: str, operation: str, *arguments: Any, **options: Any) -> Any:
        """Call `<api>.<operation>` of the client for this repository; `subject` names the thing in errors."""
        with self._errors(subject):
            return self._operation(operation)(self.repository, *arguments, **REQUEST_OPTIONS, **options)

    def _pages(
        self,
        subject: str,
        operation: str,
        *arguments: Any,
        after: str = "",
        amount: int = _MAX_PAGE_ENTRIES,
        **options: Any,
    ) -> Iterator[Any]:
        """Yield the entries of a paged list, one page of `amount` in memory at a time."""
        with self._errors(subject):
            while True:
                page = self._operation(operation)(
                    self.repository,
                    *arguments,
                    after=after,
                    amount=amount,
                    **REQUEST_OPTIONS,
                    **options,
                )
                yield from page.results
                if not page.pagination["has_more"]:
                    return
                after = page.pagination["next_offset"]

    def _operation(self, operation: str) -> Callable[..., Any]:
        api, _, name = operation.partition(".")
        method: Callable[..., Any] = getattr(getattr(self._client, f"{api}_api"), name)
        return method

    def _send(self, subject: str, branch: str, path: str, body: Iterable[bytes], size: int | None) -> Any:
        """Upload an object as a raw body that is read while it is sent; return the API's response.

        This uses the connection pool of lakefs-client, hence the same keys, certificate checks and limits.
        """
        # `ObjectsApi.upload_object` reads the whole file into memory and sends it as a form. Drop once the
        # generated client streams uploads: https://github.com/treeverse/lakeFS/pull/6799
        import json

        with self._errors(subject):
            configuration = self._client._api.configuration
            headers = {
                "Authorization": configuration.get_basic_auth_token(),
                "User-Agent": self._client._api.user_agent,
                "Content-Type": "application/octet-stream",
                **({} if size is None else {"Content-Length": str(size)}),
            }
            endpoint = f"repositories/{_quoted(self.repository)}/branches/{_quoted(branch)}/objects"
            response = self._client._api.rest_client.pool_manager.request(
                "POST",
                f"{configuration.host}/{endpoint}?path={_quoted(path)}",
                body=body,
                headers=headers,
                timeout=_timeout(),
                redirect=False,  # a stream that was sent cannot be sent again
            )
            if not 200 <= response.status <= 299:
                raise _api_exception(response)
            return json.loads(response.data)

    @contextmanager
    def _errors(self, subject: str) -> Iterator[None]:
        """Map the client's exceptions onto `include.exceptions`; `subject` names the thing in messages."""
        import urllib3
        from lakefs_client.exceptions import ApiException, OpenApiException

        try:
            yield
        except ApiException as error:
            raise self._mapped(error, subject) from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise Unavailable(
                f"the lake at {self.connection.endpoint!r} does not answer ({type(error).__name__}) "
                f"to a request for {subject}; start it, or correct the connection's host"
            ) from error
        except (OpenApiException, AttributeError, LookupError, TypeError, ValueError) as error:
            if isinstance(error.__context__, ApiException):  # the body of an error is not UTF-8
                raise self._mapped(error.__context__, subject) from error
            raise Misconfigured(
                f"{subject}: lakefs-client cannot send this request, or the response of the lake at "
                f"{self.connection.endpoint!r} is not lakeFS's ({error}); correct the name, or the "
                "connection's host"
            ) from error

    def _mapped(self, error: Any, subject: str) -> MillraceError:
        where = f"{subject} in repository {self.repository!r} at {self.connection.endpoint!r}"
        message = _message(error)
        if error.status == 400 and "no changes" in message:
            return NoChanges(f"{where}: {message}")
        if error.status == 400 and "uncommitted changes" in message:
            return UncommittedChanges(
                f"{where}: {message}; commit or reset the changes of the branch, then clear this task"
            )
        if error.status == 501 or (error.status == 403 and "is not supported" in message):
            return Misconfigured(f"this lake does not support the operation: {where}: {message}")
        if error.status in (401, 403):
            return Unauthorized(
                f"the lake refused access key {self.connection.access_key_id!r} for {where} "
                f"({error.status}, {message!r}): set the connection's login and password to a key pair "
                "with this permission"
            )
        if error.status == 404:
            remedy = _NO_REPOSITORY if _REPOSITORY_NOT_FOUND.search(message) else ""
            return Absent(f"there is no {where}: {message}{remedy}")
        if error.status == 412 and _REFUSED_BY_HOOK.search(message):
            return BadData(f"an action of the repository refused {where}: {message}")
        if error.status in (409, 412):
            return Conflict(
                f"{where}: {message}; it was changed in the meantime, run the step again from its start"
            )
        if error.status in (408, 420, 423, 429) or error.status >= 500:
            return Transient(f"the lake answered {error.status} for {where}: {message}")
        return Misconfigured(f"the lake answered {error.status} for {where}: {message}")


def _quoted(name: str) -> str:
    return quote(name, safe="")


def _timeout() -> Any:
    import urllib3

    return urllib3.Timeout(connect=_CONNECT_TIMEOUT_SECONDS, read=_READ_TIMEOUT_SECONDS)


def _api_exception(response: Any) -> Exception:
    from lakefs_client.exceptions import ApiException

    error: Exception = ApiException(status=response.status, reason=response.reason)
    error.body = response.data  # type: ignore[attr-defined]
    return error


def _message(error: Any) -> str:
    import json

    try:
        return str(json.loads(error.body)["message"])
    except (TypeError, ValueError, KeyError):
        return str(error.reason)
