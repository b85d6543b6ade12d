"""The Makefile's targets for setup, and their messages if something is missing."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from include.settings import ROOT
from tests.support.program import program


def run(*command: str | Path, **environment: str) -> tuple[int, str]:
    """Run a command in the project's folder; return its status and its output."""
    ended = subprocess.run(
        command,
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return ended.returncode, ended.stdout


def fake_python(folder: Path, body: str) -> Path:
    """Write a stand-in for a Python interpreter."""
    file = folder / "python"
    program(file, body)
    return file


def test_plain_make_lists_every_verb() -> None:
    status, output = run("make")

    verbs = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert verbs is not None
    assert status == 0
    assert re.findall(r"^  make ([a-z-]+) +\S", output, re.MULTILINE) == verbs.group(1).split()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("compose", "make compose: DO is ''; choose env, up, backup, restore or upgrade"),
        ("compose DO=start", "make compose: DO is 'start'; choose env, up, backup, restore or upgrade"),
        ("compose DO=restore", "name the backup: make compose DO=restore FROM=var/backups/…"),
        ("clean WHAT=lake", "make clean: WHAT is 'lake'; choose caches, garbage or data"),
    ],
)
def test_a_verb_refuses_an_unknown_parameter_and_lists_the_known_ones(words: str, message: str) -> None:
    status, printed = run("make", *words.split())

    assert status == 2
    assert printed.splitlines()[0] == message


@pytest.mark.parametrize("verb", ["clean", "compose", "generate"])
def test_a_verb_offers_the_parameters_that_it_takes(verb: str) -> None:
    rule = re.search(rf"^{verb}:.*?(?=\n\n|\Z)", (ROOT / "Makefile").read_text(), re.MULTILINE | re.DOTALL)
    assert rule is not None
    taken = re.findall(r"^\t(?:@case .*\n\t)?([a-z][a-z |]*)\) ", rule[0], re.MULTILINE)
    (offered,) = re.findall(r"choose ([a-z, ]+)\"", rule[0])
    assert {word for words in taken for word in words.split(" | ")} == set(re.split(r", | or ", offered))


def test_no_verb_keeps_python_from_writing_bytecode() -> None:
    probe = 'include Makefile\nprobe: ; @echo "[$$PYTHONDONTWRITEBYTECODE]"\n'
    ended = subprocess.run(
        ["make", "-s", "-f", "-", "probe"],
        cwd=ROOT,
        input=probe,
        env={"PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    assert ended.stdout == "[]\n"


def test_a_python_that_fits_is_found_by_running_it(tmp_path: Path) -> None:
    assert run(ROOT / ".ci/python", PYTHON=sys.executable) == (0, f"{sys.executable}\n")

    absent = fake_python(tmp_path, "echo 'version not installed' >&2; exit 127")
    assert run(ROOT / ".ci/python", PYTHON=f"{absent} {sys.executable}") == (0, f"{sys.executable}\n")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("exit 3", "is not a working Python 3.11, 3.12 or 3.13"),
        ("exit 4", "has no venv with pip; on Debian and Ubuntu: apt-get install python3-venv"),
    ],
)
def test_a_python_that_does_not_fit_is_rejected_with_the_reason(
    tmp_path: Path, body: str, message: str
) -> None:
    python = fake_python(tmp_path, body)

    status, output = run(ROOT / ".ci/python", PYTHON=str(python))

    assert status == 1
    assert str(python) in output
    assert message in output


def test_without_any_python_it_says_how_to_name_one(tmp_path: Path) -> None:
    status, output = run("/bin/sh", ROOT / ".ci/python", PATH=str(tmp_path))

    assert status == 1
    assert output == (
        "no Python 3.11, 3.12 or 3.13 found; install one, or name it: make setup PYTHON=/path/to/python3.12\n"
    )


@pytest.mark.parametrize("lock", ["requirements.txt", "requirements-dev.txt", "requirements-job.txt"])
def test_a_lock_holds_hashes_and_no_address(lock: str) -> None:
    text = (ROOT / lock).read_text()

    pins = re.findall(r"^[a-z0-9][^\n ]*==[^\n]*\\\n    --hash=sha256:[0-9a-f]{64}", text, re.MULTILINE)
    assert len(pins) == len(re.findall(r"^[a-z0-9]", text, re.MULTILINE)) > 10
    assert re.findall(r"https?://|--index-url|--find-links|--extra-index-url", text) == []


@pytest.mark.parametrize("script", ["kustomize", "actionlint", "statsd-exporter"])
def test_a_tool_that_go_makes_is_taken_from_the_cache(tmp_path: Path, script: str) -> None:
    there = {"PATH": str(tmp_path), "HOME": str(tmp_path)}
    status, output = run("/bin/sh", ROOT / ".ci" / script, **there)
    assert status == 1
    name, version = output.split()[:2]
    kept = tmp_path / f".cache/millrace/{name}-{version}" / name
    kept.parent.mkdir(parents=True)
    kept.touch(0o755)
    assert run("/bin/sh", ROOT / ".ci" / script, **there) == (0, f"{kept}\n")


def test_go_makes_a_tool_once_and_says_why_it_cannot(tmp_path: Path) -> None:
    there = {"PATH": f"{tmp_path}:/usr/bin:/bin", "HOME": str(tmp_path)}
    go = tmp_path / "go"
    go.write_text("#!/bin/sh\necho no such module >&2\n")
    go.chmod(0o755)
    status, output = run(ROOT / ".ci/go-tool", "probe", "example.com/probe", "v1.2.3", **there)
    assert (status, output) == (1, "Go could not build probe v1.2.3: no such module\n")

    go.write_text('#!/bin/sh\necho "$*" >>"$HOME/calls"; >"$GOBIN/probe"; chmod +x "$GOBIN/probe"\n')
    for _ in range(2):
        status, output = run(ROOT / ".ci/go-tool", "probe", "example.com/probe", "v1.2.3", **there)
        assert (status, output) == (0, f"{tmp_path}/.cache/millrace/probe-v1.2.3/probe\n")
    assert (tmp_path / "calls").read_text() == "install example.com/probe@v1.2.3\n"
    assert [file.name for file in (tmp_path / ".cache/millrace/probe-v1.2.3").iterdir()] == ["probe"]


def test_every_shell_script_is_linted() -> None:
    probe = "include Makefile\nprobe: ; @printf '%s\\n' $(SCRIPTS)\n"
    command = ["make", "-s", "-f", "-", "probe"]
    output = subprocess.run(command, cwd=ROOT, input=probe, capture_output=True, text=True, check=True).stdout
    there = {
        str(file.relative_to(ROOT))
        for folder in (".ci", "dags", "docs", "findings", "include", "plugins", "tests")
        for file in ROOT.glob(f"{folder}/**/*")
        if file.is_file() and re.match(rb"#!/\S+( \S*)?sh\n", file.read_bytes()[:40])
    }
    assert set(output.split()) == there


def test_the_exporter_of_the_tests_is_the_one_that_compose_runs() -> None:
    [ran] = re.findall(r"prom/statsd-exporter:([^\s@]+)", (ROOT / "docker-compose.yaml").read_text())
    assert f"version={ran}\n" in (ROOT / ".ci/statsd-exporter").read_text()


def test_without_kustomize_and_go_it_says_what_is_missing(tmp_path: Path) -> None:
    status, output = run("/bin/sh", ROOT / ".ci/kustomize", PATH=str(tmp_path), HOME=str(tmp_path))

    assert status == 1
    assert output == "kustomize v5.8.1 is not on the PATH, and Go is not installed to build it\n"


def test_a_kustomize_of_another_version_is_passed_over(tmp_path: Path) -> None:
    other = tmp_path / "kustomize"
    other.write_text("#!/bin/sh\necho v4.0.0\n")
    other.chmod(0o755)
    assert run("/bin/sh", ROOT / ".ci/kustomize", PATH=str(tmp_path), HOME=str(tmp_path))[0] == 1

    other.write_text("#!/bin/sh\necho v5.8.1\n")
    assert run("/bin/sh", ROOT / ".ci/kustomize", PATH=str(tmp_path), HOME=str(tmp_path)) == (0, f"{other}\n")
