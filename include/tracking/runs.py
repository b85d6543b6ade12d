"""MLflow as the store of reports and numbers: runs that are found again by their key.

A run that was killed leaves no trap: the next try closes it as KILLED and starts anew; a finished one is
the answer. Nothing here touches MLflow's global state but `RunLog.model`, which has no other way.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from include.exceptions import Misconfigured
from include.tracking.errors import errors
from include.tracking.server import client
from include.tracking.tags import PREFIX, Tag

if TYPE_CHECKING:
    from mlflow.entities import Run


@dataclass(frozen=True)
class Experiment:
    """One experiment of a tracking server, made when the first run is."""

    uri: str
    name: str

    @cached_property
    def client(self) -> Any:
        """The client behind it."""
        return client(self.uri)

    @cached_property
    def id(self) -> str:
        """The experiment's id; made if there is none."""
        from mlflow.exceptions import MlflowException

        with errors(f"experiment {self.name!r}", self.uri):
            found = self.client.get_experiment_by_name(self.name)
            if found is None:
                try:
                    return str(self.client.create_experiment(self.name))
                except MlflowException as error:
                    if error.error_code != "RESOURCE_ALREADY_EXISTS":
                        raise
                    found = self.client.get_experiment_by_name(self.name)  # somebody was faster
        if found.lifecycle_stage != "active":
            raise Misconfigured(
                f"experiment {self.name!r} of MLflow at {self.uri!r} was deleted; restore it there"
            )
        return str(found.experiment_id)

    def search(self, *, limit: int, newest: str = "attributes.start_time", **tags: str) -> list[Run]:
        """Finished runs with these tags (`_` stands for `.`), newest first by `newest`."""
        return list(islice(self.browse(newest=newest, page=limit, **tags), limit))

    def browse(self, *, newest: str = "attributes.start_time", page: int = 50, **tags: str) -> Iterator[Run]:
        """The same without a limit: a page of them is fetched when it is reached."""
        wanted = ["attributes.status = 'FINISHED'"]
        wanted += [f"tags.`{PREFIX}{name}` = '{value}'" for name, value in tags.items()]
        token: str | None = None
        while True:
            with errors(f"runs of {self.name!r}", self.uri):
                found = self.client.search_runs(
                    [self.id],
                    filter_string=" and ".join(wanted),
                    max_results=page,
                    order_by=[f"{newest} DESC"],
                    page_token=token,
                )
            yield from found
            token = found.token
            if not token:
                return

    def finished(self, key: str) -> Run | None:
        """The run with this key that an earlier try finished."""
        return next(iter(self.search(limit=1, run_key=key)), None)

    def run(self, run_id: str) -> Run:
        """A run by its id; raises Absent."""
        with errors(f"run {run_id!r}", self.uri):
            return self.client.get_run(run_id)

    @contextmanager
    def start(self, key: str, *, name: str, tags: Mapping[str, str]) -> Iterator[RunLog]:
        """A new run under a key; finished at the end of the block, FAILED or KILLED if it raises.

        Runs that an earlier try left open are closed as KILLED.
        """
        with errors(f"run {key!r} of {self.name!r}", self.uri):
            for torn in self.client.search_runs(
                [self.id], filter_string=f"tags.`{Tag.RUN_KEY}` = '{key}' and attributes.status = 'RUNNING'"
            ):
                self.client.set_terminated(torn.info.run_id, "KILLED")
            made = self.client.create_run(self.id, run_name=name, tags={**tags, Tag.RUN_KEY: key})
        run = RunLog(self, str(made.info.run_id))
        try:
            yield run
        except Exception:
            run.end("FAILED")
            raise
        except BaseException:
            run.end("KILLED")
            raise
        run.end("FINISHED")

    def log(self, run_id: str) -> RunLog:
        """A run that is there already, to add to it."""
        return RunLog(self, run_id)

    def link(self, run_id: str, artifact: str = "") -> str:
        """The page of a run, or of one of its artifacts."""
        shown = f"/artifacts/{artifact}" if artifact else ""
        return f"{self.uri}/#/experiments/{self.id}/runs/{run_id}{shown}"


@dataclass(frozen=True)
class RunLog:
    """What is written to one run."""

    experiment: Experiment
    id: str

    def link(self, artifact: str = "") -> str:
        """The run's page, or that of one of its artifacts."""
        return self.experiment.link(self.id, artifact)

    def params(self, params: Mapping[str, Any]) -> None:
        """Log parameters; nested ones as JSON."""
        from mlflow.entities import Param

        told = [
            Param(name, value if isinstance(value, str) else json.dumps(value, default=str))
            for name, value in params.items()
        ]
        with self._errors("params"):
            self._client.log_batch(self.id, params=told)

    def metrics(self, numbers: Mapping[str, float]) -> None:
        """Log numbers; names may hold letters, digits, `_`, `-`, `.`, `/` and spaces."""
        import time

        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        told = [Metric(name, float(value), now, 0) for name, value in numbers.items()]
        with self._errors("metrics"):
            self._client.log_batch(self.id, metrics=told)

    def tags(self, tags: Mapping[str, str]) -> None:
        """Set tags."""
        from mlflow.entities import RunTag

        with self._errors("tags"):
            self._client.log_batch(self.id, tags=[RunTag(name, value) for name, value in tags.items()])

    def text(self, text: str, file: str) -> None:
        """Store a text as an artifact."""
        with self._errors(f"artifact {file!r}"):
            self._client.log_text(self.id, text, file)

    def json(self, value: Any, file: str) -> None:
        """Store JSON as an artifact."""
        self.text(json.dumps(value, indent=2), file)

    def file(self, path: Any) -> None:
        """Store a file as an artifact under its own name."""
        with self._errors(f"artifact {str(path)!r}"):
            self._client.log_artifact(self.id, str(path))

    def dataset(self, *, name: str, commit: str, source: str, context: str, rows: int) -> None:
        """Note which data went in; `source` is its URI at that commit."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        told = Dataset(
            name=name,
            digest=commit[:12],
            source_type="lakefs",
            source=json.dumps({"uri": source}),
            profile=json.dumps({"rows": rows}),
        )
        with self._errors("dataset"):
            self._client.log_inputs(self.id, [DatasetInput(told, [InputTag("mlflow.data.context", context)])])

    def model(self, estimator: Any, *, example: Any, trusted_types: Sequence[str]) -> str:
        """Store a fitted estimator in skops format; the model's id.

        `trusted_types` is what the file may hold beyond plain data. Raises Misconfigured naming any other
        type that it holds: nothing is stored that nobody reviewed.
        """
        import mlflow
        from mlflow.models import infer_signature

        mlflow.set_tracking_uri(self.experiment.uri)
        with self._errors("model"):
            made = self._client.create_logged_model(
                self.experiment.id, name="model", source_run_id=self.id, model_type="sklearn"
            )
            mlflow.sklearn.log_model(
                estimator,
                name="model",
                run_id=self.id,
                model_id=made.model_id,
                signature=infer_signature(example, estimator.predict_proba(example)),
                pyfunc_predict_fn="predict_proba",
                # Given, since to find them out MLflow would import the model in a new process (seconds).
                pip_requirements=_requirements(),
                skops_trusted_types=list(trusted_types),
            )
        return str(made.model_id)

    def read(self, file: str) -> bytes:
        """The content of an artifact; raises Absent if there is none."""
        from pathlib import Path

        with TemporaryDirectory(prefix="millrace-") as folder, self._errors(f"artifact {file!r}"):
            return Path(self._client.download_artifacts(self.id, file, folder)).read_bytes()

    def end(self, status: str) -> None:
        """Close the run."""
        with self._errors("end"):
            self._client.set_terminated(self.id, status)

    @property
    def _client(self) -> Any:
        return self.experiment.client

    def _errors(self, what: str) -> Any:
        return errors(f"{what} of run {self.id!r}", self.experiment.uri)


def _requirements() -> list[str]:
    from importlib.metadata import version

    # A job's container has MLflow's client alone, which is always of the same version.
    mlflow = f"mlflow=={version('mlflow-skinny')}"
    return [mlflow, *(f"{name}=={version(name)}" for name in ("scikit-learn", "skops", "pandas", "numpy"))]
