"""What a request can be answered with besides success."""

from __future__ import annotations


class ApiError(Exception):
    """An answer other than success: `status` is the HTTP status, the message goes into the body."""

    status = 500

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status or self.status


class BadRequest(ApiError):
    """The request is understood and makes no sense."""

    status = 400


class NotFound(ApiError):
    """No repository, ref or object of that name."""

    status = 404


class AlreadyThere(ApiError):
    """A name that must be new is taken, or two sides changed the same object."""

    status = 409


class Corrupt(ApiError):
    """A stored object's content is not what was stored."""

    status = 500
