"""The workflow calls the same verbs as everybody, and gives the contract a real lakeFS."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from include.settings import ROOT
from tests.support.contract import REAL


@pytest.fixture(scope="module")
def jobs() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / ".github/workflows/ci.yaml").read_text())["jobs"]
    return found


def test_its_steps_are_the_projects_own(jobs: dict[str, Any]) -> None:
    steps = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    ours = [step for step in steps if not step.startswith("curl ")]
    assert ours == [".ci/run", "make test ARGS=tests/embedded/lakefs/contract"]
    assert (ROOT / ".ci/run").stat().st_mode & 0o111
    assert (ROOT / "tests/embedded/lakefs/contract").is_dir()


def test_the_contract_finds_the_lakefs_that_the_job_starts(jobs: dict[str, Any]) -> None:
    job = jobs["lake-contract"]
    server = job["services"]["lakefs"]["env"]
    endpoint, access_key_id, secret_access_key = (job["env"][name] for name in REAL)
    assert endpoint == "http://127.0.0.1:8000"
    assert access_key_id == server["LAKEFS_INSTALLATION_ACCESS_KEY_ID"]
    assert secret_access_key == server["LAKEFS_INSTALLATION_SECRET_ACCESS_KEY"]
