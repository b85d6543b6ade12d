"""A champion with a fault of its own: its successor is judged alone, and monitoring names the fault."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest
import requests
from mlflow import MlflowClient
from mlflow.exceptions import RestException
from sklearn.linear_model import LogisticRegression

from include.exceptions import (
    BadData,
    ChampionUnusable,
    MillraceError,
    Misconfigured,
    Transient,
    Unauthorized,
    Unavailable,
)
from include.governance import promotion
from include.jobs.spec import Job
from include.lake.client import Lake
from include.modelling.comparison import Scores
from include.tracking.names import Artifact
from include.tracking.registry import Alias
from include.tracking.runs import RunLog
from tests.support.loop import ROWS, Loop, rows
from tests.support.pipeline import day

FORMER, AS_OF = 24, 29
"""The last day that the champion learned from, and the day of its successor."""
FEWER = {"features": {"numerical": ["amount"], "categorical": ["kind"]}}


class Secretive(LogisticRegression):
    """A model that quotes a value of the data when it fails."""

    def predict_proba(self, X: pd.DataFrame) -> Any:
        if len(X) > 20:  # more than the example that it is stored with
            raise ValueError(f"cannot use the amount {X['amount'].iloc[0]}")
        return super().predict_proba(X)


SECRETIVE = f"{Secretive.__module__}.{Secretive.__qualname__}"


def champion_run(loop: Loop) -> RunLog:
    version = loop.registry.version_of(loop.folder.name, Alias.CHAMPION)
    assert version is not None
    run_id = loop.registry.training_run_of(loop.folder.name, version)
    return loop.experiment("train").open_run(run_id)


def files_of_model(loop: Loop) -> Path:
    model = loop.tracking.client.get_logged_model(champion_run(loop).model_id)
    return Path(model.artifact_location.removeprefix("file://"))


def crown(loop: Loop, source: str, run_id: str | None = None, model_id: str | None = None) -> None:
    """Give the alias to a version that another tool registered."""
    client, name = loop.tracking.client, loop.folder.name
    made = client.create_model_version(name, source, run_id=run_id, model_id=model_id)
    loop.registry.set_alias(name, Alias.CHAMPION, int(made.version))


def column_gone(loop: Loop) -> None:
    loop.put({number: rows(number).drop(columns="weight") for number in range(FORMER + 1, AS_OF + 1)})


def column_of_text(loop: Loop) -> None:
    loop.put({number: rows(number).assign(weight="heavy") for number in range(FORMER + 1, AS_OF + 1)})


def model_gone(loop: Loop) -> None:
    shutil.rmtree(files_of_model(loop))


def features_gone(loop: Loop) -> None:
    folder = Path(champion_run(loop).run.info.artifact_uri.removeprefix("file://"))
    (folder / Artifact.FEATURES).unlink()


def model_damaged(loop: Loop) -> None:
    file = files_of_model(loop) / "model.skops"
    file.write_bytes(file.read_bytes()[:1000])


def run_removed(loop: Loop) -> None:
    """As `mlflow gc` removes what was deleted."""
    client, run = loop.tracking.client, champion_run(loop).id
    client.delete_run(run)
    client._tracking_client.store._hard_delete_run(run)


def registered_without_a_run(loop: Loop) -> None:
    crown(loop, "s3://elsewhere/model")


def registered_by_another_tool(loop: Loop) -> None:
    mlflow.set_tracking_uri(loop.tracking.uri)
    fitted = LogisticRegression().fit(rows(0)[["amount"]], rows(0)["returned"])
    with loop.experiment("train").attempts("another tool").start(name="pickled", tags={}) as run:
        logged = mlflow.sklearn.log_model(
            fitted, name="model", run_id=run.id, serialization_format="cloudpickle", pip_requirements=[]
        )
    crown(loop, f"models:/{logged.model_id}", run.id, logged.model_id)


def model_that_raises(loop: Loop) -> None:
    sample = rows(0)[["amount"]]
    fitted = Secretive().fit(sample, rows(0)["returned"])
    with loop.experiment("train").attempts("raises").start(name="raises", tags={}) as run:
        run.log_json({"numerical": ["amount"], "categorical": []}, Artifact.FEATURES)
        run.log_model(fitted, example=sample.head(5), trusted_types=[SECRETIVE])
    loop.promote(run.id, "raises")


FAULTS: dict[str, tuple[Callable[[Loop], None], str]] = {
    "column gone": (column_gone, "column 'weight' is missing in 'orders/dt="),
    "column of text": (column_of_text, "column 'weight' is not numeric"),
    "model gone": (model_gone, "holds no model.skops"),
    "features gone": (features_gone, "there is no artifact 'features.json'"),
    "model damaged": (model_damaged, "is damaged (BadZipFile)"),
    "run removed": (run_removed, "there is no run '"),
    "no run": (registered_without_a_run, "names no training run: another tool registered it"),
    "another tool": (registered_by_another_tool, "holds no model.skops"),
    "raises": (model_that_raises, "its model raised ValueError; the log of the task has its frames"),
}


@pytest.fixture
def former(loop: Loop) -> Loop:
    """A pipeline whose champion learned from its first days, and that trusts a type more than usual."""
    model = loop.folder / "model.py"
    model.write_text(model.read_text() + f"\nTRUSTED_TYPES.append({SECRETIVE!r})\n")
    loop.promote(loop.train(FORMER))
    return loop


def successor(former: Loop) -> Loop:
    """The pipeline after its owner has taken the column out of the contract."""
    changed = former.change(model=FEWER)
    shutil.copy(former.folder / "model.py", changed.folder / "model.py")
    return changed


def card(loop: Loop, run: str) -> str:
    return loop.experiment("train").open_run(run).download_artifact(Artifact.MODEL_CARD).decode()


@pytest.mark.parametrize(("harm", "reason"), FAULTS.values(), ids=FAULTS)
def test_a_champion_at_fault_never_stops_its_successor(
    former: Loop, harm: Callable[[Loop], None], reason: str
) -> None:
    harm(former)
    loop = successor(former)
    run = loop.train(AS_OF, run_id="r2")
    scores = loop.evaluate(run, AS_OF, run_id="r2")
    champion = loop.registry.version_of(loop.folder.name, Alias.CHAMPION)
    assert scores.candidate > 0.6
    assert (scores.champion, scores.slice_drop, scores.champion_version) == (None, None, champion)
    assert scores.champion_fault is not None
    assert reason in scores.champion_fault
    assert "champion not compared, because" in card(loop, run)
    assert "cannot use the amount" not in scores.model_dump_json()


def test_verdict_ledger_and_alias_follow_an_evaluation_without_the_champion(former: Loop) -> None:
    column_gone(former)
    loop = successor(former)
    run = loop.train(AS_OF, run_id="r2")
    scores, identity = loop.evaluate(run, AS_OF, run_id="r2"), loop.identity("train", "r2")
    note = f"not compared with the champion (version 1): {scores.champion_fault}"
    verdict = promotion.evaluate_gate(loop.pipeline, scores, ledger=loop.ledger, run=identity)
    assert (verdict.passed, verdict.reasons[-1]) == (True, note)
    version = loop.registry.register(loop.folder.name, loop.experiment("train").open_run(run))
    promoted = promotion.promote(
        loop.folder.name,
        version,
        compared_with=scores.champion_version,
        no_comparison=scores.no_comparison,
        reason="requested",
        registry=loop.registry,
        ledger=loop.ledger,
        run=identity,
    )
    assert (promoted.champion, promoted.previous) == (2, 1)
    assert loop.ledger.entries()[0].reason == f"requested; {note}"


def test_a_type_that_is_no_longer_trusted_leaves_the_champion_out(former: Loop) -> None:
    model_that_raises(former)
    changed = former.change(model=FEWER)  # and with the usual list
    scores = changed.evaluate(changed.train(AS_OF, run_id="r2"), AS_OF, run_id="r2")
    assert scores.champion_fault is not None
    assert SECRETIVE in scores.champion_fault


def test_what_the_candidate_lacks_is_not_the_champions_fault(former: Loop) -> None:
    run = former.train(AS_OF, run_id="r2")
    column_gone(former)
    with pytest.raises(BadData, match="has no column 'weight', nor has the newest") as caught:
        former.evaluate(run, AS_OF, run_id="r2")
    assert not isinstance(caught.value, ChampionUnusable)


def refuse(code: str) -> Callable[..., Any]:
    def call(*_: Any, **__: Any) -> Any:
        raise RestException({"error_code": code, "message": "no"})

    return call


def unreachable(*_: Any, **__: Any) -> Any:
    raise requests.ConnectionError("refused")


def lake_away(*_: Any, **__: Any) -> Any:
    raise Unavailable("the lake does not answer")


@pytest.mark.parametrize(
    ("owner", "name", "call", "error"),
    [
        (MlflowClient, "get_model_version", refuse("TEMPORARILY_UNAVAILABLE"), Transient),
        (MlflowClient, "get_model_version", unreachable, Unavailable),
        (MlflowClient, "get_model_version", refuse("PERMISSION_DENIED"), Unauthorized),
        (Lake, "list_objects", lake_away, Unavailable),
    ],
    ids=["MLflow busy", "MLflow away", "MLflow refuses the login", "lake away"],
)
def test_a_service_that_is_away_says_nothing_about_the_champion(
    former: Loop,
    monkeypatch: pytest.MonkeyPatch,
    owner: type,
    name: str,
    call: Callable[..., Any],
    error: type[MillraceError],
) -> None:
    """Away from when the champion is looked up; the candidate was found before."""
    run = former.train(AS_OF, run_id="r2")
    before, commit = former.logged(run).data.metrics, former.head
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, call)
        with pytest.raises(error) as caught:
            former.evaluate(run, AS_OF, run_id="r2", commit=commit)
    assert not isinstance(caught.value, ChampionUnusable)
    assert former.logged(run).data.metrics == before
    assert former.evaluate(run, AS_OF, run_id="r2").champion is not None


@pytest.mark.parametrize(
    ("error", "kind"), [(MemoryError(), Misconfigured), (BrokenProcessPool(), Transient)], ids=repr
)
def test_a_machine_without_memory_says_nothing_about_the_champion(
    former: Loop, monkeypatch: pytest.MonkeyPatch, error: Exception, kind: type[MillraceError]
) -> None:
    """Once: the candidate alone could be scored then."""
    run = former.train(AS_OF, run_id="r2")
    errors, predict_proba = [error], LogisticRegression.predict_proba

    def exhausted(*given: Any) -> Any:
        if errors:
            raise errors.pop()
        return predict_proba(*given)

    monkeypatch.setattr(LogisticRegression, "predict_proba", exhausted)
    with pytest.raises(kind, match=rf"{type(error).__name__} .*memory"):
        former.evaluate(run, AS_OF, run_id="r2")


OF_ITS_OWN = {name: fault for name, fault in FAULTS.items() if name != "column of text"}


@pytest.mark.parametrize(("harm", "reason"), OF_ITS_OWN.values(), ids=OF_ITS_OWN)
def test_monitoring_says_that_the_champion_cannot_score_and_why(
    former: Loop, harm: Callable[[Loop], None], reason: str
) -> None:
    harm(former)
    version, before = former.registry.version_of(former.folder.name, Alias.CHAMPION), former.head
    with pytest.raises(ChampionUnusable) as caught:
        former.run(Job.SCORE, AS_OF, version=version)
    message = str(caught.value)
    assert message.startswith("champion cannot score: ")
    assert reason in message
    assert f"(version {version}). Train a successor" in message
    assert "run the pipeline's ingest" not in message
    assert former.head == before


def infinite(number: int) -> pd.DataFrame:
    found = rows(number)
    return found.assign(weight=[float("inf")] * 3 + found["weight"].tolist()[3:])


BAD_DAYS: dict[str, tuple[Callable[[int], pd.DataFrame], str]] = {
    "infinite": (infinite, "column 'weight' is infinite in 3 of 120 rows; let the source return null"),
    "text": (
        lambda number: rows(number).assign(weight="heavy"),
        "column 'weight' is not numeric: 120 of 120",
    ),
    "lists": (
        lambda number: rows(number).assign(kind=[["toy"]] * 120),
        "column 'kind' holds lists or structures in 120 of 120 rows",
    ),
}


@pytest.mark.parametrize(("make", "reason"), BAD_DAYS.values(), ids=BAD_DAYS)
def test_rows_that_a_successor_could_not_use_either_are_no_fault_of_the_champion(
    former: Loop, make: Callable[[int], pd.DataFrame], reason: str
) -> None:
    former.put({AS_OF - 1: make(AS_OF - 1)})
    with pytest.raises(BadData) as caught:
        former.run(Job.SCORE, AS_OF, version=1)
    message = str(caught.value)
    assert not isinstance(caught.value, ChampionUnusable)
    assert message.startswith(f"the rows of {day(AS_OF - 1)} cannot be scored: {reason}")
    assert message.endswith(f"; then run {former.folder.name}.ingest for that day again")
    assert "champion" not in message
    assert list(former.lake.list_branches("score-")) == []


@pytest.mark.parametrize("name", ["infinite", "text"])
def test_the_same_rows_are_its_fault_once_the_contract_has_left_the_column_out(
    former: Loop, name: str
) -> None:
    make, reason = BAD_DAYS[name]
    former.put({AS_OF: make(AS_OF)})
    with pytest.raises(ChampionUnusable, match=f"champion cannot score: {reason}"):
        successor(former).run(Job.SCORE, AS_OF, version=1)


def test_a_day_without_a_column_that_later_days_have_is_to_be_ingested_again(former: Loop) -> None:
    former.put({AS_OF - 1: rows(AS_OF - 1).drop(columns="weight")})
    with pytest.raises(
        BadData, match="no column 'weight', which the newest partition has: run the"
    ) as caught:
        former.run(Job.SCORE, AS_OF, version=1)
    assert not isinstance(caught.value, ChampionUnusable)
    with pytest.raises(ChampionUnusable, match="champion cannot score: column 'weight' is missing"):
        successor(former).run(Job.SCORE, AS_OF, version=1)


def test_the_time_column_is_the_contracts_and_never_a_fault_of_the_champion(former: Loop) -> None:
    contract = former.folder / "pipeline.yaml"
    contract.write_text(contract.read_text().replace("time: time", "time: moment"))
    with pytest.raises(BadData, match="has no column 'moment', nor has the newest") as caught:
        former.run(Job.SCORE, AS_OF, version=1)
    assert not isinstance(caught.value, ChampionUnusable)


def test_a_partition_without_rows_is_scored_without_asking_the_model(former: Loop) -> None:
    former.put({AS_OF: rows(AS_OF).head(0)})
    assert former.run(Job.SCORE, AS_OF, version=1)["rows"] == 2 * ROWS
    assert former.run(Job.MEASURE, AS_OF, version=1)["run_id"]


def test_a_mistake_in_model_py_is_no_fault_of_the_champion(former: Loop) -> None:
    model = former.folder / "model.py"
    model.write_text(model.read_text() + "\nTRUSTED_TYPES = 'numpy.dtype'\n")
    sys.modules.pop(f"include.pipelines.{former.folder.name}.model")
    with pytest.raises(Misconfigured, match=r"^TRUSTED_TYPES of .* is 'numpy.dtype'; write a list"):
        former.run(Job.SCORE, AS_OF, version=1)


def replace_reference(loop: Loop, content: bytes) -> None:
    folder = Path(champion_run(loop).run.info.artifact_uri.removeprefix("file://"))
    (folder / Artifact.REFERENCE).write_bytes(content)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"PAR1 and no more", r"reference\.parquet of run '\w+' is damaged \(ArrowInvalid\)"),
        (rows(0)[["amount", "kind"]].to_parquet(), "has no column 'weight', 'returned', 'prediction'"),
    ],
    ids=["damaged", "of another tool"],
)
def test_a_champion_whose_reference_is_wrong_cannot_be_measured(
    former: Loop, content: bytes, reason: str
) -> None:
    former.run(Job.SCORE, AS_OF, version=1)
    replace_reference(former, content)
    with pytest.raises(ChampionUnusable, match=f"champion cannot be measured: .*{reason}"):
        former.run(Job.MEASURE, AS_OF, version=1)
    assert former.count("monitor") == 0


def test_a_champion_that_was_scored_and_lost_its_reference_cannot_be_measured(former: Loop) -> None:
    former.run(Job.SCORE, AS_OF, version=1)
    folder = Path(champion_run(former).run.info.artifact_uri.removeprefix("file://"))
    (folder / Artifact.REFERENCE).unlink()
    with pytest.raises(ChampionUnusable, match=r"champion cannot be measured: .*'reference\.parquet'"):
        former.run(Job.MEASURE, AS_OF, version=1)
    assert former.count("monitor") == 0


def test_a_champion_that_can_be_scored_has_no_fault(former: Loop) -> None:
    scores = former.evaluate(former.train(AS_OF, run_id="r2"), AS_OF, run_id="r2")
    assert isinstance(scores, Scores)
    assert (scores.champion is None, scores.champion_fault, scores.no_comparison) == (False, None, None)
