"""When the scheduler turns again at once, and when it looks first."""

from __future__ import annotations

import inspect
from unittest.mock import MagicMock

import pytest
from airflow.executors.base_executor import BaseExecutor
from airflow.executors.local_executor import LocalExecutor
from airflow.jobs.job import Job
from airflow.jobs.scheduler_job_runner import SchedulerJobRunner
from airflow.models.dagrun import DagRun
from sqlalchemy.orm import Session

from millrace.components.scheduler import WakingScheduler
from millrace.components.work import Work


class Slots(BaseExecutor):
    """An executor by its free slots."""

    def __init__(self, free: int) -> None:
        super().__init__()
        self._free = free

    @property
    def slots_available(self) -> int:
        return self._free


class Scripted(WakingScheduler):
    """A scheduler without a database, whose turns do what `queued` and `ended` say."""

    def __init__(self) -> None:
        self.work = self._work = MagicMock(spec=Work, running_runs=1)
        self.queued = self.ended = 0
        self._last_change, self._turns_left, self._was_full = 0.0, 0, False
        self.job = MagicMock(spec=Job, max_tis_per_query=16)
        self.executors = [Slots(4)]


@pytest.fixture
def scheduler(monkeypatch: pytest.MonkeyPatch) -> Scripted:
    monkeypatch.setattr(SchedulerJobRunner, "_do_scheduling", lambda self, *_: self.queued)
    monkeypatch.setattr(SchedulerJobRunner, "_process_executor_events", lambda self, *_: self.ended)
    return Scripted()


def turn(scheduler: Scripted, *, queued: int = 0, ended: int = 0, new: bool = True) -> tuple[int, int]:
    scheduler.queued, scheduler.ended = queued, ended
    scheduler.work.remember.return_value = new
    executor, session = scheduler.executors[0], Session()
    return scheduler._do_scheduling(session), scheduler._process_executor_events(executor, session)


def test_one_turn_is_enough_for_a_change(scheduler: Scripted) -> None:
    assert turn(scheduler, queued=3, ended=2) == (0, 0)


def test_a_turn_that_queued_all_it_may_is_followed_at_once(scheduler: Scripted) -> None:
    assert turn(scheduler, queued=16) == (16, 0)


def test_a_slot_that_became_free_is_used_at_once(scheduler: Scripted) -> None:
    scheduler.executors = [Slots(0)]

    assert turn(scheduler, ended=1) == (0, 1)


def test_an_end_wakes_only_a_full_executor(scheduler: Scripted) -> None:
    executor = LocalExecutor(parallelism=1)
    executor.result_queue = MagicMock(empty=lambda: False)
    scheduler.executors = [executor]
    scheduler.work.is_new.return_value = False

    assert not scheduler._is_awaited()
    executor.running.add(MagicMock())
    assert scheduler._is_awaited()


def test_every_run_is_examined_after_a_change(scheduler: Scripted) -> None:
    scheduler.work.running_runs = 2 * DagRun.DEFAULT_DAGRUNS_TO_EXAMINE + 1

    follows = [turn(scheduler, new=new)[0] > 0 for new in (True, False, False)]

    assert follows == [True, True, False]


def test_airflow_still_uses_what_was_done_for_its_sleep_only() -> None:
    loop = inspect.getsource(SchedulerJobRunner._run_scheduler_loop)

    assert loop.count("self._scheduler_idle_sleep_time") == 1
    assert "time.sleep(min(self._scheduler_idle_sleep_time, next_event or 0))" in loop
    assert loop.count("num_queued_tis") == 2
    assert loop.count("num_finished_events") == 3
