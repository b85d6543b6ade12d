"""docs/tutorial.md, executed: its files are written, its commands are run, its promises are checked."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from include.platform.check import check
from include.platform.embedded.environment import urls
from include.platform.new_pipeline.__main__ import new_pipeline, show
from include.platform.trial.__main__ import attempt
from include.settings import ROOT
from tests.support.stack import RunningStack, run_stack

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]

PAGE = (ROOT / "docs/tutorial.md").read_text()
GENERATOR = re.findall(r"^`data/make_csv.py`:\n\n```python\n(.*?)```", PAGE, re.MULTILINE | re.DOTALL)[0]
KEYS = yaml.safe_load(re.findall(r"^```yaml\n(.*?)```", PAGE, re.MULTILINE | re.DOTALL)[0])
NAME, FROM, TARGET = re.findall(
    r"^\$ make new-pipeline NAME=(\S+) FROM=(\S+) TARGET=(\S+)$", PAGE, re.MULTILINE
)[0]
SHOWN = re.findall(r"^\$ make new-pipeline .*?\n(.*?)```", PAGE, re.MULTILINE | re.DOTALL)[0].splitlines()
COMMANDS = re.findall(r"^```sh\n(.*?)```", PAGE, re.MULTILINE | re.DOTALL)


@dataclass
class Reader:
    """A reader of the page: a folder like the checkout's, a running platform, one shell session."""

    folder: Path
    stack: RunningStack
    session: str = ""

    def run(self, block: int) -> str:
        """Run a block of the page; functions and variables of earlier ones are there."""
        ended = subprocess.run(
            ["/bin/sh", "-eu", "-c", f"{self.session}\n{self._local(COMMANDS[block])}"],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    def keep(self, block: int) -> None:
        """Keep what a block defines for the blocks after it."""
        self.session = self._local(COMMANDS[block])

    def _local(self, text: str) -> str:
        where = urls(self.stack.settings)
        text = text.replace("http://127.0.0.1:8080", where["airflow"])
        text = text.replace("http://127.0.0.1:5000", where["mlflow"])
        return text.replace("var/secrets", str(self.stack.settings.var / "secrets"))


@dataclass
class Written:
    """The folder of the page's pipeline, and what its command printed."""

    folder: Path
    printed: str


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """What a reader has after the first four steps of the page."""
    folder = tmp_path_factory.mktemp("checkout")
    subprocess.run(["/bin/sh", "-eu", "-c", COMMANDS[0]], cwd=folder, check=True)
    (folder / "data/make_csv.py").write_text(GENERATOR)
    subprocess.run(["/bin/sh", "-eu", "-c", COMMANDS[1]], cwd=folder, check=True)
    console = Console(width=500, highlight=False)
    with chdir(folder), console.capture() as printed:
        show(new_pipeline(NAME, FROM, TARGET, None, pipelines=folder / "include/pipelines"), console)
    contract = folder / "include/pipelines" / NAME / "pipeline.yaml"
    contract.write_text(yaml.safe_dump({**yaml.safe_load(contract.read_text()), **KEYS}, sort_keys=False))
    return Written(contract.parent, printed.get())


@pytest.fixture(scope="module")
def reader(written: Written) -> Iterator[Reader]:
    """A reader who has written the pipeline of the page and run `make up`."""
    with run_stack(pipelines=written.folder.parent) as stack:
        for stage in ("ingest", "train", "monitor"):
            stack.airflow.wait_for_dag(f"{NAME}.{stage}")
        reader = Reader(written.folder.parents[2], stack)
        reader.keep(2)
        yield reader


def test_the_command_of_the_page_prints_what_it_shows(written: Written) -> None:
    lines = [line.rstrip() for line in written.printed.splitlines()]

    assert [line for line in SHOWN if line != "…" and line not in lines] == []


def test_the_dry_run_of_the_page_finds_no_fault(written: Written) -> None:
    found = list(check(written.folder))

    assert [finding for finding in found if finding.fault] == []
    assert "fitted on" in found[-1].seen


def test_the_trial_of_the_page_closes_the_loop_and_retrains(written: Written) -> None:
    outcome = attempt(written.folder, None, None, Console(quiet=True))

    assert outcome.is_closed
    assert any(day.retrain for day in outcome.monitored)


def test_the_page_brings_a_csv_to_a_champion_and_drift_to_a_retrain(reader: Reader) -> None:
    airflow = reader.stack.airflow

    reader.run(3)
    airflow.finish("parcels.ingest", "may")
    reader.run(4)
    airflow.finish("parcels.train", "first")
    champion = json.loads(reader.run(5))["model_version"]
    assert (champion["name"], champion["version"]) == ("parcels", "1")
    (score,) = re.findall(r"`roc_auc (0\.\d{4}) is", PAGE)
    assert f"roc_auc {score}" in airflow.result("parcels.train", "first", "gate")["reasons"][0]

    reader.run(6)
    airflow.finish("parcels.ingest", "june")
    reader.run(7)
    airflow.finish("parcels.monitor", "june")
    decision = airflow.result("parcels.monitor", "june", "drift")
    assert decision["verdict"]["drifted"] == ["distance_km"]
    airflow.finish("parcels.train", decision["cause"])
    (scores,) = re.findall(r"candidate reaches (0\.\d{4}) .* champion (0\.\d{4}) ", PAGE)
    evaluated = airflow.result("parcels.train", decision["cause"], "evaluate")
    assert (f"{evaluated['candidate']:.4f}", f"{evaluated['champion']:.4f}") == scores
    assert json.loads(reader.run(5))["model_version"]["version"] == "2"
    assert len(COMMANDS) == 8
