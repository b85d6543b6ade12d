"""What the DAGs of dags/examples share: they are shown only where a setting asks for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from airflow.sdk import DAG, Asset
from jinja2 import pass_context

from include.settings import settings
from millrace.dags import retries
from millrace.hooks.lakefs import LakeFSHook
from millrace.run import identity

REPOSITORY = "flights"


def example_dag(name: str, *, doc: str, asset: Callable[[], Asset] | None = None) -> Iterator[DAG]:
    """Yield the DAG `example.<name>`, entered; nothing if `MILLRACE_AIRFLOW_EXAMPLES` is off.

    `asset` makes the asset that schedules it, so that a DAG which is not shown costs no imports.
    """
    if not settings().airflow.examples:
        return
    arguments = retries.default_args(owner="examples", delay=settings().airflow.retry_delay)
    with DAG(
        dag_id=f"example.{name}",
        description=doc.splitlines()[0],
        doc_md=doc,
        schedule=[asset()] if asset else None,
        catchup=False,
        max_active_runs=4,
        is_paused_upon_creation=False,
        default_args=arguments | {"repository": REPOSITORY, "lakefs_conn_id": LakeFSHook.default_conn_name},
        tags=["example", name],
        user_defined_macros={"run_hash": _run_hash},
    ) as dag:
        yield dag


@pass_context
def _run_hash(context: Any) -> str:
    return identity(context).short_hash
