"""How containers of a real engine end before their job does, and what is left of them."""

from __future__ import annotations

import gc
import re
import time
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowTaskTimeout
from airflow.sdk.execution_time.timeout import timeout

from include.exceptions import Misconfigured, Transient
from tests.support.engine import (
    ANSWER,
    DEPLOYMENT,
    Engine,
    beside,
    connect,
    train_task,
)

pytestmark = pytest.mark.docker

NEIGHBOUR = f"{DEPLOYMENT}-neighbour"
"""Another deployment on the same engine."""


@pytest.fixture(autouse=True)
def services(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections of services that no container here asks."""
    connect(monkeypatch, "secret")


def test_a_task_that_is_cleared_stops_its_container(engine: Engine, sleeper: str) -> None:
    found = train_task(sleeper, "cleared")
    with beside(found.run) as ended:
        engine.begun("cleared")
        found.operator.on_kill()
    assert type(ended[0]) is Transient
    assert str(ended[0]) == "the job's container was stopped from outside (exit code 143)"
    assert engine.containers("orders.stage/cleared/train") == []


@pytest.fixture
def broken_off() -> Iterator[None]:
    """For tasks that end between attach and start: the provider leaves the stream to the process's end."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.mark.usefixtures("broken_off")
@pytest.mark.parametrize("step", ["containers", "images", "create_container", "attach", "start"])
@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
def test_a_task_that_is_cleared_before_its_container_runs_never_starts_it(
    engine: Engine, sleeper: str, monkeypatch: pytest.MonkeyPatch, step: str, late: bool
) -> None:
    """Airflow's handler of SIGTERM calls `on_kill` in the same thread, and `execute` goes on."""
    found = train_task(sleeper, "early")
    client, asked = found.operator.hook.api_client, time.time()
    kill_at(monkeypatch, client, step, found.operator, late=late)
    with pytest.raises(Transient) as caught:
        found.run()
    began = engine.client.events(
        since=asked, until=time.time() + 1, decode=True, filters={"type": "container", "image": sleeper}
    )
    assert engine.containers("orders.stage/early/train") == []
    if (step, late) == ("start", True):  # it ran for a moment, and was stopped
        return
    assert "start" not in [event["Action"] for event in began]
    # Where it was made already it is taken away, and its start is refused by the engine.
    assert re.search(
        "from outside before its job began|No such container: .* from outside", str(caught.value)
    )


def test_a_pull_ends_with_its_task(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    found = train_task("millrace-none:1", "pulling")
    said = iter([{"status": "pulling"}] * 2)
    monkeypatch.setattr(found.operator.hook.api_client, "pull", lambda *_, **__: (line for line in said))
    kill_at(monkeypatch, found.operator.hook.api_client, "pull", found.operator, late=False)
    with pytest.raises(Transient, match="before its job began"):
        found.run()
    assert len(list(said)) == 1


def kill_at(monkeypatch: pytest.MonkeyPatch, client: Any, step: str, operator: Any, *, late: bool) -> None:
    """Stop the task right before or after a call of the engine's client."""
    call = getattr(client, step)

    def killed(*arguments: Any, **options: Any) -> Any:
        if late:
            answered = call(*arguments, **options)
        operator.on_kill()
        return answered if late else call(*arguments, **options)

    monkeypatch.setattr(client, step, killed)


def test_a_task_whose_time_is_over_leaves_no_container(engine: Engine, sleeper: str) -> None:
    found = train_task(sleeper, "late")
    started = time.monotonic()
    with pytest.raises(AirflowTaskTimeout), timeout(2):
        found.run()
    found.operator.on_kill()  # as Airflow does then
    assert time.monotonic() - started < 45
    assert engine.containers("orders.stage/late/train") == []


def test_a_container_that_does_not_listen_is_killed(engine: Engine) -> None:
    found = train_task(engine.script("trap '' TERM", "echo begun", "sleep 120"), "deaf")
    with beside(found.run) as ended:
        engine.begun("deaf")
        found.operator.on_kill()
    assert str(ended[0]) == "the job's container was stopped from outside (exit code 137)"


def test_a_new_try_ends_the_container_of_a_dead_worker(engine: Engine, sleeper: str) -> None:
    dead = train_task(sleeper, "again")
    with beside(dead.run) as ended:
        orphan = engine.begun("again")
        answer = train_task(engine.script(ANSWER), "again").run()
    assert answer["run_id"] == "r"
    assert type(ended[0]) is Transient
    assert [orphan.id in {one.id for one in engine.containers()}] == [False]


def test_beside_a_container_that_does_not_go_none_is_started(
    engine: Engine, sleeper: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = engine.left_over(sleeper, "orders.stage/stays/train", 0)
    found = train_task(sleeper, "stays")
    monkeypatch.setattr("millrace.runtimes.docker.operator._GONE_SECONDS", 0.3)
    for step in ("stop", "remove_container"):  # as where its storage hangs
        monkeypatch.setattr(found.operator.hook.api_client, step, lambda *_, **__: None)
    with pytest.raises(
        Transient, match=f"{left.id[:12]} of an earlier try cannot be removed .* so no other is started"
    ):
        found.run()
    assert [one.id for one in engine.containers("orders.stage/stays/train")] == [left.id]


@pytest.mark.usefixtures("broken_off")
@pytest.mark.parametrize("step", ["attach", "wait", "inspect_container"])
def test_a_container_that_somebody_removed_is_run_again(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    found = train_task(engine.script("exit 70"), "gone")
    client = found.operator.hook.api_client
    call = getattr(client, step)

    def removed(container: str, *arguments: Any, **options: Any) -> Any:
        engine.client.api.remove_container(found.operator.container["Id"], force=True)
        return call(container, *arguments, **options)

    monkeypatch.setattr(client, step, removed)
    with pytest.raises(Transient) as caught:
        found.run()
    assert type(caught.value) is Transient
    gone = f"404: No such container: {found.operator.container['Id']}; it was removed from outside"
    assert str(caught.value) == f"the Docker engine at {found.operator.docker_url!r} answered {gone}"


def test_what_outlived_its_task_is_removed_and_what_has_time_left_is_not(
    engine: Engine, sleeper: str
) -> None:
    now = int(time.time())
    old, young = (engine.left_over(sleeper, f"{over}", over) for over in (now - 60, now + 600))
    train_task(engine.script(ANSWER), "sweeper").run()
    left = {found.id for found in engine.containers()}
    assert (old.id in left, young.id in left) == (False, True)


def test_what_another_deployment_left_is_its_own(engine: Engine, sleeper: str) -> None:
    old = engine.left_over(sleeper, "orders.stage/neighbour/train", int(time.time()) - 60, NEIGHBOUR)
    train_task(engine.script(ANSWER), "neighbour").run()
    old.reload()
    assert old.status == "running"


def test_the_same_run_of_two_deployments_runs_twice_on_one_engine(engine: Engine, sleeper: str) -> None:
    other = train_task(sleeper, "twice", deployment=NEIGHBOUR)
    mine = train_task(sleeper, "twice")
    with beside(other.run) as others, beside(mine.run) as ended:
        engine.begun("twice")
        mine.operator.on_kill()
        answer = train_task(engine.script(ANSWER), "twice").run()
        assert others == []
        other.operator.on_kill()
    assert answer["run_id"] == "r"
    assert [type(one) for one in (*others, *ended)] == [Transient, Transient]


def test_a_deployment_without_a_name_is_told_so(sleeper: str) -> None:
    with pytest.raises(
        Misconfigured, match=r"MILLRACE_DEPLOYMENT is '': .* set it, .* to a name that no other"
    ):
        train_task(sleeper, deployment="").run()


def test_two_tasks_may_remove_the_same_leftover(engine: Engine, sleeper: str) -> None:
    for _ in range(3):
        engine.left_over(sleeper, "old", int(time.time()) - 60)
    image = engine.script(ANSWER)
    with beside(train_task(image, "one").run) as ended:
        answer = train_task(image, "two").run()
    assert ended == [answer]
    assert engine.containers("old") == []
