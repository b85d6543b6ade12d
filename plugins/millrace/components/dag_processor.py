"""`python -m millrace.components.dag_processor`: Airflow's DAG processor that parses what changed.

Airflow's own parses every file again and again, as it cannot know what a file reads: ours build their DAGs
from the contracts of the pipelines. This one looks at the time stamps of all sources, and at which DAGs are
paused, and parses when something differs, else once in `[dag_processor] min_file_process_interval`.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
from airflow.__main__ import main as airflow
from airflow.cli.commands import dag_processor_command
from airflow.dag_processing.manager import DagFileProcessorManager
from airflow.models.dag import DagModel
from airflow.utils.session import create_session
from sqlalchemy import select

from include.settings import ROOT, settings

_LOOK_SECONDS = 3.0
_SUFFIXES = (".py", ".yaml")


def fingerprint(folders: tuple[Path, ...]) -> int:
    """Return a number that differs once a source below the folders is new, changed, renamed or gone."""
    return hash(frozenset((path, status.st_mtime_ns, status.st_size) for path, status in _sources(folders)))


def _sources(folders: tuple[Path, ...]) -> Iterator[tuple[str, os.stat_result]]:
    pending, seen = [str(folder) for folder in folders], set[tuple[int, int]]()
    while pending:
        folder = pending.pop()
        try:
            status = os.stat(folder)  # noqa: PTH116 - os.scandir needs no Path
            entries = [] if (status.st_dev, status.st_ino) in seen else list(os.scandir(folder))
        except OSError:
            continue  # gone since it was listed, or not ours to read
        seen.add((status.st_dev, status.st_ino))  # a link may lead back up
        for entry in entries:
            try:
                if entry.is_dir():
                    pending += [entry.path] if entry.name != "__pycache__" else []
                elif entry.name.endswith(_SUFFIXES):
                    yield entry.path, entry.stat()
            except OSError:
                continue  # as above, or a link to itself


def paused_dags() -> frozenset[str]:
    """Return the DAGs that are paused.

    Airflow ends the watchers of a paused DAG's assets when it parses the DAG's file, and starts them again
    when it parses the file after the pause.
    """
    with create_session() as session:
        return frozenset(session.scalars(select(DagModel.dag_id).where(DagModel.is_paused)))


@attrs.define(kw_only=True)
class ChangeProcessor(DagFileProcessorManager):
    """The DAG processor, woken by a change of its sources."""

    paused: Callable[[], frozenset[str]] = attrs.field(default=paused_dags)
    folders: tuple[Path, ...] = attrs.field(
        factory=lambda: (ROOT / "dags", ROOT / "include", ROOT / "plugins", settings().pipelines)
    )
    _fingerprint: int = attrs.field(default=0, init=False)
    _next_look: float = attrs.field(default=0, init=False)
    _second_parse: float = attrs.field(default=float("inf"), init=False)

    def prepare_file_queue(self, known_files: Any) -> None:
        """Let all files be parsed if a source has changed since they were, then go on as Airflow does."""
        # Not while a file is parsed: the end of that would be taken for the end of a later one.
        if not self._processors and time.monotonic() >= self._next_look:
            self._look(time.monotonic())
        super().prepare_file_queue(known_files=known_files)

    def _look(self, now: float) -> None:
        self._next_look = now + _LOOK_SECONDS
        found = hash((fingerprint(self.folders), self.paused()))
        if found != self._fingerprint:
            self._fingerprint = found
            # A DAG that left its file counts as gone once the file was parsed so much later than the DAG.
            self._second_parse = now + self.stale_dag_threshold + _LOOK_SECONDS
            self.request_bundle_refresh(bundle.name for bundle in self._dag_bundles)
        elif now >= self._second_parse:
            self._second_parse = float("inf")
        else:
            return
        for file in self._file_stats.values():
            file.last_finish_time = None


def main() -> None:
    """Run `airflow dag-processor` with this processor."""
    # The command has no option for it. Drop once Airflow's own parses on changes of what a file reads.
    vars(dag_processor_command)["DagFileProcessorManager"] = ChangeProcessor
    sys.argv = ["airflow", "dag-processor"]
    airflow()


if __name__ == "__main__":
    main()
