"""`python -m millrace.components.scheduler`: Airflow's scheduler that turns when there is work.

Airflow's own sleeps a fixed time between two turns: a short one costs a fifth of a core for nothing, a long
one delays each step of a run. This one looks many times a second whether its work has changed, which takes
half a millisecond, and turns at once when it has. What it does not look at (a cron, a retry that comes due, a
DAG that is unpaused) waits for the next turn, a second at most, as in an Airflow that nobody has tuned.
"""

from __future__ import annotations

import multiprocessing
import sys
import time
from typing import Any

from airflow import settings
from airflow.__main__ import main as airflow
from airflow.cli.commands import scheduler_command
from airflow.executors.local_executor import LocalExecutor
from airflow.jobs.scheduler_job_runner import SchedulerJobRunner
from sqlalchemy.orm import Session

from millrace.components.work import Work

_LOOK_SECONDS = 0.05
_LONGEST_SECONDS = 1.0


class WakingScheduler(SchedulerJobRunner):
    """The scheduler, woken by work."""

    def __init__(self, **options: Any) -> None:
        self._work = Work(settings.get_engine())
        super().__init__(**options)
        # Before the scheduler says that it is there: the first task would wait for the imports else.
        _start_fork_server()

    @property
    def _scheduler_idle_sleep_time(self) -> float:
        """Wait for work, then return no time to sleep.

        The loop reads this where it would sleep, after a turn that found nothing to do.
        """
        deadline = time.monotonic() + _LONGEST_SECONDS
        while not self._is_awaited() and time.monotonic() < deadline:
            time.sleep(_LOOK_SECONDS)
        return 0.0

    @_scheduler_idle_sleep_time.setter
    def _scheduler_idle_sleep_time(self, _: float) -> None:
        """Ignore the fixed time that Airflow's constructor sets."""

    def _run_scheduler_loop(self) -> None:
        for executor in self._local_executors:
            # Airflow starts them with the first tasks, one a turn, unless they are forked from the scheduler.
            while not executor.is_mp_using_fork and len(executor.workers) < executor.parallelism:
                executor._spawn_worker()
        super()._run_scheduler_loop()

    def _do_scheduling(self, session: Session) -> int:
        # Before the turn, not after: what is written while it goes on then counts as new.
        self._work.remember()
        return super()._do_scheduling(session)

    def _is_awaited(self) -> bool:
        ended = any(not executor.result_queue.empty() for executor in self._local_executors)
        return ended or self._work.is_new()

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
