"""Import and use once, in the server that workers are forked from, what tasks need.

Libraries import half of themselves at their first use, so each is used once on a handful of rows. Nothing
here may start a thread, which would not exist in a forked worker.
"""

# ruff: noqa: F401, TID253

from __future__ import annotations

import gc
from contextlib import suppress
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import croniter
import evidently
import evidently.metrics
import great_expectations
import lakefs_client.client
import lakefs_client.model.pagination
import mlflow
import mlflow.artifacts
import mlflow.pyfunc
import mlflow.sklearn
import mlflow.tracking.request_header.registry
import pandas
import pandas.core.methods.to_dict
import pyarrow.csv
import pyarrow.dataset
import pyarrow.parquet
import sklearn.compose
import sklearn.ensemble
import sklearn.metrics
import sklearn.pipeline
import sklearn.preprocessing
import skops.io
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from include.contract.model import Features, Model
from include.contract.monitoring import Drift
from include.governance import promotion
from include.ingestion import check, load, quarantine
from include.jobs import runner
from include.monitoring import decision, drift
from include.validation import runner as validation

_SUITE = """
partitions: [{type: expect_column_values_to_be_between, kwargs: {column: rows, min_value: 1}}]
rows: [{type: expect_column_values_to_not_be_null, kwargs: {column: number}}]
"""


def warm_up() -> None:
    """Validate, compare, fit and store a few rows, and make a client of MLflow."""
    rows = pandas.DataFrame({"number": [0.0, 1.0] * 8, "word": ["a", "b"] * 8, "target": [0.0, 1.0] * 8})
    with TemporaryDirectory(prefix="millrace-") as folder:
        suite = Path(folder) / "suite.yaml"
        suite.write_text(_SUITE)
        validation.validate(suite, iter([(date(2013, 1, 1), rows)]))
        rows.to_parquet(Path(folder) / "rows.parquet")
        _fit(rows, Path(folder) / "model")
    model = Model(target="target", time="time", features=Features(numerical=["number"], categorical=["word"]))
    scored = rows.assign(prediction=0.5)
    drift.measure(scored, scored, model, Drift())
    _find_plugins()


def _find_plugins() -> None:
    """Let MLflow's client look for plug-ins among all installed packages; nothing is sent."""
    client = mlflow.MlflowClient(tracking_uri="http://localhost", registry_uri="http://localhost")
    # The registry's part is made by its first request; this makes it without one.
    client._get_registry_client()


def _fit(rows: pandas.DataFrame, folder: Path) -> None:
    columns = sklearn.compose.ColumnTransformer(
        [("words", sklearn.preprocessing.OrdinalEncoder(), ["word"])], remainder="passthrough"
    )
    trees = sklearn.ensemble.HistGradientBoostingClassifier(max_iter=1)
    with threadpool_limits(1):  # a pool of threads would hang in a forked worker
        matrix = columns.fit_transform(rows[["word", "number"]])
        trees.fit(matrix, rows["target"]).predict_proba(matrix)
    signature = mlflow.models.infer_signature(rows[["word", "number"]], matrix)
    encoder = sklearn.preprocessing.OrdinalEncoder().fit(rows[["word"]])
    mlflow.sklearn.save_model(
        encoder, folder, signature=signature, pip_requirements=["mlflow"], pyfunc_predict_fn="transform"
    )


tqdm.monitor_interval = 0  # Great Expectations counts with it, and it would start a thread to watch itself

# Without it the first task of each worker is slower, and nothing else: never a reason not to start.
with suppress(Exception):
    warm_up()

# What is there stays: without this, a collection in a worker walks over all of it, half a second during
# which every page that it was forked with is copied.
gc.collect()
gc.freeze()
