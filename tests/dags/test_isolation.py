"""One pipeline never reaches another: however one is broken, the DAGs of the others stay, and it is named."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from include.contract import code
from include.exceptions import Misconfigured, Transient
from include.settings import ROOT, settings
from millrace.dags import builder
from millrace.dags.macros import macros
from tests.support.broken import CERTAIN, EXCEPTIONS, POSSIBLE, Break
from tests.support.dags import STAGES, dag_bag
from tests.support.pipeline import write_pipeline

NAMES = ("alpha", "middle", "zulu")
SOURCE = "def read(first, last):\n    yield from ()\n"
REPORT = str(ROOT / "dags/contract_errors.py")


class Pipelines(NamedTuple):
    """Good pipelines, and the folder in which the settings look for them."""

    good: Path
    folder: Path

    def restore(self) -> None:
        if self.folder.exists():
            for folder in self.folder.iterdir():
                if folder.is_symlink():
                    folder.unlink()
                else:
                    folder.chmod(0o700)
            shutil.rmtree(self.folder)
        shutil.copytree(self.good, self.folder)


@pytest.fixture(scope="module")
def pipelines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipelines]:
    found = Pipelines(tmp_path_factory.mktemp("good"), tmp_path_factory.mktemp("pipelines"))
    for name in NAMES:
        source = {"reader": "python", "uri": None, "callable": f"include.pipelines.{name}.source:read"}
        labels = {"source": {**source, "partition_by": "decided"}, "keys": ["id"]}
        folder = write_pipeline(found.good, name, source=source, lake={"table": name}, labels=labels)
        (folder / "source.py").write_text(SOURCE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MILLRACE_PIPELINES", str(found.folder))
        settings.cache_clear()
        yield found
    settings.cache_clear()


def dags_of(*names: str) -> set[str]:
    return {f"{name}.{stage}" for name in names for stage in STAGES}


def parse() -> tuple[set[str], str]:
    """The DAGs, and what contract_errors.py reports; no other file may fail."""
    bag: Any = dag_bag()
    report = bag.import_errors.pop(REPORT, "")
    assert bag.import_errors == {}
    return set(bag.dags), report


examples = hypothesis_settings(
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def parse_after(pipelines: Pipelines, name: str, change: Break) -> tuple[set[str], str]:
    """The DAGs and the report of three good pipelines of which one was changed."""
    pipelines.restore()
    change(pipelines.folder / name)
    return parse()


def test_three_good_pipelines_have_every_dag_and_no_error(pipelines: Pipelines) -> None:
    pipelines.restore()
    assert parse() == (dags_of(*NAMES), "")


@hypothesis_settings(examples, max_examples=150)
@given(name=st.sampled_from(NAMES), broken=CERTAIN)
def test_a_broken_pipeline_is_named_and_the_others_stay(
    pipelines: Pipelines, name: str, broken: Break
) -> None:
    dags, report = parse_after(pipelines, name, broken)

    others = [other for other in NAMES if other != name]
    assert dags >= dags_of(*others)
    assert f"{pipelines.folder / name}/" in report
    assert not any(f"{pipelines.folder / other}/" in report for other in others)
    assert max(map(len, report.splitlines())) < 1500


@hypothesis_settings(examples, max_examples=60)
@given(name=st.sampled_from(NAMES), changed=POSSIBLE)
def test_a_changed_pipeline_has_all_of_its_dags_or_is_named(
    pipelines: Pipelines, name: str, changed: Break
) -> None:
    dags, report = parse_after(pipelines, name, changed)

    assert dags >= dags_of(*(other for other in NAMES if other != name))
    assert dags >= dags_of(name) or f"{pipelines.folder / name}/" in report


@pytest.mark.parametrize("error", EXCEPTIONS)
def test_a_dag_that_cannot_be_built_is_named_and_the_others_stay(
    pipelines: Pipelines, monkeypatch: pytest.MonkeyPatch, error: str
) -> None:
    def failing(pipeline: Any, *arguments: Any) -> dict[str, Any]:
        if pipeline.name == "middle":
            raise eval(error)
        return macros(pipeline, *arguments)

    pipelines.restore()
    monkeypatch.setattr(builder, "macros", failing)

    dags, report = parse()

    assert dags == dags_of("alpha", "zulu")
    for stage in STAGES:
        assert f"building the DAG 'middle.{stage}' failed" in report
    assert f"{pipelines.folder}/middle/pipeline.yaml: {len(STAGES)} fault(s)" in report


@pytest.mark.parametrize("error", [error for error in EXCEPTIONS if error[0] not in "BG"])
def test_a_module_that_fails_to_run_keeps_every_dag_and_is_named_by_the_task_that_imports_it(
    pipelines: Pipelines, error: str
) -> None:
    pipelines.restore()
    model = pipelines.folder / "middle/model.py"
    model.write_text(f"raise {error}\n\n\ndef build(model):\n    pass\n")

    assert parse() == (dags_of(*NAMES), "")
    told = Transient if error.startswith(("OSError", "TimeoutError")) else Misconfigured
    with pytest.raises(told, match=f"import of {model} failed with {error.partition('(')[0]}"):
        code.load_module(model.parent, model.name)


def test_a_dag_is_built_whole_or_not_at_all(pipelines: Pipelines, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def __init__(self, **given: Any) -> None:
            raise SystemExit("half of the tasks are made")

    pipelines.restore()
    monkeypatch.setattr("millrace.sensors.drift.DriftSensor", Broken)

    dags, report = parse()

    assert dags == {dag for dag in dags_of(*NAMES) if not dag.endswith(".monitor")}
    assert report.count("failed with SystemExit: half of the tasks are made") == len(NAMES)
