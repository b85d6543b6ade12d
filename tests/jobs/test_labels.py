"""Jobs over rows whose labels lie in a second table: each reads both at its commit."""

from __future__ import annotations

import re

import pytest

from include.exceptions import NotEnoughData
from include.jobs.spec import Job
from include.settings import ROOT
from tests.support.labels import SECTION, orders, outcomes, put_labels
from tests.support.loop import DAYS, ROWS, Loop
from tests.support.pipeline import day

UNTIL = DAYS - 4
COUNTS = ("labels.matched", "labels.waiting", "labels.orphan")


@pytest.fixture
def later(loop: Loop) -> Loop:
    """The pipeline with its labels in a second table; the rows are there, and no label yet."""
    found = loop.change(labels=SECTION)
    found.put({number: orders(number) for number in range(DAYS)})
    return found


def counts(loop: Loop, run_id: str, stage: str = "train", prefix: str = "") -> list[float]:
    metrics = loop.logged(run_id, stage).data.metrics
    return [metrics[f"{prefix}{name}"] for name in COUNTS]


def test_without_a_table_of_labels_a_training_says_what_to_run(later: Loop) -> None:
    with pytest.raises(NotEnoughData) as raised:
        later.train(UNTIL)
    assert str(raised.value).endswith(
        "ingest more days, or widen training.window; table 'orders_labels' has no label of these days or "
        f"later: run {later.folder.name}.labels first"
    )


def test_labels_of_other_rows_are_counted_in_the_refusal(later: Loop) -> None:
    strange = outcomes(UNTIL).assign(id=-1)
    put_labels(later, {UNTIL: strange})
    with pytest.raises(
        NotEnoughData, match=rf"{ROWS} of {ROWS} label\(s\) have no row here: run .*labels for more"
    ):
        later.train(UNTIL)


def test_a_champion_learns_and_is_judged_by_labels_of_the_same_commit(later: Loop) -> None:
    put_labels(later, {UNTIL + 1: outcomes(*range(UNTIL + 1))})
    run_id = later.train(UNTIL)
    fitted = 15 * ROWS
    assert counts(later, run_id) == [fitted, 0, (UNTIL + 1) * ROWS - fitted]
    scores = later.evaluate(run_id, UNTIL)
    assert (scores.rows, scores.candidate > 0.7) == (5 * ROWS, True)
    assert counts(later, run_id, prefix="held_out.") == [5 * ROWS, 0, (UNTIL - 4) * ROWS]

    version = later.promote(run_id)
    until = UNTIL + 2
    later.run(Job.SCORE, until, version=version)
    measured = later.run(Job.MEASURE, until, version=version)["run_id"]
    metrics = later.logged(measured, "monitor").data.metrics
    assert (metrics["rows"], metrics["labelled"]) == (3 * ROWS, ROWS)
    assert counts(later, measured, "monitor")[:2] == [ROWS, 2 * ROWS]


def test_a_corrected_label_is_another_commit_and_another_training_set(later: Loop) -> None:
    given = outcomes(*range(UNTIL + 1))
    before = put_labels(later, {UNTIL + 1: given})
    wrong = given[given["id"].between(1000 * 10, 1000 * 11)]
    after = put_labels(later, {UNTIL + 2: wrong.assign(returned=1 - wrong["returned"])})

    def reference(commit: str, run_id: str) -> bytes:
        found = later.train(UNTIL, commit=commit, run_id=run_id)
        return later.experiment("train").open_run(found).download_artifact("reference.parquet")

    assert before != after
    first = reference(before, "r1")
    assert reference(after, "r2") != first
    assert reference(before, "r3") == first  # the older commit gives the older truth


def test_a_target_that_the_rows_hold_from_before_is_not_read(loop: Loop) -> None:
    later = loop.change(labels=SECTION)
    later.put({number: orders(number).assign(returned=7) for number in range(DAYS)})
    put_labels(later, {UNTIL + 1: outcomes(*range(UNTIL + 1))})
    assert counts(later, later.train(UNTIL))[0] == 15 * ROWS


def test_the_page_names_each_count(later: Loop) -> None:
    page = (ROOT / "docs/job-contract.md").read_text()
    named = set(re.findall(r"^\| metric \| `((?:held_out\.)?labels\.\w+)` \| `", page, re.MULTILINE))
    assert named == {*COUNTS, *(f"held_out.{name}" for name in COUNTS)}


def test_labels_that_were_decided_before_the_window_are_left_out(later: Loop) -> None:
    put_labels(later, {5: outcomes(5), UNTIL + 1: outcomes(*range(6, UNTIL + 1))})
    first = UNTIL - 19
    assert day(first) > day(5)
    assert counts(later, later.train(UNTIL))[2] == (UNTIL - 5 - 15) * ROWS
