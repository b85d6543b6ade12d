"""Settings: the environment, then .env, then the default; what is wrong is named."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from include.environment import RENAMED
from include.exceptions import Misconfigured
from include.settings import ROOT, Settings, SettingsGroup, example, inherited_environment, read, settings

GROUPS: list[type[SettingsGroup]] = [Settings, *Settings.groups().values()]
VARIABLES = {name: field for group in GROUPS for name, field in group.declared().items()}
# Where people and machines write variables down.
WRITTEN = (
    *ROOT.glob("*.md"),
    *ROOT.glob("docs/**/*.*"),
    *ROOT.glob(".ci/**/*"),
    *ROOT.glob(".github/**/*.yaml"),
    *ROOT.glob("include/platform/**/*"),
    *(ROOT / name for name in ("Makefile", "docker-compose.yaml", ".env.example")),
)


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the caller's, and none read before."""
    for name in (*VARIABLES, *RENAMED):
        monkeypatch.delenv(name, raising=False)
    settings.cache_clear()


def test_the_environment_counts_more_than_the_file_and_the_file_more_than_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text(
        "MILLRACE_AIRFLOW_PORT=8081\nMILLRACE_MLFLOW_PORT=5001\nMILLRACE_AIRFLOW_PARALLELISM=\nUNKNOWN=1\n"
    )
    monkeypatch.setenv("MILLRACE_AIRFLOW_PORT", "8082")
    monkeypatch.setenv("MILLRACE_LAKEFS_PORT", "")

    found = read(tmp_path / ".env")

    assert (found.airflow.port, found.mlflow.port, found.lakefs.port, found.airflow.parallelism) == (
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


@pytest.mark.parametrize(("text", "number"), [("1GiB", 2**30), ("500 MB", 500_000_000), ("0", 0)])
def test_a_size_may_have_a_unit(monkeypatch: pytest.MonkeyPatch, text: str, number: int) -> None:
    monkeypatch.setenv("MILLRACE_MIN_FREE", text)

    assert read(Path("no file")).min_free == number


@pytest.mark.parametrize("text", ["much", "-1", "1 apple"])
def test_a_size_of_no_bytes_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("MILLRACE_MIN_FREE", text)

    with pytest.raises(Misconfigured, match=f"MILLRACE_MIN_FREE='{text}'"):
        read(Path("no file"))


@pytest.mark.parametrize("secret", ["x" * 31, "x y" * 11, "x" * 32 + "\n", "é" * 32, "\udcff" * 32])
def test_a_weak_secret_is_refused_and_never_shown(monkeypatch: pytest.MonkeyPatch, secret: str) -> None:
    monkeypatch.setenv("MILLRACE_PRIVACY_SECRET", secret)

    with pytest.raises(Misconfigured) as caught:
        settings()

    assert str(caught.value).splitlines() == [
        "MILLRACE_PRIVACY_SECRET: Value error, needs 32 or more ASCII letters, digits and signs, without "
        "spaces and line breaks; `openssl rand -hex 32` makes one",
        "set it in the environment or in .env",
    ]


def test_a_secret_shows_only_where_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "0123456789abcdef" * 2
    monkeypatch.setenv("MILLRACE_PRIVACY_SECRET", secret)

    found = settings()

    assert secret not in f"{found} {found!r} {found.model_dump_json()} {example()}"
    assert found.variables()["MILLRACE_PRIVACY_SECRET"] == secret


def test_every_wrong_value_is_named_with_what_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {"MILLRACE_AIRFLOW_PORT": "99999", "MILLRACE_MLFLOW_PORT": "web", "MILLRACE_RUNTIME": "moon"}
    for name, value in wrong.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(Misconfigured) as caught:
        settings()

    assert str(caught.value).splitlines() == [
        "MILLRACE_AIRFLOW_PORT='99999': Input should be less than or equal to 65535",
        "MILLRACE_MLFLOW_PORT='web': Input should be a valid integer, unable to parse string as an integer",
        "MILLRACE_RUNTIME='moon': Input should be 'auto', 'process', 'docker' or 'kubernetes'",
        "set it in the environment or in .env",
    ]


def test_a_variable_is_named_after_the_place_of_its_setting() -> None:
    given = Settings()
    for group, kind in Settings.groups().items():
        prefix = f"MILLRACE_{group.upper()}_".replace("_JOBS_", "_JOB_")
        for field in kind.model_fields:
            variable = f"{prefix}{field.upper()}"
            assert given.variables()[variable] == str(getattr(getattr(given, group), field))
    assert given.variables().keys() == VARIABLES.keys()


def test_another_process_reads_the_same_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text(
        "MILLRACE_RUNTIME=docker\nMILLRACE_AIRFLOW_EXAMPLES=true\nMILLRACE_KUBERNETES_START_SECONDS=7\n"
        f"MILLRACE_PRIVACY_SECRET={'x' * 32}\n"
    )
    found = read(tmp_path / ".env")

    for name, value in found.variables().items():
        monkeypatch.setenv(name, value)

    assert read(tmp_path / "none") == found


@pytest.mark.parametrize("place", ["the environment", ".env"])
@pytest.mark.parametrize(("old", "new"), RENAMED.items())
def test_an_old_name_is_refused_with_the_new_one_and_without_its_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, place: str
) -> None:
    if place == ".env":
        (tmp_path / ".env").write_text(f"{old}=secret\n")
    else:
        monkeypatch.setenv(old, "secret")

    with pytest.raises(Misconfigured) as caught:
        read(tmp_path / ".env")

    assert str(caught.value).splitlines() == [
        f"{old} of {place} is called {new} now",
        "rename it there, and keep its value",
    ]


def test_all_old_names_are_refused_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("".join(f"export {old}=x\n" for old in RENAMED))
    monkeypatch.setenv("RUNTIME", "docker")

    with pytest.raises(Misconfigured) as caught:
        read(tmp_path / ".env")

    refused = re.findall(r"^(\w+) of (.+) is called (\w+) now$", str(caught.value), re.MULTILINE)
    assert {(old, new) for old, place, new in refused if place == ".env"} == {*RENAMED.items()}
    assert [old for old, place, _ in refused if place == "the environment"] == ["RUNTIME"]


def test_an_empty_old_name_and_a_service_of_kubernetes_are_no_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNTIME", "")
    monkeypatch.setenv("MLFLOW_PORT", "tcp://10.0.0.1:5000")

    assert read(tmp_path / "none").mlflow.port == 5000


def test_every_new_name_is_one_that_is_read() -> None:
    compose = set(re.findall(r"\$\{(\w+)", (ROOT / "docker-compose.yaml").read_text()))
    assert {*RENAMED.values()} <= {*VARIABLES} | compose
    assert not {*RENAMED} & {*VARIABLES}


def test_no_old_name_is_written_anywhere() -> None:
    # Those of lakeFS and MLflow, which their manifests keep away from them, and what a script refuses.
    others = {"lakefs.yaml": {"LAKEFS_PORT"}, "mlflow.yaml": {"MLFLOW_PORT"}, "build": {"CODE_VERSION"}}
    files = [file for file in WRITTEN if file.is_file() and file.suffix not in (".py", ".pyc", ".png")]
    assert len(files) > 40
    found = {
        f"{file.relative_to(ROOT)}: {word}"
        for file in files
        if file.name != "CHANGELOG.md"
        for word in set(re.findall(r"\b[A-Z][A-Z_]+\b", file.read_text()))
        if word in RENAMED and word not in others.get(file.name, ())
    }
    assert found == set()


def test_the_example_lists_every_setting_with_its_default(tmp_path: Path) -> None:
    text = (ROOT / ".env.example").read_text()
    assert text == example(), "run `make generate`"

    (tmp_path / ".env").write_text(re.sub(r"^#([A-Z_]+=)", r"\1", text, flags=re.MULTILINE))

    assert read(tmp_path / ".env") == read(tmp_path / "none")
    for name, field in VARIABLES.items():
        assert f"# {field.description}\n#{name}=" in text
    assert re.findall(r"^# ---- (.+) ----$", text, re.MULTILINE) == [
        group.model_config["title"] for group in GROUPS
    ]


def test_a_child_process_starts_from_a_copy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLRACE_VAR", "x")
    found = inherited_environment()
    found["MILLRACE_VAR"] = "y"
    assert inherited_environment()["MILLRACE_VAR"] == "x"
