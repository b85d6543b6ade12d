"""One champion and one entry, at whatever line a promotion was killed and however often it is run."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import pytest

from include.contract import loader
from include.contract.pipeline import Pipeline
from include.exceptions import Conflict
from include.governance import promotion
from include.governance.ledger import Event, Ledger
from include.modelling.comparison import Scores
from include.run_identity import RunIdentity
from include.tracking.names import ledger_runs, training_runs
from include.tracking.registry import Alias, Registry
from include.tracking.runs import RunLog
from include.tracking.server import TrackingServer
from tests.support.death import killed_after
from tests.support.models import training_run
from tests.support.pipeline import write_pipeline

SCORES = Scores(
    training_run="run",
    metric="roc_auc",
    rows=600,
    candidate=0.4,
    champion=None,
    champion_version=None,
    slice_drop=None,
    latency_ms=1.0,
)


@dataclass
class Shop:
    """A pipeline, and the versions of its model."""

    folder: Path
    tracking: TrackingServer
    runs: list[str]
    pipeline: Pipeline = field(init=False)

    def __post_init__(self) -> None:
        self.pipeline = loader.load(self.folder)
        self.registry = Registry(self.tracking)
        self.ledger = Ledger(ledger_runs(self.tracking, self.pipeline.name))

    def identity(self, run_id: str) -> RunIdentity:
        return RunIdentity(dag_id=f"{self.pipeline.name}.train", run_id=run_id)

    def register(self, number: int) -> int:
        trained = training_runs(self.tracking, self.pipeline.name).open_run(self.runs[number])
        return self.registry.register(self.pipeline.name, trained)

    def promote(self, version: int, run_id: str, compared_with: int | None = None) -> dict[str, int | None]:
        return promotion.promote(
            self.pipeline.name,
            version,
            compared_with=compared_with,
            reason="requested",
            registry=self.registry,
            ledger=self.ledger,
            run=self.identity(run_id),
        ).to_json()

    @property
    def aliases(self) -> dict[str, int]:
        found = {str(alias): self.registry.version_of(self.pipeline.name, alias) for alias in Alias}
        return {name: version for name, version in found.items() if version is not None}

    @property
    def entries(self) -> list[tuple[Event, int | None, str]]:
        entries = self.ledger.entries()
        return [(entry.event, entry.version, entry.cause.split("/")[1]) for entry in entries]


def another_run(shop: Shop) -> RunLog:
    return training_runs(shop.tracking, shop.pipeline.name).open_run(training_run(shop.tracking))


@pytest.fixture(scope="module")
def runs(tracking: TrackingServer) -> list[str]:
    return [training_run(tracking) for _ in range(2)]


@pytest.fixture
def shop(tmp_path: Path, tracking: TrackingServer, runs: list[str]) -> Shop:
    return Shop(write_pipeline(tmp_path, f"orders_{uuid4().hex}"), tracking, runs)


def test_the_first_champion_has_no_previous(shop: Shop) -> None:
    assert shop.promote(shop.register(0), "r1") == {"champion": 1, "previous": None}
    assert (shop.aliases, shop.entries) == ({"champion": 1}, [(Event.PROMOTED, 1, "r1")])


def test_the_former_champion_becomes_the_previous(shop: Shop) -> None:
    shop.promote(shop.register(0), "r1")
    assert shop.promote(shop.register(1), "r2", 1) == {"champion": 2, "previous": 1}
    assert shop.aliases == {"champion": 2, "previous": 1}
    assert shop.entries == [(Event.PROMOTED, 2, "r2"), (Event.PROMOTED, 1, "r1")]


def test_promoting_twice_says_and_writes_the_same(shop: Shop) -> None:
    shop.promote(shop.register(0), "r1")
    version = shop.register(1)
    assert shop.promote(version, "r2", 1) == shop.promote(version, "r2", 1) == {"champion": 2, "previous": 1}
    assert shop.entries == [(Event.PROMOTED, 2, "r2"), (Event.PROMOTED, 1, "r1")]


def test_an_old_run_that_is_run_again_undoes_nothing(shop: Shop) -> None:
    shop.promote(shop.register(0), "r1")
    shop.promote(shop.register(1), "r2", 1)
    before = shop.entries
    assert shop.register(0) == 1
    assert shop.promote(1, "r1") == {"champion": 2, "previous": 1}
    assert (shop.aliases, shop.entries) == ({"champion": 2, "previous": 1}, before)


def test_a_roll_back_by_hand_is_not_undone(shop: Shop) -> None:
    shop.promote(shop.register(0), "r1")
    shop.promote(shop.register(1), "r2", 1)
    version = shop.registry.register(shop.pipeline.name, another_run(shop))
    shop.registry.set_alias(shop.pipeline.name, Alias.CHAMPION, 1)
    before = (shop.aliases, shop.entries)
    said = r"version 3 of .* is not promoted: the champion is version 1, and the gate compared with version 2"
    for _ in range(2):
        with pytest.raises(Conflict, match=said + r"\. Clear the task 'evaluate'"):
            shop.promote(version, "r3", 2)
    assert (shop.aliases, shop.entries) == before


def test_a_first_champion_of_another_run_is_not_replaced_unseen(shop: Shop) -> None:
    shop.promote(shop.register(0), "r1")
    with pytest.raises(Conflict, match="the champion is version 1, and the gate compared with none"):
        shop.promote(shop.register(1), "r2", None)


@pytest.mark.parametrize("effects", range(5))
def test_a_promotion_killed_between_any_two_effects_is_completed(shop: Shop, effects: int) -> None:
    """Effects: previous points, champion points, a line is begun, the line is ended, candidate goes."""
    shop.promote(shop.register(0), "r1")
    version = shop.register(1)
    with killed_after(effects) as done:
        shop.promote(version, "r2", 1)
    assert len(done) == effects
    assert shop.aliases["champion"] == (2 if effects >= 2 else 1)
    assert shop.promote(version, "r2", 1) == {"champion": 2, "previous": 1}
    assert shop.aliases == {"champion": 2, "previous": 1}
    assert shop.entries == [(Event.PROMOTED, 2, "r2"), (Event.PROMOTED, 1, "r1")]


def test_a_promotion_has_five_effects(shop: Shop) -> None:
    shop.promote(shop.register(0), "r1")
    version = shop.register(1)
    with killed_after(99) as done:
        shop.promote(version, "r2", 1)
    assert done == [
        "set_registered_model_alias",
        "set_registered_model_alias",
        "create_run",
        "set_terminated",
        "delete_registered_model_alias",
    ]


def test_a_rejection_has_one_line_and_leaves_the_aliases_alone(shop: Shop) -> None:
    shop.promote(shop.register(0), "r1")
    for _ in range(2):
        run = shop.identity("r2")
        verdict = promotion.evaluate_gate(shop.pipeline, SCORES, ledger=shop.ledger, run=run)
        assert (verdict.passed, verdict.reasons) == (False, ("roc_auc 0.4000 is below the minimum (0.5000)",))
    assert shop.entries == [(Event.REJECTED, None, "r2"), (Event.PROMOTED, 1, "r1")]
    assert shop.aliases == {"champion": 1}


def test_a_verdict_that_passes_writes_no_line(shop: Shop) -> None:
    good, run = SCORES.model_copy(update={"candidate": 0.9}), shop.identity("r1")
    assert promotion.evaluate_gate(shop.pipeline, good, ledger=shop.ledger, run=run).passed
    assert shop.entries == []
