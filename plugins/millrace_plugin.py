"""What Airflow's plugin loader sees of Millrace."""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin

from millrace.links import ReportLink


class MillracePlugin(AirflowPlugin):
    """Registers the links that the web UI shows on Millrace's tasks."""

    name = "millrace"
    operator_extra_links = [ReportLink()]  # noqa: RUF012 - Airflow's interface
