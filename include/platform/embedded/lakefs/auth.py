"""Authentication, by a pair of keys or by the token that a login with them returned.

A token is a JWT (RFC 7519) signed with HMAC-SHA256, as in lakeFS. The signing key derives from the secret
access key, so tokens survive restarts and become invalid with the keys.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import time
from dataclasses import dataclass, field

from starlette.requests import Request

from include.platform.embedded.lakefs.errors import ApiError, Forbidden

COOKIE = "internal_auth_session"
_LOGIN_SECONDS = 7 * 24 * 3600
_HEADER = {"alg": "HS256", "typ": "JWT"}
_READ_METHODS = ("GET", "HEAD")


@dataclass(frozen=True)
class Keys:
    """A user with its pair of keys. Safe to log: its repr does not show the secret."""

    user: str
    access_key_id: str
    secret_access_key: str = field(repr=False)
    read_only: bool = False

    def token(self, expires: int) -> str:
        """Return a token that replaces the keys until `expires`, in seconds since 1970."""
        claims = {"sub": self.user, "exp": expires}
        signed = ".".join(_encoded(json.dumps(part).encode()) for part in (_HEADER, claims))
        return f"{signed}.{self._signature(signed)}"

    def issued(self, token: str) -> bool:
        """Return whether a token was issued for these keys and has not expired."""
        signed, _, signature = token.rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._signature(signed).encode()):
            return False
        claims = json.loads(base64.urlsafe_b64decode(signed.partition(".")[2] + "=="))
        return bool(claims["sub"] == self.user and claims["exp"] > time.time())

    def _signature(self, signed: str) -> str:
        key = hashlib.sha256(b"login:" + self.secret_access_key.encode()).digest()
        return _encoded(hmac.digest(key, signed.encode(), "sha256"))


@dataclass(frozen=True)
class Users:
    """The users of the server."""

    known: tuple[Keys, ...]

    def authenticate(self, request: Request) -> Keys:
        """Return the keys of a request, from its header `Authorization` or from the cookie of a login.

        Raises ApiError with status 401 if they are missing or wrong, Forbidden if they may only read.
        """
        scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "basic":
            keys = self._with_pair(_decoded(credentials))
        else:
            is_bearer = scheme.lower() == "bearer"
            keys = self._with_token(credentials if is_bearer else request.cookies.get(COOKIE, ""))
        if keys.read_only and request.method not in _READ_METHODS:
            raise Forbidden(f"user {keys.user!r} may read only: {request.method} needs the other keys")
        return keys

    @property
    def signing_key(self) -> bytes:
        """The key of what the server signs for itself; it changes with the first user's secret."""
        return hashlib.sha256(b"address:" + self.known[0].secret_access_key.encode()).digest()

    def login(self, access_key_id: str, secret_access_key: str) -> tuple[str, int]:
        """Return a token for a pair of keys, and when it expires, in seconds since 1970."""
        expires = int(time.time()) + _LOGIN_SECONDS
        return self._with_pair(f"{access_key_id}:{secret_access_key}".encode()).token(expires), expires

    def _with_pair(self, pair: bytes) -> Keys:
        for keys in self.known:
            if hmac.compare_digest(pair, f"{keys.access_key_id}:{keys.secret_access_key}".encode()):
                return keys
        raise ApiError("error authenticating request", 401)

    def _with_token(self, token: str) -> Keys:
        for keys in self.known:
            if keys.issued(token):
                return keys
        raise ApiError("error authenticating request", 401)


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _decoded(credentials: str) -> bytes:
    try:
        return base64.b64decode(credentials, validate=True)
    except (binascii.Error, ValueError):
        return b""
