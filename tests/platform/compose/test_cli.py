"""The operator's CLI, before it calls Docker."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.environment import RENAMED
from include.platform.compose import __main__ as cli


@pytest.fixture(autouse=True)
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout of the test's own, and none of the caller's old names."""
    monkeypatch.setattr(cli, "ROOT", tmp_path)
    for name in RENAMED:
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.mark.parametrize("verb", ["env", "up", "backup", "restore", "upgrade"])
def test_old_names_are_refused_by_every_verb_before_it_does_anything(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], verb: str
) -> None:
    before = "RUNTIME=docker\nKEPT_DAYS=30\nAIRFLOW_URL=http://localhost:8080\n"
    (checkout / ".env").write_text(before)
    monkeypatch.setenv("PARALLELISM", "8")

    assert cli.main([verb]) == 1

    assert capsys.readouterr().err.splitlines() == [
        "RUNTIME of .env is called MILLRACE_RUNTIME now",
        "PARALLELISM of the environment is called MILLRACE_AIRFLOW_PARALLELISM now",
        "KEPT_DAYS of .env is called MILLRACE_KEPT_DAYS now",
        "rename it there, and keep its value",
    ]
    assert (checkout / ".env").read_text() == before


def test_new_names_are_taken(checkout: Path) -> None:
    (checkout / ".env").write_text("MILLRACE_RUNTIME=docker\nMILLRACE_KEPT_DAYS=30\n")

    assert cli.main(["env"]) == 0
    assert "MILLRACE_KEPT_DAYS=30\n" in (checkout / ".env").read_text()
