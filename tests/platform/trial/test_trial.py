"""A trial runs the steps of every DAG in one process, and says by its status whether the loop closed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from include.contract import loader
from include.exceptions import Misconfigured
from include.lake.client import Lake
from include.platform.new_pipeline.__main__ import new_pipeline
from include.platform.new_pipeline.places import Asked
from include.platform.trial.__main__ import CLOSED, FAILED, WRONG, Plan, main, plan
from include.platform.trial.lab import Lab, lab
from include.platform.trial.loop import Loop
from include.platform.trial.outcome import Outcome
from include.platform.trial.report import show
from include.settings import Settings
from tests.support.own_data import FIRST, Row, orders, write
from tests.support.places import database, delta_table, partitions

LAST = FIRST.date() + timedelta(days=39)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with lab(tmp_path_factory.mktemp("lab")) as found:
        yield found


def pipeline(parent: Path, name: str, rows: list[Row], **changes: str) -> Path:
    """The folder of a pipeline for these rows; `changes` replace texts of its contract."""
    parent.mkdir(exist_ok=True)
    folder = new_pipeline(
        name, str(write(parent / f"{name}.csv", rows)), "returned", None, pipelines=parent / "pipelines"
    ).folder
    contract = (folder / "pipeline.yaml").read_text()
    for old, new in changes.items():
        key = {"minimum": "minimum: 0.55"}[old]
        assert key in contract
        contract = contract.replace(key, new)
    (folder / "pipeline.yaml").write_text(contract)
    return folder


def run(
    folder: Path, place: Lab, says: list[str] | None = None, url: str | None = None, last: date | None = None
) -> Outcome:
    found = loader.load(folder)
    days = plan(found, folder, last and FIRST.date(), last)
    steps: list[str] = [] if says is None else says
    loop = Loop(found, folder, place, steps.append, url_of=lambda _: str(url))
    return loop.run(days.first, days.trained_until, days.last)


def shown(outcome: Outcome) -> str:
    console = Console(width=200, record=True, quiet=False, file=None)
    with console.capture() as printed:
        show(outcome, console, 1.0)
    return printed.get()


def test_the_loop_closes_on_own_data(tmp_path: Path, place: Lab) -> None:
    steps: list[str] = []
    folder = pipeline(tmp_path, "closes", orders())
    with (folder / "pipeline.yaml").open("a") as contract:
        contract.write("privacy: {hash: [email]}\n")  # by a key of the trial's own: no secret is set
    outcome = run(folder, place, steps)

    assert outcome.is_closed
    assert sum(one.rows for one in outcome.ingested) == 960
    assert outcome.champion is not None
    assert outcome.champion.scores.candidate > 0.75
    assert [one.day for one in outcome.monitored] == [LAST - timedelta(days=n) for n in (4, 3, 2, 1, 0)]
    assert [step.split()[0] for step in steps[:6]] == [
        "ingest", "train", "evaluate", "promote", "ingest", "score",
    ]  # fmt: skip
    table = shown(outcome)
    assert "40 day(s) with 960 rows" in table
    assert "version 1, trained until 2024-02-04: roc_auc 0." in table
    assert "the loop closed" in table


@pytest.mark.parametrize("kind", ["delta", "table", "function", "hive"])
def test_the_loop_closes_on_what_is_not_a_file(tmp_path: Path, place: Lab, kind: str) -> None:
    url = database(tmp_path / "shop.db") if kind == "table" else None
    places: dict[str, Callable[[], str]] = {
        "delta": lambda: str(delta_table(tmp_path / "orders")),
        "table": lambda: "sql:shop",
        "function": lambda: "python:tests.support.places:read",
        "hive": lambda: str(partitions(tmp_path / "orders")),
    }
    given = places[kind]()
    asked = Asked(
        table="orders" if url else "",
        last=LAST if kind == "function" else None,
        sql_url=lambda _: str(url),
    )
    written = new_pipeline(kind, given, "returned", None, pipelines=tmp_path / "pipelines", asked=asked)

    outcome = run(written.folder, place, url=url, last=LAST if written.days else None)

    assert outcome.is_closed
    assert sum(one.rows for one in outcome.ingested) == 960


def test_bad_days_are_quarantined_alone_and_the_others_come_in(tmp_path: Path, place: Lab) -> None:
    bad = FIRST.date() + timedelta(days=11)
    folder = pipeline(tmp_path, "baddays", orders())
    rows = [{**row, "amount": 1e6} if row["created"].date() == bad else row for row in orders()]
    write(tmp_path / "baddays.csv", rows)

    outcome = run(folder, place)

    [found] = outcome.quarantined
    assert (found.days.first, found.days.last) == (bad, bad)
    assert "amount" in found.reasons[0]
    assert sum(one.partitions for one in outcome.ingested) == 39
    assert outcome.champion is not None
    assert not outcome.is_closed
    lake = Lake(place.lake, loader.load(folder).lake.repository)
    assert len(list(lake.list_branches("quarantine-"))) == 1
    assert f"quarantined │ {bad}: " in shown(outcome)


def test_a_refused_candidate_ends_the_trial_with_its_reasons(tmp_path: Path, place: Lab) -> None:
    outcome = run(pipeline(tmp_path, "refused", orders(), minimum="minimum: 0.99"), place)

    assert (outcome.champion, outcome.monitored, outcome.is_closed) == (None, [], False)
    assert "is below the minimum (0.9900)" in shown(outcome)


def test_drift_starts_a_training_and_the_gate_decides_again(tmp_path: Path, place: Lab) -> None:
    changed = LAST - timedelta(days=5)
    rows = [
        {**row, "amount": row["amount"] + 40, "weight": 50.0} if row["created"].date() > changed else row
        for row in orders()
    ]
    outcome = run(pipeline(tmp_path, "drifts", rows), place)

    assert any(day.retrain for day in outcome.monitored)
    assert len(outcome.trained) > 1
    assert outcome.trained[1].cause.startswith("drift-sensor__")
    assert "; retrain: " in shown(outcome)


def test_a_model_that_fails_is_a_failure_of_its_step(tmp_path: Path, place: Lab) -> None:
    folder = pipeline(tmp_path, "raises", orders())
    model = (folder / "model.py").read_text()
    (folder / "model.py").write_text(
        model.replace("return Pipeline(", "raise_ = 1\n    return Pipeline(").replace(
            '("line", LogisticRegression(random_state=model.seed, **model.params))', '("line", Broken())'
        )
        + "\n\nclass Broken:\n    def fit(self, x, y):\n        raise ValueError('why')\n"
        "    def predict_proba(self, x):\n        return x\n"
    )

    outcome = run(folder, place)

    [failure] = outcome.failures
    assert failure.startswith("train until 2024-02-04: fit of the model")
    assert failure in shown(outcome).replace(" │\n│           │ ", " ") or "failed" in shown(outcome)


def settings_of(monkeypatch: pytest.MonkeyPatch, pipelines: Path) -> None:
    monkeypatch.setattr("include.platform.trial.__main__.settings", lambda: Settings(pipelines=pipelines))


def test_the_command_says_by_its_status_whether_the_loop_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings_of(monkeypatch, tmp_path / "pipelines")
    pipeline(tmp_path, "good", orders())
    pipeline(tmp_path, "refused2", orders(), minimum="minimum: 0.99")

    assert main(["good"]) == CLOSED
    printed = capsys.readouterr().out
    assert "s  measure 2024-02-09" in printed
    assert "the loop closed" in printed
    assert main(["refused2"]) == FAILED


@pytest.mark.parametrize(
    ("file", "content", "status", "message"),
    [
        ("pipeline.yaml", "name: orders\n", WRONG, "pipeline.yaml: "),
        ("expectations.yaml", "rows: []\n", WRONG, "partitions: is empty"),
        ("model.py", "def build(:\n", WRONG, "is not valid Python"),
        ("../../orders.csv", "", FAILED, "orders.csv' is empty: 0 bytes"),
    ],
)
def test_what_is_wrong_before_the_first_step_is_named(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    file: str,
    content: str,
    status: int,
    message: str,
) -> None:
    settings_of(monkeypatch, tmp_path / "pipelines")
    (pipeline(tmp_path, "orders", orders()) / file).write_text(content)

    assert main(["orders"]) == status
    assert message in capsys.readouterr().err


def test_an_unknown_pipeline_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings_of(monkeypatch, tmp_path / "pipelines")
    pipeline(tmp_path, "orders", orders())

    assert main(["order"]) == WRONG
    assert "did you mean 'orders'? PIPELINE is one of orders" in capsys.readouterr().err


def test_days_are_those_of_the_source_unless_they_are_named(tmp_path: Path) -> None:
    folder = pipeline(tmp_path, "orders", orders())
    found: Any = loader.load(folder)
    first, named = FIRST.date(), date(2024, 1, 20)

    assert plan(found, folder, None, None) == Plan(first, LAST - timedelta(days=5), LAST)
    assert plan(found, folder, date(2024, 1, 11), named) == Plan(date(2024, 1, 11), date(2024, 1, 18), named)
    with pytest.raises(Misconfigured, match="--from 2024-01-21 is after the last day 2024-01-20; choose"):
        plan(found, folder, date(2024, 1, 21), named)
