"""The registered versions of a pipeline's model, and the aliases that say which one counts."""

from __future__ import annotations

from enum import StrEnum
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

from include.exceptions import Absent, BadData, Misconfigured
from include.tracking.errors import errors
from include.tracking.server import client

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

_SKOPS = "model.skops"


class Alias(StrEnum):
    """What a version may be."""

    CANDIDATE = "candidate"
    CHAMPION = "champion"
    PREVIOUS = "previous"


class Registry:
    """The model registry of a tracking server; a model is named as its pipeline."""

    def __init__(self, uri: str) -> None:
        self.uri = uri

    @cached_property
    def _client(self) -> Any:
        return client(self.uri)

    def version_of(self, name: str, alias: Alias) -> int | None:
        """The version that has an alias, or None."""
        with errors(f"model {name!r}", self.uri):
            try:
                found = self._client.get_registered_model(name)
            except Exception as error:
                if getattr(error, "error_code", "") != "RESOURCE_DOES_NOT_EXIST":
                    raise
                return None
        version = found.aliases.get(alias.value)
        return None if version is None else int(version)

    def version(self, name: str, version: int) -> ModelVersion:
        """What is known of a version; raises Absent."""
        with errors(f"version {version} of model {name!r}", self.uri):
            return self._client.get_model_version(name, str(version))

    def register(self, name: str, run_id: str) -> int:
        """Register a training run's model as the candidate, once; its version."""
        model_id = self.model_of(run_id)
        with errors(f"model {name!r}", self.uri):
            self._ensure(name)
            found = self._client.search_model_versions(f"name = '{name}' and run_id = '{run_id}'")
            made = min(found, key=lambda version: int(version.version), default=None)
            if made is None:
                made = self._client.create_model_version(
                    name,
                    f"models:/{model_id}",
                    run_id=run_id,
                    model_id=model_id,  # without it MLflow refuses a `models:/` source
                )
            version = int(made.version)
        if version != self.version_of(name, Alias.CHAMPION):
            self.point(name, Alias.CANDIDATE, version)
        return version

    def point(self, name: str, alias: Alias, version: int) -> None:
        """Let an alias stand for a version."""
        with errors(f"alias {alias.value!r} of model {name!r}", self.uri):
            self._client.set_registered_model_alias(name, alias.value, str(version))

    def drop(self, name: str, alias: Alias) -> None:
        """Take an alias away; fine if there is none."""
        if self.version_of(name, alias) is not None:
            with errors(f"alias {alias.value!r} of model {name!r}", self.uri):
                self._client.delete_registered_model_alias(name, alias.value)

    def model_of(self, run_id: str) -> str:
        """The id of the model that a training run stored; raises Absent if it stored none."""
        with errors(f"training run {run_id!r}", self.uri):
            run = self._client.get_run(run_id)
        stored = run.outputs.model_outputs if run.outputs else []
        if not stored:
            raise Absent(f"run {run_id!r} of MLflow at {self.uri!r} stored no model; train again")
        return str(stored[-1].model_id)

    def load(self, model_id: str, trusted_types: list[str]) -> Any:
        """Load a stored estimator, trusting the pipeline's own list and not the one inside the model.

        Raises Misconfigured naming any type outside of the list: such a file is never unpacked.
        """
        from mlflow.artifacts import download_artifacts
        from skops.io import load
        from skops.io.exceptions import UntrustedTypesFoundException

        with TemporaryDirectory(prefix="millrace-") as folder:
            with errors(f"model {model_id!r}", self.uri):
                # By its location: for `models:/…` MLflow would ask its global server and not this one.
                location = self._client.get_logged_model(model_id).artifact_location
                found = download_artifacts(artifact_uri=location, dst_path=folder, tracking_uri=self.uri)
            file = Path(found) / _SKOPS
            if not file.is_file():
                raise Misconfigured(
                    f"model {model_id!r} holds no {_SKOPS}; only models of this format are loaded"
                )
            try:
                return load(file, trusted=trusted_types)
            except UntrustedTypesFoundException as error:
                raise Misconfigured(
                    f"model {model_id!r} is not loaded: {error}. Add a type to TRUSTED_TYPES of the "
                    "pipeline's model.py once you have reviewed it"
                ) from error
            except (BadZipFile, EOFError, KeyError, ValueError) as error:
                raise BadData(
                    f"model {model_id!r} is damaged ({type(error).__name__}); train again, or roll back"
                ) from error

    def _ensure(self, name: str) -> None:
        from mlflow.exceptions import MlflowException

        try:
            self._client.create_registered_model(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
