"""Artifacts: the files beside runs and models, read from the place that MLflow names for them."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from include.exceptions import Absent, MillraceError, Transient
from include.tracking.errors import mlflow_errors
from include.tracking.server import TrackingServer


def read_artifact(server: TrackingServer, location: str, file: str, *, what: str) -> bytes:
    """Return the content of a file below an artifact location; raises Absent if there is none.

    By the location, because by a run's id MLflow looks in the run's models too, in four more requests, and
    takes a server that does not answer for a file that is absent.
    """
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException
    from requests import RequestException

    uri = f"{location}/{file}"
    with TemporaryDirectory(prefix="millrace-") as folder, mlflow_errors(what, server.uri):
        try:
            path = download_artifacts(artifact_uri=uri, dst_path=folder, tracking_uri=server.uri)
        except (MlflowException, RequestException, OSError) as error:
            if isinstance(error, OSError) and error.errno is not None:  # of this machine: a full disk
                raise
            raise _explained(server, location, file, what) from error
        return Path(path).read_bytes()


def _explained(server: TrackingServer, location: str, file: str, what: str) -> MillraceError:
    """Return Absent if MLflow lists no such file, Transient if it does; raises what the listing raises.

    MLflow's client has the same error for a file that is absent and a store that is away, and a server with
    its artifacts in S3 answers 500 to both (MLflow 3.17); drop once they differ.
    """
    from mlflow.artifacts import list_artifacts

    listed = list_artifacts(artifact_uri=location, tracking_uri=server.uri)
    if file not in {item.path.rpartition("/")[2] for item in listed}:
        return Absent(f"there is no {what} in MLflow at {server.uri!r}")
    return Transient(f"MLflow at {server.uri!r} lists {what} and did not send it")
