"""Distances that mean the same whatever the data looks like."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from include.contract.model import Features, Model
from include.contract.monitoring import Drift, Methods
from include.exceptions import NotEnoughData
from include.monitoring.drift import DriftResult, assess, measure

MODEL = Model(target="late", time="at", features=Features(numerical=["a", "b"], categorical=["c"]))
LIMITS = Drift(methods=Methods(wasserstein=0.5, jensenshannon=0.2))


def rows(seed: int, count: int = 500, **changed: Any) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    found = pd.DataFrame(
        {
            "a": random.normal(10, 2, count),
            "b": random.normal(0, 1, count),
            "c": random.choice(["x", "y", "z"], count),
            "late": random.choice([0.0, 1.0], count),
            "prediction": random.random(count),
        }
    )
    return found.assign(**changed)


def compare(reference: pd.DataFrame | None = None, **changed: Any) -> DriftResult:
    return measure(rows(1, **changed), rows(2) if reference is None else reference, MODEL, LIMITS)


def test_rows_of_the_same_kind_have_small_distances_everywhere() -> None:
    found = compare()
    assert set(found.distances) == {"a", "b", "c", "late", "prediction"}
    assert max(found.distances.values()) < 0.15
    assert (found.features, found.unmeasurable, found.share) == ((), (), 0)


@pytest.mark.parametrize(
    ("changed", "features"),
    [
        ({"a": rows(1)["a"] + 3}, ("a",)),
        ({"c": "x"}, ("c",)),
        ({"c": "never seen"}, ("c",)),
        ({"a": rows(1)["a"] * 9, "c": "x"}, ("a", "c")),
        ({"late": 1.0, "prediction": 1.0}, ()),
    ],
    ids=["number", "share", "new category", "two", "target and prediction are no features"],
)
def test_what_drifted_is_named_and_nothing_else(changed: dict[str, Any], features: tuple[str, ...]) -> None:
    found = compare(**changed)
    assert (found.features, found.share) == (features, len(features) / 3)


def test_a_distance_is_in_standard_deviations_of_the_reference() -> None:
    shifted = compare(a=rows(2)["a"] + 3.0)
    assert shifted.distances["a"] == pytest.approx(3 / rows(2)["a"].std(ddof=0), rel=0.01)


@pytest.mark.parametrize("count", [100, 5000])
def test_a_distance_means_the_same_for_few_rows_and_for_many(count: int) -> None:
    found = measure(rows(1, count, a=rows(2, count)["a"] + 2.0), rows(2, count), MODEL, LIMITS)
    assert found.distances["a"] == pytest.approx(1, rel=0.2)


@pytest.mark.parametrize("kind", ["int64", "bool", "Int64"])
def test_a_target_is_the_same_in_whichever_type_it_came(kind: str) -> None:
    found = compare(late=rows(2)["late"].astype("int64").astype(kind))
    assert found.distances["late"] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("side", ["current", "reference"])
def test_a_silent_column_counts_neither_way(side: str) -> None:
    current, reference = rows(1, a=rows(1)["a"] + 9), rows(2)
    (current if side == "current" else reference)["b"] = np.nan
    found = measure(current, reference, MODEL, LIMITS)
    assert (found.unmeasurable, found.features, found.share) == (("b",), ("a",), 1 / 2)
    assert "b" not in found.distances


def test_a_feature_that_never_changes_is_steady() -> None:
    found = compare(rows(2, b=1.0), b=1.0)
    assert (found.distances["b"], found.features) == (0, ())


@pytest.mark.parametrize("name", ["share", "rows", "target", "id", "index", "timestamp", "weight (kg)"])
def test_a_feature_may_have_any_name_and_keeps_its_own_number(name: str) -> None:
    model = Model(target="late", time="at", features=Features(numerical=[name, "b"], categorical=["c"]))
    current, reference = (rows(seed).rename(columns={"a": name}) for seed in (1, 2))
    current[name] += 9
    numbers = assess(measure(current, reference, model, LIMITS), LIMITS).numbers
    assert numbers[f"drift.{name}"] > 4
    assert numbers["drifted.share"] == pytest.approx(1 / 3)
    assert len(numbers) == 9  # a distance for each column, a missing share for each feature


def test_without_any_value_there_is_no_verdict() -> None:
    with pytest.raises(NotEnoughData, match="none of the 3 features holds a value in the 500 current"):
        compare(a=np.nan, b=np.nan, c=None)


def test_the_report_is_a_page_of_its_own() -> None:
    page = compare().html
    assert page.lstrip().startswith("<")
    assert "prediction" in page


@pytest.mark.parametrize("kind", ["object", "category"])
def test_texts_of_the_data_are_escaped_in_the_page(kind: str) -> None:
    text = "</script><script>window.mark = 1</script>"
    reference = rows(2)
    marked = reference["c"].replace("x", text)

    found = compare(reference, c=marked.astype(kind))

    assert "window.mark" in found.html
    assert "<script>window.mark" not in found.html
    same = measure(rows(1, c=marked), rows(2, c=marked), MODEL, LIMITS)
    assert same.distances["c"] == 0
    assert found.distances["c"] == compare(reference, c=reference["c"].replace("x", "new")).distances["c"]
