"""Training and evaluation, as a task runs them."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from include.contract.reserved import PARAMS
from include.exceptions import Absent, BadData, Misconfigured, NotEnoughData, PipelineInvalid
from include.jobs.spec import Job, JobSpec
from include.modelling import scorer
from tests.support.death import killed_after
from tests.support.loop import ROWS, Loop, rows
from tests.support.pipeline import day

FITTED = range(10, 25)
HELD_OUT = range(25, 30)


def flipped(number: int) -> pd.DataFrame:
    """A day on which everything was the other way round."""
    return rows(number).assign(returned=1 - rows(number)["returned"])


def reference(loop: Loop, training_run: str) -> bytes:
    return loop.experiment("train").open_run(training_run).download_artifact("reference.parquet")


def test_a_training_tells_what_it_learned_from(loop: Loop) -> None:
    found = loop.logged(loop.train(params={"C": 0.5}))
    assert found.data.params == {
        "C": "0.5",
        "features": '{"numerical": ["amount", "weight"], "categorical": ["kind"]}',
        "seed": "7",
        "first": "2024-03-11",
        "fit_until": "2024-03-25",
    }
    assert set(found.data.params) == {"C", *PARAMS}
    assert found.data.metrics["fit.rows"] == 15 * ROWS
    [data] = found.inputs.dataset_inputs
    assert json.loads(data.dataset.source) == {"uri": f"lakefs://month/{loop.head}/orders/"}
    assert found.data.tags["millrace.commit"] == loop.head


def coded(number: int) -> pd.DataFrame:
    """A day whose kinds are codes, of which one is missing on some days, and whose weights are long."""
    frame = rows(number)
    codes = frame["kind"].map({"book": 1, "toy": 2}).astype("Int64")
    codes.iloc[0] = None if number % 2 else 1
    return frame.assign(kind=codes, weight=2**60 + np.arange(len(frame)))


def test_codes_are_the_same_categories_on_each_day_and_long_numbers_are_warned_of(
    loop: Loop, caplog: pytest.LogCaptureFixture
) -> None:
    loop.put({number: coded(number) for number in (*FITTED, *HELD_OUT)})
    run = loop.train()
    sample = pd.read_parquet(io.BytesIO(reference(loop, run)))
    assert set(sample["kind"].dropna()) == {"1", "2"}
    assert sample["kind"].isna().any()
    assert f"column 'weight' holds {15 * ROWS} whole numbers beyond 2^53 in {15 * ROWS} rows" in caplog.text
    assert loop.evaluate(run).candidate > 0.6


def test_a_store_that_does_not_take_a_model_is_no_fault_of_the_model(loop: Loop) -> None:
    loop.block_models()
    with pytest.raises(OSError, match="models"):
        loop.train()


def test_it_learns_from_the_window_less_its_holdout_and_from_no_other_day(loop: Loop) -> None:
    before = loop.train(run_id="r1")
    loop.put({number: flipped(number) for number in (9, *HELD_OUT)})
    same = loop.train(run_id="r2")
    loop.put({FITTED[0]: flipped(FITTED[0])})
    assert reference(loop, before) == reference(loop, same) != reference(loop, loop.train(run_id="r3"))


def test_a_candidate_is_scored_on_the_latest_days_and_on_no_other(loop: Loop) -> None:
    run = loop.train()
    before = loop.evaluate(run)
    loop.put({FITTED[-1]: flipped(FITTED[-1])})
    same = loop.evaluate(run)
    loop.put({HELD_OUT[0]: flipped(HELD_OUT[0])})
    assert before.rows == 5 * ROWS
    assert before.candidate == same.candidate > loop.evaluate(run).candidate


def test_the_same_data_and_seed_make_the_same_model(loop: Loop) -> None:
    first, second = loop.train(run_id="r1"), loop.train(run_id="r2")
    assert first != second
    assert reference(loop, first) == reference(loop, second)
    assert loop.evaluate(first).candidate == loop.evaluate(second).candidate


def test_a_second_try_repeats_nothing(loop: Loop) -> None:
    told = loop.run(Job.TRAIN, 29)
    assert loop.run(Job.TRAIN, 29) == told
    assert loop.count("train") == 1


@pytest.mark.parametrize("effects", [0, 1, 3, 6, 8, 10])
def test_a_training_that_was_killed_is_done_anew_and_counts_once(loop: Loop, effects: int) -> None:
    with killed_after(effects) as done:
        loop.train()
    assert len(done) == effects
    run = loop.train()
    finished = loop.experiment("train").find_runs(limit=9)
    assert [found.info.run_id for found in finished] == [run]
    assert loop.count("train") == (2 if effects else 1)
    assert loop.experiment("train").open_run(run).model_id


def test_the_numbers_of_a_training_are_those_of_its_model_too(loop: Loop) -> None:
    run = loop.logged(loop.train())
    model = loop.tracking.client.get_logged_model(run.outputs.model_outputs[0].model_id)
    assert {metric.key: metric.value for metric in model.metrics} == run.data.metrics
    assert (model.status.value, model.source_run_id) == ("READY", run.info.run_id)


def test_rows_without_a_target_are_left_out(loop: Loop) -> None:
    loop.put({FITTED[0]: rows(10).assign(returned=pd.array([None] * 50 + [0, 1] * 35, dtype="Int64"))})
    loop.put({HELD_OUT[0]: rows(25).assign(returned=None)})
    run = loop.train()
    assert loop.logged(run).data.metrics["fit.rows"] == 15 * ROWS - 50
    assert loop.evaluate(run).rows == 4 * ROWS


@pytest.mark.parametrize(
    ("days", "message"),
    [
        ({23: rows(23).assign(returned=None), 24: rows(24, 99)}, r"99 rows with 2 class\(es\)"),
        ({23: rows(23).assign(returned=1), 24: rows(24).assign(returned=1)}, r"240 rows with 1 class\(es\)"),
    ],
    ids=["too few rows", "one class"],
)
def test_too_little_to_learn_from_is_refused(loop: Loop, days: dict[int, Any], message: str) -> None:
    short = loop.change(training={"window": "7d", "holdout": "5d"})
    short.put(days)
    with pytest.raises(NotEnoughData, match=f"{message} of 'returned' from 2024-03-24 to 2024-03-25"):
        short.train()
    [found] = short.experiment("train").client.search_runs([short.experiment("train").id])
    assert found.info.status == "FAILED"


def test_a_parameter_that_the_model_does_not_know_is_refused(loop: Loop) -> None:
    told = (
        r"build of .*/model\.py with the parameters \['max_itr'\] failed with TypeError "
        r"\(.*'max_itr'\) at .*/model\.py:16 in 'build'; correct it, or model\.params"
    )
    with pytest.raises(Misconfigured, match=told):
        loop.train(params={"max_itr": 5})


@pytest.mark.parametrize("returned", [None, 1], ids=["no target", "one class"])
def test_too_little_to_judge_by_is_refused(loop: Loop, returned: int | None) -> None:
    run = loop.train()
    loop.put({number: rows(number).assign(returned=returned) for number in HELD_OUT})
    with pytest.raises(NotEnoughData, match=r"held-out rows with [01] class"):
        loop.evaluate(run)


def test_a_target_of_words_is_bad_data(loop: Loop) -> None:
    loop.put({number: rows(number).assign(returned="yes") for number in HELD_OUT})
    with pytest.raises(BadData, match="target 'returned' holds values other than 0 and 1"):
        loop.evaluate(loop.train())


def test_no_day_at_all_is_absent_and_a_missing_column_bad_data(loop: Loop) -> None:
    with pytest.raises(Absent, match=r"'orders' has no partition from .* to .*; run the pipeline's ingest"):
        loop.train(900)
    loop.put({12: rows(12).drop(columns="weight")})
    with pytest.raises(BadData, match="weight"):
        loop.train()


def test_the_first_candidate_has_no_champion_beside_it(loop: Loop) -> None:
    run = loop.train()
    scores = loop.evaluate(run)
    assert scores.latency_ms > 0
    assert 0.8 < scores.candidate < 1
    assert {**scores.to_json(), "latency_ms": 0, "candidate": 0} == {
        "training_run": run,
        "metric": "roc_auc",
        "rows": 5 * ROWS,
        "candidate": 0,
        "champion": None,
        "champion_version": None,
        "champion_fault": None,
        "slice_drop": None,
        "latency_ms": 0,
        "link": loop.experiment("train").open_run(run).link("model_card.html"),
    }


def test_the_champion_is_scored_on_the_same_rows_as_itself(loop: Loop) -> None:
    first, second = loop.train(run_id="r1"), loop.train(run_id="r2")
    version = loop.promote(first)
    scores = loop.evaluate(second)
    assert scores.champion == scores.candidate
    assert (scores.champion_version, scores.slice_drop) == (version, 0)


def test_a_worse_candidate_shows_overall_and_in_its_worst_slice(loop: Loop) -> None:
    loop.promote(loop.train())
    blind = loop.change(model={"features": {"numerical": ["weight"], "categorical": ["kind"]}})
    run = blind.train(run_id="r2")
    scores = blind.evaluate(run)
    slices = json.loads(blind.experiment("train").open_run(run).download_artifact("slices.json"))
    assert scores.champion is not None
    assert scores.champion - scores.candidate > 0.2
    assert set(slices) == {"book", "toy"}
    assert scores.slice_drop == max(found["champion"] - found["candidate"] for found in slices.values())


def test_an_evaluation_is_added_to_the_candidates_run(loop: Loop) -> None:
    run = loop.train()
    loop.promote(run)
    scores = loop.evaluate(run)
    numbers = loop.logged(run).data.metrics
    card = loop.experiment("train").open_run(run).download_artifact("model_card.html").decode()
    assert (numbers["held_out.roc_auc"], numbers["champion.roc_auc"]) == (scores.candidate,) * 2
    assert numbers["held_out.rows"] == 5 * ROWS
    for told in (
        "2024-03-11 to 2024-03-25",
        "2024-03-26 to 2024-03-30",
        loop.head,
        "version 1",
        "Will an order",
    ):
        assert told in card


def test_a_wide_table_can_be_learned_from(loop: Loop) -> None:
    """The list of 400 columns is longer than what MLflow keeps of a parameter."""
    names = [f"measured_quantity_number_{number}" for number in range(400)]
    for number in (27, 28, 29):
        noise = pd.DataFrame({name: rows(number)["weight"] for name in names})
        loop.put({number: pd.concat([rows(number), noise], axis=1)})
    features = {"numerical": ["amount", *names], "categorical": ["kind"]}
    wide = loop.change(model={"features": features}, training={"window": "3d", "holdout": "1d"})
    run = wide.train()
    trained = scorer.trained_model(wide.pipeline, wide.experiment("train").open_run(run))
    assert trained.features.model_dump() == features
    assert wide.evaluate(run).rows == ROWS


def test_a_job_of_no_pipeline_or_of_a_broken_one_is_refused(loop: Loop) -> None:
    (loop.folder / "pipeline.yaml").write_text("name: 7")
    with pytest.raises(PipelineInvalid, match=r"pipeline\.yaml"):
        loop.run(Job.TRAIN, 29, commit="c")
    loop.folder.rename(loop.folder.with_name("other"))
    with pytest.raises(Misconfigured, match=f"there is no pipeline '{loop.folder.name}'"):
        loop.run(Job.TRAIN, 29, commit="c")


@pytest.mark.parametrize(
    "wrong",
    [{"commit": ""}, {"until": "yesterday"}, {"job": "guess"}, {"run_key": ""}, {"unknown": 1}],
    ids=str,
)
def test_a_job_that_is_told_nonsense_is_refused(wrong: dict[str, Any]) -> None:
    told = {"job": "train", "pipeline_name": "p", "commit": "c", "until": f"{day(0)}", "run_key": "k"}
    assert JobSpec(**told).params == {}
    with pytest.raises(ValueError, match="1 validation error"):
        JobSpec(**{**told, **wrong})
