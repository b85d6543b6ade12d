"""Errors of databases, sorted by what their receiver should do, without the values that databases quote.

A message is repeated only where it is about the query, the login or the connection. Of errors about values
their class and code are kept, and what comes before the first quoted value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum, auto
from typing import TYPE_CHECKING, NamedTuple

from include.exceptions import BadData, MillraceError, Misconfigured, Transient, Unauthorized, Unavailable
from include.excerpt import LIMIT, excerpt, quote

if TYPE_CHECKING:
    from sqlalchemy.exc import DBAPIError


class Cause(Enum):
    """What an error of a database is about."""

    LOGIN = auto()
    CONNECTION = auto()
    QUERY = auto()
    WRITING = auto()
    UNFINISHED = auto()
    BUSY = auto()
    AWAY = auto()
    VALUES = auto()


_CODES: tuple[tuple[str, Cause], ...] = (
    (r"28...|1044|1045|1698|SQLITE_AUTH", Cause.LOGIN),
    (r"SQLITE_READONLY_(ROLLBACK|RECOVERY|CANTINIT|CANTLOCK)", Cause.UNFINISHED),
    (r"25006|1792|SQLITE_READONLY.*", Cause.WRITING),
    (
        r"25P0[34]|40...|53300|55P03|55006|57014|70100|1040|1205|1213|1317|1969|3024|SQLITE_(BUSY|LOCKED).*",
        Cause.BUSY,
    ),
    (
        r"(08|53|57|58)...|HYT0[01]|20\d\d|200(0[2-9]|47)|SQLITE_(IOERR|CANTOPEN|FULL|NOMEM|INTERRUPT|PROTOCOL).*",
        Cause.AWAY,
    ),
    (r"3D...|1049|SQLITE_(CORRUPT|NOTADB).*", Cause.CONNECTION),
    (r"(0A|25|26|34|3F|42|55)...|1054|1064|1142|1143|1146|1305|SQLITE_(ERROR|RANGE)", Cause.QUERY),
)
"""SQLSTATE (PostgreSQL, ODBC), numbers of MySQL and of DB-Library, names of SQLite's codes; all others are
about values."""

_TEXTS: tuple[tuple[str, Cause], ...] = (
    ("authentication|no password supplied|role .* does not exist|no pg_hba.conf entry", Cause.LOGIN),
    ("database .* does not exist|invalid dsn|invalid connection option|invalid port", Cause.CONNECTION),
)
"""What libpq says of connections that failed, for which it has no code."""

_OF_THE_QUERY = re.compile(
    "no such|near |ambiguous|incomplete input|unrecognized token|wrong number of arg|misuse"
)
"""Messages of SQLite's general error that repeat the query; others may repeat values."""


class Place(NamedTuple):
    """A database for messages: the connection's id, and the address without password and parameters."""

    conn_id: str
    address: str

    @classmethod
    def of(cls, url: str, conn_id: str) -> Place:
        """Build from a URL; raises Misconfigured if it is not one, without repeating it."""
        from sqlalchemy import exc, make_url

        try:
            address = make_url(url).set(query={}).render_as_string(hide_password=True)
        except (exc.ArgumentError, ValueError):
            raise _unsupported(conn_id) from None
        return cls(conn_id, address[:LIMIT])


@contextmanager
def of_connection(place: Place) -> Iterator[None]:
    """Raise what goes wrong while a connection is opened as a class of include.exceptions."""
    from sqlalchemy import exc

    try:
        yield
    except exc.DBAPIError as error:
        cause = _cause(error)
        if cause in (Cause.LOGIN, Cause.UNFINISHED, Cause.BUSY, Cause.AWAY):
            raise _error(error, cause, place) from None
        raise _unusable(place.conn_id, _text(error)) from None
    except (exc.ArgumentError, ImportError):  # their messages may hold the password
        raise _unsupported(place.conn_id) from None
    except (exc.SQLAlchemyError, TypeError, ValueError, NotImplementedError) as error:
        raise _unusable(place.conn_id, f"{type(error).__name__}, as of an unknown parameter") from None


@contextmanager
def of_query(place: Place) -> Iterator[None]:
    """Raise what a query fails with as a class of include.exceptions."""
    from sqlalchemy import exc

    try:
        yield
    except exc.DBAPIError as error:
        raise _error(error, _cause(error), place) from None
    except exc.SQLAlchemyError as error:
        raise Misconfigured(
            f"source.query cannot be run ({type(error).__name__}); correct the query, or the connection"
        ) from None


def _unsupported(conn_id: str) -> Misconfigured:
    return Misconfigured(
        f"the URL of connection {quote(conn_id)} cannot be opened by SQLAlchemy; "
        "correct its type, or install its driver"
    )


def _unusable(conn_id: str, reason: str) -> Misconfigured:
    return Misconfigured(
        f"connection {quote(conn_id)} cannot be used: {reason}; correct its fields and its extra"
    )


def _error(error: DBAPIError, cause: Cause, place: Place) -> MillraceError:
    code, text = _code(error), _text(error)
    of_code = f" ({code})" if code else ""
    match cause:
        case Cause.LOGIN:
            return Unauthorized(
                f"the database at {place.address} refused the login{of_code}: {text}; correct login and "
                f"password of connection {quote(place.conn_id)}"
            )
        case Cause.WRITING:
            return Misconfigured(
                f"source.query is refused{of_code}: it writes, and a source only reads; write a query that "
                "changes nothing"
            )
        case Cause.UNFINISHED:
            return Unavailable(
                f"the database at {place.address} holds what a writer that was killed has begun{of_code}: "
                "open its file once with a program that may write, which undoes it"
            )
        case Cause.CONNECTION | Cause.QUERY:
            return Misconfigured(f"source.query is refused{of_code}: {text}; correct it, or source.conn_id")
        case Cause.BUSY:
            return Transient(f"source.query was ended{of_code} at {place.address}: {text}")
        case Cause.AWAY:
            return Unavailable(f"source.query fails at {place.address}{of_code}: {text}")
    return BadData(
        f"source.query fails with {type(error.orig).__name__}{of_code}{_template(error)}; run it in a "
        "database client"
    )


def _cause(error: DBAPIError) -> Cause:
    from sqlalchemy import exc

    code = _code(error)
    for pattern, cause in _CODES:
        if re.fullmatch(pattern, code):
            is_unclear = code == "SQLITE_ERROR" and not _OF_THE_QUERY.match(str(error.orig))
            return Cause.VALUES if is_unclear else cause
    if code:
        return Cause.VALUES
    for pattern, cause in _TEXTS:
        if re.search(pattern, str(error.orig)):
            return cause
    if isinstance(error, (exc.OperationalError, exc.InterfaceError)):
        return Cause.AWAY
    return Cause.QUERY if isinstance(error, (exc.ProgrammingError, exc.NotSupportedError)) else Cause.VALUES


def _code(error: DBAPIError) -> str:
    """Return the database's own code of an error; empty where the driver gives none."""
    found, first = error.orig, str((getattr(error.orig, "args", ()) or ("",))[0])
    codes = [getattr(found, name, None) for name in ("sqlstate", "pgcode", "sqlite_errorname", "errno")]
    known = [str(code) for code in (*codes, first) if code and code != "HY000"]  # ODBC's "general error"
    return next((code for code in known if re.fullmatch(r"[0-9]{4}|[0-9A-Z]{5}|SQLITE_\w+", code)), "")


def _text(error: DBAPIError) -> str:
    """Return the message of a database: its first line, or all lines of a connection that failed."""
    arguments = getattr(error.orig, "args", ()) or ("",)
    lines = str(arguments[-1]).splitlines() or [""]
    return excerpt(" ".join((lines[0] if _code(error) else " ".join(lines)).split())).rstrip(".;")


def _template(error: DBAPIError) -> str:
    """Return what PostgreSQL says about a value (SQLSTATE 21, 22) before it quotes it; else nothing."""
    if not re.fullmatch(r"(21|22)...", _code(error)) or not hasattr(error.orig, "diag"):
        return ""
    before = re.split(r"[\"':]", _text(error), maxsplit=1)[0].strip()
    return f": {before}" if before else ""
