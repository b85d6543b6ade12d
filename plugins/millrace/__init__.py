"""Millrace for Airflow: hooks, operators, sensors and the parts that DAG files are wired from.

Importing it makes the library, the package `include` beside `plugins/`, importable too: Airflow adds
`plugins/` to Python's path, but not the project's folder. DAG files therefore import from here only.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

_PROJECT = Path(__file__).resolve().parents[2]


def _find_library() -> None:
    """Append the project's folder to Python's path unless the library is found already (PYTHONPATH).

    Raises ImportError if the library is not there, or if another package has its name.
    """
    if not _is_found() and "include" not in sys.modules:
        sys.path.append(str(_PROJECT))
    if not _is_found():
        raise ImportError(_remedy())


def _is_found() -> bool:
    try:
        return find_spec("include.lake") is not None
    except ModuleNotFoundError:
        return False


def _remedy() -> str:
    if other := sys.modules.get("include"):
        return (
            f"Millrace's package is named 'include', and Python finds another one of that name first, in "
            f"{list(other.__path__)}; put {_PROJECT} before it on PYTHONPATH, or run Millrace in an Airflow "
            "without it"
        )
    return (
        f"Millrace's package 'include' is not in {_PROJECT}, beside the folder plugins/; copy the whole "
        "project, or set PYTHONPATH to the folder that holds `include`"
    )


_find_library()
