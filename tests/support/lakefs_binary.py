"""The lakeFS program of LAKEFS_BINARY, if that is set, as a server for tests."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import urllib3

from include.lake.client import LakeConnection
from include.platform.embedded import lake_process, postgres, stack_secrets
from include.platform.embedded.stack_secrets import Secrets
from tests.support import lifeline
from tests.support.lake import free_port
from tests.support.stack import changed, database_folder, settings_in

BINARY = os.environ.get("MILLRACE_LAKEFS_BINARY", "")
NO_BINARY = "MILLRACE_LAKEFS_BINARY is not set to a lakeFS program"


@contextmanager
def run_lakefs(folder: Path, **settings: str) -> Iterator[LakeConnection]:
    """Yield a connection to a real lakeFS below a folder, configured as in the embedded stack.

    `settings` are additional environment variables.
    """
    stack_settings = changed(settings_in(folder), lakefs={"binary": BINARY})
    secrets, address = stack_secrets.ensure(stack_settings.var), f"127.0.0.1:{free_port()}"
    variables = {**os.environ, **lake_process.variables(stack_settings, secrets, address), **settings}
    with (folder / "lakefs.log").open("wb") as log:
        process = lifeline.start([BINARY, "run"], env=variables, stdout=log, stderr=log)
        try:
            yield _answering(process, f"http://{address}", secrets)
        finally:
            process.kill()
            process.wait()


@contextmanager
def run_fresh_lakefs(folder: Path) -> Iterator[LakeConnection]:
    """Yield a connection to a lakeFS on PostgreSQL, as in Compose and on a cluster, without any user yet."""
    with database_folder() as above:
        data = above / "postgres"
        try:
            where = f"host={postgres.start(data)} user=postgres dbname=postgres"
            database = {
                "LAKEFS_DATABASE_TYPE": "postgres",
                "LAKEFS_DATABASE_POSTGRES_CONNECTION_STRING": where,
            }
            with run_lakefs(folder, **database) as connection:
                yield connection
        finally:
            postgres.stop(data)


def _answering(process: subprocess.Popen[bytes], endpoint: str, secrets: Secrets) -> LakeConnection:
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
        access_key_id=secrets.lake_access_key_id,
        secret_access_key=secrets.lake_secret_access_key,
    )
