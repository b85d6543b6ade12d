"""Macros in templates: what a task reads of the tasks before it."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import jinja2
import pytest

from include.contract import loader
from include.exceptions import Absent
from include.settings import ROOT
from millrace.dags.macros import macros

FLIGHTS = loader.load(ROOT / "include" / "pipelines" / "flights")


class Instance:
    """A task instance that counts how often it reads."""

    run_id, task_id, map_index = "r", "train", -1

    def __init__(self, result: Any, try_number: int = 1) -> None:
        self.try_number = try_number
        self.result = result
        self.reads = 0

    def xcom_pull(self, task_ids: str) -> Any:
        self.reads += 1
        return self.result


@pytest.fixture
def template() -> jinja2.Template:
    """A template that reads two fields of one result."""
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=True)
    environment.globals.update(macros(FLIGHTS, FLIGHTS.source, None))
    return environment.from_string("{{ result('pin').commit }} {{ result('pin').until }}")


def test_a_result_is_read_once_for_a_task(template: jinja2.Template) -> None:
    instance = Instance({"commit": "c1", "until": "2013-03-31"})

    assert template.render(ti=instance) == "c1 2013-03-31"
    assert instance.reads == 1


def test_the_next_try_reads_it_anew(template: jinja2.Template) -> None:
    template.render(ti=Instance({"commit": "c1", "until": "2013-03-31"}))

    assert template.render(ti=Instance({"commit": "c2", "until": "2013-03-31"}, 2)) == "c2 2013-03-31"


def test_a_task_that_was_marked_as_success_is_named_with_the_remedy(template: jinja2.Template) -> None:
    with pytest.raises(Absent, match=r"'pin' of this run has no result: it was marked .* clear that task"):
        template.render(ti=Instance(None))


def test_the_days_of_a_task_are_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=True)
    environment.globals.update(macros(FLIGHTS, FLIGHTS.source, "@daily"))
    template = environment.from_string("{{ first_day() }} {{ last_day() }} {{ partition() }}")
    dag_run = SimpleNamespace(run_type="manual", data_interval_start=None, data_interval_end=None)
    params = {"start": "2013-03-01", "end": "2013-03-02"}

    text = template.render(ti=Instance(None), dag_run=dag_run, params=params)

    assert text == "2013-03-01 2013-03-02 2013-03-01_2013-03-02"
    assert caplog.messages == ["days 2013-03-01..2013-03-02: the run's parameters start and end"]


def test_a_run_of_the_schedule_reads_from_its_first_day_or_the_days_before() -> None:
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=True)
    pipeline = loader.load(ROOT / "include" / "pipelines" / "flights")
    environment.globals.update(macros(pipeline, pipeline.source, "@daily", refresh=timedelta(days=3)))
    template = environment.from_string("{{ first_day() }} {{ new_day() }} {{ last_day() }} {{ partition() }}")
    tick = datetime(2013, 4, 2, 6, tzinfo=UTC)
    run = {"data_interval_start": tick, "data_interval_end": tick, "logical_date": tick, "run_after": tick}

    def render(run_type: str) -> str:
        return template.render(
            ti=Instance(None), params={}, dag_run=SimpleNamespace(run_type=run_type, **run)
        )  # fmt: skip

    assert render("scheduled") == "2013-03-29 2013-04-01 2013-04-01 2013-03-29_2013-04-01"
    environment.globals.update(macros(pipeline, pipeline.source, "@daily", refresh=timedelta(days=3)))
    assert render("backfill") == "2013-04-01 2013-04-01 2013-04-01 2013-04-01"
