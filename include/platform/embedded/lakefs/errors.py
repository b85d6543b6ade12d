"""Error responses."""

from __future__ import annotations


class ApiError(Exception):
    """An error response: `status` is the HTTP status, the message goes into the body."""

    status = 500

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status or self.status


class NotSatisfiable(ApiError):
    """A range that contains no byte of the object; HTTP wants the object's size in a header."""

    status = 416

    def __init__(self, header: str, size: int) -> None:
        super().__init__(f"Requested Range Not Satisfiable: {header!r} of {size} bytes")
        self.headers = {"Content-Range": f"bytes */{size}"}


class BadRequest(ApiError):
    """The request is not valid."""

    status = 400


class Forbidden(ApiError):
    """The keys, a read-only repository or a protected branch do not allow it."""

    status = 403


class NotFound(ApiError):
    """There is no repository, ref or object with that name."""

    status = 404


class AlreadyExists(ApiError):
    """A name that must be new exists."""

    status = 409


class MergeConflict(AlreadyExists):
    """Two sides changed the same object."""


class PreconditionFailed(ApiError):
    """A precondition of the request is not met."""

    status = 412


class NotSupported(ApiError):
    """The server does not support the operation."""

    status = 501


class TooFull(ApiError):
    """The disk has too little free space for new data."""

    status = 507


class Corrupt(ApiError):
    """Stored data is missing or damaged."""

    status = 500
