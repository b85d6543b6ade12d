"""Map the exceptions of MLflow's client onto those of `include.exceptions`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from include.exceptions import Absent, MillraceError, Misconfigured, Transient, Unauthorized, Unavailable

_TRANSIENT_CODES = {"TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED", "INTERNAL_ERROR", "DATABASE_ERROR"}
_UNAUTHORIZED_CODES = {"PERMISSION_DENIED", "UNAUTHENTICATED", "CUSTOMER_UNAUTHORIZED"}
_MAX_MESSAGE = 300


@contextmanager
def mlflow_errors(what: str, uri: str) -> Iterator[None]:
    """Raise one of our exceptions for each of MLflow's; `what` names the thing that was requested."""
    from mlflow.exceptions import MlflowException
    from requests import RequestException

    try:
        yield
    except MlflowException as error:
        raise _mapped(error, what, uri) from error
    except RequestException as error:
        status = None if error.response is None else error.response.status_code  # of an artifact's address
        if status == 404:
            raise Absent(f"there is no {what} in MLflow at {uri!r}") from error
        if status in (401, 403):
            raise _unauthorized(what, uri, f"{status}") from error
        raise _unavailable(what, uri) from error


def _mapped(error: Any, what: str, uri: str) -> MillraceError:
    from mlflow.exceptions import RestException

    message = str(error.message).partition("\n")[0][:_MAX_MESSAGE]
    # No answer at all: MLflow has no class for it, only this beginning of the message.
    if not isinstance(error, RestException) and message.startswith("API request to http"):
        return _unavailable(what, uri)
    if error.error_code == "RESOURCE_DOES_NOT_EXIST":
        return Absent(f"there is no {what} in MLflow at {uri!r}: {message}")
    if error.error_code in _UNAUTHORIZED_CODES:
        return _unauthorized(what, uri, message)
    if error.error_code in _TRANSIENT_CODES and isinstance(error, RestException):
        return Transient(f"MLflow at {uri!r} answered {error.error_code} for {what}: {message}")
    return Misconfigured(f"MLflow at {uri!r} refused {what} ({error.error_code}): {message}")


def _unauthorized(what: str, uri: str, message: str) -> Unauthorized:
    return Unauthorized(f"MLflow at {uri!r} refused {what}: {message}; correct the connection's credentials")


def _unavailable(what: str, uri: str) -> Unavailable:
    return Unavailable(
        f"MLflow at {uri!r} does not answer while asking for {what}; "
        "start it, or correct the connection's host"
    )
