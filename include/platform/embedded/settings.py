"""Settings of the embedded lake server, under the names of a real lakeFS's environment."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, model_validator

from include.settings import FrozenSettings, settings


class LakeFolder(FrozenSettings):
    """Where the embedded lake server keeps everything."""

    path: Path | None = Field(None, alias="LAKEFS_BLOCKSTORE_LOCAL_PATH")

    @property
    def folder(self) -> Path:
        """The path that was set, else the one that the embedded stack uses."""
        return self.path or settings().var / "lakefs"


class LakeServerSettings(LakeFolder):
    """What the embedded lake server is told, in the words of a real lakeFS's environment."""

    listen_address: str = Field("127.0.0.1:8000", alias="LAKEFS_LISTEN_ADDRESS")
    access_key_id: str = Field(alias="LAKEFS_INSTALLATION_ACCESS_KEY_ID", min_length=1)
    secret_access_key: str = Field(alias="LAKEFS_INSTALLATION_SECRET_ACCESS_KEY", min_length=16)
    read_only_access_key_id: str = Field("", alias="LAKEFS_READ_ONLY_ACCESS_KEY_ID")
    read_only_secret_access_key: str = Field("", alias="LAKEFS_READ_ONLY_SECRET_ACCESS_KEY")

    @model_validator(mode="after")
    def _readers_are_others_and_have_a_secret(self) -> LakeServerSettings:
        reader, secret = self.read_only_access_key_id, self.read_only_secret_access_key
        if bool(reader) != bool(secret) or (secret and len(secret) < 16) or reader == self.access_key_id:
            raise ValueError(
                "LAKEFS_READ_ONLY_ACCESS_KEY_ID and LAKEFS_READ_ONLY_SECRET_ACCESS_KEY go together: set both "
                "or neither, an id of its own and a secret of 16 characters at least"
            )
        return self
