"""Gradient-boosted trees over hour, weekday, distance, carrier, airports and the origin's weather."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

    from include.contract.model import Model

TRUSTED_TYPES = ["sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"]
"""Types that a stored model may contain beyond those skops trusts: one grown tree, plain arrays inside."""


def build(model: Model) -> Pipeline:
    """Return an unfitted estimator with `predict_proba`, from the contract's columns, parameters and seed.

    Categories are encoded in the order of their names, which trees split well; categories not seen in
    training, and missing numbers, get a branch of their own. (`categorical_features` of the trees would
    store a `functools.partial`, which is too much to trust in a model that others load.)
    """
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OrdinalEncoder

    categories = OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-1, dtype="float32"
    )
    columns = ColumnTransformer(
        [
            ("categorical", categories, model.features.categorical),
            ("numerical", "passthrough", model.features.numerical),
        ],
        verbose_feature_names_out=False,
    )
    trees = HistGradientBoostingClassifier(
        random_state=model.seed,
        **model.params,
    )
    return Pipeline([("columns", columns), ("trees", trees)])
