"""Workflows call the same verbs as everybody, with rights and time as small as they can be."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
import yaml

from include.settings import ROOT, Runtime
from tests.support.contract import REAL

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yaml"))
CI, RELEASE = (ROOT / ".github/workflows" / name for name in ("ci.yaml", "release.yaml"))
GITLAB, JENKINS = (ROOT / ".ci" / name for name in ("gitlab-ci.yaml", "Jenkinsfile"))
# What no verb of ours does: waiting for a service, logging in, signing, making a release.
FOREIGN = {"curl", "printf", "docker login", "cosign", "gh release"}
OURS = re.compile(r"make [a-z-]+|(?:python3 )?\.ci/[\w.-]+")


def jobs(file: Any) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(file.read_text())["jobs"]
    return found


def runs(job: dict[str, Any]) -> list[str]:
    return [step["run"] for step in job.get("steps", []) if "run" in step]


def commands() -> Iterator[tuple[str, str]]:
    """Every command of every CI, and where it stands."""
    for file in WORKFLOWS:
        for name, job in jobs(file).items():
            for run in runs(job):
                yield from (
                    (f"{file.stem}:{name}", command) for command in re.split(r" \| |\n", run) if command
                )
    for name, job in yaml.safe_load(GITLAB.read_text()).items():
        if "script" in job:
            yield from ((f"gitlab:{name}", command) for command in job["script"])
    yield from (("jenkins", command) for command in re.findall(r"sh '(.*)'", JENKINS.read_text()))


@pytest.mark.parametrize(("where", "command"), list(commands()))
def test_a_command_is_a_verb_or_a_script_that_exists(where: str, command: str) -> None:
    if any(command.startswith(foreign) for foreign in FOREIGN):
        return
    found = OURS.match(command)
    assert found, f"{where} does of its own: {command!r}; make it a verb of the Makefile or a script of .ci/"
    first, _, second = found[0].partition(" ")
    if first == "make":
        verbs = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert set(re.findall(r"(?<= )[a-z-]+(?= |$)", command.partition(" ARGS=")[0])) <= set(verbs)
        for path in re.findall(r"ARGS=\"?([\w/]+)", command):
            assert (ROOT / path).is_dir()
    elif first == "python3":
        assert (ROOT / second).is_file()
    else:
        assert os.access(ROOT / first, os.X_OK)


def test_everybody_is_asked_for_lint_and_for_the_whole() -> None:
    told = {(where.partition(":")[0], command) for where, command in commands()}
    assert {
        (ci, command) for ci in ("ci", "gitlab", "jenkins") for command in ("make lint", ".ci/run")
    } <= told


def test_the_loop_is_closed_and_judged_in_every_runtime() -> None:
    judged = set()
    for job in jobs(CI).values():
        steps = [step for step in job["steps"] if "run" in step]
        for demo, judge in pairwise(steps):
            if demo["run"].startswith("make demo"):
                assert judge["run"] == "python3 .ci/check_demo.py var/demo/summary.json"
                judged.add((job.get("env", {}) | demo.get("env", {}))["MILLRACE_RUNTIME"])
    # In processes it is .ci/run that does both.
    assert judged == set(Runtime) - {Runtime.AUTO, Runtime.PROCESS}


def test_a_release_needs_every_job_of_the_ci() -> None:
    release = jobs(RELEASE)
    assert release["ci"]["uses"] == f"./{CI.relative_to(ROOT)}"
    assert "workflow_call" in yaml.safe_load(CI.read_text())[True]  # YAML reads `on` so

    def before(name: str) -> set[str]:
        needs = release[name].get("needs", [])
        direct = {needs} if isinstance(needs, str) else set(needs)
        return direct.union(*map(before, direct))

    public = {name for name, job in release.items() if "write" in job.get("permissions", {}).values()}
    assert public == {"images", "release"}
    assert all({"notes", "ci"} <= before(name) for name in public)


def test_a_called_workflow_does_not_wait_for_its_caller() -> None:
    groups = [yaml.safe_load(file.read_text())["concurrency"]["group"] for file in WORKFLOWS]
    assert len(set(groups)) == len(WORKFLOWS)
    # Called by another workflow, this is that workflow's name.
    assert not any("github.workflow " in group for group in groups)


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_an_action_is_a_commit_with_its_version_beside_it(file: Any) -> None:
    used = re.findall(r"uses: ([^.].+)", file.read_text())
    assert used
    assert [one for one in used if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v[\d.]+", one)] == []


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_a_job_ends_and_may_write_only_what_it_says(file: Any) -> None:
    whole = yaml.safe_load(file.read_text())
    assert whole["permissions"] in ({}, {"contents": "read"})
    assert "concurrency" in whole
    for job in whole["jobs"].values():
        if "uses" in job:  # its jobs have their own
            assert job["permissions"] == {"contents": "read"}
            continue
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
    there = {folder.parent.name for folder in (ROOT / "include/platform/images").glob("*/Dockerfile")}
    assert set(jobs(file)["images"]["strategy"]["matrix"]["image"]) == there


def test_every_image_is_searched_for_known_vulnerabilities() -> None:
    job = jobs(CI)["images"]
    built, scan = job["steps"][-2:]
    assert built["run"] == "make images"
    assert scan["uses"].startswith("anchore/scan-action@")
    assert scan["with"]["image"] == "millrace-${{ matrix.image }}:latest"
    # It stops a release as it fails the job; what has no remedy yet does not.
    assert (scan["with"]["severity-cutoff"], scan["with"]["only-fixed"]) == ("critical", True)
    assert {"fail-build", "continue-on-error"} & (scan.keys() | scan["with"].keys() | job.keys()) == set()


def test_the_contract_finds_the_lakefs_that_the_job_starts() -> None:
    job = jobs(CI)["lake-contract"]
    server = job["services"]["lakefs"]["env"]
    endpoint, access_key_id, secret_access_key = (job["env"][name] for name in REAL)
    assert endpoint == "http://127.0.0.1:8000"
    assert access_key_id == server["LAKEFS_INSTALLATION_ACCESS_KEY_ID"]
    assert secret_access_key == server["LAKEFS_INSTALLATION_SECRET_ACCESS_KEY"]


def test_the_contract_is_asked_of_the_lakefs_that_is_deployed() -> None:
    files = (CI, ROOT / "include/platform/kubernetes/base/lakefs.yaml", ROOT / "docker-compose.yaml")
    told = [re.findall(r"treeverse/lakefs:[\w.@:-]+", file.read_text()) for file in files]
    assert all(told)
    assert len({image for images in told for image in images}) == 1
