"""What Airflow's plugin loader sees of Millrace."""

from __future__ import annotations

from typing import Any

from airflow.plugins_manager import AirflowPlugin

from millrace.ui.links import BranchLink, CommitLink, ObjectLink, ReportLink


async def _webhook(scope: Any, receive: Any, send: Any) -> None:
    """The API server's part, imported at its first request: the other processes load plugins, too."""
    from millrace.ui.lakefs_webhook import app

    await app(scope, receive, send)


class MillracePlugin(AirflowPlugin):
    """Registers the links that the web UI shows on Millrace's tasks, and the way in for lakeFS's webhooks."""

    name = "millrace"
    operator_extra_links = [ReportLink(), CommitLink(), BranchLink(), ObjectLink()]  # noqa: RUF012 - Airflow's
    fastapi_apps = [{"name": "Millrace", "app": _webhook, "url_prefix": "/millrace"}]  # noqa: RUF012
