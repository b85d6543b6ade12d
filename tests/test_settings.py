"""Settings: the environment, then .env, then the default; what is wrong is named."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from include.exceptions import Misconfigured
from include.settings import ROOT, Settings, example, settings


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the caller's, and none read before."""
    for name in Settings().variables():
        monkeypatch.delenv(name, raising=False)
    settings.cache_clear()


def read(file: Path) -> Settings:
    return Settings(_env_file=file)  # type: ignore[call-arg]


def test_the_environment_counts_more_than_the_file_and_the_file_more_than_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("AIRFLOW_PORT=8081\nMLFLOW_PORT=5001\nPARALLELISM=\nUNKNOWN=1\n")
    monkeypatch.setenv("AIRFLOW_PORT", "8082")
    monkeypatch.setenv("LAKEFS_PORT", "")

    found = read(tmp_path / ".env")

    assert (found.airflow_port, found.mlflow_port, found.lakefs_port, found.parallelism) == (
        8082,
        5001,
        8000,
        4,
    )


def test_paths_count_from_the_projects_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MILLRACE_VAR", "other/var")

    assert Settings().var == ROOT / "other/var"
    assert Settings().pipelines == ROOT / "include/pipelines"


def test_every_wrong_value_is_named_with_what_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"AIRFLOW_PORT": "99999", "MLFLOW_PORT": "web", "RUNTIME": "moon"}.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(Misconfigured) as caught:
        settings()

    assert str(caught.value).splitlines() == [
        "AIRFLOW_PORT='99999': Input should be less than or equal to 65535",
        "MLFLOW_PORT='web': Input should be a valid integer, unable to parse string as an integer",
        "RUNTIME='moon': Input should be 'auto', 'process', 'docker' or 'kubernetes'",
        "set it in the environment or in .env",
    ]


def test_the_example_lists_every_setting_with_its_default(tmp_path: Path) -> None:
    text = (ROOT / ".env.example").read_text()
    assert text == example(), "run `make generate`"

    (tmp_path / ".env").write_text(re.sub(r"^#([A-Z_]+=)", r"\1", text, flags=re.MULTILINE))

    assert read(tmp_path / ".env") == read(tmp_path / "none")
    for field in Settings.model_fields.values():
        assert f"# {field.description}\n#{field.alias}=" in text
