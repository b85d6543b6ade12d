"""Map the errors of MLflow's client onto ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from include.exceptions import Absent, MillraceError, Misconfigured, Transient, Unauthorized, Unavailable

if TYPE_CHECKING:
    pass


_AGAIN = {"TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED", "INTERNAL_ERROR", "DATABASE_ERROR"}


_REFUSED = {"PERMISSION_DENIED", "UNAUTHENTICATED", "CUSTOMER_UNAUTHORIZED"}


@contextmanager
def errors(what: str, uri: str) -> Iterator[None]:
    """Map MLflow's exceptions onto ours; `what` names the thing asked for."""
    from mlflow.exceptions import MlflowException
    from requests import RequestException

    try:
        yield
    except MlflowException as error:
        raise _mapped(error, what, uri) from error
    except RequestException as error:
        raise _silent(what, uri) from error


def _mapped(error: Any, what: str, uri: str) -> MillraceError:
    from mlflow.exceptions import RestException

    said = str(error.message).partition("\n")[0][:300]
    # The server did not answer: MLflow has no class for it, only this beginning of the message.
    if not isinstance(error, RestException) and said.startswith("API request to http"):
        return _silent(what, uri)
    if error.error_code == "RESOURCE_DOES_NOT_EXIST":
        return Absent(f"there is no {what} in MLflow at {uri!r}: {said}")
    if error.error_code in _REFUSED:
        return Unauthorized(f"MLflow at {uri!r} refused {what}: {said}; correct the connection's credentials")
    if error.error_code in _AGAIN and isinstance(error, RestException):
        return Transient(f"MLflow at {uri!r} answered {error.error_code} for {what}: {said}")
    return Misconfigured(f"MLflow at {uri!r} refused {what} ({error.error_code}): {said}")


def _silent(what: str, uri: str) -> Unavailable:
    return Unavailable(
        f"MLflow at {uri!r} does not answer while asking for {what}; "
        "start it, or correct the connection's host"
    )
