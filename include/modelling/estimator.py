"""The estimator of a pipeline: built, fitted and used, with each fault of its code reported once."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include.contract import code
from include.contract.model import Model
from include.contract.own_code import own_code
from include.exceptions import JobFailed, Misconfigured
from include.excerpt import quote
from include.tracking.storage import STORABLE

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

_METHODS = ("fit", "predict_proba")
_CORRECT = "correct it, or what build of the pipeline's model.py returns"


def build(folder: Path, model: Model) -> Any:
    """Return the pipeline's unfitted estimator.

    Raises Misconfigured where its parameters do not fit, or where what it returns cannot be fitted.
    """
    file, function = folder / code.MODEL, code.load_function(folder, code.MODEL, "build")
    action = f"build of {file} with the parameters {quote(sorted(model.params))}"
    remedy = "correct it, or model.params, or the run's `params`"
    with own_code(action, folder, remedy=remedy, sees_rows=False):
        estimator = function(model)
        lacking = [name for name in _METHODS if not callable(getattr(estimator, name, None))]
    if lacking or isinstance(estimator, type):
        lack = f"without {' and '.join(lacking)}" if lacking else "itself, not one of its objects"
        raise Misconfigured(
            f"build of {file} returned {_named(estimator)} {lack}; return an unfitted estimator of "
            "scikit-learn with fit and predict_proba"
        )
    return estimator


def running_model(folder: Path, action: str) -> AbstractContextManager[None]:
    """Return the guard for the code of an estimator, which sees rows; raises JobFailed where it fails."""
    origin = f"called for the estimator that build of {folder / code.MODEL} returned"
    return own_code(action, folder, origin=origin, remedy=_CORRECT)


def predicting(folder: Path) -> AbstractContextManager[None]:
    """Return the guard for the predictions of an estimator; raises JobFailed where its code fails."""
    return running_model(folder, "predict_proba of the model")


def storing_model(folder: Path) -> AbstractContextManager[None]:
    """Return the guard for storing an estimator; raises Misconfigured where its code fails."""
    return own_code("storing the model", folder, remedy=STORABLE, kind=Misconfigured)


def fit(estimator: Any, matrix: pd.DataFrame, target: np.ndarray, folder: Path) -> None:
    """Fit an estimator; raises JobFailed where its code fails."""
    with running_model(folder, "fit of the model"):
        estimator.fit(matrix, target)


def probabilities(estimator: Any, matrix: pd.DataFrame) -> np.ndarray:
    """Return the probability of class 1 for each row, 0..1; raises JobFailed if these are none."""
    import numpy as np

    given = estimator.predict_proba(matrix)
    try:
        found = np.asarray(given)
    except ValueError:  # rows of several lengths
        found = np.empty(0)
    if found.shape != (len(matrix), 2):
        raise JobFailed(
            f"predict_proba returned {_named(given)} of the shape {found.shape} for {len(matrix)} rows; "
            f"it has to be ({len(matrix)}, 2): the probabilities of 0 and of 1 for each row"
        )
    if found.dtype.kind not in "fiub":
        raise JobFailed(f"predict_proba returned values of type {found.dtype}; it has to return numbers")
    positive: np.ndarray = found[:, 1].astype("float64")
    if odd := int((~((positive >= 0) & (positive <= 1))).sum()):  # NaN, too
        raise JobFailed(
            f"predict_proba returned {odd} of {len(matrix)} probabilities outside of 0 to 1, or NaN; "
            "it has to return probabilities"
        )
    return positive


def ask(estimator: Any, matrix: pd.DataFrame, folder: Path) -> np.ndarray:
    """Return the probabilities of a model that was just fitted; raises JobFailed where its code fails."""
    with predicting(folder):
        return probabilities(estimator, matrix)


def trusted_types(folder: Path) -> list[str]:
    """Return the types that a stored model of this pipeline may hold beyond plain data.

    Raises Misconfigured if `TRUSTED_TYPES` holds anything but names.
    """
    given = getattr(code.load_module(folder, code.MODEL), "TRUSTED_TYPES", [])
    if not isinstance(given, list | tuple | set | frozenset) or not all(
        isinstance(one, str) for one in given
    ):
        raise Misconfigured(
            f"TRUSTED_TYPES of {folder / code.MODEL} is {quote(given)}; write a list of names of types, such "
            "as ['numpy.dtype']"
        )
    return list(given)


def _named(value: object) -> str:
    return f"the class {value.__name__}" if isinstance(value, type) else f"a {type(value).__name__}"
