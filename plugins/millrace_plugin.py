"""Registration of Millrace with Airflow's plugin manager."""

from __future__ import annotations

from typing import Any

from airflow.plugins_manager import AirflowPlugin

from millrace import asset_queue
from millrace.dags.timetable import DayTimetable
from millrace.ui.links import BranchLink, CommitLink, ObjectLink, ReportLink


async def _webhook(scope: Any, receive: Any, send: Any) -> None:
    """Import the webhook at its first request: every Airflow process loads plugins, only one serves it."""
    from millrace.ui.lakefs_webhook import app

    await app(scope, receive, send)


class MillracePlugin(AirflowPlugin):
    """Links on tasks in the web UI, the route of lakeFS's webhooks, the schedule, the queue of commits."""

    name = "millrace"
    operator_extra_links = [ReportLink(), CommitLink(), BranchLink(), ObjectLink()]  # noqa: RUF012 - declared by AirflowPlugin
    timetables = [DayTimetable]  # noqa: RUF012
    fastapi_apps = [{"name": "Millrace", "app": _webhook, "url_prefix": "/millrace"}]  # noqa: RUF012

    @classmethod
    def on_load(cls, *_: Any, **__: Any) -> None:
        """Keep the queue in every process that loads plugins, as some of them store events."""
        asset_queue.install()
