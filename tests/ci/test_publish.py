"""A release: an image is pushed and told by digest, and the notes are those of its version."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from include.settings import ROOT
from tests.support.engine import Engine, run_engine
from tests.support.registry import USER, ImageRegistry, run_registry
from tests.support.versions import copy, copy_versions

CHANGELOG = """# Changelog

## 1.2.3 (2026-12-01)

- What is new.
- And more.

## 1.2.2 (2026-11-01)

- Older.
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A project of which only the parts of a release are there."""
    for name in ("publish", "release-notes"):
        copy(ROOT / ".ci" / name, tmp_path)
    copy_versions(tmp_path)
    assert run(sys.executable, tmp_path / ".ci/version.py", "set", "1.2.3") == (0, "")
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG)
    return tmp_path


def run(*command: str | Path, **environment: str) -> tuple[int, str]:
    ended = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)
    return ended.returncode, ended.stdout or ended.stderr


def test_the_notes_are_the_versions_part_of_the_changelog(checkout: Path) -> None:
    status, told = run(checkout / ".ci/release-notes", "v1.2.3")
    assert (status, told.strip()) == (0, "- What is new.\n- And more.")


@pytest.mark.parametrize(
    ("tag", "changelog", "said"),
    [
        ("v1.2.4", CHANGELOG, "\ndocker-compose.yaml:"),
        ("v1.2.4", CHANGELOG, "run `python3 .ci/version.py set 1.2.4`, commit that, and tag the commit"),
        ("v1.2.3", "# Changelog\n", 'CHANGELOG.md has no "## 1.2.3 (date)"'),
        ("v1.2.3", "## 1.2.3 (unreleased)\n", 'CHANGELOG.md says "## 1.2.3 (unreleased)"; put the date'),
    ],
)
def test_a_tag_that_is_too_early_is_refused(checkout: Path, tag: str, changelog: str, said: str) -> None:
    (checkout / "CHANGELOG.md").write_text(changelog)
    status, told = run(checkout / ".ci/release-notes", tag)
    assert status == 1
    assert said in told


@pytest.fixture
def engine() -> Iterator[Engine]:
    with run_engine() as found:
        yield found


@pytest.fixture
def registry(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ImageRegistry]:
    with run_registry(tmp_path_factory.mktemp("registry")) as found:
        yield found


@pytest.mark.docker
def test_an_image_is_pushed_and_told_by_the_digest_that_pulls_it(
    checkout: Path, engine: Engine, registry: ImageRegistry, tmp_path: Path
) -> None:
    login = {"DOCKER_CONFIG": str(tmp_path / "docker")}
    subprocess.run(
        ["docker", "login", registry.address, "--username", USER, "--password-stdin"],
        input=registry.password,
        text=True,
        env=os.environ | login,
        capture_output=True,
        check=True,
    )
    built = engine.client.images.get(engine.build("FROM scratch\nLABEL of=test_publish\n"))
    built.tag("millrace-probe:1.2.3")
    engine.images.append("millrace-probe:1.2.3")

    status, told = run(checkout / ".ci/publish", "probe", f"{registry.address}/Team", **login)

    assert status == 0, told
    answer = dict(line.split("=", 1) for line in told.splitlines())
    assert answer["name"] == f"{registry.address}/team/millrace-probe"
    engine.images.append(f"{answer['name']}:1.2.3")
    pulled = engine.client.images.pull(
        f"{answer['name']}@{answer['digest']}", auth_config={"username": USER, "password": registry.password}
    )
    assert pulled.id == built.id


@pytest.mark.docker
def test_an_image_that_was_not_built_is_not_published(
    checkout: Path, engine: Engine, registry: ImageRegistry
) -> None:
    status, told = run(checkout / ".ci/publish", "absent", registry.address)
    assert status != 0
    assert "No such image: millrace-absent:1.2.3" in told
    with pytest.raises(docker.errors.ImageNotFound):
        engine.client.images.get(f"{registry.address}/millrace-absent:1.2.3")
