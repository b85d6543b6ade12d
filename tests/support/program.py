"""Stand-ins for programs, as shell scripts."""

from __future__ import annotations

from pathlib import Path


def program(file: Path, body: str) -> None:
    """Write an executable shell script, creating its folder if necessary."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/bin/sh\n{body}\n")
    file.chmod(0o755)
