"""The whole loop of a pipeline whose targets come later, in a second file."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml

from include.contract import loader
from include.contract.feed import Stage
from include.modelling.labels import Rows
from include.platform.check import check
from include.platform.new_pipeline.__main__ import new_pipeline
from include.platform.trial.__main__ import plan
from include.platform.trial.lab import Lab, lab
from include.platform.trial.loop import Loop
from include.platform.trial.outcome import Outcome
from include.tracking.names import training_runs
from tests.support.own_data import FIRST, Row, orders, write

DELAY = timedelta(days=3)
DAYS = 50
LAST = FIRST.date() + timedelta(days=DAYS - 1)


def outcomes(rows: list[Row]) -> list[Row]:
    """What became of orders, some days after them."""
    return [
        {"order_id": row["order_id"], "came_back": row["returned"], "decided": row["created"] + DELAY / 2}
        for row in rows
    ]


def split(parent: Path, name: str) -> Path:
    """The folder of a pipeline whose orders and outcomes are two files; new-pipeline knew one of both."""
    file = write(parent / "both.csv", orders(DAYS))
    folder = new_pipeline(name, str(file), "returned", None, pipelines=parent / "pipelines").folder
    rows = [{key: value for key, value in row.items() if key != "returned"} for row in orders(DAYS)]
    source = {"reader": "csv", "partition_by": "decided", "uri": f"file://{parent}/outcomes.csv"}
    write(parent / "orders.csv", rows)
    write(parent / "outcomes.csv", outcomes(orders(DAYS)))
    contract: dict[str, Any] = yaml.safe_load((folder / "pipeline.yaml").read_text())
    contract["source"]["uri"] = f"file://{parent}/orders.csv"
    contract["columns"].pop("returned", None)
    contract["columns"]["order_id"] = "integer"
    contract["labels"] = {"source": source, "keys": ["order_id"], "target": "came_back"}
    contract["monitoring"] |= {"label_delay": f"{DELAY.days}d", "window": "7d"}
    contract["training"] |= {"window": "30d", "holdout": "7d"}
    (folder / "pipeline.yaml").write_text(yaml.safe_dump(contract, sort_keys=False))
    suite = yaml.safe_load((folder / "expectations.yaml").read_text())
    suite["rows"] = [one for one in suite["rows"] if "returned" not in str(one["kwargs"])]
    (folder / "expectations.yaml").write_text(yaml.safe_dump(suite))
    return folder


def run(folder: Path, place: Lab) -> tuple[Loop, Outcome]:
    found = loader.load(folder)
    days = plan(found, folder, None, None)
    loop = Loop(found, folder, place, lambda _: None)
    return loop, loop.run(days.first, days.trained_until, days.trained_until + timedelta(days=1))


def test_rows_and_labels_of_two_files_make_a_champion_and_a_correction_another_training_set(
    tmp_path: Path,
) -> None:
    folder = split(tmp_path, "later")
    assert [one for one in check(folder) if one.fault] == []
    with lab(tmp_path / "lab") as place:
        loop, outcome = run(folder, place)

        assert (outcome.failures, outcome.quarantined) == ([], [])
        assert outcome.is_closed
        champion = outcome.champion
        assert champion is not None
        assert champion.until == LAST - timedelta(days=5) + timedelta(days=1) - DELAY
        assert champion.scores.candidate > 0.75
        before = loop.lake.resolve("main")
        numbers = (
            training_runs(place.tracking, "later").open_run(champion.scores.training_run).run.data.metrics
        )
        assert (numbers["labels.matched"], numbers["labels.waiting"]) == (23 * 24, 0)
        assert (numbers["held_out.labels.matched"], numbers["held_out.labels.waiting"]) == (7 * 24, 0)

        corrected = outcomes(orders(DAYS))
        known = next(row for row in corrected if row["decided"].date() == LAST - timedelta(days=9))
        known["came_back"] = 1 - known["came_back"]
        write(tmp_path / "outcomes.csv", corrected)
        loop.ingest(loop.pipeline.feed(Stage.LABELS), LAST - timedelta(days=9), LAST - timedelta(days=9))
        after = loop.lake.resolve("main")

        assert after != before
        of = Rows(loop.pipeline, loop.table)
        days = LAST - timedelta(days=20), LAST

        def targets(commit: str) -> dict[int, float]:
            rows = of.frame(commit, *days, ["order_id", "returned"]).rows
            return dict(zip(rows["order_id"], rows["returned"].fillna(-1), strict=True))

        older, newer = targets(before), targets(after)
        assert {key for key in older if older[key] != newer[key]} == {known["order_id"]}
