"""Who asks: a pair of keys with each request, or the token that a login with them gave.

A token is a JWT (RFC 7519) signed with HMAC-SHA256, as lakeFS's; the key is made of the secret access key,
so it holds across restarts and ends with the keys.
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
_READING = ("GET", "HEAD")


@dataclass(frozen=True)
class Keys:
    """A user and the pair of keys that proves it. Its repr holds no secret."""

    user: str
    access_key_id: str
    secret_access_key: str = field(repr=False)
    read_only: bool = False

    def token(self, expires: int) -> str:
        """What stands for the keys until a moment, in seconds since 1970."""
        claims = {"sub": self.user, "exp": expires}
        signed = ".".join(_encoded(json.dumps(part).encode()) for part in (_HEADER, claims))
        return f"{signed}.{self._signature(signed)}"

    def gave(self, token: str) -> bool:
        """Whether a token stands for these keys, and still does."""
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
    """Everyone who may ask."""

    known: tuple[Keys, ...]

    def authenticate(self, request: Request) -> Keys:
        """Who asks; raises an answer 401, or 403 if they may not do this."""
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "basic":
            keys = self._with_pair(_decoded(given))
        else:
            keys = self._with_token(given if scheme.lower() == "bearer" else request.cookies.get(COOKIE, ""))
        if keys.read_only and request.method not in _READING:
            raise Forbidden(f"user {keys.user!r} may read only: {request.method} needs the other keys")
        return keys

    def login(self, access_key_id: str, secret_access_key: str) -> tuple[str, int]:
        """A token for a pair of keys, and when it ends, in seconds since 1970."""
        expires = int(time.time()) + _LOGIN_SECONDS
        return self._with_pair(f"{access_key_id}:{secret_access_key}".encode()).token(expires), expires

    def _with_pair(self, given: bytes) -> Keys:
        for keys in self.known:
            if hmac.compare_digest(given, f"{keys.access_key_id}:{keys.secret_access_key}".encode()):
                return keys
        raise ApiError("error authenticating request", 401)

    def _with_token(self, token: str) -> Keys:
        for keys in self.known:
            if keys.gave(token):
                return keys
        raise ApiError("error authenticating request", 401)


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _decoded(credentials: str) -> bytes:
    try:
        return base64.b64decode(credentials, validate=True)
    except (binascii.Error, ValueError):
        return b""
