"""What the documents claim, held against the code."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from include import catalog
from include.settings import ROOT
from include.spec import Pipeline

DOCUMENTS = sorted(
    [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *ROOT.glob("include/pipelines/*/*.md")]
)
README = (ROOT / "README.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()
TOP = (
    "dags",
    "plugins",
    "include",
    "tests",
    "docs",
    ".env.",
    "Makefile",
    "Procfile",
    "CHANGELOG",
    ".ci",
    ".github",
)


@pytest.fixture(scope="module")
def dags() -> dict[str, Any]:
    from airflow.dag_processing.dagbag import DagBag

    found = DagBag(ROOT / "dags").dags
    assert found
    return found


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda file: str(file.relative_to(ROOT)))
def test_every_verb_is_one_of_make(document: Path) -> None:
    told = set(re.findall(r"(?:`|\$ |^)make ([a-z-]+)", document.read_text(), re.MULTILINE))
    assert told <= set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda file: str(file.relative_to(ROOT)))
def test_every_path_exists(document: Path) -> None:
    places = "|".join(re.escape(name) for name in TOP)
    told = re.findall(rf"`((?:{places})[\w./-]*)`", document.read_text())
    missing = [path for path in told if not (ROOT / path).exists()]
    assert missing == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda file: str(file.relative_to(ROOT)))
def test_every_link_leads_somewhere(document: Path) -> None:
    told = re.findall(r"\]\(([^)#]+)\)", document.read_text())
    missing = [link for link in told if "://" not in link and not (document.parent / link).exists()]
    assert missing == []


def test_the_readme_shows_every_dag_with_its_steps(dags: dict[str, Any]) -> None:
    rows = re.findall(r"^\| `(flights\.\w+)` \| [^|]+ \| ([^|]+) \|", README, re.MULTILINE)
    assert {dag: set(re.findall(r"`(\w+)`", steps)) for dag, steps in rows} == {
        dag: {task.task_id for task in dags[dag].tasks} for dag in dags if dag.startswith("flights.")
    }


def test_the_readme_shows_every_param(dags: dict[str, Any]) -> None:
    rows = re.findall(r"^\| `(ingest|train|monitor)` \| (.+) \|$", README, re.MULTILINE)
    assert {dag: set(re.findall(r"`(\w+)`", params)) for dag, params in rows} == {
        dag: set(dags[f"flights.{dag}"].params) for dag in ("ingest", "train", "monitor")
    }


def test_the_curl_of_the_readme_sends_what_the_dag_takes(dags: dict[str, Any]) -> None:
    dag_id = re.search(r"/api/v2/dags/([\w.]+)/dagRuns", README)
    body = re.search(r"-d '(\{\"logical_date\".*\})'", README)
    assert dag_id
    assert body
    sent = json.loads(body[1])
    assert set(sent["conf"]) <= set(dags[dag_id[1]].params)
    for name, value in sent["conf"].items():
        dags[dag_id[1]].params.get_param(name).resolve(value)


def test_the_first_screen_is_short_and_its_output_is_real() -> None:
    before, _, after = README.partition("```console\n")
    assert len(re.findall(r"^- \*\*", before, re.MULTILINE)) <= 7
    shown = after.partition("```")[0]
    assert re.findall(r"^\$ (.+)$", shown, re.MULTILINE) == ["make demo", "make test"]
    assert re.search(r"champion after .* version \d+", shown)
    assert re.search(r"=+ \d+ passed.* =+", shown)


def test_the_guide_names_every_section_of_the_contract() -> None:
    guide = (ROOT / "docs/pipelines.md").read_text()
    spoken_of = {"source", "validation", "model", "gate", "monitoring"}
    assert spoken_of <= set(Pipeline.model_fields)
    for name in ("drift.share", "drift.methods", "performance.max_drop", "slices.column"):
        assert f"`{name}`" in guide
    assert {
        file.name for file in (catalog.ROOT / "include/pipelines/flights").iterdir() if file.is_file()
    } >= set(re.findall(r"^\| `([\w.]+)` \|", guide, re.MULTILINE))


def test_the_expectations_of_the_guide_are_read(tmp_path: Path) -> None:
    from include.validation import validate

    block = re.search(r"```yaml\n(partitions:.*?)```", (ROOT / "docs/pipelines.md").read_text(), re.DOTALL)
    assert block
    file = tmp_path / "expectations.yaml"
    file.write_text(block[1])
    assert set(yaml.safe_load(block[1])) == {"partitions", "rows"}
    assert not validate(file, iter([(date(2013, 1, 1), None)])).verdict.passed
