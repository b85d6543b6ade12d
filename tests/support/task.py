"""A task as Airflow's runner runs it, without the runner: its context, its templates, its XComs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from airflow.sdk import BaseOperator
from airflow.sdk.execution_time.context import OutletEventAccessors

NIGHT = datetime(2024, 3, 31, 2, tzinfo=UTC)


@dataclass
class Task:
    """One try of a task; `xcoms` holds what others left, by task and key, and takes what it leaves."""

    operator: Any
    run_id: str = "r1"
    dag_id: str = "orders.stage"
    params: dict[str, Any] = field(default_factory=dict)
    user: str | None = None
    xcoms: dict[tuple[str, str], Any] = field(default_factory=dict)
    try_number: int = 1
    map_index: int = -1
    dag_runs: dict[tuple[str, str], str] = field(default_factory=dict)
    """The runs that Airflow knows: the state of each, by DAG and run."""
    events: OutletEventAccessors = field(default_factory=OutletEventAccessors)
    start_date: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def context(self) -> Any:
        dag_run = SimpleNamespace(
            dag_id=self.dag_id,
            run_id=self.run_id,
            run_type="manual",
            data_interval_start=None,
            data_interval_end=None,
            logical_date=None,
            run_after=NIGHT,
            triggering_user_name=self.user,
        )
        return {
            "dag": None,
            "dag_run": dag_run,
            "run_id": self.run_id,
            "params": self.params,
            "task": self.operator,
            "ti": self,
            "task_instance": self,
            "outlet_events": self.events,
        }

    def run(self) -> Any:
        """What the task returns, its templates rendered first."""
        self.operator.render_template_fields(self.context)
        return self.operator.execute(self.context)

    # What tasks ask of their task instance.

    @property
    def task_id(self) -> str:
        return str(self.operator.task_id)

    def xcom_push(self, key: str, value: Any) -> None:
        self.xcoms[self.operator.task_id, key] = value

    def xcom_pull(self, task_ids: str | Iterable[str], key: str = "return_value") -> Any:
        if isinstance(task_ids, str):
            return self.xcoms.get((task_ids, key))
        return [self.xcoms.get((task_id, key)) for task_id in task_ids]

    def get_dr_count(self, dag_id: str, run_ids: list[str], states: list[str] | None = None) -> int:
        found = (self.dag_runs.get((dag_id, run_id)) for run_id in run_ids)
        return sum(state is not None and (states is None or state in states) for state in found)

    def get_first_reschedule_date(self, context: Any) -> datetime | None:
        return None


def run(operator: BaseOperator, run_id: str = "r1", **results: Any) -> Any:
    """What an operator returns; `results` are what tasks before it returned."""
    found = {(task_id, "return_value"): result for task_id, result in results.items()}
    return Task(operator, run_id, xcoms=found).run()
