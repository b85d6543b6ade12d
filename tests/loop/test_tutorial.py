"""docs/tutorial.md, executed: its files are written, its commands are run, its promises are checked."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest

from include.platform.check import check
from include.platform.embedded.environment import urls
from include.settings import ROOT
from tests.support.stack import RunningStack, run_stack

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]

PAGE = (ROOT / "docs/tutorial.md").read_text()
FILES = dict(
    re.findall(r"^`include/pipelines/parcels/([\w.]+)`:\n\n```\w+\n(.*?)```", PAGE, re.MULTILINE | re.DOTALL)
)
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


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """A reader who has written the files of the page and run `make up`."""
    folder = tmp_path_factory.mktemp("checkout")
    pipelines = folder / "include/pipelines"
    for command in COMMANDS[:1]:
        subprocess.run(["/bin/sh", "-eu", "-c", command], cwd=folder, check=True)
    for name, content in FILES.items():
        (pipelines / "parcels" / name).write_text(content)
    subprocess.run(["/bin/sh", "-eu", "-c", COMMANDS[1]], cwd=folder, check=True)
    with run_stack(pipelines=pipelines) as stack:
        for stage in ("ingest", "train", "monitor"):
            stack.airflow.wait_for_dag(f"parcels.{stage}")
        reader = Reader(folder, stack)
        reader.keep(2)
        yield reader


def test_the_dry_run_of_the_page_finds_no_fault(reader: Reader) -> None:
    [(first, last)] = re.findall(r"make check PIPELINE=parcels ARGS=\"--from (\S+) --to (\S+)\"", PAGE)

    found = list(check(reader.folder / "include/pipelines/parcels", *map(date.fromisoformat, (first, last))))

    assert [finding for finding in found if finding.fault] == []
    assert "fitted on" in found[-1].seen


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
