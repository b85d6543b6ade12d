"""The images' sources: the same versions everywhere, and nothing that is not pinned."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from include.platform import airflow_config
from include.settings import ROOT, JobSettings
from tests.support.dags import dag_bag
from tests.support.program import program

DOCKERFILES = sorted((ROOT / "include/platform/images").glob("*/Dockerfile"))
INSTRUCTIONS = {"ARG", "FROM", "LABEL", "COPY", "RUN", "ENV", "WORKDIR", "USER", "ENTRYPOINT"}


def instructions(file: Path) -> list[tuple[str, str]]:
    """The instructions of a Dockerfile, comments left out and lines joined."""
    text = re.sub(r"^\s*#.*\n", "", file.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    lines = [line.split(maxsplit=1) for line in text.splitlines() if line.strip()]
    return [(name, " ".join(rest.split())) for name, rest in lines]


def versions(lock: str) -> dict[str, set[str]]:
    """Each locked package with its versions: some have one for each version of Python."""
    found: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([a-z0-9][\w.-]*)==([^ ;]+)", (ROOT / lock).read_text(), re.MULTILINE):
        found.setdefault(name, set()).add(version)
    return found


def test_a_job_runs_on_the_versions_of_everything_else() -> None:
    main, job = versions("requirements.txt"), versions("requirements-job.txt")
    assert len(job) > 50
    assert {name: found for name, found in job.items() if not found <= main.get(name, set())} == {}
    assert {"apache-airflow", "mlflow", "great-expectations"} & job.keys() == set()


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: file.parent.name)
def test_a_dockerfile_has_its_base_as_an_argument_and_installs_by_hash(file: Path) -> None:
    found = instructions(file)
    assert {name for name, _ in found} <= INSTRUCTIONS
    assert found[0][0] == "ARG"
    assert found[0][1].startswith("BASE_IMAGE=")
    assert {rest.partition(" AS ")[0] for name, rest in found if name == "FROM"} == {"${BASE_IMAGE}"}
    assert ["--require-hashes" in rest for name, rest in found if "pip install" in rest] == [True]
    labels = " ".join(rest for name, rest in found if name == "LABEL")
    for label in ("title", "version", "revision", "licenses"):
        assert f"org.opencontainers.image.{label}=" in labels


def test_what_is_copied_exists() -> None:
    for file in DOCKERFILES:
        for name, rest in instructions(file):
            if name == "COPY" and not rest.startswith("--from"):
                paths = [path for path in rest.split()[:-1] if "*" not in path]
                assert [path for path in paths if not (ROOT / path).exists()] == []


def variables(file: Path) -> dict[str, str]:
    """What an image gives to each of its processes."""
    return dict(
        one.split("=", 1) for name, rest in instructions(file) if name == "ENV" for one in rest.split()
    )


def test_no_image_calls_out_or_waits_for_minutes() -> None:
    airflow, job = (
        variables(ROOT / f"include/platform/images/{name}/Dockerfile") for name in ("airflow", "job")
    )
    assert airflow.items() >= airflow_config.QUIET.items()
    assert {name: job.get(name) for name in airflow_config.QUIET} == {
        # A job starts no server, and has no Great Expectations.
        **airflow_config.QUIET,
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": None,
        "GX_ANALYTICS_ENABLED": None,
    }


@pytest.mark.parametrize("login", ["me:secret", "secret"])
@pytest.mark.parametrize("name", ["PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL"])
def test_a_password_that_would_stay_in_an_image_is_refused(name: str, login: str) -> None:
    ended = subprocess.run(
        ["/bin/sh", ROOT / "include/platform/images/build", "airflow"],
        env={"PATH": os.environ["PATH"], name: f"https://{login}@index.example/simple"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 64
    assert f"build: {name} has a login, which would stay in the history of the image" in ended.stderr
    assert "secret" not in ended.stderr


def test_the_commit_under_its_old_name_is_refused() -> None:
    ended = subprocess.run(
        ["/bin/sh", ROOT / "include/platform/images/build", "job"],
        env={"PATH": os.environ["PATH"], "CODE_VERSION": "0123abc"},
        capture_output=True,
        text=True,
        check=False,
    )
    said = "build: CODE_VERSION is called MILLRACE_CODE_VERSION now; rename it, and keep its value\n"
    assert (ended.returncode, ended.stderr) == (64, said)


def test_what_an_image_is_made_of_is_readable_whatever_the_umask_of_the_checkout(tmp_path: Path) -> None:
    made = tmp_path / "checkout"
    for name in ("include", "plugins"):
        shutil.copytree(ROOT / name, made / name, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("pyproject.toml", *(lock.name for lock in ROOT.glob("requirements*.txt"))):
        shutil.copy(ROOT / file, made)
    for path in (made, *made.rglob("*")):
        path.chmod(path.stat().st_mode & 0o750)
    program(
        tmp_path / "docker",
        '[ "$1" = build ] || exit 0\nfor context; do :; done\ncd "$context"\n'
        f"find include plugins ! -perm -o=r -o -type d ! -perm -o=x >{tmp_path}/closed\n"
        f"find . -name serve -perm 755 >{tmp_path}/programs",
    )
    subprocess.run(
        ["/bin/sh", made / "include/platform/images/build", "airflow"],
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        check=True,
    )
    assert (tmp_path / "closed").read_text() == ""
    assert (tmp_path / "programs").read_text().count("\n") == 1


def test_airflows_image_is_of_the_locked_airflow() -> None:
    [(_, base), *_] = instructions(ROOT / "include/platform/images/airflow/Dockerfile")
    [version] = versions("requirements.txt")["apache-airflow"]
    assert base.partition("@")[0] == f"BASE_IMAGE=apache/airflow:{version}-python3.12"


def test_the_contract_lists_every_variable_that_a_job_reads() -> None:
    page = (ROOT / "docs/job-contract.md").read_text()
    told = dict(re.findall(r"^\| `((?:MILLRACE|LAKECTL|MLFLOW)_\w+)` \| (.+) \|$", page, re.MULTILINE))
    assert told == {field.alias: field.description for field in JobSettings.model_fields.values()}


def test_the_engine_verb_says_why_there_is_none() -> None:
    ended = subprocess.run(
        ["/bin/sh", "-s", "start"],
        input=(ROOT / ".ci/engine").read_text(),  # the checkout may be closed to that user
        cwd="/",
        env={"PATH": "/usr/bin:/bin", "DOCKER_HOST": "unix:///nowhere.sock"},
        user=65534 if os.getuid() == 0 else None,  # root would start an engine
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stderr == "engine: no Docker engine answers, and starting one needs root\n"


def test_the_engine_verb_leaves_an_engine_alone_that_it_did_not_start(tmp_path: Path) -> None:
    ended = subprocess.run(
        ["/bin/sh", ROOT / ".ci/engine", "stop"],
        env={"PATH": "/usr/bin:/bin", "XDG_RUNTIME_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


def test_what_the_airflow_image_holds_is_enough_for_every_dag(tmp_path: Path) -> None:
    # What include/platform/images/build passes on, at the paths that the Dockerfile gives it.
    left_out = shutil.ignore_patterns("embedded", "demo", "__pycache__")
    for name in ("include", "plugins"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=left_out)
    parse = (
        "from airflow.dag_processing.dagbag import DagBag\n"
        f"bag = DagBag({str(ROOT / 'dags')!r})\n"
        "print(sorted(bag.dags), bag.import_errors)"
    )
    path = os.pathsep.join(map(str, (tmp_path, tmp_path / "plugins")))
    told = subprocess.run(
        [sys.executable, "-c", parse],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": path, "MILLRACE_VAR": str(tmp_path / "var")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.splitlines()[-1] == f"{sorted(dag_bag().dags)} {{}}"
