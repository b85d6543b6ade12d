"""Experiments and runs: MLflow as the store of reports and numbers, with runs that are found by a key.

A run that was killed blocks nothing: the next try closes it as KILLED and starts anew; a finished one is
the result. A worker that was only frozen, and goes on after its successor has started, finishes nothing.
MLflow's global state (its tracking URI, its active run) is neither read nor set.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from include.exceptions import Absent, Conflict, Misconfigured
from include.tracking.artifacts import read_artifact
from include.tracking.errors import mlflow_errors
from include.tracking.owner import Owner
from include.tracking.server import TrackingServer
from include.tracking.storage import save_estimator
from include.tracking.tags import Tag

if TYPE_CHECKING:
    from mlflow.entities import Run

_BY_START = "attributes.start_time"
_PAGE_RUNS = 50
_MAX_DIGEST = 36
"""Characters that MLflow 3.17 keeps of a dataset's digest."""


@dataclass(frozen=True)
class Experiment:
    """One experiment of a tracking server, created with its first run."""

    server: TrackingServer
    name: str

    @property
    def client(self) -> Any:
        """The server's client."""
        return self.server.client

    @cached_property
    def id(self) -> str:
        """The experiment's id; creates the experiment unless it exists."""
        from mlflow.exceptions import MlflowException

        with self._errors(f"experiment {self.name!r}"):
            experiment = self.client.get_experiment_by_name(self.name)
            if experiment is None:
                try:
                    return str(self.client.create_experiment(self.name))
                except MlflowException as error:
                    if error.error_code != "RESOURCE_ALREADY_EXISTS":
                        raise
                    experiment = self.client.get_experiment_by_name(self.name)  # created meanwhile
        if experiment.lifecycle_stage != "active":
            raise Misconfigured(
                f"experiment {self.name!r} of MLflow at {self.server.uri!r} was deleted; restore it there"
            )
        return str(experiment.experiment_id)

    def find_runs(
        self, tags: Mapping[Tag, str] | None = None, *, limit: int, newest: str = _BY_START
    ) -> list[Run]:
        """Return at most `limit` finished runs with these tags, newest first by `newest`."""
        return list(islice(self.iter_runs(tags, newest=newest, page=limit), limit))

    def iter_runs(
        self, tags: Mapping[Tag, str] | None = None, *, newest: str = _BY_START, page: int = _PAGE_RUNS
    ) -> Iterator[Run]:
        """Yield finished runs with these tags, newest first; a page of them is fetched when it is reached."""
        conditions = ["attributes.status = 'FINISHED'"]
        conditions += [f"tags.`{name}` = '{value}'" for name, value in (tags or {}).items()]
        return self._iter_runs(conditions, newest, page)

    def running(self) -> Iterator[Run]:
        """Yield the runs that nobody has ended; none where there is no such experiment, or a deleted one."""
        with self._errors(f"experiment {self.name!r}"):
            experiment = self.client.get_experiment_by_name(self.name)
        if experiment is not None and experiment.lifecycle_stage == "active":
            yield from self._iter_runs(["attributes.status = 'RUNNING'"], _BY_START, _PAGE_RUNS)

    def _iter_runs(self, conditions: list[str], newest: str, page: int) -> Iterator[Run]:
        token: str | None = None
        while True:
            with self._errors(f"runs of {self.name!r}"):
                runs = self.client.search_runs(
                    [self.id],
                    filter_string=" and ".join(conditions),
                    max_results=page,
                    order_by=[f"{newest} DESC"],
                    page_token=token,
                )
            yield from runs
            token = runs.token
            if not token:
                return

    def attempts(self, key: str) -> Attempts:
        """Return the runs that earlier tries made under a key, found in one search."""
        conditions = [f"tags.`{Tag.RUN_KEY}` = '{key}'"]
        return Attempts(self, key, tuple(self._iter_runs(conditions, _BY_START, _PAGE_RUNS)))

    def get_run(self, run_id: str) -> Run:
        """Return a run by its id; raises Absent."""
        with self._errors(f"run {run_id!r}"):
            return self.client.get_run(run_id)

    def open_run(self, run: str | Run) -> RunLog:
        """Return an existing run, by its id or as it was found, to read its artifacts or to add to it."""
        if isinstance(run, str):
            return RunLog(self, run)
        run_log = RunLog(self, str(run.info.run_id))
        vars(run_log)["run"] = run  # where the cached property keeps what it fetched
        return run_log

    def _errors(self, what: str) -> AbstractContextManager[None]:
        return mlflow_errors(what, self.server.uri)


@dataclass(frozen=True)
class Attempts:
    """The runs that tries of one step made under its key, newest first."""

    experiment: Experiment
    key: str
    runs: tuple[Run, ...]

    @property
    def finished(self) -> RunLog | None:
        """The run that an earlier try finished, if there is one: it is the step's result."""
        finished = (run for run in self.runs if run.info.status == "FINISHED")
        return next((self.experiment.open_run(run) for run in finished), None)

    @contextmanager
    def start(self, *, name: str, tags: Mapping[str, str]) -> Iterator[RunLog]:
        """Start one more run; it is FINISHED at the end of the block, FAILED or KILLED if that raises.

        Runs that earlier tries left open are closed as KILLED. Raises Conflict if a later try of the same
        Airflow run is at work, or has closed this run before the block ended.
        """
        experiment, client = self.experiment, self.experiment.client
        owner = Owner.of({**tags, Tag.RUN_KEY: self.key})
        if (successor := self._successor(owner)) is not None:
            raise Conflict(self._superseded(successor.info.run_id))
        with mlflow_errors(f"run {self.key!r} of {experiment.name!r}", experiment.server.uri):
            for run in self.runs:
                if run.info.status == "RUNNING":
                    client.set_terminated(run.info.run_id, "KILLED")
            created = client.create_run(experiment.id, run_name=name, tags={**tags, Tag.RUN_KEY: self.key})
        run_log = experiment.open_run(created)
        try:
            yield run_log
        except Exception:
            self._end(run_log, owner, "FAILED")
            raise
        except BaseException:
            self._end(run_log, owner, "KILLED")
            raise
        if not self._end(run_log, owner, "FINISHED"):
            raise Conflict(self._superseded(run_log.id))

    def _end(self, run_log: RunLog, owner: Owner, status: str) -> bool:
        """End a run unless it was closed meanwhile, and return whether it ended so.

        MLflow cannot compare and set. Where a predecessor was frozen between the two, its successor closes
        what it finished; where a successor has not seen this run, this run gives way.
        """
        now = self.experiment.attempts(self.key)
        if not any(run.info.run_id == run_log.id and run.info.status == "RUNNING" for run in now.runs):
            return False
        given_way = now._successor(owner) is not None
        run_log.end("KILLED" if given_way else status)
        if not given_way and status == "FINISHED":
            for run in now.runs:
                if run.info.status == "FINISHED" and owner.succeeds(Owner.of(run.data.tags)):
                    self.experiment.open_run(run).end("KILLED")
        return not given_way

    def _successor(self, owner: Owner) -> Run | None:
        """Return a run of a later try that is at work or has finished."""
        alive = (run for run in self.runs if run.info.status in ("RUNNING", "FINISHED"))
        return next((run for run in alive if Owner.of(run.data.tags).succeeds(owner)), None)

    def _superseded(self, run_id: str) -> str:
        return (
            f"run {run_id!r} of {self.experiment.name!r}: a later try of this step has taken over, or "
            "somebody has closed the run; this try changes nothing. If there is no later try, clear the task"
        )


@dataclass(frozen=True)
class RunLog:
    """One run, to log to and to read artifacts from."""

    experiment: Experiment
    id: str

    @cached_property
    def run(self) -> Run:
        """The run as it was when it was opened or, if it was opened by its id, first needed."""
        return self.experiment.get_run(self.id)

    @property
    def model_id(self) -> str:
        """The id of the model that the run stored; raises Absent if it stored none."""
        stored = self.run.outputs.model_outputs if self.run.outputs else []
        if not stored:
            server = self.experiment.server.uri
            raise Absent(f"run {self.id!r} of MLflow at {server!r} stored no model; train again")
        return str(stored[-1].model_id)

    def link(self, artifact: str = "") -> str:
        """Return the URL of the run's page, or of one of its artifacts."""
        page = f"{self.experiment.server.uri}/#/experiments/{self.run.info.experiment_id}/runs/{self.id}"
        return f"{page}/artifacts/{artifact}" if artifact else page

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Log parameters; nested ones as JSON."""
        from mlflow.entities import Param

        entities = [
            Param(name, value if isinstance(value, str) else json.dumps(value, default=str))
            for name, value in params.items()
        ]
        with self._errors("params"):
            self._client.log_batch(self.id, params=entities)

    def log_metrics(
        self,
        numbers: Mapping[str, float],
        *,
        tags: Mapping[str, str] | None = None,
        model_id: str | None = None,
    ) -> None:
        """Log numbers, and in the same request set tags; the numbers are those of a stored model, too.

        Names may hold letters, digits, `_`, `-`, `.`, `/` and spaces.
        """
        from mlflow.entities import Metric, RunTag

        now_ms = int(time.time() * 1000)
        entities = [
            Metric(name, float(value), now_ms, 0, model_id=model_id, run_id=self.id)
            for name, value in numbers.items()
        ]
        with self._errors("metrics"):
            self._client.log_batch(
                self.id, metrics=entities, tags=[RunTag(*tag) for tag in (tags or {}).items()]
            )

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Set tags."""
        from mlflow.entities import RunTag

        with self._errors("tags"):
            self._client.log_batch(self.id, tags=[RunTag(*tag) for tag in tags.items()])

    def log_text(self, text: str, file: str) -> None:
        """Store a text as an artifact."""
        with self._errors(f"artifact {file!r}"):
            self._client.log_text(self.id, text, file)

    def log_json(self, value: Any, file: str) -> None:
        """Store a value as a JSON artifact."""
        self.log_text(json.dumps(value, indent=2), file)

    def log_file(self, path: Path) -> None:
        """Store a file as an artifact under its own name."""
        with self._errors(f"artifact {str(path)!r}"):
            self._client.log_artifact(self.id, str(path))

    def log_dataset(self, *, name: str, commit: str, source: str, context: str, rows: int) -> None:
        """Log which data went in; `source` is its URI at that commit."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        dataset = Dataset(
            name=name,
            # MLflow keeps one dataset for each name and digest of an experiment: the commit alone would show
            # a second run the rows and the context of the first (findings/mlflow-dataset-of-another-run.sh).
            digest=f"{commit[:12]}-{context}-{rows}"[:_MAX_DIGEST],
            source_type="lakefs",
            source=json.dumps({"uri": source}),
            profile=json.dumps({"rows": rows}),
        )
        with self._errors("dataset"):
            self._client.log_inputs(
                self.id, [DatasetInput(dataset, [InputTag("mlflow.data.context", context)])]
            )

    def log_model(
        self,
        estimator: Any,
        *,
        example: Any,
        trusted_types: Sequence[str],
        guard: AbstractContextManager[None] | None = None,
    ) -> str:
        """Store a fitted estimator in skops format, and return the model's id.

        `trusted_types` is what the file may hold beyond plain data. Raises Misconfigured naming any other
        type that it holds: nothing is stored that nobody reviewed. The estimator's own code runs in `guard`,
        the upload does not.

        These are the steps of `mlflow.sklearn.log_model`, which takes the server from a global setting and
        reads back what this run has logged already, in five more requests.
        """
        from mlflow.entities import LoggedModelOutput, LoggedModelStatus

        with self._errors("model"):
            model = self._client.create_logged_model(
                self.experiment.id, name="model", source_run_id=self.id, model_type="sklearn"
            )
            self._client.log_outputs(self.id, [LoggedModelOutput(model.model_id, step=0)])
            state = LoggedModelStatus.FAILED
            try:
                with TemporaryDirectory(prefix="millrace-") as folder:
                    with guard or nullcontext():
                        save_estimator(
                            estimator,
                            folder,
                            example=example,
                            trusted_types=trusted_types,
                            of={
                                "artifact_path": model.artifact_location,
                                "model_uuid": model.model_id,
                                "run_id": self.id,
                                "model_id": model.model_id,
                            },
                        )
                    self._client.log_model_artifacts(model.model_id, folder)
                state = LoggedModelStatus.READY
            finally:
                self._client.finalize_logged_model(model.model_id, state)
        return str(model.model_id)

    def download_artifact(self, file: str) -> bytes:
        """Return the content of an artifact; raises Absent if there is none."""
        what = f"artifact {str(file)!r} of run {self.id!r}"
        return read_artifact(self.experiment.server, self.run.info.artifact_uri, file, what=what)

    def end(self, status: str) -> None:
        """Close the run with a status of MLflow (`FINISHED`, `FAILED`, `KILLED`)."""
        with self._errors("end"):
            self._client.set_terminated(self.id, status)

    @property
    def _client(self) -> Any:
        return self.experiment.client

    def _errors(self, what: str) -> AbstractContextManager[None]:
        return mlflow_errors(f"{what} of run {self.id!r}", self.experiment.server.uri)
