"""Imported once by the server that workers are forked from: what a task would import, and first uses.

Libraries import half of themselves when they are first used, so each is used once on a handful of rows.
Nothing here may start a thread: it would not be there in a forked worker.
"""

# ruff: noqa: F401, TID253

from __future__ import annotations

from contextlib import suppress
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import croniter
import evidently
import evidently.metrics
import great_expectations
import lakefs_client.client
import mlflow
import mlflow.artifacts
import mlflow.pyfunc
import mlflow.sklearn
import pandas
import pyarrow.csv
import pyarrow.dataset
import pyarrow.parquet
import sklearn.compose
import sklearn.ensemble
import sklearn.metrics
import sklearn.pipeline
import sklearn.preprocessing
import skops.io
from tqdm import tqdm

from include import drift, ingest, monitoring, promotion, validation
from include.jobs import run
from include.spec import Drift, Features, Model

_SUITE = """
partitions: [{type: expect_column_values_to_be_between, kwargs: {column: rows, min_value: 1}}]
rows: [{type: expect_column_values_to_not_be_null, kwargs: {column: number}}]
"""


def warm_up() -> None:
    """Validate, compare and store a few rows."""
    rows = pandas.DataFrame({"number": [0.0, 1.0] * 4, "word": ["a", "b"] * 4, "target": [0.0, 1.0] * 4})
    with TemporaryDirectory(prefix="millrace-") as folder:
        suite = Path(folder) / "suite.yaml"
        suite.write_text(_SUITE)
        validation.validate(suite, iter([(date(2013, 1, 1), rows)]))
        rows.to_parquet(Path(folder) / "rows.parquet")
    model = Model(target="target", time="time", features=Features(numerical=["number"], categorical=["word"]))
    scored = rows.assign(prediction=0.5)
    drift.measure(scored, scored, model, Drift())
    encoder = sklearn.preprocessing.OrdinalEncoder().fit(rows[["word"]])
    skops.io.loads(skops.io.dumps(encoder))
    mlflow.models.infer_signature(rows[["number"]], encoder.transform(rows[["word"]]))


tqdm.monitor_interval = 0  # Great Expectations counts with it, and it would start a thread to watch itself

# Without it the first task of each worker is slower, and nothing else: never a reason not to start.
with suppress(Exception):
    warm_up()
