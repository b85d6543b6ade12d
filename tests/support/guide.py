"""The commands of a page, taken from it and run."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from include.settings import ROOT


def section(page: str, title: str) -> str:
    """Return a section of a document, without the sections below it."""
    text = (ROOT / page).read_text()
    found = re.search(rf"^#+ {re.escape(title)}\n(.*?)(?=^#+ |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"{page} has no section {title!r}"
    return found[1]


def commands(text: str) -> str:
    """Return the first block of shell commands."""
    return str(re.findall(r"```sh\n(.*?)```", text, re.DOTALL)[0])


def session(text: str) -> list[tuple[str, list[str]]]:
    """Return the commands of the first console block, each with the lines that it prints."""
    block = re.findall(r"```console\n(.*?)```", text, re.DOTALL)[0]
    parts = [part.splitlines() for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]]
    return [(command, shown) for command, *shown in parts]


def shell(script: str, environment: dict[str, str], folder: Path) -> str:
    """Run commands as somebody would type them; return what they print."""
    command = ["/bin/sh", "-eu", "-c", script]
    ended = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def exported(script: str, environment: dict[str, str], folder: Path) -> dict[str, str]:
    """Run commands; return the variables that they export."""
    printed = shell(f"{{\n{script}\n}} >&2\nenv -0", environment, folder)
    found = dict(pair.split("=", 1) for pair in printed.split("\0") if pair)
    return {name: value for name, value in found.items() if environment.get(name) != value}
