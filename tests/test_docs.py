"""The claims of the documents, checked against the code."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from datetime import date, timedelta
from enum import Enum
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from include.contract.pipeline import Pipeline
from include.settings import ROOT
from tests.support.dags import dag_bag, stages_of

DOCUMENTS = sorted(
    [
        ROOT / "README.md",
        ROOT / "CHANGELOG.md",
        *(ROOT / "docs").glob("*.md"),
        *ROOT.glob("include/pipelines/*/*.md"),
    ]
)
README = (ROOT / "README.md").read_text()
DAGS_PAGE = (ROOT / "docs/dags.md").read_text()
PIPELINES_PAGE = (ROOT / "docs/pipelines.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()
TOP = (
    "dags",
    "plugins",
    "include",
    "tests",
    "docs",
    ".env.",
    "Makefile",
    "CHANGELOG",
    ".ci",
    ".github",
)
WRITTEN_BY_READERS = "include/pipelines/parcels"
"""The folder that a reader of the tutorial writes."""


@pytest.fixture(scope="module")
def dags() -> dict[str, Any]:
    dags: dict[str, Any] = dag_bag().dags
    assert dags
    return dags


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda file: str(file.relative_to(ROOT)))
def test_every_verb_is_one_of_make(document: Path) -> None:
    named = set(re.findall(r"(?:`|\$ |^)make ([a-z-]+)", document.read_text(), re.MULTILINE))
    assert named <= set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda file: str(file.relative_to(ROOT)))
@pytest.mark.parametrize("verb", ["bench", "clean", "compose", "generate"])
def test_every_parameter_of_a_verb_is_one_that_it_takes(document: Path, verb: str) -> None:
    rule = re.search(rf"^{verb}:.*?(?=\n\n|\Z)", MAKEFILE, re.MULTILINE | re.DOTALL)
    assert rule is not None
    (offered,) = re.findall(r"choose ([a-z, ]+)\"", rule[0])
    named = set(re.findall(rf"make {verb} (?:WHAT|DO)=([a-z]+)", document.read_text()))
    assert named <= set(re.split(r", | or ", offered))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda file: str(file.relative_to(ROOT)))
def test_every_path_exists(document: Path) -> None:
    places = "|".join(re.escape(name) for name in TOP)
    named = re.findall(rf"`((?:{places})[\w./-]*)`", document.read_text())
    missing = [path for path in named if not (ROOT / path).exists() and WRITTEN_BY_READERS not in path]
    assert missing == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda file: str(file.relative_to(ROOT)))
def test_every_link_leads_somewhere(document: Path) -> None:
    for link, anchor in re.findall(r"\]\(([^)#]*)(?:#([^)]+))?\)", document.read_text()):
        if "://" in link:
            continue
        target = document.parent / link if link else document
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), f"{link}#{anchor}"


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_every_page_is_reached_from_the_readme() -> None:
    linked = set(re.findall(r"\]\(docs/([\w-]+\.md)\)", README))
    assert {file.name for file in (ROOT / "docs").glob("*.md")} == linked


def test_the_page_shows_every_dag_with_its_tasks(dags: dict[str, Any]) -> None:
    rows = re.findall(r"^\| `(flights\.\w+)` \| [^|]+ \| ([^|]+) \|", DAGS_PAGE, re.MULTILINE)
    assert {dag: set(re.findall(r"`(\w+)`", steps)) for dag, steps in rows} == {
        dag: {task.task_id for task in dags[dag].tasks} for dag in dags if dag.startswith("flights.")
    }


def test_the_page_shows_every_param(dags: dict[str, Any]) -> None:
    stages = stages_of(dags)
    rows = re.findall(rf"^\| `({'|'.join(stages)})` \| (.+) \|$", DAGS_PAGE, re.MULTILINE)
    named = {stage: set(re.findall(r"`([\w.]+)`", params)) - {"model.params"} for stage, params in rows}
    assert named == {stage: set(dags[f"flights.{stage}"].params) for stage in stages}


def test_the_curl_of_the_page_sends_what_the_dag_takes(dags: dict[str, Any]) -> None:
    dag_id = re.search(r"/api/v2/dags/([\w.]+)/dagRuns", DAGS_PAGE)
    body = re.search(r"-d '(\{\"logical_date\".*\})'", DAGS_PAGE)
    assert dag_id
    assert body
    sent = json.loads(body[1])
    assert set(sent["conf"]) <= set(dags[dag_id[1]].params)
    for name, value in sent["conf"].items():
        dags[dag_id[1]].params.get_param(name).resolve(value)


def test_the_first_screen_is_short_and_its_output_is_real() -> None:
    before, _, after = README.partition("```console\n")
    assert re.match(r"# Millrace\n\n\*\*[^.\n]+\.\*\*\n\n!\[.+\]\(docs/pictures/loop\.svg\)\n", before)
    assert len(re.findall(r"^- \*\*", before, re.MULTILINE)) <= 7
    assert "\ngit clone " in before
    shown = after.partition("```")[0]
    assert re.findall(r"^\$ (.+)$", shown, re.MULTILINE) == ["make demo", "make test"]
    assert re.search(r"champion after .* version \d+", shown)
    assert re.search(r"=+ \d+ passed.* =+", shown)


def test_the_contract_of_the_readme_is_ten_lines_of_the_real_one() -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    lines = block.splitlines()
    contract = (ROOT / "include/pipelines/flights/pipeline.yaml").read_text().splitlines()
    places = [contract.index(line) for line in lines]
    assert (len(lines), places) == (10, sorted(places))
    assert set(yaml.safe_load(block)) <= set(Pipeline.model_fields)


def keys(
    section: type[BaseModel], path: str = "", seen: set[type[BaseModel]] | None = None
) -> Iterator[tuple[str, FieldInfo]]:
    """Every key of the contract with its field, sections before what is in them, each of them once."""
    seen = set() if seen is None else seen
    for name, field in section.model_fields.items():
        yield f"{path}{field.alias or name}", field
        if (inner := section_of(field.annotation)) is not None and inner not in seen:
            seen.add(inner)
            yield from keys(inner, f"{path}{name}.", seen)


def section_of(annotation: Any) -> type[BaseModel] | None:
    """The section that a field holds: itself, or the one of its items."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(section_of, get_args(annotation))), None)


def default_of(field: FieldInfo) -> str:
    """A field's default, as the page writes it."""
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, BaseModel):
        return "see below"
    if isinstance(value, timedelta):
        return f"{value.days}d" if value.days else f"{value.seconds // 3600}h"
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "[]"
    if value == "":
        return "name"  # of the pipeline, from which the repository's follows
    return "null" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def test_the_guide_has_every_key_of_the_contract_with_its_default() -> None:
    rows = re.findall(r"^\| `([a-z_.]+)` \| (?:[^|]+) \| ([^|]+) \|", PIPELINES_PAGE, re.MULTILINE)
    named = {key: default.strip(" `") for key, default in rows if not key.endswith((".yaml", ".py"))}
    assert {key: "null" if default == "–" else default for key, default in named.items()} == {
        key: default_of(field) for key, field in keys(Pipeline)
    }


def test_the_guide_names_the_files_of_a_pipeline() -> None:
    rows = set(re.findall(r"^\| `([\w.]+\.(?:yaml|py|md))` \|", PIPELINES_PAGE, re.MULTILINE))
    assert {file.name for file in (ROOT / "include/pipelines/flights").iterdir() if file.is_file()} >= rows
    assert rows >= {"pipeline.yaml", "expectations.yaml", "model.py"}


def test_the_expectations_of_the_guide_are_read(tmp_path: Path) -> None:
    from include.validation.runner import validate

    block = re.search(r"```yaml\n(partitions:.*?)```", PIPELINES_PAGE, re.DOTALL)
    assert block
    file = tmp_path / "expectations.yaml"
    file.write_text(block[1])
    assert set(yaml.safe_load(block[1])) == {"partitions", "rows"}
    assert not validate(file, iter([(date(2013, 1, 1), None)])).verdict.passed


def test_the_map_has_every_room_and_no_other() -> None:
    page = (ROOT / "docs/architecture.md").read_text()
    section = page.partition("## Where do I put …\n")[2].partition("\n## ")[0]
    named = set(re.findall(r"^\| [^|]+ \| `([\w/]+/)` \|", section, re.MULTILINE))
    folders = chain(
        ROOT.glob("include/*/"), ROOT.glob("plugins/millrace/*/"), ROOT.glob("include/platform/*/")
    )
    there = (folder for folder in folders if folder.name[0] != "_" and any(folder.glob("[!_.]*")))
    rooms = {f"{folder.relative_to(ROOT)}/" for folder in there}
    assert named == {*rooms, "dags/", "tests/"}


@cache
def messages() -> tuple[str, ...]:
    """Every text of the code, with … for what a message fills in."""
    files = chain(ROOT.glob("include/**/*.py"), ROOT.glob("plugins/**/*.py"))
    return tuple(text for file in files for text in texts(ast.parse(file.read_text())))


def texts(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def symptoms() -> list[str]:
    """The messages that the page quotes: first column, in backticks, more than one word."""
    page = (ROOT / "docs/troubleshooting.md").read_text()
    cells = re.findall(r"^\| ([^|]+) \|", page, re.MULTILINE)
    quoted = [text for cell in cells for pair in re.findall(r"``(.+?) ``|`([^`]+)`", cell) for text in pair]
    return [text for text in quoted if " " in text]


@pytest.mark.parametrize("symptom", symptoms())
def test_a_message_of_the_troubleshooting_page_is_one_of_the_code(symptom: str) -> None:
    pattern = re.compile(".*".join(map(re.escape, symptom.split("…"))), re.DOTALL)
    assert any(map(pattern.search, messages()))


def test_the_output_of_the_demo_is_in_the_words_of_its_code() -> None:
    source = "".join(file.read_text() for file in (ROOT / "include/platform/demo").glob("*.py"))
    shown = README.split("$ make demo")[1].split("$ make test")[0]
    messages = [
        words.split(" 20")[0].split(" flights")[0] for words in re.findall(r"^ +\d+ s  (.+)", shown, re.M)
    ]
    rows = re.findall(r"^│ ([a-z ]+?) +│", shown, re.MULTILINE)
    assert len(messages) >= 4
    assert len(rows) >= 5
    assert [text for text in [*messages, *rows] if text not in source] == []
