"""Airflow's api-server with the plugin, and a DAG that an asset of the lake starts."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_urlsafe

import urllib3

from include.settings import ROOT
from tests.fuzz.schemathesis import Outcome, run
from tests.support.bare_airflow import run_bare_airflow

_DAG = """
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, Asset

with DAG("fuzz", schedule=[Asset("lakefs://fuzz/main")]):
    EmptyOperator(task_id="nothing")
"""
_DESCRIBE = "import json; from millrace.ui.lakefs_webhook import app; print(json.dumps(app.openapi()))"


@dataclass(frozen=True)
class Plugin:
    """The plugin's routes in a running Airflow: their address, a token of its user, their description."""

    url: str
    token: str
    schema: Path


def fuzz_webhook(folder: Path, *options: str) -> Outcome:
    """Send requests to every route of the plugin, in an Airflow below a folder."""
    with run_plugin(folder) as plugin:
        return fuzz(plugin, *options)


def fuzz(plugin: Plugin, *options: str) -> Outcome:
    """Send requests to every route of a running plugin."""
    return run(f"{plugin.schema}", "webhook.toml", f"Bearer {plugin.token}", "--url", plugin.url, *options)


@contextmanager
def run_plugin(folder: Path) -> Iterator[Plugin]:
    """Yield the plugin in an Airflow below a folder, which asks for a password; stopped at the end."""
    dags, plugins = folder / "dags", ROOT / "plugins"
    dags.mkdir()
    (dags / "fuzz.py").write_text(_DAG)
    login = {"username": "admin", "password": token_urlsafe(16)}
    (folder / "passwords.json").write_text(json.dumps({login["username"]: login["password"]}))
    more = {
        "AIRFLOW__CORE__PLUGINS_FOLDER": f"{plugins}",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "False",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{login['username']}:admin",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": f"{folder / 'passwords.json'}",
        "PYTHONPATH": f"{ROOT}:{plugins}",
    }
    with run_bare_airflow(folder, dags, more) as airflow:
        _python("-m", "airflow", "dags", "reserialize", environment=airflow.environment)
        schema = folder / "openapi.json"
        schema.write_text(_python("-c", _DESCRIBE, environment=airflow.environment).splitlines()[-1])
        answer = urllib3.request("POST", f"{airflow.url}/auth/token", json=login)
        yield Plugin(f"{airflow.url}/millrace", answer.json()["access_token"], schema)


def _python(*words: str, environment: dict[str, str]) -> str:
    ended = subprocess.run(
        [sys.executable, *words], env=environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout
