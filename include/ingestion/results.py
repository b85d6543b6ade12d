"""What the steps of an ingestion return."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from include.verdict import Verdict

if TYPE_CHECKING:
    pass


@dataclass(frozen=True, kw_only=True)
class LoadResult:
    """What `load` put on the branch; `written` counts partitions whose content is new."""

    commit: str
    rows: int
    partitions: int
    written: int
    source_checksum: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class ValidationResult:
    """What the suite found on the branch; `link` is the page of the MLflow run that holds the details."""

    verdict: Verdict
    link: str

    def to_json(self) -> dict[str, Any]:
        return {**self.verdict.to_json(), "link": self.link}
