"""lakeFS is a connection type that Airflow finds without an installed package."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from importlib.metadata import version

from include.settings import ROOT
from millrace.provider import provider_info

FIND = """
import json, warnings
warnings.simplefilter("ignore")
from airflow.providers_manager import ProvidersManager
from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService
hook = ProvidersManager().hooks["lakefs"]
[meta] = [meta for meta in HookMetaService.hook_meta_data() if meta.connection_type == "lakefs"]
title, extra = meta.standard_fields.host.title, list(meta.extra_fields)
print(json.dumps([hook.hook_class_name, hook.connection_testable, title, extra]))
"""


def test_airflow_finds_the_type_its_hook_and_its_form() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", FIND],
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'plugins'}"},
        capture_output=True,
        text=True,
        check=True,
    )
    extra = ["repository", "verify_tls", "ui_url", "storage"]
    expected = ["millrace.hooks.lakefs.LakeFSHook", True, "URL", extra]
    assert json.loads(ended.stdout.splitlines()[-1]) == expected


def test_the_provider_has_the_projects_version_and_name() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert (version("millrace"), provider_info()["package-name"]) == (project["version"], project["name"])
