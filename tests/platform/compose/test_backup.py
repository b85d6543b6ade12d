"""A backup that cannot be restored is refused before anything changes; test_start.py restores real ones."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from include.exceptions import BadData, MillraceError, Misconfigured, Unavailable
from include.platform.compose import backup, env
from include.platform.compose.__main__ import main
from include.platform.compose.docker_compose import Compose
from tests.support.program import program


@pytest.fixture
def compose(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Compose:
    """A server whose engine has the volumes, and on which every Compose command fails."""
    env.complete(tmp_path / ".env")
    engine(tmp_path, monkeypatch, "millrace_postgres", "millrace_lakefs", "millrace_mlflow", "other_x")
    return Compose(tmp_path, ("false",))


def engine(folder: Path, monkeypatch: pytest.MonkeyPatch, *volumes: str) -> None:
    """Put a stand-in for `docker` on the PATH that lists these volumes and does nothing else."""
    program(folder / "bin/docker", f"printf '%s\\n' {' '.join(volumes)}")
    monkeypatch.setenv("PATH", str(folder / "bin"), prepend=os.pathsep)


@pytest.fixture
def saved(compose: Compose) -> Path:
    """A backup of that server, with one file."""
    folder = compose.folder / "saved"
    folder.mkdir()
    (folder / "airflow.dump").write_bytes(b"rows")
    told = {
        "format": 1,
        "keys": backup._key_fingerprints(compose),
        "files": {"airflow.dump": backup._sha256(folder / "airflow.dump")},
    }
    (folder / backup.MANIFEST).write_text(json.dumps(told))
    return folder


def refusal(compose: Compose, source: Path) -> MillraceError:
    with pytest.raises(MillraceError) as caught:
        backup.restore(compose, source, print)
    return caught.value


def test_a_sound_backup_is_taken_and_the_work_begins(compose: Compose, saved: Path) -> None:
    refused = refusal(compose, saved)  # at the first command

    assert isinstance(refused, Unavailable)
    assert str(refused) == "'false create' ended with 1; see above"


def test_a_folder_that_is_no_backup_is_refused(compose: Compose, tmp_path: Path) -> None:
    refused = refusal(compose, tmp_path / "nothing")
    assert isinstance(refused, Misconfigured)
    assert "nothing is not a backup: its manifest.json cannot be read" in str(refused)


@pytest.mark.parametrize("damage", [b"", b"rowz"], ids=["cut", "changed"])
def test_a_damaged_file_is_named(compose: Compose, saved: Path, damage: bytes) -> None:
    (saved / "airflow.dump").write_bytes(damage)
    refused = refusal(compose, saved)
    assert isinstance(refused, BadData)
    assert str(refused).endswith("is damaged: airflow.dump; take another backup")


def test_a_missing_file_is_named(compose: Compose, saved: Path) -> None:
    (saved / "airflow.dump").unlink()
    assert "is damaged: airflow.dump" in str(refusal(compose, saved))


def test_other_keys_would_read_nothing(compose: Compose, saved: Path) -> None:
    file = compose.folder / ".env"
    kept = [line for line in file.read_text().splitlines() if not line.startswith("AIRFLOW_FERNET_KEY")]
    file.write_text("\n".join(kept))
    env.complete(file)
    refused = refusal(compose, saved)
    assert isinstance(refused, Misconfigured)
    assert "made with other values of AIRFLOW_FERNET_KEY, without which" in str(refused)


def test_a_manifest_tells_no_secret(compose: Compose, saved: Path) -> None:
    text = (saved / backup.MANIFEST).read_text()
    assert [name for name, value in env.read(compose.folder / ".env").items() if value in text] == []


def test_a_later_format_is_refused(compose: Compose, saved: Path) -> None:
    (saved / backup.MANIFEST).write_text('{"format": 2}')
    assert str(refusal(compose, saved)).endswith("has format 2; this version reads 1")


def test_a_backup_never_goes_over_another(compose: Compose, saved: Path) -> None:
    with pytest.raises(Misconfigured, match=r"saved already exists; name another folder by TO=…"):
        backup.backup(compose, saved, print)


def test_a_backup_that_fails_is_not_there(compose: Compose) -> None:
    with pytest.raises(Unavailable):
        backup.backup(compose, compose.folder / "new", print)
    assert list(compose.folder.glob("new*")) == []


def test_where_nothing_ever_ran_there_is_nothing_to_save(
    compose: Compose, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    engine(tmp_path, monkeypatch, "millrace_postgres", "another_lakefs")
    with pytest.raises(Misconfigured, match=r"nothing to save: this project has no volume lakefs, mlflow"):
        backup.backup(compose, tmp_path / "new", print)


def test_a_project_without_a_name_is_told_how_to_have_one(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"COMPOSE_PROJECT_NAME is not set; run `make compose DO=env`"):
        backup.backup(Compose(tmp_path, ("false",)), tmp_path / "new", print)


def test_the_verb_says_why_and_fails(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert main(["up"]) == 1
    assert "install Docker with its Compose plugin" in capsys.readouterr().err
