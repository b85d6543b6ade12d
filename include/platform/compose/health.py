"""Health check of Airflow's parts, from Airflow's API; runs inside their containers.

It needs Python's standard library only: `airflow jobs check` would import all of Airflow, twice a minute in
each container.
"""

from __future__ import annotations

import json
import sys
import urllib.request

URL = "http://airflow-api-server:8080/api/v2/monitor/health"


def state(part: str, url: str = URL) -> str:
    """Return the status of a part (`scheduler`, `dag_processor`, `triggerer`), such as `healthy`."""
    with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - our own address
        return str((json.load(answer).get(part) or {}).get("status"))


if __name__ == "__main__":
    status = state(sys.argv[1])
    sys.exit(None if status == "healthy" else f"{sys.argv[1]} is {status}")
