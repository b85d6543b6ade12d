"""Stored models, found by the run that trained them."""

from __future__ import annotations

import pytest

from include.contract.model import Features
from include.exceptions import Absent
from include.modelling import scorer
from tests.support.loop import Loop, rows
from tests.support.models import training_run


def test_a_scorer_takes_the_features_it_was_trained_on_whatever_the_contract_says_now(loop: Loop) -> None:
    run = loop.train()
    changed = loop.change(model={"features": {"numerical": ["weight"], "categorical": []}})
    before, after = (
        scorer.load(one.pipeline, one.folder, one.experiment("train").open_run(run), one.registry).predict(
            rows(40)
        )
        for one in (loop, changed)
    )
    assert before.tolist() == after.tolist()
    assert ((before > 0) & (before < 1)).all()


def test_an_answer_does_not_depend_on_the_rows_beside_it(loop: Loop) -> None:
    stored = scorer.load(
        loop.pipeline, loop.folder, loop.experiment("train").open_run(loop.train()), loop.registry
    )
    whole = stored.predict(rows(40))
    assert [stored.predict(rows(40).iloc[[number]])[0] for number in (0, 50, 119)] == pytest.approx(
        [whole[number] for number in (0, 50, 119)]
    )


def test_the_features_of_a_run_are_those_it_wrote(loop: Loop) -> None:
    found = scorer.trained_model(loop.pipeline, loop.experiment("train").open_run(loop.train()))
    assert found == loop.pipeline.model
    assert found.features == Features(numerical=["amount", "weight"], categorical=["kind"])


def test_a_run_that_is_not_there_or_wrote_no_features_is_absent(loop: Loop) -> None:
    for run in ("f00", training_run(loop.tracking)):
        with pytest.raises(Absent, match=run):
            scorer.trained_model(loop.pipeline, loop.experiment("train").open_run(run))
