"""The model of the example: what it stores, and that it takes what it was never shown."""

from __future__ import annotations

from datetime import date
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from include.contract import code, loader
from include.exceptions import Misconfigured
from include.modelling import features
from include.modelling.estimator import trusted_types
from include.pipelines.flights import source
from include.settings import settings
from include.tracking.registry import Registry
from include.tracking.runs import Experiment
from include.tracking.server import TrackingServer

FOLDER = settings().pipelines / "flights"
TYPES = trusted_types(FOLDER)


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    """Two days of flights whose target is known."""
    found = pa.Table.from_batches(source.read(date(2013, 2, 1), date(2013, 2, 2))).to_pandas()
    return features.labelled(found, loader.load(FOLDER).model)


@pytest.fixture(scope="module")
def fitted(rows: pd.DataFrame) -> Any:
    model = loader.load(FOLDER).model
    model = model.model_copy(update={"params": {**model.params, "max_iter": 5}})
    estimator = code.load_function(FOLDER, code.MODEL, "build")(model)
    return estimator.fit(features.matrix(rows, model), features.target(rows, model))


@pytest.fixture(scope="module")
def stored(tracking: TrackingServer, fitted: Any, rows: pd.DataFrame) -> str:
    """The id of the stored model."""
    example = features.matrix(rows, loader.load(FOLDER).model).head()
    with Experiment(tracking, "flights.train").attempts("types").start(name="types", tags={}) as run:
        return run.log_model(fitted, example=example, trusted_types=TYPES)


def test_it_answers_the_same_after_it_was_stored(
    tracking: TrackingServer, stored: str, fitted: Any, rows: pd.DataFrame
) -> None:
    matrix = features.matrix(rows, loader.load(FOLDER).model)
    found = Registry(tracking).load_model(stored, TYPES)
    assert (found.predict_proba(matrix) == fitted.predict_proba(matrix)).all()


@pytest.mark.parametrize("dropped", TYPES)
def test_every_trusted_type_is_needed(tracking: TrackingServer, stored: str, dropped: str) -> None:
    with pytest.raises(Misconfigured, match=dropped.replace(".", r"\.")):
        Registry(tracking).load_model(stored, [name for name in TYPES if name != dropped])


def test_it_takes_categories_and_gaps_that_it_never_saw(fitted: Any, rows: pd.DataFrame) -> None:
    model = loader.load(FOLDER).model
    strange = rows.head(3).assign(carrier=["ZZ", None, "AA"], temp=[None, 1.0, 2.0], dest=None)
    found = fitted.predict_proba(features.matrix(strange, model))[:, 1]
    assert ((found > 0) & (found < 1)).all()
