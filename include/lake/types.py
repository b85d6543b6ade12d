"""What the lake answers, as plain records."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from include.settings import LakeLogin


@dataclass(frozen=True, kw_only=True)
class LakeConnection:
    """Where the lake is and who asks. `endpoint` is `http(s)://host:port`."""

    endpoint: str
    access_key_id: str
    secret_access_key: str
    verify_tls: bool = True

    @classmethod
    def of(cls, told: LakeLogin) -> LakeConnection:
        """As the environment tells it."""
        return cls(
            endpoint=told.lake_endpoint,
            access_key_id=told.lake_access_key_id,
            secret_access_key=told.lake_secret_access_key.get_secret_value(),
            verify_tls=told.lake_verify_tls,
        )

    def __repr__(self) -> str:
        return f"LakeConnection(endpoint={self.endpoint!r}, access_key_id={self.access_key_id!r})"


@dataclass(frozen=True)
class Commit:
    """An immutable version of the repository."""

    id: str
    message: str
    created: datetime
    metadata: dict[str, str]
    parents: tuple[str, ...]

    @classmethod
    def of(cls, answer: Any) -> Commit:
        """As the API tells it."""
        return cls(
            id=str(answer["id"]),
            message=str(answer["message"]),
            created=datetime.fromtimestamp(answer["creation_date"], UTC),
            metadata=dict(answer.get("metadata") or {}),
            parents=tuple(answer["parents"]),
        )


@dataclass(frozen=True)
class LakeObject:
    """An object of one version: `size` in bytes, `checksum` as the server states it.

    The checksum of what was uploaded through the API is the content's MD5; imported objects have others.
    """

    path: str
    size: int
    checksum: str

    @classmethod
    def of(cls, answer: Any) -> LakeObject:
        """As the API tells it."""
        return cls(str(answer["path"]), int(answer.get("size_bytes") or 0), str(answer["checksum"]))

    @property
    def md5(self) -> str | None:
        """The checksum where it is one of the content."""
        is_md5 = len(self.checksum) == 32 and not set(self.checksum) - set("0123456789abcdef")
        return self.checksum if is_md5 else None


@dataclass(frozen=True)
class Change:
    """One path that differs between two versions; `kind` is added, changed, removed or conflict."""

    path: str
    kind: str

    @classmethod
    def of(cls, answer: Any) -> Change:
        """As the API tells it."""
        return cls(str(answer["path"]), str(answer["type"]))


@dataclass(frozen=True)
class ImportState:
    """How far an import is: objects taken so far, the commit once it is `completed`, or its error."""

    completed: bool
    objects: int
    commit: str | None
    error: str | None

    @classmethod
    def of(cls, answer: Any) -> ImportState:
        """As the API tells it."""
        return cls(
            completed=bool(answer["completed"]),
            objects=int(answer.get("ingested_objects") or 0),
            commit=(answer.get("commit") or {}).get("id"),
            error=(answer.get("error") or {}).get("message"),
        )
