"""`python -m include.platform.generate` (`make generate`): write the files that are generated from the code.

A test compares each of them with what this module would write.
"""

from __future__ import annotations

from pathlib import Path

from include.contract.schema import schema
from include.platform import job_contract
from include.platform.airflow_config import sections, variables
from include.settings import ROOT, Runtime, example


def airflow_env() -> str:
    """Return Airflow's common options as the `env_file` that Compose reads."""
    found = variables(sections(Runtime.DOCKER))
    head = "# Generated from include/platform/airflow_config.py by `make generate`; the reasons are there."
    return "\n".join([head, *(f"{name}={value}" for name, value in found.items()), ""])


GENERATED = {
    Path("include/pipelines/pipeline.schema.json"): schema,
    Path(".env.example"): example,
    Path("include/platform/compose/airflow.env"): airflow_env,
    Path("docs/job-contract.md"): job_contract.page,
}
"""Each generated file, relative to the project's folder, with what makes its content."""


def main() -> None:
    """Write every generated file."""
    for file, content in GENERATED.items():
        (ROOT / file).write_text(content())


if __name__ == "__main__":
    main()
