"""The model registry: versions of a pipeline's model, and the aliases that mark one of them."""

from __future__ import annotations

from contextlib import AbstractContextManager
from enum import StrEnum
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

from include.exceptions import Absent, BadData, Misconfigured
from include.excerpt import describe
from include.tracking.artifacts import read_artifact
from include.tracking.errors import mlflow_errors
from include.tracking.runs import RunLog
from include.tracking.server import TrackingServer

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

_SKOPS = "model.skops"


class Alias(StrEnum):
    """The role of a version."""

    CANDIDATE = "candidate"
    CHAMPION = "champion"
    PREVIOUS = "previous"


class Registry:
    """The model registry of a tracking server; a model is named as its pipeline."""

    def __init__(self, server: TrackingServer) -> None:
        self.server = server

    @property
    def _client(self) -> Any:
        return self.server.client

    def _errors(self, what: str) -> AbstractContextManager[None]:
        return mlflow_errors(what, self.server.uri)

    def aliases(self, name: str) -> dict[Alias, int]:
        """Return the version that each alias of a model marks; nothing where there is no such model."""
        from mlflow.exceptions import MlflowException

        with self._errors(f"model {name!r}"):
            try:
                model = self._client.get_registered_model(name)
            except MlflowException as error:
                if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                    raise
                return {}
        return {alias: int(model.aliases[alias]) for alias in Alias if alias in model.aliases}

    def version_of(self, name: str, alias: Alias) -> int | None:
        """Return the version that has an alias, or None."""
        return self.aliases(name).get(alias)

    def get_version(self, name: str, version: int) -> ModelVersion:
        """Return a version; raises Absent."""
        with self._errors(f"version {version} of model {name!r}"):
            return self._client.get_model_version(name, str(version))

    def training_run_of(self, name: str, version: int) -> str:
        """Return the id of the run that trained a version; raises Absent if no run is known to have."""
        run_id = self.get_version(name, version).run_id
        if not run_id:
            raise Absent(
                f"version {version} of model {name!r} names no training run: another tool registered it"
            )
        return str(run_id)

    def register(self, name: str, training_run: RunLog) -> int:
        """Register a training run's model as the candidate, once, and return its version.

        Raises Absent if there is no such run, or if it stored no model.
        """
        model_id = training_run.model_id
        with self._errors(f"model {name!r}"):
            versions = self._client.search_model_versions(f"name = '{name}' and run_id = '{training_run.id}'")
            registered = min(versions, key=lambda version: int(version.version), default=None)
            if registered is None:
                self._ensure(name)
                registered = self._client.create_model_version(
                    name,
                    f"models:/{model_id}",
                    run_id=training_run.id,
                    model_id=model_id,  # without it MLflow refuses a `models:/` source
                )
            version = int(registered.version)
        if version != self.version_of(name, Alias.CHAMPION):
            self.set_alias(name, Alias.CANDIDATE, version)
        return version

    def set_alias(self, name: str, alias: Alias, version: int) -> None:
        """Point an alias at a version."""
        with self._errors(f"alias {alias.value!r} of model {name!r}"):
            self._client.set_registered_model_alias(name, alias.value, str(version))

    def delete_alias(self, name: str, alias: Alias) -> None:
        """Delete an alias unless it is absent."""
        if self.version_of(name, alias) is not None:
            with self._errors(f"alias {alias.value!r} of model {name!r}"):
                self._client.delete_registered_model_alias(name, alias.value)

    def load_model(self, model_id: str, trusted_types: list[str]) -> Any:
        """Return a stored estimator, trusting the pipeline's own list and not the one inside the model.

        Raises Misconfigured naming any type outside of the list: such a file is never unpacked; BadData if
        the file is damaged, or was made with other libraries.
        """
        from skops.io import loads
        from skops.io.exceptions import UntrustedTypesFoundException

        with self._errors(f"model {model_id!r}"):
            location = self._client.get_logged_model(model_id).artifact_location
        try:
            # This file alone: the others describe the model to other programs.
            content = read_artifact(self.server, location, _SKOPS, what=f"{_SKOPS} of model {model_id!r}")
        except Absent as error:
            raise Misconfigured(
                f"model {model_id!r} holds no {_SKOPS}; only models of this format are loaded"
            ) from error
        try:
            return loads(content, trusted=trusted_types)
        except UntrustedTypesFoundException as error:
            raise Misconfigured(
                f"model {model_id!r} is not loaded: {error}. Add a type to TRUSTED_TYPES of the "
                "pipeline's model.py once you have reviewed it"
            ) from error
        except (BadZipFile, EOFError, KeyError, ValueError) as error:
            raise BadData(
                f"model {model_id!r} is damaged ({type(error).__name__}); train again, or roll back"
            ) from None  # it may quote what the model learned
        except (MemoryError, OSError):  # of this machine
            raise
        except Exception as error:  # noqa: BLE001 - whatever the code of its types raises
            about_libraries = isinstance(error, (ImportError, AttributeError))
            shown = describe(error) if about_libraries else type(error).__name__
            raise BadData(
                f"model {model_id!r} does not fit the libraries here ({shown}); train again, or run the job "
                "with the libraries that it was made with"
            ) from None

    def _ensure(self, name: str) -> None:
        from mlflow.exceptions import MlflowException

        try:
            self._client.create_registered_model(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
