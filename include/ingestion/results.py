"""What the steps of an ingestion return."""

from __future__ import annotations

from include.record import Record
from include.verdict import Verdict


class LoadResult(Record):
    """What `load` put on the branch.

    `written` counts the partitions whose content is new, `missing` the days for which the source has no file,
    `late` and `undated` the rows that were left out: of other days than their file's, and without a time.
    `source_version` is the version that was read of a source that has versions.
    """

    commit: str
    rows: int
    partitions: int
    written: int
    missing: int
    late: int = 0
    undated: int = 0
    source_checksum: str
    source_version: str | None = None


class ValidationResult(Verdict):
    """The verdict on what the branch holds; `link` is the page of the MLflow run with the report.

    `left_out` are the days that are not published, as `day_ranges` writes them, `left_out_rows` their rows,
    and `quarantine` the branch that keeps them, if they are kept.
    """

    link: str
    left_out: str = ""
    left_out_rows: int = 0
    quarantine: str | None = None


class QuarantineResult(Record):
    """Why a branch was taken away, and the branch that keeps it, if it was kept."""

    branch: str | None
    reasons: tuple[str, ...]
