"""Releases: an image is pushed once and its digest printed; the notes are those of its version."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import docker
import pytest

from include.settings import ROOT
from tests.support.engine import Engine, run_engine
from tests.support.program import program
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
    """A project with only the files that a release needs."""
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
    status, output = run(checkout / ".ci/release-notes", "v1.2.3")
    assert (status, output.strip()) == (0, "- What is new.\n- And more.")


@pytest.mark.parametrize(
    ("tag", "changelog", "message"),
    [
        ("v1.2.4", CHANGELOG, "\ndocker-compose.yaml:"),
        ("v1.2.4", CHANGELOG, "run `python3 .ci/version.py set 1.2.4`, commit that, and tag the commit"),
        ("v1.2.3", "# Changelog\n", 'CHANGELOG.md has no "## 1.2.3 (date)"'),
        ("v1.2.3", "## 1.2.3 (unreleased)\n", 'CHANGELOG.md has "## 1.2.3 (unreleased)"; put the date'),
    ],
)
def test_a_tag_that_is_too_early_is_refused(checkout: Path, tag: str, changelog: str, message: str) -> None:
    (checkout / "CHANGELOG.md").write_text(changelog)
    status, output = run(checkout / ".ci/release-notes", tag)
    assert status == 1
    assert message in output


@pytest.fixture
def engine() -> Iterator[Engine]:
    with run_engine() as found:
        yield found


@pytest.fixture
def registry(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ImageRegistry]:
    with run_registry(tmp_path_factory.mktemp("registry")) as found:
        yield found


@pytest.fixture
def login(registry: ImageRegistry, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a user who is logged in to the registry."""
    found = {"DOCKER_CONFIG": str(tmp_path_factory.mktemp("docker"))}
    subprocess.run(
        ["docker", "login", registry.address, "--username", USER, "--password-stdin"],
        input=registry.password,
        text=True,
        env=os.environ | found,
        capture_output=True,
        check=True,
    )
    return found


def build(engine: Engine, commit: str) -> str:
    """Build `millrace-probe:1.2.3`, with different bytes each time; return the image's id."""
    label = f"LABEL org.opencontainers.image.revision={commit} build={uuid4().hex}"
    image = engine.client.images.get(engine.build(f"FROM scratch\n{label}\n"))
    image.tag("millrace-probe:1.2.3")
    remove_at_the_end(engine, "millrace-probe:1.2.3")
    return str(image.id)


def publish(checkout: Path, engine: Engine, where: str, login: dict[str, str]) -> tuple[int, str]:
    ended = run(checkout / ".ci/publish", "probe", where, **login)
    remove_at_the_end(engine, f"{where.lower()}/millrace-probe:1.2.3")
    return ended


def remove_at_the_end(engine: Engine, tag: str) -> None:
    if tag not in engine.images:
        engine.images.append(tag)


def pulled(engine: Engine, registry: ImageRegistry, image: str) -> str:
    """Pull an image from the registry and return its id."""
    login = {"username": USER, "password": registry.password}
    return str(engine.client.images.pull(image, auth_config=login).id)


@pytest.mark.docker
def test_an_image_is_pushed_and_told_by_the_digest_that_pulls_it(
    checkout: Path, engine: Engine, registry: ImageRegistry, login: dict[str, str]
) -> None:
    built = build(engine, "c0ffee")

    status, output = publish(checkout, engine, f"{registry.address}/Team", login)

    assert status == 0, output
    answer = dict(line.split("=", 1) for line in output.splitlines())
    assert answer["name"] == f"{registry.address}/team/millrace-probe"
    assert pulled(engine, registry, f"{answer['name']}@{answer['digest']}") == built


@pytest.mark.docker
def test_a_release_that_broke_off_goes_on_with_the_image_that_is_there(
    checkout: Path, engine: Engine, registry: ImageRegistry, login: dict[str, str]
) -> None:
    first = build(engine, "c0ffee")
    before = publish(checkout, engine, registry.address, login)
    assert build(engine, "c0ffee") != first

    again = publish(checkout, engine, registry.address, login)

    assert again == before
    assert pulled(engine, registry, f"{registry.address}/millrace-probe:1.2.3") == first


@pytest.mark.docker
@pytest.mark.parametrize("commits", [("c0ffee", "decade"), ("", "")], ids=["others", "unknown"])
def test_a_version_that_is_there_is_not_pushed_over(
    checkout: Path, engine: Engine, registry: ImageRegistry, login: dict[str, str], commits: tuple[str, str]
) -> None:
    first = build(engine, commits[0])
    assert publish(checkout, engine, registry.address, login)[0] == 0
    build(engine, commits[1])

    status, output = publish(checkout, engine, registry.address, login)

    image = f"{registry.address}/millrace-probe:1.2.3"
    assert (status, output) == (
        1,
        f"publish: {image} already exists, from commit '{commits[0]}', and this one is from '{commits[1]}'; "
        "release another version\n",
    )
    assert pulled(engine, registry, image) == first


@pytest.mark.docker
def test_another_version_of_an_image_that_is_there_is_pushed(
    checkout: Path, engine: Engine, registry: ImageRegistry, login: dict[str, str]
) -> None:
    registry.push(engine.build("FROM scratch\nLABEL older=yes\n"), "millrace-probe")
    built = build(engine, "c0ffee")
    assert publish(checkout, engine, registry.address, login)[0] == 0
    assert pulled(engine, registry, f"{registry.address}/millrace-probe:1.2.3") == built


@pytest.mark.docker
def test_nothing_is_pushed_where_the_registry_does_not_tell_what_it_has(
    checkout: Path, engine: Engine, registry: ImageRegistry, tmp_path: Path
) -> None:
    build(engine, "c0ffee")
    logged_out = {"DOCKER_CONFIG": str(tmp_path / "docker")}
    status, output = run(checkout / ".ci/publish", "probe", registry.address, **logged_out)
    assert status == 1
    assert "publish: nothing was pushed, because it is unknown whether" in output
    with pytest.raises(docker.errors.ImageNotFound):
        engine.client.images.get(f"{registry.address}/millrace-probe:1.2.3")


DOCKER = """case $1 in
    image) echo c0ffee ;;
    push) touch "$PUSHED" ;;
    pull)
        [ ! -e "$PUSHED" ] || { echo "Digest: sha256:1"; exit; }
        echo "Error response from daemon: $SAYS" >&2
        exit 1 ;;
esac
"""


@pytest.mark.parametrize(
    ("says", "pushed"),
    [
        ('Head "https://ghcr.io/v2/team/millrace-probe/manifests/1.2.3": denied: denied', True),
        ('failed to resolve reference "ghcr.io/team/millrace-probe:1.2.3": not found', True),
        ("manifest for registry/millrace-probe:1.2.3 not found: manifest unknown: manifest unknown", True),
        ("name unknown: repository name not known to registry", True),
        ("tls: failed to verify certificate: x509: certificate signed by unknown authority", False),
        ("received unexpected HTTP status: 503 Service Unavailable", False),
    ],
)
def test_an_image_is_pushed_where_a_registry_says_that_it_is_not_there(
    checkout: Path, tmp_path: Path, says: str, pushed: bool
) -> None:
    program(tmp_path / "bin/docker", DOCKER)
    machine = {"PATH": f"{tmp_path}/bin:/usr/bin:/bin", "PUSHED": str(tmp_path / "pushed"), "SAYS": says}
    status, _ = run(checkout / ".ci/publish", "probe", "registry", **machine)
    assert (status == 0, (tmp_path / "pushed").exists()) == (pushed, pushed)


@pytest.mark.docker
def test_an_image_that_was_not_built_is_not_published(
    checkout: Path, engine: Engine, registry: ImageRegistry
) -> None:
    status, output = run(checkout / ".ci/publish", "absent", registry.address)
    assert status != 0
    assert "No such image: millrace-absent:1.2.3" in output
    with pytest.raises(docker.errors.ImageNotFound):
        engine.client.images.get(f"{registry.address}/millrace-absent:1.2.3")
