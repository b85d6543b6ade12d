"""A lake and a store of MLflow in this process, below a folder that may be thrown away."""

from __future__ import annotations

import logging
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from pathlib import Path

from include.exceptions import Unavailable
from include.lake.types import LakeConnection
from include.tracking.server import TrackingServer

_START_SECONDS = 30


@dataclass(frozen=True)
class Lab:
    """Where the lake and MLflow of a trial are found."""

    lake: LakeConnection
    tracking: TrackingServer


@contextmanager
def lab(folder: Path) -> Iterator[Lab]:
    """Yield an empty lake and an empty store of MLflow; they end with the block."""
    with lake_server(folder / "lake") as connection:
        yield Lab(connection, TrackingServer(uri=make_store(folder)))


@contextmanager
def lake_server(folder: Path) -> Iterator[LakeConnection]:
    """Yield the connection of an embedded lake that runs in a thread, on a free port of loopback."""
    import uvicorn

    from include.platform.embedded.lakefs.app import create_app
    from include.platform.embedded.lakefs.auth import Keys

    keys = Keys("try", f"AKIA{secrets.token_hex(8).upper()}", secrets.token_hex(20))
    listener = socket.create_server(("127.0.0.1", 0))
    endpoint = f"http://127.0.0.1:{listener.getsockname()[1]}"
    server = uvicorn.Server(
        uvicorn.Config(create_app(folder, keys), log_level="warning", timeout_graceful_shutdown=1)
    )
    thread = threading.Thread(target=server.run, args=([listener],), name="lake", daemon=True)
    thread.start()
    try:
        _wait(server, thread)
        yield LakeConnection(
            endpoint=endpoint,
            access_key_id=keys.access_key_id,
            secret_access_key=keys.secret_access_key,
        )
    finally:
        server.should_exit = True
        thread.join(_START_SECONDS)
        listener.close()


def _wait(server: object, thread: threading.Thread) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not getattr(server, "started", False):
        if not thread.is_alive() or time.monotonic() > deadline:
            raise Unavailable("the lake of the trial did not start; its log is above")
        time.sleep(0.01)


def make_store(folder: Path) -> str:
    """Return the tracking URI of a new store in a file; artifacts lie in `folder`, too.

    It is MLflow's store without its server: what a client does is the same.
    """
    import mlflow

    logging.getLogger("mlflow").setLevel(logging.ERROR)  # the import has set it
    folder.mkdir(parents=True, exist_ok=True)
    uri = f"sqlite:///{folder}/mlflow.db"
    mlflow.set_tracking_uri(uri)  # as in a server's process, which looks models up in its own store
    with chdir(folder):  # the folder of artifacts is that of its first use
        TrackingServer(uri=uri).client.search_experiments()
    return uri
