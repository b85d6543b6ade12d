"""What a request can be answered with besides success."""

from __future__ import annotations


class ApiError(Exception):
    """An answer other than success: `status` is the HTTP status, the message goes into the body."""

    status = 500

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status or self.status


class NotSatisfiable(ApiError):
    """A range without a byte of the object; its size goes into a header, as HTTP wants it."""

    status = 416

    def __init__(self, header: str, size: int) -> None:
        super().__init__(f"Requested Range Not Satisfiable: {header!r} of {size} bytes")
        self.headers = {"Content-Range": f"bytes */{size}"}


class BadRequest(ApiError):
    """The request is understood and makes no sense."""

    status = 400


class Forbidden(ApiError):
    """The keys, a read-only repository or a protected branch do not allow it."""

    status = 403


class NotFound(ApiError):
    """No repository, ref or object of that name."""

    status = 404


class AlreadyThere(ApiError):
    """A name that must be new is taken."""

    status = 409


class Conflict(AlreadyThere):
    """Two sides changed the same object."""


class PreconditionFailed(ApiError):
    """What the request was made to depend on is not so."""

    status = 412


class NotSupported(ApiError):
    """lakeFS has it, or leaves it out too; this server does not do it."""

    status = 501


class Corrupt(ApiError):
    """What was stored is lost or is not what was stored."""

    status = 500
