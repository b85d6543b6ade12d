"""The lakeFS program that the environment names, if it names one, as a server of a test's own."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import urllib3

from include.lake.client import LakeConnection
from include.platform.embedded import lake_process, postgres, secrets
from include.platform.embedded.secrets import Secrets
from tests.support.lake import free_port
from tests.support.stack import changed, database_folder, settings_in

BINARY = os.environ.get("MILLRACE_LAKEFS_BINARY", "")
NO_BINARY = "MILLRACE_LAKEFS_BINARY names no lakeFS program"


@contextmanager
def run_lakefs(folder: Path, **settings: str) -> Iterator[LakeConnection]:
    """A real lakeFS below a folder, told as the embedded stack tells it, and these settings beside."""
    told = changed(settings_in(folder), lakefs={"binary": BINARY})
    made, address = secrets.ensure(told.var), f"127.0.0.1:{free_port()}"
    variables = {**os.environ, **lake_process.variables(told, made, address), **settings}
    with (folder / "lakefs.log").open("wb") as log:
        process = subprocess.Popen([BINARY, "run"], env=variables, stdout=log, stderr=log)
        try:
            yield _answering(process, f"http://{address}", made)
        finally:
            process.kill()
            process.wait()


@contextmanager
def run_fresh_lakefs(folder: Path) -> Iterator[LakeConnection]:
    """One over PostgreSQL, as the Compose file and the cluster have it: nobody has set it up."""
    with database_folder() as above:
        data = above / "postgres"
        try:
            where = f"host={postgres.start(data)} user=postgres dbname=postgres"
            told = {"TYPE": "postgres", "POSTGRES_CONNECTION_STRING": where}
            with run_lakefs(folder, **{f"LAKEFS_DATABASE_{name}": to for name, to in told.items()}) as found:
                yield found
        finally:
            postgres.stop(data)


def _answering(process: subprocess.Popen[bytes], endpoint: str, made: Secrets) -> LakeConnection:
    deadline = time.monotonic() + 60
    while True:
        try:
            urllib3.request("GET", f"{endpoint}/api/v1/healthcheck", timeout=2, retries=False)
            break
        except urllib3.exceptions.HTTPError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.1)
    return LakeConnection(
        endpoint=endpoint,
        access_key_id=made.lake_access_key_id,
        secret_access_key=made.lake_secret_access_key,
    )
