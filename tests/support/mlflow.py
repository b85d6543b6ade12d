"""MLflow's store in a file, without its server: what a client does is the same."""

from __future__ import annotations

from contextlib import chdir
from pathlib import Path

from include.tracking.server import TrackingServer


def make_store(folder: Path) -> str:
    """The tracking URI of a new store; artifacts lie in `folder` too, since that is where it is opened."""
    import mlflow

    uri = f"sqlite:///{folder}/mlflow.db"
    mlflow.set_tracking_uri(uri)  # as in a server's process, which looks models up in its own store
    with chdir(folder):
        TrackingServer(uri=uri).client.search_experiments()
    return uri
