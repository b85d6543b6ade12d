"""Identity of the Airflow run behind a commit, a model version or a decision."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class RunIdentity:
    """One run of a DAG.

    `logical_date` is ISO 8601 or empty, `code_version` a git commit or empty. `image` is the digest of the
    image that the job runs in; empty outside containers.
    """

    dag_id: str
    run_id: str
    try_number: int = 1
    logical_date: str = ""
    code_version: str = ""
    image: str = ""

    @property
    def key(self) -> str:
        """Key of the run, the same for every try: names and look-ups of earlier commits derive from it."""
        return f"{self.dag_id}/{self.run_id}"

    @property
    def short_hash(self) -> str:
        """Eight hexadecimal digits of the hash of `key`, for names of branches and tags."""
        return hashlib.sha256(self.key.encode()).hexdigest()[:8]

    def metadata(self) -> dict[str, str]:
        """Return the metadata of every lake commit that this run makes."""
        return {
            "dag_id": self.dag_id,
            "run_id": self.run_id,
            "try_number": str(self.try_number),
            "logical_date": self.logical_date,
            "code_version": self.code_version,
        }
