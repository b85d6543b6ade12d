"""Predictions: the table in which a champion's predictions lie beside the rows that they are for.

The file of a day is aligned with its partition row by row, and named after the model's version and the
partition's content, so that corrected data and a new champion are scored again, and nothing twice.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from include.contract.model import DAY, PREDICTION
from include.contract.pipeline import Pipeline
from include.contract.windows import MonitoringWindow
from include.exceptions import BadData, ChampionUnusable, Conflict, NotEnoughData
from include.lake.frames import concat, to_frame
from include.lake.table import Table, checksum
from include.lake.types import LakeObject
from include.modelling.champion import ANY, columns_for, faults_of, matrix_for
from include.modelling.estimator import probabilities
from include.modelling.labels import LabelledFrame, Rows
from include.modelling.metrics import latency_ms
from include.modelling.scorer import Scorer


class Written(NamedTuple):
    """What `Predictions.write` uploaded: the number of rows, and the latency for one row in ms."""

    rows: int
    latency_ms: float


@dataclass(frozen=True)
class Predictions:
    """The predictions of one model version for the rows of a pipeline's table."""

    pipeline: Pipeline
    data: Table
    version: int

    @property
    def table(self) -> Table:
        """The table of predictions, in the repository of the data."""
        return Table(self.data.lake, self.pipeline.predictions)

    def path(self, day: date, partition: Sequence[LakeObject]) -> str:
        """Return where the predictions for a day's partition lie."""
        return f"{self.table.prefix(day)}v{self.version}-{checksum(partition)}.parquet"

    def missing(self, window: MonitoringWindow, commit: str, *, at: str) -> dict[date, str]:
        """Return the days of `commit` that have no predictions at the ref `at`, and where those belong."""
        days = window.first, window.last
        present = {item.path for items in self.table.parts(at, *days).values() for item in items}
        expected = {day: self.path(day, parts) for day, parts in self.data.parts(commit, *days).items()}
        return {day: path for day, path in expected.items() if path not in present}

    def write(self, branch: str, missing: dict[date, str], scorer: Scorer, *, commit: str) -> Written:
        """Score days of `commit`, and upload their predictions to a branch.

        Raises ChampionUnusable if the model fails on the rows, or needs a column that they lack, BadData
        if a day's rows are at fault. A partition without rows gets a file without any.
        """
        import numpy as np

        contract = self.pipeline.model
        time_column = contract.time
        columns = list(dict.fromkeys([time_column, *scorer.model.features.all]))
        rows, latency = 0, 0.0
        with (
            TemporaryDirectory(prefix="millrace-") as scratch,
            columns_for(self.version, contract),
        ):
            file = Path(scratch) / "predictions.parquet"
            for day, part in self.data.partitions(commit, min(missing), max(missing), columns, only=missing):
                frame = to_frame(part)
                with self._naming(day):
                    matrix = matrix_for(self.version, scorer, frame, contract)
                scored = np.empty(0)
                if len(frame):  # estimators refuse a frame without rows
                    with faults_of(self.version, "score", ANY):
                        latency = latency or latency_ms(scorer.estimator, matrix)
                        scored = probabilities(scorer.estimator, matrix)
                predictions = frame[[time_column]].assign(**{PREDICTION: scored})
                predictions.to_parquet(file, index=False)
                self.data.lake.upload(branch, missing[day], file)
                rows += len(frame)
        return Written(rows, latency)

    @contextmanager
    def _naming(self, day: date) -> Iterator[None]:
        """Let the message of bad data name the day, and what to do about it."""
        try:
            yield
        except ChampionUnusable:
            raise
        except BadData as error:
            raise BadData(
                f"the rows of {day} cannot be scored: {error}; then run {self.pipeline.name}.ingest for that "
                "day again"
            ) from error

    def join(
        self, window: MonitoringWindow, columns: Sequence[str], *, commit: str, predictions_commit: str
    ) -> LabelledFrame:
        """Return the rows of the window at `commit` with their predictions and, as `_day`, their day.

        There are two commits, as a day may have been corrected after it was scored. Raises NotEnoughData if
        the window is empty, Conflict if predictions are not aligned with their partition.
        """
        import pandas as pd

        parts = self.data.parts(commit, window.first, window.last)
        frames = []
        found = Rows(self.pipeline, self.data).days(commit, window.first, window.last, columns)
        for day, rows in found.days:
            path = self.path(day, parts[day])
            content = self.data.lake.download(predictions_commit, path)
            predictions = pd.read_parquet(io.BytesIO(content))
            if len(predictions) != rows.num_rows:
                raise Conflict(
                    f"{path!r} has {len(predictions)} rows, its partition {rows.num_rows}; run score again"
                )
            frames.append(to_frame(rows).assign(**{PREDICTION: predictions[PREDICTION], DAY: day}))
        if not frames:
            raise NotEnoughData(
                f"no partition from {window.first} to {window.last} at {commit}; "
                f"run {self.pipeline.name}.ingest for these days"
            )
        return LabelledFrame(concat(frames), found.counts)
