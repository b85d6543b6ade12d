"""Names that Millrace uses itself, each with the reason why a contract cannot use it.

Where the same name meant two things, the later one would silently replace the other. What can be kept
apart is not in here: the metrics `drift.<column>` and `missing.<feature>` have prefixes that no other metric
has.
"""

from __future__ import annotations

from include.contract.model import DAY, PREDICTION

COLUMNS = {
    PREDICTION: "is the name of the model's predictions; rename the column",
    DAY: "is the name under which monitoring keeps the day of a row; rename the column",
}
"""Columns that stand beside those of the table where rows meet predictions."""

PARAMS = {
    "features": "is logged with the columns of model.features; rename the parameter",
    "seed": "is logged with model.seed; set model.seed, which `build` gets as `model.seed`",
    "first": "is logged with the first day of the training; rename the parameter",
    "fit_until": "is logged with the last day before the holdout; rename the parameter",
}
"""Parameters that every training logs in MLflow beside those of `model.params`."""


def predictions_table(pipeline_name: str) -> str:
    """Return the name of the table of a pipeline's predictions, which its own table cannot have."""
    return f"{pipeline_name}_predictions"
