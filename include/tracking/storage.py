"""Storage of models: an estimator as the files of a logged model, in skops format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from include.exceptions import Misconfigured
from include.excerpt import excerpt

if TYPE_CHECKING:
    from mlflow.exceptions import MlflowException

STORABLE = "let build return classes and functions that a module defines at its top level, and no lambda"
"""The remedy for what cannot be stored."""
_MAX_TYPES = 1000


def save_estimator(
    estimator: Any,
    folder: str,
    *,
    example: Any,
    trusted_types: Sequence[str],
    of: Mapping[str, str] | None = None,
) -> None:
    """Save a fitted estimator to a folder as MLflow stores a model.

    `example` is some rows that it was fitted on, `of` names the logged model and its run. Raises
    Misconfigured naming any type that the file would hold beyond plain data and `trusted_types`.
    """
    from mlflow.exceptions import MlflowException
    from mlflow.models import Model, infer_signature
    from mlflow.sklearn import save_model

    signature = infer_signature(example, estimator.predict_proba(example))
    try:
        save_model(
            estimator,
            folder,
            mlflow_model=Model(**(of or {})),
            signature=signature,
            pyfunc_predict_fn="predict_proba",
            # Given, because to infer them MLflow would load the model in a new process, for seconds.
            pip_requirements=_requirements(),
            skops_trusted_types=list(trusted_types),
        )
    except MlflowException as error:
        raise _not_storable(error) from None


def _not_storable(error: MlflowException) -> Misconfigured:
    """Return why skops refuses an estimator; what it quotes of the estimator's own code stays out."""
    _, _, types = str(error.message).partition("Root error: ")
    if types and "<" not in types:  # as in <lambda> and <locals>
        return Misconfigured(
            f"the model is not stored: {excerpt(types.rstrip('. '), _MAX_TYPES)}. Add a type to "
            "TRUSTED_TYPES of the pipeline's model.py once you have reviewed it"
        )
    cause = excerpt(types.rstrip(". ")) or type(error.__cause__ or error).__name__
    return Misconfigured(f"the model cannot be stored in skops format ({cause}): {STORABLE}")


def _requirements() -> list[str]:
    from importlib.metadata import version

    # A job's container has MLflow's client alone, which is always of the same version.
    mlflow = f"mlflow=={version('mlflow-skinny')}"
    return [mlflow, *(f"{name}=={version(name)}" for name in ("scikit-learn", "skops", "pandas", "numpy"))]
