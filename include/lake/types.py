"""Records that the lake client takes and returns."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from include.settings import LakeLogin


@dataclass(frozen=True, kw_only=True)
class LakeConnection:
    """Address and key pair of a lake; `endpoint` is `http(s)://host:port`."""

    endpoint: str
    access_key_id: str
    secret_access_key: str
    verify_tls: bool = True

    @classmethod
    def of(cls, login: LakeLogin) -> LakeConnection:
        """Build from the login in the environment."""
        return cls(
            endpoint=login.lake_endpoint,
            access_key_id=login.lake_access_key_id,
            secret_access_key=login.lake_secret_access_key.get_secret_value(),
            verify_tls=login.lake_verify_tls,
        )

    def __repr__(self) -> str:
        return f"LakeConnection(endpoint={self.endpoint!r}, access_key_id={self.access_key_id!r})"


@dataclass(frozen=True)
class Commit:
    """An immutable version of a repository."""

    id: str
    message: str
    created: datetime
    metadata: dict[str, str]
    parents: tuple[str, ...]

    @classmethod
    def of(cls, response: Any) -> Commit:
        """Build from an API response."""
        return cls(
            id=str(response["id"]),
            message=str(response["message"]),
            created=datetime.fromtimestamp(response["creation_date"], UTC),
            metadata=dict(response.get("metadata") or {}),
            parents=tuple(response["parents"]),
        )


@dataclass(frozen=True)
class LakeObject:
    """An object of one version: `size` in bytes, `checksum` as the server reports it.

    The checksum of an object that was uploaded through the API is the MD5 of its content; the checksum of
    an imported object is whatever its storage reports.
    """

    path: str
    size: int
    checksum: str

    @classmethod
    def of(cls, response: Any) -> LakeObject:
        """Build from an API response."""
        return cls(str(response["path"]), int(response.get("size_bytes") or 0), str(response["checksum"]))

    @property
    def md5(self) -> str | None:
        """MD5 of the content as hexadecimal digits; None if the checksum is not an MD5."""
        is_md5 = len(self.checksum) == 32 and not set(self.checksum) - set("0123456789abcdef")
        return self.checksum if is_md5 else None


@dataclass(frozen=True)
class Change:
    """A path that differs between two versions; `kind` is added, changed, removed or conflict."""

    path: str
    kind: str

    @classmethod
    def of(cls, response: Any) -> Change:
        """Build from an API response."""
        return cls(str(response["path"]), str(response["type"]))


@dataclass(frozen=True)
class ImportStatus:
    """Progress of an import: objects so far, its commit once `completed`, its error if it failed."""

    completed: bool
    ingested_objects: int
    commit: str | None
    error: str | None

    @classmethod
    def of(cls, response: Any) -> ImportStatus:
        """Build from an API response."""
        return cls(
            completed=bool(response["completed"]),
            ingested_objects=int(response.get("ingested_objects") or 0),
            commit=(response.get("commit") or {}).get("id"),
            error=(response.get("error") or {}).get("message"),
        )
