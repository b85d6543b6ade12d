"""The picture of README is drawn from the DAGs as they are."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from tests.support.picture import FILE, Lane, draw, read_lanes


@pytest.fixture(scope="module")
def lanes() -> list[Lane]:
    return read_lanes()


def test_the_picture_is_what_the_dags_draw(lanes: list[Lane]) -> None:
    assert FILE.read_text() == draw(lanes), "run `make generate`"


def test_the_lanes_show_the_closed_loop(lanes: list[Lane]) -> None:
    ingest, train, monitor = lanes
    assert ingest.after_failure == ("quarantine",)
    assert (ingest.leaves, train.leaves) == ("lakefs://flights/main/departures", "mlflow://flights")
    assert (ingest.starts, train.starts, monitor.starts) == ("", "", train.dag_id)


def test_every_task_is_named_and_nothing_is_drawn_outside(lanes: list[Lane]) -> None:
    root = ElementTree.fromstring(draw(lanes))
    words = [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {task for lane in lanes for task in (*lane.tasks, *lane.after_failure)} <= set(words)
    width, height = map(float, root.attrib["viewBox"].split()[2:])
    for box in root.iter("{http://www.w3.org/2000/svg}rect"):
        right = float(box.get("x", 0)) + float(box.attrib["width"])
        bottom = float(box.get("y", 0)) + float(box.attrib["height"])
        assert right <= width, box.attrib
        assert bottom <= height, box.attrib


def test_the_picture_brings_its_own_colours_and_no_font_from_elsewhere(lanes: list[Lane]) -> None:
    text = draw(lanes)
    assert "prefers-color-scheme: dark" in text
    assert re.findall(r"https?://[^\"]+", text) == ["http://www.w3.org/2000/svg"]
    assert not re.search(r"@import|@font-face|<script|href", text)
