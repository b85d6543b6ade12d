"""Renovate's configuration finds all versions that it should update, and its updates break nothing."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from include.settings import ROOT

RENOVATE = json.loads((ROOT / ".github/renovate.json").read_text())
PAGE = ROOT / "docs/releases.md"
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yaml").read_text())["services"]
# Files that name third-party images, and Renovate's manager that reads them.
WITH_IMAGES = (
    "docker-compose.yaml",
    ".ci/gitlab-ci.yaml",
    ".ci/trial.d/*.yaml",
    ".github/workflows/*.yaml",
    "include/platform/images/*/Dockerfile",
    "include/platform/kubernetes/**/*.yaml",
)
READERS = (
    "tests/ci/test_trials.py",
    "tests/ci/test_verbs.py",
    "tests/ci/test_workflow.py",
    "tests/platform/compose/test_file.py",
    "tests/platform/images/test_images.py",
    "tests/platform/kubernetes/test_manifests.py",
)
IMAGE = re.compile(r"^((?: *(?:- )?image: |ARG BASE_IMAGE=)(?!millrace-)[\w./-]+:[\w.-]+)$", re.MULTILINE)


def rule(package: str) -> dict[str, Any]:
    """Return the only rule for a package."""
    (found,) = (one for one in RENOVATE["packageRules"] if package in one["matchPackageNames"])
    return dict(found)


def made_by_go() -> Iterator[tuple[str, str]]:
    """Return every script that uses `.ci/go-tool`, with its text."""
    for file in sorted((ROOT / ".ci").iterdir()):
        if file.is_file() and "/go-tool" in (text := file.read_text()) and file.name != "go-tool":
            yield f".ci/{file.name}", text


def test_tools_that_go_makes_are_watched_for_new_versions() -> None:
    (manager,) = RENOVATE["customManagers"]
    (files,), (pattern,) = manager["managerFilePatterns"], manager["matchStrings"]
    found = {}
    for name, text in made_by_go():
        assert re.search(files.strip("/"), name), f"{name} is not watched; add it to managerFilePatterns"
        (match,) = re.finditer(pattern.replace("(?<", "(?P<"), text)
        found[match["depName"]] = match["currentValue"]
    assert set(found) == {
        "sigs.k8s.io/kustomize/kustomize/v5",
        "github.com/rhysd/actionlint/cmd/actionlint",
        "github.com/prometheus/statsd_exporter",
    }
    assert all(re.fullmatch(r"v\d+\.\d+\.\d+", version) for version in found.values())


def test_the_exporter_and_its_image_move_in_one_pull_request() -> None:
    image = COMPOSE["statsd-exporter"]["image"].partition(":")[0]
    assert rule(image) == rule("github.com/prometheus/statsd_exporter")
    assert rule(image)["groupName"]


def test_no_new_major_of_postgresql_is_proposed() -> None:
    found = rule(COMPOSE["postgres"]["image"].partition(":")[0])
    assert (found["matchDatasources"], found["matchUpdateTypes"], found["enabled"]) == (
        ["docker"],
        ["major"],
        False,
    )


def test_another_airflow_waits_for_a_hand_and_a_page_says_what_it_does() -> None:
    found = rule("apache-airflow")
    assert found == rule("apache/airflow") == rule("airflow")
    assert found["dependencyDashboardApproval"] is True
    # A new digest of the same version has security fixes, and does not need an approval.
    assert found["matchUpdateTypes"] == ["major", "minor", "patch"]
    (page,) = re.findall(r"docs/[\w-]+\.md", found["description"])
    assert ROOT / page == PAGE
    assert "## Another Airflow" in PAGE.read_text()


def test_the_page_names_every_file_that_holds_airflows_version_or_its_charts() -> None:
    (pinned,) = re.findall(r"^apache-airflow==(\S+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    application = yaml.safe_load((ROOT / "include/platform/kubernetes/argocd-application.yaml").read_text())
    chart = application["spec"]["sources"][1]["targetRevision"]
    ours = rf"^apache-airflow\S*=={pinned}\b|\bapache/airflow:{pinned}\b|^airflowVersion: {pinned}$"
    charts = rf"--version {chart}\b|^ +targetRevision: {chart}$"
    versions = re.compile(f"{ours}|{charts}", re.MULTILINE)
    holders = {
        str(file.relative_to(ROOT))
        for pattern in ("*.in", "*.md", "docs/*.md", "include/**/*")
        for file in ROOT.glob(pattern)
        if file.is_file() and file.suffix != ".pyc" and versions.search(file.read_text(errors="replace"))
    }
    assert len(holders) == 6
    section = PAGE.read_text().partition("## Another Airflow\n")[2].partition("\n## ")[0]
    assert set(re.findall(r"`([\w./-]+)`", section)) >= holders


def test_the_digests_that_it_adds_to_images_break_no_test(tmp_path: Path) -> None:
    assert "docker:pinDigests" in RENOVATE["extends"]
    checkout = tmp_path / "checkout"
    # Untracked files may be large, and are not read.
    left_out = shutil.ignore_patterns(".git", ".venv", "var", "__pycache__", ".*_cache", ".hypothesis")
    shutil.copytree(ROOT, checkout, ignore=left_out)
    (checkout / ".venv").symlink_to(Path(sys.prefix))
    for pattern in WITH_IMAGES:
        for file in checkout.glob(pattern):
            file.write_text(IMAGE.sub(rf"\1@sha256:{'0' * 64}", file.read_text()))
    services = yaml.safe_load((checkout / "docker-compose.yaml").read_text())["services"].values()
    assert all("@sha256:" in one["image"] or one["image"].startswith("millrace-") for one in services)

    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", "-p", "no:cacheprovider", *READERS],
        cwd=checkout,
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 0, ended.stdout
