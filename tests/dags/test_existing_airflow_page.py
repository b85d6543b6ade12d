"""What docs/existing-airflow.md recommends, checked against the settings of `make up` and Airflow's defaults."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from airflow.configuration import conf

from include.platform import airflow_config
from include.settings import ROOT, Runtime
from tests.support.guide import commands, section, shell

PAGE = "docs/existing-airflow.md"
RECOMMENDED = section(PAGE, "What is recommended")
OURS = {
    (part, name): value
    for part, options in airflow_config.sections(Runtime.PROCESS).items()
    for name, value in options.items()
}


def shown() -> dict[tuple[str, str], tuple[str, str]]:
    """For each option the default and the value that the page recommends."""
    rows = re.findall(r"^\| `\[(\w+)\] (\w+)` \| ([^|]+) \| ([^|]+) \|", RECOMMENDED, re.MULTILINE)
    return {(part, name): (stock.strip("`"), value.strip("`")) for part, name, stock, value in rows}


def test_the_page_recommends_what_make_up_sets() -> None:
    values = {key: value for key, (_, value) in shown().items() if value != "see below"}
    assert shown().keys() == OURS.keys()
    assert values == {key: str(OURS[key]) for key in values}


def test_what_the_page_calls_stock_is_airflows_default() -> None:
    defaults: dict[tuple[str, str], Any] = {key: conf.get_default_value(*key) for key in OURS}
    assert {key: stock for key, (stock, _) in shown().items()} == {
        key: "none" if value is None else value for key, value in defaults.items()
    }


def test_the_page_recommends_the_variables_of_make_up() -> None:
    rows = dict(re.findall(r"^\| `([A-Z_]+)` \| `?([^|`]+)`? \|", RECOMMENDED, re.MULTILINE))
    assert {name: rows.get(name) for name in airflow_config.QUIET} == airflow_config.QUIET


def test_the_commands_for_warm_workers_name_the_modules_of_make_up(tmp_path: Path) -> None:
    import os
    import sys

    script = commands(RECOMMENDED).replace("/opt/millrace", str(ROOT))
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    printed = shell(f'{script}\necho "$AIRFLOW__CORE__MP_FORKSERVER_PRELOAD"', {"PATH": path}, tmp_path)
    assert printed.strip() == OURS["core", "mp_forkserver_preload"]


def test_the_packages_are_the_tested_versions() -> None:
    pinned = dict(
        re.findall(r"^([\w.-]+)==([^ ;\\]+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    )
    told = re.findall(r"([\w-]+)==([\d.]+)", section(PAGE, "Prerequisites"))
    assert [(name, pinned[name]) for name, _ in told] == told
