"""Wrong answers of `predict_proba`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from textwrap import indent

from include.exceptions import JobFailed, Misconfigured
from tests.wrong_inputs.model_code import ESTIMATOR, fitted
from tests.wrong_inputs.table import rows


def answering(code: str) -> Callable[[Path], object]:
    """A `predict_proba` with this body, where `good` is a right answer."""
    return partial(fitted, ESTIMATOR.format(fit="", proba=indent(code, " " * 8)))


SHAPE = "for 20 rows; it has to be (20, 2)"
ODD = "outside of 0 to 1, or NaN"
TYPE = "it has to return numbers"

WRONG = rows(
    "predict_proba",
    ("nothing", answering("return None"), JobFailed, f"a NoneType of the shape () {SHAPE}"),
    ("a dict", answering("return {}"), JobFailed, f"a dict of the shape () {SHAPE}"),
    ("a list", answering("return [0.5] * len(X)"), JobFailed, f"a list of the shape (20,) {SHAPE}"),
    ("one column", answering("return good[:, :1]"), JobFailed, f"a ndarray of the shape (20, 1) {SHAPE}"),
    ("a vector", answering("return good[:, 1]"), JobFailed, f"of the shape (20,) {SHAPE}"),
    ("three columns", answering("return np.hstack([good, good[:, :1]])"), JobFailed, f"(20, 3) {SHAPE}"),
    ("turned", answering("return good.T"), JobFailed, f"(2, 20) {SHAPE}"),
    ("deep", answering("return good[:, :, None]"), JobFailed, f"(20, 2, 1) {SHAPE}"),
    ("fewer rows", answering("return good[1:]"), JobFailed, f"(19, 2) {SHAPE}"),
    ("more rows", answering("return np.vstack([good, good])"), JobFailed, f"(40, 2) {SHAPE}"),
    ("one row", answering("return good[:1]"), JobFailed, f"(1, 2) {SHAPE}"),
    ("no row", answering("return good[:0]"), JobFailed, f"(0, 2) {SHAPE}"),
    ("ragged", answering("return [[0.5, 0.5], [1.0]]"), JobFailed, f"a list of the shape (0,) {SHAPE}"),
    ("sparse", answering("import scipy.sparse as s\nreturn s.csr_matrix(good)"), JobFailed, SHAPE),
    ("NaN", answering("return good * np.nan"), JobFailed, f"20 of 20 probabilities {ODD}"),
    ("one NaN", answering("good[3, 1] = np.nan\nreturn good"), JobFailed, f"1 of 20 probabilities {ODD}"),
    ("percent", answering("return good * 100"), JobFailed, f"20 of 20 probabilities {ODD}"),
    ("negative", answering("return good - 1"), JobFailed, f"20 of 20 probabilities {ODD}"),
    ("infinite", answering("good[0] = np.inf\nreturn good"), JobFailed, f"1 of 20 probabilities {ODD}"),
    (
        "values",
        answering("return np.full((20, 2), X['amount'].iloc[0])"),
        JobFailed,
        f"20 of 20 {'probabilities'}",
    ),
    ("text", answering("return good.astype(str)"), JobFailed, TYPE),
    ("objects", answering("return good.astype(object)"), JobFailed, f"of type object; {TYPE}"),
    ("complex", answering("return good + 1j"), JobFailed, f"of type complex128; {TYPE}"),
    ("times", answering("return good.astype('datetime64[s]')"), JobFailed, TYPE),
    ("categories", answering("return np.full((20, 2), X['kind'].iloc[0])"), JobFailed, TYPE),
    ("quotes a row", answering("raise ValueError(X['kind'].iloc[0])"), JobFailed, "ValueError at "),
    ("quotes a key", answering("{}[X['kind'].iloc[0]]"), JobFailed, "KeyError at "),
    ("exit", answering("raise SystemExit(0)"), JobFailed, "SystemExit at "),
    ("memory", answering("raise MemoryError"), Misconfigured, "there is not enough memory"),
    ("attribute", answering("return self.trees_"), JobFailed, "AttributeError"),
)
