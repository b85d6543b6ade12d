"""Wrong model code: its import, `build`, its parameters, `fit`, and `TRUSTED_TYPES`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path
from textwrap import dedent, indent
from typing import Any

import numpy as np
import pandas as pd

from include.contract.model import Features, Model
from include.exceptions import JobFailed, Misconfigured
from include.modelling.estimator import ask, build, fit, trusted_types
from tests.wrong_inputs.table import MARK, NUMBER, rows

_numbers = count()
ESTIMATOR = """
import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin


class Odd(ClassifierMixin, BaseEstimator):
    def fit(self, X, y):
        self.classes_ = np.array([0, 1])
{fit}
        return self

    def predict_proba(self, X):
        good = np.column_stack([np.full(len(X), 0.25), np.full(len(X), 0.75)])
{proba}


def build(model):
    return Odd()
"""


def frame() -> pd.DataFrame:
    """Features of which each value is a mark."""
    return pd.DataFrame({"amount": [NUMBER] * 20, "kind": [MARK] * 20})


def target() -> np.ndarray:
    return np.array([0, 1] * 10, dtype="int8")


def written(tmp: Path, code: str) -> Path:
    """A folder with this model.py; each has a name of its own, as modules are imported once."""
    folder = tmp / f"wrong_{next(_numbers)}"
    folder.mkdir()
    (folder / "model.py").write_text(dedent(code))
    return folder


def model(**params: Any) -> Model:
    features = Features(numerical=["amount"], categorical=["kind"])
    return Model(target="returned", time="time", features=features, params=params)


def built(code: str, tmp: Path, **params: Any) -> object:
    return build(written(tmp, code), model(**params))


def fitted(code: str, tmp: Path, given: Callable[[], pd.DataFrame] = frame, **params: Any) -> Any:
    folder = written(tmp, code)
    estimator = build(folder, model(**params))
    fit(estimator, given(), target(), folder)
    return ask(estimator, given(), folder)


def body(code: str) -> Callable[[Path], object]:
    """A `build` with this body."""
    return partial(built, f"def build(model):\n{indent(dedent(code), '    ')}\n")


def fitting(code: str) -> Callable[[Path], object]:
    """A `fit` with this body."""
    text = ESTIMATOR.format(fit=indent(dedent(code), " " * 8), proba=" " * 8 + "return good")
    return partial(fitted, text)


def trusting(value: str) -> Callable[[Path], object]:
    code = f"def build(model):\n    pass\n\n\nTRUSTED_TYPES = {value}\n"
    return lambda tmp: trusted_types(written(tmp, code))


def linear(**params: Any) -> Callable[[Path], object]:
    code = """
    def build(model):
        from sklearn.compose import ColumnTransformer
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline

        columns = ColumnTransformer([("numbers", "passthrough", model.features.numerical)])
        return make_pipeline(columns, LogisticRegression(**model.params))
    """
    return partial(fitted, code, **params)


def without_file(tmp: Path) -> object:
    return build(tmp / "nothing", model())


SHORT = """
def build(model):
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression()
"""
FIRST_ROW = "X.iloc[0].to_dict()"
IMPORT = "import of "

WRONG = [
    *rows(
        "import",
        ("no file", without_file, Misconfigured, "model.py is missing"),
        (
            "no module",
            partial(built, "import no_such_module"),
            Misconfigured,
            "No module named 'no_such_module'",
        ),
        (
            "no submodule",
            partial(built, "import sklearn.no_such"),
            Misconfigured,
            "No module named 'sklearn.no_such'",
        ),
        ("no name", partial(built, "from sklearn import Nope"), Misconfigured, "cannot import name 'Nope'"),
        ("syntax", partial(built, "def build(model:\n    pass"), Misconfigured, "SyntaxError ("),
        ("indentation", partial(built, "def build(model):\npass"), Misconfigured, "IndentationError ("),
        ("no encoding", partial(built, "# coding: nonsense\n"), Misconfigured, "SyntaxError"),
        ("return", partial(built, "return 1"), Misconfigured, "'return' outside function"),
        ("name", partial(built, "models = modles"), Misconfigured, "name 'modles' is not defined"),
        ("zero", partial(built, "x = 1 / 0"), Misconfigured, "ZeroDivisionError at "),
        ("exit", partial(built, "import sys\nsys.exit(3)"), Misconfigured, "SystemExit at "),
        (
            "assertion",
            partial(built, "assert False, 'no rows'"),
            Misconfigured,
            "AssertionError ('no rows') at ",
        ),
        ("key", partial(built, "x = {}['depth']"), Misconfigured, "KeyError ('depth') at "),
        ("attribute", partial(built, "import os\nos.no_such"), Misconfigured, "AttributeError"),
        ("file", partial(built, "open('no_such.csv')"), Misconfigured, "FileNotFoundError"),
        ("folder", partial(built, "open('/')"), Misconfigured, "IsADirectoryError"),
        ("recursion", partial(built, "def f():\n    f()\nf()"), Misconfigured, "RecursionError at "),
        ("memory", partial(built, "raise MemoryError"), Misconfigured, "there is not enough memory; shorten"),
        ("root", partial(built, "raise BaseException('root')"), Misconfigured, "BaseException ('root') at "),
        ("number", partial(built, "x = int('seven')"), Misconfigured, "ValueError at "),
        ("decode", partial(built, "b'\\xff'.decode()"), Misconfigured, "UnicodeDecodeError at "),
        (
            "group",
            partial(built, "raise ExceptionGroup('two', [ValueError()])"),
            Misconfigured,
            "ExceptionGroup",
        ),
    ),
    *rows(
        "build",
        ("absent", partial(built, "x = 1"), Misconfigured, "defines no function 'build'"),
        ("a number", partial(built, "build = 7"), Misconfigured, "defines no function 'build'"),
        (
            "no argument",
            partial(built, "def build():\n    pass"),
            Misconfigured,
            "takes 0 positional arguments",
        ),
        ("two arguments", partial(built, "def build(a, b):\n    pass"), Misconfigured, "missing 1 required"),
        (
            "by name",
            partial(built, "def build(*, model):\n    pass"),
            Misconfigured,
            "takes 0 positional arguments",
        ),
        ("value", body("raise ValueError(f'bad {model.seed}')"), JobFailed, "ValueError at "),
        ("written value", body("raise ValueError('bad')"), JobFailed, "ValueError ('bad') at "),
        ("key", body("model.params['depth']"), JobFailed, "KeyError ('depth') at "),
        ("attribute", body("model.colums"), JobFailed, "AttributeError"),
        ("item", body("model['target']"), Misconfigured, "TypeError at "),
        ("index", body("[][0]"), JobFailed, "IndexError at "),
        ("zero", body("1 / 0"), JobFailed, "ZeroDivisionError at "),
        ("assertion", body("assert not model"), JobFailed, "AssertionError at "),
        ("unwritten", body("raise NotImplementedError"), JobFailed, "NotImplementedError at "),
        ("exit", body("raise SystemExit('stop')"), JobFailed, "SystemExit ('stop') at "),
        ("exit as if stopped", body("raise SystemExit(143)"), JobFailed, "SystemExit at "),
        ("stop", body("next(iter([]))"), JobFailed, "StopIteration at "),
        ("memory", body("bytearray(10**18)"), Misconfigured, "MemoryError at "),
        ("recursion", body("build(model)"), JobFailed, "RecursionError at "),
        ("import", body("import lightgbmm"), JobFailed, "No module named 'lightgbmm'"),
        ("file", body("open('trees.json')"), JobFailed, "FileNotFoundError at "),
        ("library", body("import json\njson.loads('{')"), JobFailed, "JSONDecodeError at "),
        ("none", body("pass"), Misconfigured, "returned a NoneType without fit and predict_proba"),
        ("dict", body("return {}"), Misconfigured, "returned a dict without fit and predict_proba"),
        (
            "function",
            body("return build"),
            Misconfigured,
            "returned a function without fit and predict_proba",
        ),
        ("list", body("return [1]"), Misconfigured, "returned a list without fit and predict_proba"),
        (
            "class",
            body("from sklearn.linear_model import LogisticRegression\nreturn LogisticRegression"),
            Misconfigured,
            "returned the class LogisticRegression itself, not one of its objects",
        ),
        (
            "regression",
            body("from sklearn.linear_model import LinearRegression\nreturn LinearRegression()"),
            Misconfigured,
            "returned a LinearRegression without predict_proba",
        ),
        (
            "no probability",
            body("from sklearn.svm import LinearSVC\nreturn LinearSVC()"),
            Misconfigured,
            "returned a LinearSVC without predict_proba",
        ),
        (
            "transformer",
            body("from sklearn.preprocessing import StandardScaler\nreturn StandardScaler()"),
            Misconfigured,
            "returned a StandardScaler without predict_proba",
        ),
        (
            "property",
            body("return type('T', (), {'fit': property(lambda s: 1 / 0)})()"),
            JobFailed,
            "ZeroDivisionError at ",
        ),
    ),
    *rows(
        "parameters",
        ("unknown", linear(max_itr=5), Misconfigured, "got an unexpected keyword argument 'max_itr'"),
        ("of another type", linear(C="much"), JobFailed, "The 'C' parameter of LogisticRegression must be"),
        ("out of range", linear(tol=-1), JobFailed, "The 'tol' parameter of LogisticRegression must be"),
        (
            "of another choice",
            linear(solver="fast"),
            JobFailed,
            "The 'solver' parameter of LogisticRegression",
        ),
        ("a list", linear(max_iter=[1]), JobFailed, "The 'max_iter' parameter of LogisticRegression"),
        (
            "null",
            linear(fit_intercept=None),
            JobFailed,
            "The 'fit_intercept' parameter of LogisticRegression",
        ),
    ),
    *rows(
        "fit",
        (
            "quotes a row",
            fitting(f"raise ValueError(f'bad row {{{FIRST_ROW}}}')"),
            JobFailed,
            "ValueError at ",
        ),
        ("quotes as key", fitting("{}[X['kind'].iloc[0]]"), JobFailed, "KeyError at "),
        ("quotes as name", fitting("getattr(self, X['kind'].iloc[0])"), JobFailed, "AttributeError at "),
        (
            "quotes as argument",
            fitting("dict(**{X['kind'].iloc[0]: 1}, a=1)['x']"),
            JobFailed,
            "KeyError ('x') at ",
        ),
        (
            "quotes as keyword",
            fitting("self.fit(X, y, **{X['kind'].iloc[0]: 1})"),
            JobFailed,
            "TypeError at ",
        ),
        (
            "quotes in a cause",
            fitting(
                "try:\n    float(X['kind'].iloc[0])\nexcept ValueError as error:\n"
                "    raise RuntimeError('cannot') from error"
            ),
            JobFailed,
            "RuntimeError ('cannot') at ",
        ),
        (
            "quotes in a context",
            fitting("try:\n    float(X['kind'].iloc[0])\nexcept ValueError:\n    raise RuntimeError(str(y))"),
            JobFailed,
            "RuntimeError at ",
        ),
        (
            "quotes in a note",
            fitting("e = ValueError('odd')\ne.add_note(X['kind'].iloc[0])\nraise e"),
            JobFailed,
            "ValueError ('odd') at ",
        ),
        ("quotes in an exit", fitting("raise SystemExit(X['kind'].iloc[0])"), JobFailed, "SystemExit at "),
        (
            "quotes in an import",
            fitting("raise ImportError(X['kind'].iloc[0])"),
            JobFailed,
            "ImportError at ",
        ),
        (
            "quotes in a group",
            fitting("raise ExceptionGroup(X['kind'].iloc[0], [ValueError(X['kind'].iloc[0])])"),
            JobFailed,
            "ExceptionGroup at ",
        ),
        (
            "quotes at length",
            fitting("raise ValueError(X['kind'].iloc[0] * 100_000)"),
            JobFailed,
            "ValueError at ",
        ),
        (
            "quotes in syntax",
            fitting("compile(X['kind'].iloc[0] + '(', 'x', 'exec')"),
            JobFailed,
            "SyntaxError at ",
        ),
        ("column absent", fitting("X['amout']"), JobFailed, "KeyError ('amout') at "),
        (
            "no words",
            fitting(
                "class Mute(Exception):\n    def __str__(self):\n"
                "        raise ValueError(X['kind'].iloc[0])\nraise Mute()"
            ),
            JobFailed,
            "Mute at ",
        ),
        ("root", fitting("raise BaseException(X['kind'].iloc[0])"), JobFailed, "BaseException at "),
        (
            "memory",
            fitting("np.ones((10**9, 10**6))"),
            Misconfigured,
            "not enough memory; shorten training.window",
        ),
        ("recursion", fitting("self.fit(X, y)"), JobFailed, "RecursionError at "),
        (
            "library without a line of one's own",
            partial(
                fitted,
                SHORT,
            ),
            JobFailed,
            "ValueError in LogisticRegression.fit of sklearn.linear_model._logistic, called for the est",
        ),
        (
            "nulls",
            partial(
                fitted,
                SHORT,
                given=lambda: pd.DataFrame({"amount": [NUMBER, np.nan] * 10}),
            ),
            JobFailed,
            "ValueError (Input X contains NaN) in LogisticRegression.fit",
        ),
    ),
    *rows(
        "trusted types",
        ("none", trusting("None"), Misconfigured, "is None; write a list of names"),
        ("number", trusting("7"), Misconfigured, "is 7; write a list of names"),
        ("text", trusting("'numpy.dtype'"), Misconfigured, "is 'numpy.dtype'; write a list of names"),
        ("mapping", trusting("{'numpy.dtype': True}"), Misconfigured, "write a list of names"),
        ("types", trusting("[int]"), Misconfigured, "is [<class 'int'>]; write a list of names"),
        ("nested", trusting("[['numpy.dtype']]"), Misconfigured, "is [['numpy.dtype']]; write a list"),
        ("generator", trusting("(x for x in ['numpy.dtype'])"), Misconfigured, "write a list of names"),
    ),
]
