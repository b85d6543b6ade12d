"""Airflow's plugin loader registers the plugin and no other module."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from include.settings import ROOT

LOAD = """
import importlib, json, os, sys, warnings
warnings.simplefilter("ignore")
from airflow import plugins_manager
plugins, errors = plugins_manager._get_plugins()
here = os.environ["AIRFLOW__CORE__PLUGINS_FOLDER"]
files = {name: getattr(module, "__file__", None) or "" for name, module in list(sys.modules.items())}
ours = [name for name, file in files.items() if file.startswith(here) and not name.startswith("millrace.")]
libraries = {name: importlib.import_module(name).__file__ for name in sys.argv[1:]}
print(json.dumps({
    "plugins": [p.name for p in plugins if str(getattr(p, "source", "")).find("millrace") >= 0],
    "timetables": [cls.__module__ for p in plugins for cls in p.timetables if p.name == "millrace"],
    "links": [type(link).__name__ for p in plugins for link in p.operator_extra_links],
    "errors": errors,
    "ours": sorted(ours),
    "shadowed": sorted(name for name, file in libraries.items() if "site-packages" not in file),
}))
"""


def test_only_the_plugin_is_registered_and_no_library_is_replaced() -> None:
    """`plugins/millrace/hooks/mlflow.py` once became the library `mlflow` for the whole process."""
    folder = str(ROOT / "plugins")
    ended = subprocess.run(
        [sys.executable, "-c", LOAD, "mlflow", "sklearn", "pandas", "lakefs_client", "evidently"],
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{folder}", "AIRFLOW__CORE__PLUGINS_FOLDER": folder},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(ended.stdout.splitlines()[-1]) == {
        "plugins": ["millrace"],
        "timetables": ["millrace.dags.timetable"],
        "links": ["ReportLink", "CommitLink", "BranchLink", "ObjectLink"],
        "errors": {},
        "ours": ["millrace", "millrace_plugin"],
        "shadowed": [],
    }
