"""A small pipeline whose model learns something, on real days of a real lake; jobs run as a task runs them.

An order is returned the likelier the more it costs, and toys more often than books. Each day has its own
seed, so a day is the same in every test.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.request import url2pathname

import numpy as np
import pandas as pd
from mlflow.entities import Run

from include.contract import loader
from include.contract.pipeline import Pipeline
from include.governance import promotion
from include.governance.ledger import Ledger
from include.jobs.context import Services
from include.jobs.runner import run_job
from include.jobs.spec import Job, JobSpec
from include.lake.client import Lake
from include.lake.table import Table
from include.modelling.comparison import Scores
from include.monitoring.history import MonitoringHistory
from include.run_identity import RunIdentity
from include.tracking.registry import Alias, Registry
from include.tracking.runs import Experiment
from include.tracking.server import TrackingServer
from tests.support.pipeline import day, write_pipeline

DAYS = 30
ROWS = 120
"""Rows a day."""

MODEL = '''
def build(model):
    """A logistic regression over filled, scaled numbers and one column a category."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import Pipeline, make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    columns = ColumnTransformer(
        [
            ("categorical", OneHotEncoder(handle_unknown="ignore"), model.features.categorical),
            ("numerical", make_pipeline(SimpleImputer(), StandardScaler()), model.features.numerical),
        ]
    )
    line = LogisticRegression(random_state=model.seed, **model.params)
    return Pipeline([("columns", columns), ("line", line)])


TRUSTED_TYPES = ["numpy.dtype"]
'''

CONTRACT: dict[str, Any] = {
    "model": {"features": {"numerical": ["amount", "weight"], "categorical": ["kind"]}},
    "training": {"window": "20d", "holdout": "5d"},
    "gate": {"metric": "roc_auc", "minimum": 0.6, "slices": {"column": "kind", "max_drop": 0.05}},
    "monitoring": {
        "window": "3d",
        "label_delay": "1d",
        "drift": {"share": 0.3, "methods": {"wasserstein": 0.5, "jensenshannon": 0.2}},
        "performance": {"metric": "roc_auc", "max_drop": 0.1},
        "fairness": {"column": "kind", "max_gap": 0.9},
        "retrain": {"failures": 2, "of": 3, "cooldown": "3d", "min_rows": 100},
    },
}


def rows(number: int, count: int = ROWS) -> pd.DataFrame:
    """The orders of a day."""
    random = np.random.default_rng(number)
    amount, weight = random.normal(50, 10, count), random.normal(5, 1, count)
    toy = random.random(count) < 0.5
    likely = 1 / (1 + np.exp(-((amount - 50) / 5 + toy - 0.5)))
    return pd.DataFrame(
        {
            "time": pd.date_range(f"{day(number)}", periods=count, freq="1min"),
            "amount": amount,
            "weight": weight,
            "kind": np.where(toy, "toy", "book"),
            "returned": (random.random(count) < likely).astype("int64"),
        }
    )


def put(table: Table, branch: str, days: dict[int, pd.DataFrame]) -> str:
    """Let partitions hold these rows, in one commit; its id."""
    with TemporaryDirectory() as scratch:
        for number, frame in days.items():
            file = Path(scratch) / "part.parquet"
            frame.to_parquet(file, index=False)
            table.lake.upload(branch, f"{table.prefix(day(number))}part-0.parquet", file)
    return str(table.lake.commit(branch, "rows", {}))


def write_loop(parent: Path, name: str, *, repository: str, branch: str, **changes: Any) -> Path:
    """The folder of the pipeline; `changes` are laid over sections of its contract."""
    sections = {key: {**CONTRACT.get(key, {}), **changes.get(key, {})} for key in {*CONTRACT, *changes}}
    folder = write_pipeline(parent, name, **sections, lake={"repository": repository, "branch": branch})
    (folder / "model.py").write_text(MODEL)
    return folder


@dataclass
class Loop:
    """One pipeline with its own branch of the lake; days are numbers from the pipeline's first day."""

    folder: Path
    lake: Lake
    tracking: TrackingServer

    @property
    def pipeline(self) -> Pipeline:
        return loader.load(self.folder)

    @property
    def table(self) -> Table:
        return Table(self.lake, self.pipeline.lake.table, self.pipeline.since)

    @property
    def predictions(self) -> Table:
        return Table(self.lake, f"{self.pipeline.name}_predictions")

    @property
    def registry(self) -> Registry:
        return Registry(self.tracking)

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.experiment("ledger"))

    @property
    def history(self) -> MonitoringHistory:
        return MonitoringHistory(self.experiment("monitor"))

    @property
    def head(self) -> str:
        """The commit that the pipeline's branch stands for."""
        return self.lake.resolve(self.pipeline.lake.branch)

    @cached_property
    def services(self) -> Services:
        return Services(lake=self.lake.connection, tracking=self.tracking, pipelines=self.folder.parent)

    def identity(self, stage: str, run_id: str = "r1") -> RunIdentity:
        return RunIdentity(dag_id=f"{self.folder.name}.{stage}", run_id=run_id)

    def block_models(self) -> None:
        """Let MLflow's store take no model: where it makes the folder of the models, there is a file."""
        experiment = self.experiment("train")
        root = Path(url2pathname(experiment.client.get_experiment(experiment.id).artifact_location))
        root.mkdir(parents=True, exist_ok=True)
        (root / "models").write_text("in the way")

    def put(self, days: dict[int, pd.DataFrame]) -> str:
        return put(self.table, self.pipeline.lake.branch, days)

    def run(
        self, job: Job, until: int, *, run_id: str = "r1", commit: str = "", **fields: Any
    ) -> dict[str, Any]:
        """Run a job as the run `run_id` of its DAG, on the branch's head unless `commit` is given."""
        stage = "train" if job in (Job.TRAIN, Job.EVALUATE) else "monitor"
        identity = self.identity(stage, run_id)
        spec = JobSpec(
            job=job,
            pipeline_name=self.folder.name,
            commit=commit or self.head,
            until=day(until).isoformat(),
            run_key=f"{identity.key}/{job}",
            **fields,
        )
        return run_job(spec, self.services, identity).to_json()

    def train(self, until: int = DAYS - 1, **fields: Any) -> str:
        """The id of the MLflow run that a training made."""
        return str(self.run(Job.TRAIN, until, **fields)["run_id"])

    def evaluate(self, candidate: str, until: int = DAYS - 1, **fields: Any) -> Scores:
        return Scores.parse(self.run(Job.EVALUATE, until, candidate=candidate, **fields), source="evaluate")

    def promote(self, training_run: str, run_id: str = "r1") -> int:
        """Make a training run's model the champion; its version."""
        name = self.folder.name
        version = self.registry.register(name, self.experiment("train").open_run(training_run))
        promotion.promote(
            name,
            version,
            compared_with=self.registry.version_of(name, Alias.CHAMPION),
            reason="requested",
            registry=self.registry,
            ledger=self.ledger,
            run=self.identity("train", run_id),
        )
        return version

    def experiment(self, stage: str) -> Experiment:
        return Experiment(self.tracking, f"{self.folder.name}.{stage}")

    def logged(self, run_id: str, stage: str = "train") -> Run:
        return self.experiment(stage).get_run(run_id)

    def count(self, stage: str) -> int:
        """How many MLflow runs a stage has, of any state."""
        experiment = self.experiment(stage)
        return len(experiment.client.search_runs([experiment.id]))

    def change(self, **changes: Any) -> Loop:
        """The same pipeline with another contract, in another folder, as if its file had been edited."""
        parent = self.folder.parent.with_name(f"{self.folder.parent.name}-changed")
        branch = self.pipeline.lake.branch
        folder = write_loop(
            parent, self.folder.name, repository=self.lake.repository, branch=branch, **changes
        )
        return Loop(folder, self.lake, self.tracking)
