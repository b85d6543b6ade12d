"""Training: fit a pipeline's model on a window of its table, and store what later steps compare it with."""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from include.contract import code
from include.contract.model import PREDICTION, Model
from include.contract.pipeline import Pipeline
from include.contract.windows import TrainingWindow
from include.exceptions import Misconfigured, NotEnoughData
from include.lake.table import Table
from include.modelling import features
from include.modelling.metrics import MIN_ROWS
from include.tracking.names import Artifact
from include.tracking.runs import RunLog

if TYPE_CHECKING:
    import pandas as pd

_REFERENCE_ROWS = 5000
"""Enough to see a shift of a few percent, small enough to fetch every day."""
_EXAMPLE_ROWS = 20


def fit(
    pipeline: Pipeline,
    table: Table,
    window: TrainingWindow,
    *,
    commit: str,
    folder: Path,
    params: dict[str, Any],
    run_log: RunLog,
) -> None:
    """Fit on the window without its holdout, and log data, parameters, metrics, model and reference sample.

    `params` overrides the contract's. Raises NotEnoughData for fewer than `MIN_ROWS` rows with a target, or
    for a target of one class.
    """
    model = pipeline.model.model_copy(update={"params": {**pipeline.model.params, **params}})
    rows = table.frame(commit, window.first, window.fit_until, features.columns(model))
    rows = features.labelled(rows, model)
    _refuse_too_few(rows, model, window)
    _log_inputs(run_log, model, window, table, commit, len(rows))
    started = time.monotonic()
    estimator = _build(folder, model)
    matrix = features.matrix(rows, model)
    estimator.fit(matrix, features.target(rows, model))
    seconds = time.monotonic() - started
    _store_reference(rows, matrix, estimator, model, run_log)
    example = matrix.head(_EXAMPLE_ROWS)
    model_id = run_log.log_model(estimator, example=example, trusted_types=trusted_types(folder))
    run_log.log_metrics({"fit.rows": len(rows), "fit.seconds": seconds}, model_id=model_id)


def trusted_types(folder: Path) -> list[str]:
    """Return the types that a stored model of this pipeline may hold beyond plain data."""
    return list(getattr(code.load_module(folder, code.MODEL), "TRUSTED_TYPES", []))


def _log_inputs(
    run_log: RunLog, model: Model, window: TrainingWindow, table: Table, commit: str, rows: int
) -> None:
    run_log.log_params(
        {
            **model.params,
            "features": model.features.model_dump(),
            "seed": model.seed,
            "first": f"{window.first}",
            "fit_until": f"{window.fit_until}",
        }
    )
    run_log.log_json(model.features.model_dump(), Artifact.FEATURES)
    run_log.log_dataset(
        name=table.name, commit=commit, source=table.uri(commit), context="training", rows=rows
    )


def _build(folder: Path, model: Model) -> Any:
    """Return the pipeline's unfitted estimator; raises Misconfigured where its parameters do not fit."""
    try:
        return code.load_function(folder, code.MODEL, "build")(model)
    except (TypeError, ValueError) as error:
        raise Misconfigured(
            f"build of {folder / code.MODEL} refuses the parameters {sorted(model.params)}: {error}; "
            "correct model.params, or the run's `params`"
        ) from error


def _refuse_too_few(rows: pd.DataFrame, model: Model, window: TrainingWindow) -> None:
    if len(rows) < MIN_ROWS or rows[model.target].nunique() < 2:
        raise NotEnoughData(
            f"{len(rows)} rows with {rows[model.target].nunique()} class(es) of {model.target!r} from "
            f"{window.first} to {window.fit_until}; training needs {MIN_ROWS} rows of both classes: "
            "ingest more days, or widen training.window"
        )


def _store_reference(rows: Any, matrix: Any, estimator: Any, model: Model, run_log: RunLog) -> None:
    """Store a bounded sample of the fitted rows with their target and the model's prediction."""
    sample = matrix.sample(min(_REFERENCE_ROWS, len(matrix)), random_state=model.seed).sort_index()
    labels = rows[model.target].loc[sample.index].astype("float64")
    predictions = estimator.predict_proba(sample)[:, 1]
    with TemporaryDirectory(prefix="millrace-") as scratch:
        file = Path(scratch) / Artifact.REFERENCE
        sample.assign(**{model.target: labels, PREDICTION: predictions}).to_parquet(file, index=False)
        run_log.log_file(file)
