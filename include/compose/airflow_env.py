"""Write `include/compose/airflow.env`: the settings that Airflow has everywhere, for Compose to read.

They are the tables of include/tuning.py; `make schema` runs this, and a test holds the file against them.
"""

from __future__ import annotations

from include import tuning
from include.settings import ROOT
from include.spec import Runtime

FILE = ROOT / "include/compose/airflow.env"


def text() -> str:
    """The content of the file."""
    found = tuning.variables(tuning.sections(Runtime.DOCKER))
    lines = [f"{name}={value}" for name, value in found.items()]
    return "\n".join(
        ["# Made from include/tuning.py by `make schema`, where each line has its reason.", *lines, ""]
    )


if __name__ == "__main__":
    FILE.write_text(text())
