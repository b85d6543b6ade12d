"""What the champion makes of new days, as a task runs it."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from include.exceptions import Absent, Conflict, NotEnoughData
from include.jobs.spec import Job
from include.modelling import scorer
from include.monitoring.verdict import MonitoringVerdict
from include.tracking.registry import Registry
from tests.support.death import killed_after
from tests.support.loop import ROWS, Loop, rows
from tests.support.pipeline import day

AS_OF = 29
WINDOW = (27, 28, 29)


@pytest.fixture
def watched(loop: Loop) -> Loop:
    """A pipeline with a champion that knows how it did on held-out rows."""
    run = loop.train(26)
    loop.evaluate(run, 26)
    loop.promote(run)
    return loop


def score(loop: Loop, until: int = AS_OF, version: int = 1, **told: Any) -> dict[str, Any]:
    return loop.run(Job.SCORE, until, version=version, **told)


def measured(loop: Loop, until: int = AS_OF, version: int = 1, **told: Any) -> dict[str, Any]:
    """The metrics, tags and artifacts' JSON of a day that was scored and measured."""
    score(loop, until, version, **told)
    run_id = loop.run(Job.MEASURE, until, version=version, **told)["run_id"]
    return {**loop.logged(run_id, "monitor").data.metrics, "run_id": run_id}


def tag(loop: Loop, found: dict[str, Any], name: str) -> str:
    return str(loop.logged(found["run_id"], "monitor").data.tags[f"millrace.{name}"])


def verdict(loop: Loop, found: dict[str, Any]) -> MonitoringVerdict:
    run_log = loop.experiment("monitor").open_run(found["run_id"])
    return MonitoringVerdict.parse(json.loads(run_log.download_artifact("verdict.json")), source="verdict")


def files(loop: Loop) -> dict[str, list[str]]:
    """The files of predictions that readers see, by day."""
    found = loop.predictions.parts(loop.head, day(0), day(99))
    return {str(one): [item.path for item in items] for one, items in found.items()}


def answers(loop: Loop, number: int) -> pd.DataFrame:
    [path] = files(loop)[f"{day(number)}"]
    return pd.read_parquet(io.BytesIO(loop.lake.download(loop.head, path)))


def test_each_day_gets_one_file_of_predictions_aligned_with_its_rows(watched: Loop) -> None:
    told = score(watched)
    assert told == {"commit": watched.head, "days": 3, "rows": 3 * ROWS}
    assert list(files(watched)) == [f"{day(number)}" for number in WINDOW]
    run = str(Registry(watched.tracking).get_version(watched.pipeline.name, 1).run_id)
    training = watched.experiment("train").open_run(run)
    champion = scorer.load(watched.pipeline, watched.folder, training, watched.registry)
    for number in WINDOW:
        found = answers(watched, number)
        assert found["time"].tolist() == rows(number)["time"].tolist()
        assert found["prediction"].tolist() == champion.predict(rows(number)).tolist()


def test_the_commit_says_who_scored_what_and_how_fast(watched: Loop) -> None:
    score(watched)
    found = watched.lake.get_commit(watched.head).metadata
    assert float(found.pop("latency_ms")) > 0
    assert found.pop(".lakefs.merge.strategy") == "default"  # noted by the lake itself
    assert found == {
        **watched.identity("monitor").metadata(),
        "pipeline": watched.pipeline.name,
        "version": "1",
        "rows": f"{3 * ROWS}",
        "source_branch": f"score-2024-03-30-{watched.identity('monitor').short_hash}",
    }


def test_only_days_without_predictions_are_scored(watched: Loop) -> None:
    score(watched, 28)
    before = files(watched)
    assert score(watched, 29, run_id="r2") | {"commit": ""} == {"commit": "", "days": 1, "rows": ROWS}
    assert {**before, **files(watched)} == files(watched)
    head = watched.head
    assert score(watched, 29, run_id="r3") == {"commit": head, "days": 0, "rows": 0}
    assert watched.head == head


def test_a_corrected_partition_is_scored_anew(watched: Loop) -> None:
    score(watched)
    before = files(watched)
    watched.put({28: rows(28, 50)})
    assert score(watched, run_id="r2")["days"] == 1
    after = files(watched)
    assert [len(after[f"{day(number)}"]) for number in WINDOW] == [1, 2, 1]
    assert set(before[f"{day(28)}"]) < set(after[f"{day(28)}"])


def put_in_parts(loop: Loop, number: int, parts: int) -> None:
    """Let a day hold the rows it has, in several parts."""
    file, size = loop.folder / "part.parquet", ROWS // parts
    for part in range(parts):
        rows(number)[part * size : (part + 1) * size].to_parquet(file, index=False)
        path = f"{loop.table.prefix(day(number))}part-{part}.parquet"
        loop.lake.upload(loop.pipeline.lake.branch, path, file)
    loop.lake.commit(loop.pipeline.lake.branch, "parts", {})


def test_a_day_of_many_parts_is_scored_and_measured_as_of_one(watched: Loop) -> None:
    before, whole = measured(watched), answers(watched, 28)
    [old] = files(watched)[f"{day(28)}"]
    put_in_parts(watched, 28, 12)
    after = measured(watched, run_id="r2")
    assert {**after, "latency_ms": 0, "run_id": 0} == {**before, "latency_ms": 0, "run_id": 0}
    [new] = set(files(watched)[f"{day(28)}"]) - {old}
    found = pd.read_parquet(io.BytesIO(watched.lake.download(watched.head, new)))
    pd.testing.assert_frame_equal(found, whole)


def test_a_new_champion_scores_every_day_of_the_window_anew(watched: Loop) -> None:
    score(watched)
    run = watched.train(26, run_id="r2", params={"C": 0.001})
    version = watched.promote(run, "r2")
    assert score(watched, version=version, run_id="r2")["days"] == 3
    assert [len(found) for found in files(watched).values()] == [2, 2, 2]


@pytest.mark.parametrize("effects", range(8))
def test_a_score_killed_between_any_two_effects_is_completed(watched: Loop, effects: int) -> None:
    """Effects: a branch, three uploads, a commit, the merge, the branch goes; then it is done."""
    data = watched.head
    with killed_after(effects) as done:
        score(watched)
    assert len(done) == min(effects, 7)
    assert len(files(watched)) == (3 if effects >= 6 else 0)
    told = score(watched, commit=data)
    assert (told["days"], told["rows"]) == (3, 3 * ROWS)
    assert told["commit"] == watched.head
    assert [len(found) for found in files(watched).values()] == [1, 1, 1]
    merges = [
        one for one in watched.lake.log(watched.head) if one.message.startswith("orders_") and one.parents[1:]
    ]
    assert len(merges) == 1
    assert list(watched.lake.list_branches("score-")) == []


def test_a_quiet_night_breaks_no_limit(watched: Loop) -> None:
    found = measured(watched)
    assert (found["rows"], found["labelled"], found["drifted.share"]) == (3 * ROWS, 3 * ROWS, 0)
    assert abs(found["performance.roc_auc"] - found["performance.held_out"]) < 0.05
    assert {name for name in found if name.startswith("drift.")} == {
        f"drift.{name}" for name in ("amount", "weight", "kind", "returned", "prediction")
    }
    assert (found["latency_ms"] > 0, tag(watched, found, "verdict")) == (True, "passed")
    log = watched.experiment("monitor").open_run(found["run_id"])
    assert json.loads(log.download_artifact("verdict.json"))["passed"] is True
    assert b"weight" in log.download_artifact("drift.html")


def test_drift_is_found_in_the_column_that_drifted_and_in_no_other(watched: Loop) -> None:
    watched.put({number: rows(number).assign(weight=lambda found: found["weight"] + 2) for number in WINDOW})
    found = measured(watched)
    assert (verdict(watched, found).drifted, tag(watched, found, "verdict")) == (("weight",), "failed")
    assert found["drifted.share"] == pytest.approx(1 / 3)
    assert verdict(watched, found).reasons == ("0.33 of the features drifted, the limit is 0.3: weight",)
    assert found["drift.weight"] == pytest.approx(2, abs=0.3)


def test_a_category_that_changed_its_share_drifts(watched: Loop) -> None:
    watched.put({number: rows(number).assign(kind="toy") for number in WINDOW})
    assert verdict(watched, measured(watched)).drifted == ("kind",)


@pytest.mark.parametrize("gone", [None, np.nan], ids=["no type", "numbers"])
def test_a_silent_column_is_no_data_and_never_no_drift(watched: Loop, gone: Any) -> None:
    watched.put({number: rows(number).assign(weight=gone) for number in WINDOW})
    found = measured(watched)
    assert "drift.weight" not in found
    assert (found["missing.weight"], found["missing.amount"]) == (1, 0)
    assert (verdict(watched, found).drifted, found["drifted.share"]) == ((), 0)


def test_performance_that_fell_is_a_reason(watched: Loop) -> None:
    watched.put({number: rows(number).assign(returned=1 - rows(number)["returned"]) for number in WINDOW})
    found = measured(watched)
    assert found["performance.roc_auc"] < 0.2
    assert "roc_auc fell from" in verdict(watched, found).reasons[0]


def test_groups_that_are_selected_differently_are_a_reason(watched: Loop) -> None:
    fair = watched.change(monitoring={"fairness": {"column": "kind", "max_gap": 0.1, "min_rows": 50}})
    found = measured(fair)
    assert found["fairness.gap"] > 0.1
    assert (
        f"selection rates of 'kind' lie {found['fairness.gap']:.3f} apart" in verdict(fair, found).reasons[-1]
    )


def test_labels_count_once_their_delay_is_over(watched: Loop) -> None:
    late = watched.change(monitoring={"label_delay": "2d"})
    found = measured(late)
    assert (found["rows"], found["labelled"]) == (3 * ROWS, 2 * ROWS)


def test_without_enough_labels_performance_is_unknown_and_the_rest_is_not(watched: Loop) -> None:
    watched.put({number: rows(number).assign(returned=None) for number in WINDOW})
    found = measured(watched)
    assert (found["labelled"], "performance.roc_auc" in found, "drift.returned" in found) == (0, False, False)
    assert (found["drifted.share"], tag(watched, found, "verdict")) == (0, "passed")


def test_labels_may_be_there_for_some_rows_only(watched: Loop) -> None:
    half = [bool(value) if number % 2 else None for number, value in enumerate(rows(28)["returned"])]
    watched.put({28: rows(28).assign(returned=half)})
    found = measured(watched)
    assert (found["labelled"], tag(watched, found, "verdict")) == (2.5 * ROWS, "passed")
    assert found["drift.returned"] < 0.1


def test_a_night_is_measured_once_for_each_version_of_the_data(watched: Loop) -> None:
    score(watched)
    first = watched.run(Job.MEASURE, AS_OF, version=1)
    assert watched.run(Job.MEASURE, AS_OF, version=1) == first
    assert watched.count("monitor") == 1
    watched.put({28: rows(28, 50)})
    score(watched, run_id="r2")
    assert watched.run(Job.MEASURE, AS_OF, version=1) != first
    assert watched.count("monitor") == 2


def test_a_day_that_is_corrected_while_the_night_is_scored_is_measured_as_it_was(watched: Loop) -> None:
    before = watched.head
    watched.put({28: rows(28, 50)})
    scored = score(watched, commit=before)["commit"]
    told = watched.run(Job.MEASURE, AS_OF, version=1, commit=before, predictions_commit=scored)
    found = watched.logged(told["run_id"], "monitor")
    assert found.data.metrics["rows"] == 3 * ROWS
    assert found.data.tags["millrace.trained_until"] == f"{day(26)}"


def test_a_measurement_that_was_killed_is_done_anew(watched: Loop) -> None:
    score(watched)
    with killed_after(3):
        watched.run(Job.MEASURE, AS_OF, version=1)
    told = watched.run(Job.MEASURE, AS_OF, version=1)
    found = watched.experiment("monitor").find_runs(limit=9)
    assert [run.info.run_id for run in found] == [told["run_id"]]
    assert watched.count("monitor") == 2


def test_a_night_without_rows_or_predictions_is_refused(watched: Loop) -> None:
    with pytest.raises(NotEnoughData, match=r"no partition from .* run orders_\w+\.ingest for these days"):
        watched.run(Job.MEASURE, 99, version=1)
    with pytest.raises(Absent, match=r"there is no object '.*_predictions/dt=2024-03-28/v1-"):
        watched.run(Job.MEASURE, AS_OF, version=1)


def test_predictions_that_do_not_fit_their_partition_are_refused(watched: Loop) -> None:
    score(watched)
    [path] = files(watched)[f"{day(28)}"]
    file = watched.folder / "short.parquet"
    answers(watched, 28).head(3).to_parquet(file)
    watched.lake.upload(watched.pipeline.lake.branch, path, file)
    watched.lake.commit(watched.pipeline.lake.branch, "damage", {})
    with pytest.raises(Conflict, match=f"has 3 rows, its partition {ROWS}; run score again"):
        watched.run(Job.MEASURE, AS_OF, version=1)


@pytest.mark.parametrize(
    "numerical", [["amount"], ["amount", "weight", "price"]], ids=["one feature less", "one more"]
)
def test_a_champion_is_watched_by_the_features_it_was_trained_on(watched: Loop, numerical: list[str]) -> None:
    before = measured(watched)
    watched.put({number: rows(number).assign(price=1.0, later=2) for number in WINDOW})
    changed = watched.change(model={"features": {"numerical": numerical, "categorical": ["kind"]}})
    after = measured(changed, run_id="r2")
    assert {**after, "latency_ms": 0, "run_id": 0} == {**before, "latency_ms": 0, "run_id": 0}
