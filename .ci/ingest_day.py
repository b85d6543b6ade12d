"""Ingest one day of `flights` by Airflow's REST API, and wait until the run has succeeded.

Usage: `python .ci/ingest_day.py URL`, with the password of the user `admin` in AIRFLOW_PASSWORD.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from include.exceptions import MillraceError
from include.platform.demo.airflow import Airflow

DAG, DAY = "flights.ingest", "2013-01-01"


def main(url: str) -> str | None:
    """Ingest the day; return the reason if it failed, else None."""
    airflow = Airflow(url, "admin", os.environ["AIRFLOW_PASSWORD"])
    try:
        airflow.wait_for_dag(DAG, timeout=300)
        airflow.run(DAG, "ci", {"start": DAY, "end": DAY})
    except MillraceError as error:
        return str(error)
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
