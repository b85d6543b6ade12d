"""Artifacts: the files beside runs and models, read from the place that MLflow names for them."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from include.exceptions import Absent
from include.tracking.errors import mlflow_errors
from include.tracking.server import TrackingServer


def read_artifact(server: TrackingServer, location: str, file: str, *, what: str) -> bytes:
    """Return the content of a file below an artifact location; raises Absent if there is none.

    By the location, because by a run's id MLflow looks in the run's models too, in four more requests, and
    takes a server that does not answer for a file that is absent.
    """
    from mlflow.artifacts import download_artifacts
    from requests import RequestException

    uri = f"{location}/{file}"
    with TemporaryDirectory(prefix="millrace-") as folder, mlflow_errors(what, server.uri):
        try:
            path = download_artifacts(artifact_uri=uri, dst_path=folder, tracking_uri=server.uri)
        except RequestException:  # an OSError too
            raise
        except OSError as error:
            if error.errno is not None:  # a full disk, for example; MLflow's own error has no number
                raise
            raise Absent(f"there is no {what} in MLflow at {server.uri!r}: {error}") from error
        return Path(path).read_bytes()
