"""Fitting a pipeline's model on a window of its table, and storing what later steps compare it with."""

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
from include.tracking.runs import Experiment, RunLog

if TYPE_CHECKING:
    import pandas as pd

REFERENCE = "reference.parquet"
FEATURES = "features.json"
"""An artifact: MLflow cuts a parameter at 6,000 letters, which is some hundred columns."""

_REFERENCE_ROWS = 5000
"""Enough to see a shift of a few percent, small enough to fetch every night."""
_FEWEST_ROWS = 100


def experiment(spec: Pipeline, tracking_uri: str) -> Experiment:
    """Where the trainings of a pipeline are."""
    return Experiment(tracking_uri, f"{spec.name}.train")


def fit(
    spec: Pipeline,
    table: Table,
    window: TrainingWindow,
    *,
    commit: str,
    folder: Path,
    params: dict[str, Any],
    run: RunLog,
) -> dict[str, Any]:
    """Fit on the window less its holdout, and log data, params, numbers, model and reference sample.

    `params` is laid over the contract's. Returns `{model_id, rows, seconds}`. Raises NotEnoughData for
    fewer than 100 rows with a target, or for a target of one class.
    """
    model = spec.model.model_copy(update={"params": {**spec.model.params, **params}})
    rows = features.labelled(table.frame(commit, window.first, window.fitted, features.columns(model)), model)
    _refuse_too_few(rows, model, window)
    told = {"features": model.features.model_dump(), "seed": model.seed}
    run.params({**model.params, **told, "first": f"{window.first}", "fitted": f"{window.fitted}"})
    run.json(model.features.model_dump(), FEATURES)
    run.dataset(
        name=spec.lake.table,
        commit=commit,
        source=f"lakefs://{spec.lake.repository}/{commit}/{spec.lake.table}/",
        context="training",
        rows=len(rows),
    )
    started = time.monotonic()
    estimator = _built(folder, model)
    matrix = features.matrix(rows, model)
    estimator.fit(matrix, features.target(rows, model))
    seconds = time.monotonic() - started
    _store_reference(rows, matrix, estimator, model, run)
    run.metrics({"fit.rows": len(rows), "fit.seconds": seconds})
    model_id = run.model(estimator, example=matrix.head(20), trusted_types=trusted_types(folder))
    return {"model_id": model_id, "rows": len(rows), "seconds": round(seconds, 3)}


def trusted_types(folder: Path) -> list[str]:
    """What a stored model of this pipeline may hold beyond plain data."""
    return list(getattr(code.load_module(folder, code.MODEL), "TRUSTED_TYPES", []))


def _built(folder: Path, model: Model) -> Any:
    """The pipeline's unfitted estimator; raises Misconfigured where its parameters do not fit."""
    try:
        return code.load_function(folder, code.MODEL, "build")(model)
    except (TypeError, ValueError) as error:
        raise Misconfigured(
            f"build of {folder / code.MODEL} refuses the parameters {sorted(model.params)}: {error}; "
            "correct model.params, or the run's `params`"
        ) from error


def _refuse_too_few(rows: pd.DataFrame, model: Model, window: TrainingWindow) -> None:
    if len(rows) < _FEWEST_ROWS or rows[model.target].nunique() < 2:
        raise NotEnoughData(
            f"{len(rows)} rows with {rows[model.target].nunique()} class(es) of {model.target!r} from "
            f"{window.first} to {window.fitted}; training needs {_FEWEST_ROWS} rows of both classes: "
            "ingest more days, or widen training.window"
        )


def _store_reference(rows: Any, matrix: Any, estimator: Any, model: Model, run: RunLog) -> None:
    """A bounded sample of what the model learned from, with its target and the model's answer."""
    chosen = matrix.sample(min(_REFERENCE_ROWS, len(matrix)), random_state=model.seed).sort_index()
    told = {model.target: rows[model.target].loc[chosen.index].astype("float64")}
    told[PREDICTION] = estimator.predict_proba(chosen)[:, 1]
    with TemporaryDirectory(prefix="millrace-") as scratch:
        file = Path(scratch) / REFERENCE
        chosen.assign(**told).to_parquet(file, index=False)
        run.file(file)
