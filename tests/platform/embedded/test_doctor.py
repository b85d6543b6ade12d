"""`make doctor` finds what keeps a stack from running, and says what to do."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import pytest

from include.platform.embedded import doctor
from include.platform.embedded.doctor import Finding, examine
from include.platform.embedded.processes import Record
from include.platform.embedded.stack import Stack
from tests.support.stack import changed, settings_in


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    """A stack that was never started, in a folder of its user only."""
    (tmp_path / "var").mkdir(mode=0o700)
    return Stack(settings_in(tmp_path / "var"))


def faults(stack: Stack) -> dict[str, Finding]:
    """Return what needs a remedy; the machine's memory is not of interest here."""
    found = {finding.subject: finding for finding in examine(stack)}
    assert len(found) == 10
    return {name: finding for name, finding in found.items() if finding.remedy and name != "memory"}


def test_a_stack_that_can_be_started_has_no_fault(stack: Stack) -> None:
    assert faults(stack) == {}


def test_a_folder_that_is_not_there_yet_is_no_fault(tmp_path: Path) -> None:
    assert faults(Stack(settings_in(tmp_path / "later"))) == {}


def test_a_taken_port_is_named_with_its_owner(stack: Stack) -> None:
    with socket.create_server(("127.0.0.1", stack.settings.mlflow.port)):
        (fault,) = faults(stack).values()

    assert fault.found.startswith(f"port {stack.settings.mlflow.port} for mlflow is taken by ")
    assert str(os.getpid()) in fault.found
    assert fault.remedy == "stop it, or set MILLRACE_MLFLOW_PORT to a free port"


def test_a_folder_that_others_may_enter_is_found(stack: Stack) -> None:
    stack.settings.var.chmod(0o755)

    assert faults(stack)["folder"].remedy == f"chmod 700 {stack.settings.var}"


def test_secrets_that_others_may_read_are_found(stack: Stack) -> None:
    file = stack.settings.var / "secrets" / "stack.json"
    file.parent.mkdir()
    file.touch(mode=0o644)

    assert faults(stack)["secrets"].remedy == f"chmod 600 {file}"


def test_too_little_space_is_found(stack: Stack) -> None:
    fault = faults(Stack(changed(stack.settings, min_free=2**60)))["disk"]

    assert "less than MILLRACE_MIN_FREE" in fault.found
    assert "make clean WHAT=garbage" in fault.remedy


def test_a_clock_that_was_put_back_is_found(stack: Stack) -> None:
    file = stack.settings.var / "run" / "stack.json"
    file.parent.mkdir()
    file.touch()
    os.utime(file, (time.time() + 3600,) * 2)

    assert "3,600 s in the future" in faults(stack)["clock"].found.replace("3,599", "3,600")


def test_a_supervisor_that_died_is_found(stack: Stack) -> None:
    (stack.settings.var / "run").mkdir()
    Record(2**22, ("-m", "supervisor"), ports=stack._ports, runtime="process").write(stack._record_file)

    found = faults(stack)

    assert found["supervisor"].remedy.startswith("run `make up`")
    assert set(found) == {"supervisor", "parts"}


def test_a_missing_lake_program_is_found(stack: Stack) -> None:
    broken = Stack(changed(stack.settings, lakefs={"binary": "/no/lakefs"}))

    assert "MILLRACE_LAKEFS_BINARY='/no/lakefs'" in faults(broken)["lake_program"].found


def test_packages_of_other_versions_are_found(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "version", lambda name: "0.0.1")

    assert faults(stack)["versions"].remedy == "run `make setup`"
