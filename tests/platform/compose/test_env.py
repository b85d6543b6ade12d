"""The secrets of the Compose file are generated once, readable by their owner only, and never changed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from include.platform.compose import env
from include.settings import ROOT

USED = set(re.findall(r"\$\{(\w+):\?", (ROOT / "docker-compose.yaml").read_text()))


def test_a_fresh_file_has_every_secret_and_is_its_owners(tmp_path: Path) -> None:
    file = tmp_path / ".env"

    assert env.complete(file) == list(env.VARIABLES)

    found = env.read(file)
    assert found.keys() == env.VARIABLES.keys()
    assert file.stat().st_mode & 0o777 == 0o600
    assert len(set(found.values())) == len(found)
    assert Fernet(found["AIRFLOW_FERNET_KEY"]).decrypt(Fernet(found["AIRFLOW_FERNET_KEY"]).encrypt(b"x"))


def test_two_files_share_no_secret(tmp_path: Path) -> None:
    for name in ("one", "other"):
        env.complete(tmp_path / name)
    one, other = env.read(tmp_path / "one"), env.read(tmp_path / "other")
    assert {name for name in one if one[name] == other[name]} == {"COMPOSE_PROJECT_NAME"}


def test_what_is_there_stays_and_only_the_missing_is_added(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("# mine\nRUNTIME=docker\nMLFLOW_ADMIN_PASSWORD='of my own'\nREDIS_PASSWORD=\n")

    added = env.complete(file)

    assert set(added) == set(env.VARIABLES) - {"MLFLOW_ADMIN_PASSWORD"}
    assert file.read_text().startswith("# mine\nRUNTIME=docker\nMLFLOW_ADMIN_PASSWORD='of my own'\n\n#")
    assert env.read(file)["MLFLOW_ADMIN_PASSWORD"] == "of my own"
    assert len(env.read(file)["REDIS_PASSWORD"]) > 20


def test_a_second_time_changes_nothing_but_closes_the_file(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    env.complete(file)
    before = file.read_text()
    file.chmod(0o644)

    assert env.complete(file) == []
    assert file.read_text() == before
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("name", sorted(env.VARIABLES))
def test_a_secret_needs_no_quotes_anywhere(tmp_path: Path, name: str) -> None:
    # Safe in a URL, in YAML, in JSON, in a shell and in an ini file.
    env.complete(tmp_path / ".env")
    assert re.fullmatch(r"[\w=-]+", env.read(tmp_path / ".env")[name])


def test_the_file_holds_what_compose_refuses_to_start_without() -> None:
    assert env.VARIABLES.keys() == USED
