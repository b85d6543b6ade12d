"""Who did it: the Airflow run behind a commit, a model version, a decision."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class RunIdentity:
    """One run of a DAG; `logical_date` is ISO 8601 or empty, `code_version` a git commit or empty.

    `image` is the container image that works for it, by digest; empty outside of containers.
    """

    dag_id: str
    run_id: str
    try_number: int = 1
    logical_date: str = ""
    code_version: str = ""
    image: str = ""

    @property
    def key(self) -> str:
        """The same for every try of the run: names and look-ups of earlier success derive from it."""
        return f"{self.dag_id}/{self.run_id}"

    @property
    def short_hash(self) -> str:
        """Eight hexadecimal digits that stand for `key` in names of branches and tags."""
        return hashlib.sha256(self.key.encode()).hexdigest()[:8]

    def metadata(self) -> dict[str, str]:
        """What goes on every commit of the lake."""
        return {
            "dag_id": self.dag_id,
            "run_id": self.run_id,
            "try_number": str(self.try_number),
            "logical_date": self.logical_date,
            "code_version": self.code_version,
        }
