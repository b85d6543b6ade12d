"""Inside a container: whether Airflow's API says that one of its parts is well. Python's own library only.

`airflow jobs check` would say the same after importing all of Airflow, twice a minute in each container.
"""

from __future__ import annotations

import json
import sys
import urllib.request

URL = "http://airflow-api-server:8080/api/v2/monitor/health"


def state(part: str, url: str = URL) -> str:
    """What the API says of a part (`scheduler`, `dag_processor`, `triggerer`)."""
    with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - our own address
        return str((json.load(answer).get(part) or {}).get("status"))


if __name__ == "__main__":
    found = state(sys.argv[1])
    sys.exit(None if found == "healthy" else f"{sys.argv[1]} is {found}")
