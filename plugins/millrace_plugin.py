"""Register Millrace with Airflow's plugin loader."""

from __future__ import annotations

from typing import Any

from airflow.plugins_manager import AirflowPlugin

from millrace.ui.links import BranchLink, CommitLink, ObjectLink, ReportLink


async def _webhook(scope: Any, receive: Any, send: Any) -> None:
    """Serve lakeFS webhooks; imported at the first request, because every Airflow process loads plugins."""
    from millrace.ui.lakefs_webhook import app

    await app(scope, receive, send)


class MillracePlugin(AirflowPlugin):
    """Links that the web UI shows on Millrace's tasks, and the endpoint of lakeFS's webhooks."""

    name = "millrace"
    operator_extra_links = [ReportLink(), CommitLink(), BranchLink(), ObjectLink()]  # noqa: RUF012 - Airflow's
    fastapi_apps = [{"name": "Millrace", "app": _webhook, "url_prefix": "/millrace"}]  # noqa: RUF012
