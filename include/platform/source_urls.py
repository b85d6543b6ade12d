"""The URL of a source's database, from outside of a task: Airflow's connection, read by Airflow itself."""

from __future__ import annotations

import subprocess
import sys

from include.exceptions import Misconfigured, Unavailable
from include.excerpt import excerpt
from include.platform.embedded.stack import Stack
from include.settings import ROOT, inherited_environment, settings


def url_of(conn_id: str) -> str:
    """Return the URL for SQLAlchemy of an Airflow connection; raises Misconfigured where there is none.

    The embedded stack has to run, as its connections are in its database. Elsewhere this environment counts.
    """
    environment, hint = _environment()
    process = subprocess.run(  # noqa: S603 - the contract bounds what a connection may be called
        [sys.executable, "-m", "millrace.hooks.sql", conn_id],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if process.returncode:
        reason = (process.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise Misconfigured(f"connection {conn_id!r} of source.conn_id: {excerpt(reason)}{hint}")
    return process.stdout.strip().splitlines()[-1]  # Airflow logs to the same stream


def _environment() -> tuple[dict[str, str], str]:
    """Return the environment to ask Airflow in, and what a person may have to do before."""
    # Otherwise Airflow requests connections from the server of a task.
    context = {"_AIRFLOW_PROCESS_CONTEXT": "server"}
    try:
        return Stack(settings()).variables() | context, ""
    except Unavailable:
        own = inherited_environment() | {"PYTHONPATH": f"{ROOT}:{ROOT / 'plugins'}"} | context
        return own, "; if it is one of the embedded stack, which does not run, run `make up` first"
