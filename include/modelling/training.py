"""Training: fit a pipeline's model on a window of its table, and store what later steps compare it with."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from include.contract.model import PREDICTION, Model
from include.contract.pipeline import Pipeline
from include.contract.windows import TrainingWindow
from include.exceptions import Misconfigured, NotEnoughData
from include.excerpt import excerpt
from include.lake.table import Table
from include.modelling import features
from include.modelling.estimator import ask, build, storing_model, trusted_types
from include.modelling.estimator import fit as fit_estimator
from include.modelling.labels import LabelCounts, Rows
from include.modelling.metrics import MIN_ROWS, has_enough_rows
from include.tracking.names import Artifact
from include.tracking.runs import RunLog

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

log = logging.getLogger(__name__)

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
    import pandas as pd

    model = _with_params(pipeline.model, params)
    found = Rows(pipeline, table).frame(commit, window.first, window.fit_until, features.columns(model))
    rows = features.labelled(found.rows, model)
    target = features.target(rows, model)
    _refuse_too_few(target, pipeline, window, found.counts)
    _log_inputs(run_log, model, window, table, commit, len(rows))
    started = time.monotonic()
    estimator = build(folder, model)
    matrix = features.matrix(rows, model)
    features.require_values(matrix, model)
    _warn_of_rounding(rows, model)
    fit_estimator(estimator, matrix, target, folder)
    seconds = time.monotonic() - started
    sample = matrix.sample(min(_REFERENCE_ROWS, len(matrix)), random_state=model.seed).sort_index()
    labels = pd.Series(target, matrix.index).loc[sample.index].astype("float64")
    predictions = ask(estimator, sample, folder)
    _store_reference(sample.assign(**{model.target: labels, PREDICTION: predictions}), run_log)
    example = matrix.head(_EXAMPLE_ROWS)
    trusted, guard = trusted_types(folder), storing_model(folder)
    model_id = run_log.log_model(estimator, example=example, trusted_types=trusted, guard=guard)
    counts = found.counts.numbers() if found.counts else {}
    run_log.log_metrics({"fit.rows": len(rows), "fit.seconds": seconds, **counts}, model_id=model_id)


def _with_params(model: Model, params: dict[str, Any]) -> Model:
    """Return the model with some parameters replaced; raises Misconfigured for what MLflow cannot log."""
    try:
        return Model.model_validate({**model.model_dump(), "params": {**model.params, **params}})
    except ValidationError as error:
        faults = "; ".join(detail["msg"].removeprefix("Value error, ") for detail in error.errors())
        raise Misconfigured(f"params of the run: {excerpt(faults)}; start the run again") from error


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


def _refuse_too_few(
    target: np.ndarray, pipeline: Pipeline, window: TrainingWindow, counts: LabelCounts | None
) -> None:
    if not has_enough_rows(target):
        name, classes = pipeline.model.target, len(set(target.tolist()))
        why = counts.explain(pipeline.name) if counts else ""
        raise NotEnoughData(
            f"{len(target)} rows with {classes} class(es) of {name!r} from {window.first} to "
            f"{window.fit_until}; training needs {MIN_ROWS} rows of both classes: ingest more days, or widen "
            f"training.window{why}"
        )


def _warn_of_rounding(rows: pd.DataFrame, model: Model) -> None:
    for name, count in features.rounded(rows, model).items():
        log.warning(
            "column %r holds %d whole numbers beyond 2^53 in %d rows, which lose digits as float64; if these "
            "are identifiers, make the column a categorical feature, or take it out",
            name,
            count,
            len(rows),
        )


def _store_reference(sample: pd.DataFrame, run_log: RunLog) -> None:
    """Store a bounded sample of the fitted rows with their target and the model's prediction."""
    with TemporaryDirectory(prefix="millrace-") as scratch:
        file = Path(scratch) / Artifact.REFERENCE
        sample.to_parquet(file, index=False)
        run_log.log_file(file)
