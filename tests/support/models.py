"""Training runs with a tiny stored model, for tests that only need one to be there."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pandas as pd
from sklearn.linear_model import LogisticRegression

from include.tracking.runs import Experiment
from include.tracking.server import TrackingServer

EXAMPLE = pd.DataFrame({"amount": [1.0, 2.0, 3.0, 4.0]})
TARGET = [0, 1, 0, 1]


def training_run(
    tracking: TrackingServer, estimator: Any = None, trusted_types: tuple[str, ...] = (), name: str = "models"
) -> str:
    """The id of a run of `<name>.train` that stored an estimator."""
    fitted = (LogisticRegression() if estimator is None else estimator).fit(EXAMPLE, TARGET)
    with Experiment(tracking, f"{name}.train").attempts(uuid4().hex).start(name="trained", tags={}) as run:
        run.log_model(fitted, example=EXAMPLE, trusted_types=trusted_types)
    return str(run.id)
