"""Which candidates become champion."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.contract.gate import Gate, Slices
from include.exceptions import Misconfigured
from include.governance.gate import decide
from include.modelling.comparison import Scores

GATE = Gate(minimum=0.6, min_improvement=0.01, slices=Slices(column="kind", max_drop=0.03), max_latency_ms=50)
GOOD = Scores(
    training_run="run",
    metric="roc_auc",
    rows=600,
    candidate=0.75,
    champion=0.7,
    champion_version=3,
    slice_drop=0.02,
    latency_ms=12.5,
)


def test_a_verdict_that_passes_names_every_rule_and_every_number() -> None:
    assert decide(GATE, GOOD).to_json() == {
        "passed": True,
        "reasons": [
            "roc_auc 0.7500 is at least the minimum (0.6000)",
            "roc_auc 0.7500 is at least the champion's 0.7000 (version 3) + 0.01 (0.7100)",
            "largest drop 0.0200 over slices of 'kind' is within 0.03",
            "latency 12.5 ms is within 50",
        ],
        "numbers": {"rows": 600, "candidate": 0.75, "champion": 0.7, "slice_drop": 0.02, "latency_ms": 12.5},
    }


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        (
            {"candidate": 0.59, "champion": None, "champion_version": None, "slice_drop": None},
            "roc_auc 0.5900 is below the minimum (0.6000)",
        ),
        (
            {"candidate": 0.705},
            "roc_auc 0.7050 is below the champion's 0.7000 (version 3) + 0.01 (0.7100)",
        ),
        ({"slice_drop": 0.031}, "largest drop 0.0310 over slices of 'kind' is above 0.03"),
        ({"latency_ms": 50.1}, "latency 50.1 ms is above 50"),
    ],
    ids=["minimum", "champion", "slices", "latency"],
)
def test_each_rule_alone_rejects_and_is_the_only_reason(changed: dict[str, Any], reason: str) -> None:
    verdict = decide(GATE, GOOD.model_copy(update=changed))
    assert (verdict.passed, verdict.reasons) == (False, (reason,))


@pytest.mark.parametrize("field", ["candidate", "champion", "slice_drop", "latency_ms"])
def test_a_score_that_is_not_a_number_never_reaches_the_gate(field: str) -> None:
    with pytest.raises(Misconfigured, match=rf"the scores is not a valid Scores \({field}: .*finite number"):
        Scores.parse({**GOOD.to_json(), field: math.nan}, source="the scores")


def test_a_candidate_equal_to_the_champion_passes_where_no_improvement_is_asked_for() -> None:
    equal = GOOD.model_copy(update={"candidate": 0.7, "slice_drop": 0.0})
    assert decide(GATE.model_copy(update={"min_improvement": 0.0}), equal).passed
    assert not decide(GATE, equal).passed


def test_the_first_candidate_has_only_the_minimum_and_its_latency_to_pass() -> None:
    first = GOOD.model_copy(update={"champion": None, "champion_version": None, "slice_drop": None})
    assert len(decide(GATE, first).reasons) == 2
    assert decide(Gate(minimum=0.6), first).reasons == ("roc_auc 0.7500 is at least the minimum (0.6000)",)


UNCOMPARED = {"champion": None, "slice_drop": None, "champion_fault": "column 'weight' is missing"}


def test_a_candidate_whose_champion_cannot_be_scored_has_the_other_rules_to_pass() -> None:
    passed = decide(GATE, GOOD.model_copy(update=UNCOMPARED))
    failed = decide(GATE, GOOD.model_copy(update={**UNCOMPARED, "candidate": 0.59}))
    note = "not compared with the champion (version 3): column 'weight' is missing"
    assert passed.passed
    assert passed.reasons == (
        "roc_auc 0.7500 is at least the minimum (0.6000)",
        "latency 12.5 ms is within 50",
        note,
    )
    assert (failed.passed, failed.reasons) == (False, ("roc_auc 0.5900 is below the minimum (0.6000)", note))


def test_an_image_that_leaves_the_champion_out_without_a_reason_is_accepted_and_named() -> None:
    scores = Scores.parse({**GOOD.to_json(), "champion": None, "slice_drop": None}, source="the scores")
    verdict = decide(GATE, scores)
    assert verdict.passed
    assert verdict.reasons[-1] == (
        "not compared with the champion (version 3): the evaluation gave no reason"
    )


def test_the_reason_of_an_image_is_bounded_and_holds_no_password() -> None:
    fault = f"postgres://me:hidden@db refused\x00 {'x' * 5000}"
    scores = Scores.parse({**GOOD.to_json(), "champion_fault": fault}, source="the scores")
    assert scores.champion_fault is not None
    assert len(scores.champion_fault) == 200
    assert scores.champion_fault.startswith(r"postgres://***@db refused\x00 xxx")


numbers = st.floats(-1, 1)
gates = st.builds(
    Gate,
    minimum=st.floats(0, 1),
    min_improvement=st.floats(-0.1, 0.1),
    slices=st.none() | st.builds(Slices, column=st.just("kind"), max_drop=st.floats(0, 1)),
    max_latency_ms=st.none() | st.floats(1, 100),
)
scores = st.builds(
    Scores,
    training_run=st.just("run"),
    metric=st.just("roc_auc"),
    rows=st.integers(0, 10_000),
    candidate=numbers,
    champion=st.none() | numbers,
    champion_version=st.just(1),
    slice_drop=st.none() | numbers,
    latency_ms=st.floats(0, 200),
)


@given(gates, scores, st.floats(0, 1))
def test_a_better_candidate_passes_wherever_a_worse_one_does(gate: Gate, given_: Scores, more: float) -> None:
    worse, better = (
        decide(gate, given_),
        decide(gate, given_.model_copy(update={"candidate": given_.candidate + more})),
    )
    assert better.passed or not worse.passed


@given(gates, scores)
def test_a_verdict_is_json_with_a_reason_and_finite_numbers(gate: Gate, given_: Scores) -> None:
    verdict = decide(gate, given_)
    assert verdict.reasons
    assert all(math.isfinite(value) for value in verdict.numbers.values())
    assert json.loads(json.dumps(verdict.to_json())) == verdict.to_json()
