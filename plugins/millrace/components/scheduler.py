"""`python -m millrace.components.scheduler`: Airflow's scheduler that turns when there is work.

Airflow's own sleeps a fixed time between two turns: a short one costs a fifth of a core for nothing, a long
one delays each step of a run. While it does something it does not sleep at all, and takes several turns for
each task. This one looks many times a second whether its work has changed, which takes 0.3 ms, and
turns once for a change. What it does not look at (a cron, a retry that comes due, a DAG that is unpaused,
a task process that died) waits for the next turn, a second at most, as in an Airflow that nobody has tuned.
"""

from __future__ import annotations

import gc
import multiprocessing
import sys
import time
from typing import Any

from airflow import settings
from airflow.__main__ import main as airflow
from airflow.cli.commands import scheduler_command
from airflow.executors.base_executor import BaseExecutor
from airflow.executors.local_executor import LocalExecutor
from airflow.jobs.scheduler_job_runner import SchedulerJobRunner
from airflow.models.dagrun import DagRun
from sqlalchemy.orm import Session

from millrace.components.work import Work

# Each step of a run waits for the first, an idle machine pays for the second.
_LOOK_SECONDS = 0.01
_IDLE_LOOK_SECONDS = 0.05
_IDLE_AFTER_SECONDS = 5.0
_LONGEST_SECONDS = 1.0


class WakingScheduler(SchedulerJobRunner):
    """The scheduler, woken by work."""

    def __init__(self, **options: Any) -> None:
        self._work = Work(settings.get_engine())
        self._last_change = 0.0
        self._turns_left = 0
        self._was_full = False
        super().__init__(**options)
        # Before the scheduler says that it is there: the first task would wait for the imports else.
        _start_fork_server()

    @property
    def _scheduler_idle_sleep_time(self) -> float:
        """Wait for work, then return no time to sleep.

        The loop reads this where it would sleep, after a turn that found nothing to do.
        """
        now = time.monotonic()
        deadline = now + _LONGEST_SECONDS
        is_idle = now - self._last_change > _IDLE_AFTER_SECONDS
        while not self._is_awaited() and time.monotonic() < deadline:
            time.sleep(_IDLE_LOOK_SECONDS if is_idle else _LOOK_SECONDS)
        return 0.0

    @_scheduler_idle_sleep_time.setter
    def _scheduler_idle_sleep_time(self, _: float) -> None:
        """Ignore the fixed time that Airflow's constructor sets."""

    def _run_scheduler_loop(self) -> None:
        for executor in self._local_executors:
            # Airflow starts them with the first tasks, one a turn, unless they are forked from the scheduler.
            while not executor.is_mp_using_fork and len(executor.workers) < executor.parallelism:
                executor._spawn_worker()
        # What is there stays: a collection would walk over all of it, in the middle of a turn.
        gc.collect()
        gc.freeze()
        super()._run_scheduler_loop()

    def _do_scheduling(self, session: Session) -> int:
        """Take one turn; return a number above 0 if the next has to follow at once."""
        # Before the turn, not after: what is written while it goes on then counts as new.
        if self._work.remember():
            self._last_change = time.monotonic()
            # A turn examines so many runs, those first that have waited longest.
            self._turns_left = self._work.running_runs // DagRun.DEFAULT_DAGRUNS_TO_EXAMINE
        else:
            self._turns_left = max(0, self._turns_left - 1)
        was_full = self._is_full
        queued = super()._do_scheduling(session)
        self._was_full = was_full or self._is_full
        # With fewer than it may queue in a turn, none is left that can run.
        may_be_more = 0 < self.job.max_tis_per_query <= queued
        return self._turns_left + (queued if may_be_more else 0)

    def _process_executor_events(self, executor: BaseExecutor, session: Session) -> int:
        """Process what ended; return a number above 0 if the next turn has to follow at once."""
        ended = super()._process_executor_events(executor, session)
        # A slot is free again for what was left in this turn; else the look notices what the ends changed.
        return ended if self._was_full else 0

    def _is_awaited(self) -> bool:
        slot_is_free = self._is_full and any(not one.result_queue.empty() for one in self._local_executors)
        return slot_is_free or self._work.is_new()

    @property
    def _is_full(self) -> bool:
        return any(executor.slots_available <= 0 for executor in self.executors)

    @property
    def _local_executors(self) -> list[LocalExecutor]:
        return [one for one in self.executors if isinstance(one, LocalExecutor)]


def _start_fork_server() -> None:
    """Start the server that workers are forked from, and wait until it has imported what they use."""
    if multiprocessing.get_start_method() == "forkserver":
        first = multiprocessing.Process(target=int)
        first.start()
        first.join()


def main() -> None:
    """Run `airflow scheduler` with this scheduler."""
    # The command has no option for it. Drop once Airflow's own scheduler waits for events.
    vars(scheduler_command)["SchedulerJobRunner"] = WakingScheduler
    sys.argv = ["airflow", "scheduler", "--skip-serve-logs"]
    airflow()


if __name__ == "__main__":
    main()
