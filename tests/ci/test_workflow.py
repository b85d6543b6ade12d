"""Workflows call the same verbs as everybody, with rights and time as small as they can be."""

from __future__ import annotations

import json
import os
import re
from typing import Any

import pytest
import yaml

from include.settings import ROOT
from tests.support.contract import REAL

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yaml"))
CI, RELEASE = (ROOT / ".github/workflows" / name for name in ("ci.yaml", "release.yaml"))
STEPS = {
    CI: {
        "lint": ["make lint"],
        "everything": [".ci/run"],
        "images": ["make images"],
        "docker": [
            "make images",
            'make test ARGS="-m docker"',
            'make demo ARGS="--from 2013-04-24"',
            "python3 .ci/check_demo.py var/demo/summary.json",
        ],
        "kubernetes": [
            "make images",
            '.ci/kind up >> "$GITHUB_ENV"',
            'make test ARGS="-m kubernetes"',
            'make demo ARGS="--from 2013-04-24"',
            "python3 .ci/check_demo.py var/demo/summary.json",
        ],
        "chart": ['.ci/airflow-chart >> "$GITHUB_ENV"', "make test ARGS=tests/kubernetes"],
        "lake-contract": ["make test ARGS=tests/embedded/lakefs/contract"],
    },
    RELEASE: {
        "notes": ['.ci/release-notes "$GITHUB_REF_NAME"'],
        "images": ["make images", '.ci/publish "$IMAGES" "ghcr.io/$GITHUB_REPOSITORY" >> "$GITHUB_OUTPUT"'],
        "release": [
            '.ci/release-notes "$GITHUB_REF_NAME" | '
            'gh release create "$GITHUB_REF_NAME" --verify-tag --notes-file -'
        ],
    },
}
# What no verb of ours does: waiting for a service, logging in, signing.
FOREIGN = ("curl ", "printf %s ", "cosign ")


def jobs(file: Any) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(file.read_text())["jobs"]
    return found


def runs(job: dict[str, Any]) -> list[str]:
    return [step["run"] for step in job["steps"] if "run" in step]


def test_every_workflow_is_in_the_table() -> None:
    assert list(STEPS) == WORKFLOWS


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_its_steps_are_the_projects_own(file: Any) -> None:
    ours = {
        name: [step for step in runs(job) if not step.startswith(FOREIGN)] for name, job in jobs(file).items()
    }
    assert ours == STEPS[file]


@pytest.mark.parametrize("file", [*WORKFLOWS, *map(ROOT.joinpath, (".ci/gitlab-ci.yaml", ".ci/Jenkinsfile"))])
def test_what_it_calls_exists(file: Any) -> None:
    text = file.read_text()
    verbs = set(re.findall(r"(?:- run: |script: \[|sh ')make ([a-z-]+)", text))
    scripts = set(re.findall(r"(?<![\w/])\.ci/[\w-]+(?=[ \n'\]])", text)) - {
        ".ci/gitlab-ci",
        ".ci/Jenkinsfile",
    }
    assert verbs <= set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert verbs | scripts
    assert [name for name in scripts if not os.access(ROOT / name, os.X_OK)] == []
    for path in re.findall(r"ARGS=\"?([\w/]+)", text):
        assert (ROOT / path).is_dir()


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_an_action_is_a_commit_with_its_version_beside_it(file: Any) -> None:
    used = re.findall(r"uses: (.+)", file.read_text())
    assert used
    assert [one for one in used if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v[\d.]+", one)] == []


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_a_job_ends_and_may_write_only_what_it_says(file: Any) -> None:
    whole = yaml.safe_load(file.read_text())
    assert whole["permissions"] in ({}, {"contents": "read"})
    assert "concurrency" in whole
    for job in whole["jobs"].values():
        assert job["timeout-minutes"] <= 90
        for step in job["steps"]:
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False


def test_who_may_write() -> None:
    found = {
        (file.stem, name): {what for what, how in job.get("permissions", {}).items() if how == "write"}
        for file in WORKFLOWS
        for name, job in jobs(file).items()
    }
    assert {key: rights for key, rights in found.items() if rights} == {
        ("release", "images"): {"packages", "id-token", "attestations"},
        ("release", "release"): {"contents"},
    }


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_every_image_is_built(file: Any) -> None:
    there = {folder.parent.name for folder in (ROOT / "include/images").glob("*/Dockerfile")}
    assert set(jobs(file)["images"]["strategy"]["matrix"]["image"]) == there


def test_the_contract_finds_the_lakefs_that_the_job_starts() -> None:
    job = jobs(CI)["lake-contract"]
    server = job["services"]["lakefs"]["env"]
    endpoint, access_key_id, secret_access_key = (job["env"][name] for name in REAL)
    assert endpoint == "http://127.0.0.1:8000"
    assert access_key_id == server["LAKEFS_INSTALLATION_ACCESS_KEY_ID"]
    assert secret_access_key == server["LAKEFS_INSTALLATION_SECRET_ACCESS_KEY"]


def test_the_contract_is_asked_of_the_lakefs_that_is_deployed() -> None:
    files = (CI, ROOT / "include/kubernetes/base/lakefs.yaml", ROOT / "docker-compose.yaml")
    told = [re.findall(r"treeverse/lakefs:[\w.@:-]+", file.read_text()) for file in files]
    assert all(told)
    assert len({image for images in told for image in images}) == 1


def test_others_call_the_same_two() -> None:
    gitlab = yaml.safe_load((ROOT / ".ci/gitlab-ci.yaml").read_text())
    assert [gitlab[name]["script"] for name in ("lint", "everything")] == [["make lint"], [".ci/run"]]
    jenkins = (ROOT / ".ci/Jenkinsfile").read_text()
    assert re.findall(r"sh '(.*)'", jenkins) == ["make lint", ".ci/run"]


def test_no_new_major_of_postgresql_is_proposed() -> None:
    rules = json.loads((ROOT / ".github/renovate.json").read_text())["packageRules"]
    (rule,) = (one for one in rules if "postgres" in one["matchPackageNames"])
    image = yaml.safe_load((ROOT / "docker-compose.yaml").read_text())["services"]["postgres"]["image"]
    assert image.partition(":")[0] == "postgres"
    assert (rule["matchDatasources"], rule["matchUpdateTypes"], rule["enabled"]) == (
        ["docker"],
        ["major"],
        False,
    )
