"""Quote values and other libraries' messages in errors: short, printable, without credentials."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

LIMIT = 200
"""The most characters of a value that a message repeats."""

_URL_LOGIN = re.compile(r"//[^/@\s]*@")
_URL_SIGNATURE = re.compile(r"([?&](?:sig|X-Amz-Signature)=)[^&\s'\"]+")
_CONFIDENTIAL = r"passw(?:or)?d|pwd|secret|token|api_?key|access_?key\w*|credentials?"
_SECRET = re.compile(rf"((?:{_CONFIDENTIAL})\w*['\"]?\s*[:=]\s*)[^\s,;&}}]+", re.IGNORECASE)


def excerpt(text: str, limit: int = LIMIT) -> str:
    """Return text for a message: credentials masked, unprintable characters escaped, at most `limit` long."""
    masked = _URL_SIGNATURE.sub(r"\1***", _URL_LOGIN.sub("//***@", text[: limit * 10]))
    masked = _SECRET.sub(r"\1***", masked)
    shown = "".join(char if char.isprintable() or char == "\n" else _escape(char) for char in masked)
    return shown if len(shown) <= limit else f"{shown[: limit - 1]}…"


def quote(value: object) -> str:
    """Return a value as Python writes it, for a message."""
    try:
        return excerpt(repr(value))
    except ValueError:  # Python writes no integer of more than 4,300 digits
        return f"{type(value).__name__} of more digits than can be shown"


def nearest(name: object, known: Iterable[str]) -> str:
    """Return a question after the known name that is nearest to a wrong one, empty where none is near."""
    close = get_close_matches(str(name)[:LIMIT], sorted(known), n=1)
    return f"did you mean {quote(close[0])}? " if close else ""


def is_secret(name: str) -> bool:
    """Return whether a key's name says that its value is a secret."""
    return re.search(_CONFIDENTIAL, name, re.IGNORECASE) is not None


def describe(error: BaseException) -> str:
    """Return an exception's class and message; a class of somebody else may fail to word the latter."""
    try:
        message = str(error)
    except Exception:  # noqa: BLE001 - whatever its own __str__ raises
        message = ""
    return f"{type(error).__name__}: {excerpt(message)}" if message else type(error).__name__


def _escape(char: str) -> str:
    return char.encode("unicode_escape").decode()
