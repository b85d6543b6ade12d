"""The owner of an MLflow run: the Airflow run, and the try of its task, that the run was made for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from include.tracking.tags import Tag


@dataclass(frozen=True, kw_only=True)
class Owner:
    """An Airflow run and a try of one of its tasks; `try_number` is 0 where the MLflow run names none."""

    dag_id: str
    run_id: str
    try_number: int

    @classmethod
    def of(cls, tags: Mapping[str, str]) -> Owner:
        """Return the owner that a run's tags name: who decided or validated, else the first of its key."""
        if by := tags.get(Tag.BY):
            dag_id, _, run_id = by.partition("/")
        else:
            dag_id, run_id, *_ = (*tags.get(Tag.RUN_KEY, "").split("/"), "", "")
        number = tags.get(Tag.TRY, "")
        return cls(dag_id=dag_id, run_id=run_id, try_number=int(number) if number.isdecimal() else 0)

    def succeeds(self, other: Owner) -> bool:
        """Return whether this is a later try of the same Airflow run; never where a try is not known."""
        same_run = (self.dag_id, self.run_id) == (other.dag_id, other.run_id)
        return same_run and self.try_number > other.try_number > 0
