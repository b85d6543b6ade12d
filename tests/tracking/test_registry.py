"""Versions and aliases; and which stored models are unpacked."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import mlflow
import pytest
from sklearn.linear_model import LogisticRegression

from include.exceptions import Absent, BadData, Misconfigured, Unavailable
from include.tracking.registry import Alias, Registry
from include.tracking.runs import Experiment, RunLog
from include.tracking.server import TrackingServer
from tests.support.death import killed_after
from tests.support.lake import free_port
from tests.support.models import EXAMPLE, TARGET, training_run


@pytest.fixture
def registry(tracking: TrackingServer) -> Registry:
    return Registry(tracking)


@pytest.fixture
def name() -> str:
    """A model of the test's own."""
    return f"orders_{uuid4().hex}"


@pytest.fixture(scope="module")
def trained(tracking: TrackingServer) -> list[str]:
    """Two training runs that nobody changes."""
    return [training_run(tracking) for _ in range(2)]


def opened(registry: Registry, run_id: str) -> RunLog:
    return Experiment(registry.server, "models.train").open_run(run_id)


def aliases(registry: Registry, name: str) -> dict[str, int | None]:
    return {alias.value: registry.version_of(name, alias) for alias in Alias}


def versions(registry: Registry, name: str) -> list[int]:
    return sorted(int(found.version) for found in registry._client.search_model_versions(f"name = '{name}'"))


def test_a_training_run_has_one_version_however_often_it_is_registered(
    registry: Registry, name: str, trained: list[str]
) -> None:
    assert [registry.register(name, opened(registry, run)) for run in (*trained, *trained)] == [1, 2, 1, 2]
    assert versions(registry, name) == [1, 2]
    assert registry.get_version(name, 2).run_id == trained[1]


def test_a_registered_version_is_the_candidate_unless_it_is_the_champion(
    registry: Registry, name: str, trained: list[str]
) -> None:
    registry.register(name, opened(registry, trained[0]))
    assert aliases(registry, name) == {"candidate": 1, "champion": None, "previous": None}
    registry.set_alias(name, Alias.CHAMPION, 1)
    registry.delete_alias(name, Alias.CANDIDATE)
    registry.register(name, opened(registry, trained[0]))
    assert aliases(registry, name) == {"candidate": None, "champion": 1, "previous": None}


@pytest.mark.parametrize("effects", [1, 2, 3])
def test_a_registration_that_was_killed_is_completed(
    registry: Registry, name: str, trained: list[str], effects: int
) -> None:
    with killed_after(effects) as done:
        registry.register(name, opened(registry, trained[0]))
    assert len(done) == effects
    assert registry.register(name, opened(registry, trained[0])) == 1
    assert (versions(registry, name), registry.version_of(name, Alias.CANDIDATE)) == ([1], 1)


def test_what_is_not_there_is_none_or_absent(registry: Registry, name: str, trained: list[str]) -> None:
    assert registry.version_of(name, Alias.CHAMPION) is None
    registry.delete_alias(name, Alias.CANDIDATE)
    registry.register(name, opened(registry, trained[0]))
    assert registry.version_of(name, Alias.CHAMPION) is None
    with pytest.raises(Absent, match=f"there is no version 9 of model '{name}' in MLflow"):
        registry.get_version(name, 9)
    with pytest.raises(Absent, match="there is no run 'f00' in MLflow"):
        registry.register(name, opened(registry, "f00"))


def test_a_run_without_a_model_cannot_be_registered(registry: Registry, name: str) -> None:
    with Experiment(registry.server, "models.train").attempts(name).start(name="empty", tags={}) as run:
        pass
    with pytest.raises(Absent, match=f"run '{run.id}' of MLflow at .* stored no model; train again"):
        registry.register(name, run)
    assert versions(registry, name) == []


def test_a_registry_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    registry = Registry(TrackingServer(uri=f"http://127.0.0.1:{free_port()}"))
    for call in (
        lambda: registry.version_of("m", Alias.CHAMPION),
        lambda: registry.get_version("m", 1),
        lambda: registry.register("m", opened(registry, "r")),
        lambda: registry.set_alias("m", Alias.CHAMPION, 1),
        lambda: registry.delete_alias("m", Alias.CHAMPION),
        lambda: registry.load_model("m-1", []),
    ):
        with pytest.raises(Unavailable, match=f"'{registry.server.uri}' does not answer"):
            call()


class Trap(LogisticRegression):
    """An estimator that notes when it is unpacked, as harmful code in a stored model would run then."""

    unpacked: list[str] = []  # noqa: RUF012

    def __setstate__(self, state: Any) -> None:
        self.unpacked.append("unpacked")
        super().__setstate__(state)


TRAP = f"{Trap.__module__}.{Trap.__qualname__}"


def test_a_stored_model_answers_as_before_whichever_server_mlflow_thinks_of(
    registry: Registry, trained: list[str]
) -> None:
    mlflow.set_tracking_uri(f"http://127.0.0.1:{free_port()}")  # what the process had set before
    found = registry.load_model(opened(registry, trained[0]).model_id, [])
    expected = LogisticRegression().fit(EXAMPLE, TARGET).predict_proba(EXAMPLE)
    assert found.predict_proba(EXAMPLE).tolist() == expected.tolist()


def test_only_the_readers_own_list_opens_a_model_and_a_refused_one_is_never_unpacked(
    registry: Registry,
) -> None:
    """The model's own file lists the type as trusted: the author of the model wrote the list, too."""
    model = opened(registry, training_run(registry.server, Trap(), (TRAP,))).model_id
    Trap.unpacked.clear()
    with pytest.raises(Misconfigured, match=r"Trap.*Add a type to TRUSTED_TYPES") as caught:
        registry.load_model(model, [])
    assert TRAP in str(caught.value)
    assert Trap.unpacked == []
    registry.load_model(model, [TRAP])
    assert Trap.unpacked == ["unpacked"]


def test_nothing_is_stored_that_nobody_reviewed(registry: Registry) -> None:
    with pytest.raises(Misconfigured, match="Trap"):
        training_run(registry.server, Trap())


def test_a_damaged_model_is_bad_data(registry: Registry, trained: list[str]) -> None:
    model = opened(registry, trained[0]).model_id
    location = registry._client.get_logged_model(model).artifact_location
    file = Path(location.removeprefix("file://")) / "model.skops"
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    try:
        with pytest.raises(BadData, match=f"model '{model}' is damaged"):
            registry.load_model(model, [])
    finally:
        file.write_bytes(whole)


def test_a_model_whose_libraries_are_not_here_is_bad_data(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = opened(registry, training_run(registry.server, Trap(), (TRAP,))).model_id
    monkeypatch.delattr(sys.modules[__name__], "Trap")
    with pytest.raises(BadData, match=f"model '{model}' does not fit the libraries here .*train again"):
        registry.load_model(model, [TRAP])


def test_a_model_of_another_format_is_refused(registry: Registry) -> None:
    mlflow.set_tracking_uri(registry.server.uri)
    with (
        Experiment(registry.server, "models.train")
        .attempts(uuid4().hex)
        .start(name="pickled", tags={}) as run
    ):
        mlflow.sklearn.log_model(
            LogisticRegression().fit(EXAMPLE, TARGET),
            name="model",
            run_id=run.id,
            serialization_format="cloudpickle",
            pip_requirements=[],
        )
    with pytest.raises(Misconfigured, match=r"holds no model\.skops"):
        registry.load_model(opened(registry, run.id).model_id, [])
