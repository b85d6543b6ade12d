"""One champion and one line, wherever a promotion was killed and however often it is run."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import pytest

from include.contract import loader
from include.contract.pipeline import Pipeline
from include.governance import promotion
from include.governance.ledger import Event, Ledger
from include.run_identity import RunIdentity
from include.tracking.registry import Alias, Registry
from tests.support.death import killed_after
from tests.support.models import training_run
from tests.support.pipeline import write_pipeline

SCORES = {
    "training_run": "run",
    "metric": "roc_auc",
    "rows": 600,
    "candidate": 0.4,
    "champion": None,
    "champion_version": None,
    "slice_drop": None,
    "latency_ms": 1.0,
}


@dataclass
class Shop:
    """A pipeline, and the versions of its model."""

    folder: Path
    uri: str
    runs: list[str]
    spec: Pipeline = field(init=False)

    def __post_init__(self) -> None:
        self.spec = loader.load(self.folder)

    def identity(self, run_id: str) -> RunIdentity:
        return RunIdentity(dag_id=f"{self.spec.name}.train", run_id=run_id)

    def register(self, number: int) -> int:
        return promotion.register(self.spec, self.runs[number], tracking_uri=self.uri)

    def promote(self, version: int, run_id: str) -> dict[str, int | None]:
        run = self.identity(run_id)
        return promotion.promote(self.spec, version, reason="asked", tracking_uri=self.uri, run=run)

    @property
    def aliases(self) -> dict[str, int]:
        found = {str(alias): Registry(self.uri).version_of(self.spec.name, alias) for alias in Alias}
        return {name: version for name, version in found.items() if version is not None}

    @property
    def ledger(self) -> list[tuple[Event, int | None, str]]:
        lines = Ledger(self.uri, self.spec.name).lines()
        return [(line.event, line.version, line.cause.split("/")[1]) for line in lines]


@pytest.fixture(scope="module")
def runs(tracking_uri: str) -> list[str]:
    return [training_run(tracking_uri) for _ in range(2)]


@pytest.fixture
def shop(tmp_path: Path, tracking_uri: str, runs: list[str]) -> Shop:
    return Shop(write_pipeline(tmp_path, f"orders_{uuid4().hex}"), tracking_uri, runs)


def test_the_first_champion_has_no_previous(shop: Shop) -> None:
    assert shop.promote(shop.register(0), "r1") == {"champion": 1, "previous": None}
    assert (shop.aliases, shop.ledger) == ({"champion": 1}, [(Event.PROMOTED, 1, "r1")])


def test_the_former_champion_becomes_the_previous(shop: Shop) -> None:
    shop.promote(shop.register(0), "r1")
    assert shop.promote(shop.register(1), "r2") == {"champion": 2, "previous": 1}
    assert shop.aliases == {"champion": 2, "previous": 1}
    assert shop.ledger == [(Event.PROMOTED, 2, "r2"), (Event.PROMOTED, 1, "r1")]


def test_promoting_twice_says_and_writes_the_same(shop: Shop) -> None:
    shop.promote(shop.register(0), "r1")
    version = shop.register(1)
    assert shop.promote(version, "r2") == shop.promote(version, "r2") == {"champion": 2, "previous": 1}
    assert shop.ledger == [(Event.PROMOTED, 2, "r2"), (Event.PROMOTED, 1, "r1")]


def test_an_old_run_that_is_run_again_undoes_nothing(shop: Shop) -> None:
    shop.promote(shop.register(0), "r1")
    shop.promote(shop.register(1), "r2")
    before = shop.ledger
    assert shop.register(0) == 1
    assert shop.promote(1, "r1") == {"champion": 2, "previous": 1}
    assert (shop.aliases, shop.ledger) == ({"champion": 2, "previous": 1}, before)


@pytest.mark.parametrize("effects", range(5))
def test_a_promotion_killed_between_any_two_effects_is_completed(shop: Shop, effects: int) -> None:
    """Effects: previous points, champion points, a line is begun, the line is ended, candidate goes."""
    shop.promote(shop.register(0), "r1")
    version = shop.register(1)
    with killed_after(effects) as done:
        shop.promote(version, "r2")
    assert len(done) == effects
    assert shop.aliases["champion"] == (2 if effects >= 2 else 1)
    assert shop.promote(version, "r2") == {"champion": 2, "previous": 1}
    assert shop.aliases == {"champion": 2, "previous": 1}
    assert shop.ledger == [(Event.PROMOTED, 2, "r2"), (Event.PROMOTED, 1, "r1")]


def test_a_promotion_has_five_effects(shop: Shop) -> None:
    shop.promote(shop.register(0), "r1")
    version = shop.register(1)
    with killed_after(99) as done:
        shop.promote(version, "r2")
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
        verdict = promotion.evaluate_gate(shop.spec, SCORES, tracking_uri=shop.uri, run=run)
        assert (verdict.passed, verdict.reasons) == (False, ("roc_auc 0.4000 is below the minimum (0.5000)",))
    assert shop.ledger == [(Event.REJECTED, None, "r2"), (Event.PROMOTED, 1, "r1")]
    assert shop.aliases == {"champion": 1}


def test_a_verdict_that_passes_writes_no_line(shop: Shop) -> None:
    good, run = {**SCORES, "candidate": 0.9}, shop.identity("r1")
    assert promotion.evaluate_gate(shop.spec, good, tracking_uri=shop.uri, run=run).passed
    assert shop.ledger == []
