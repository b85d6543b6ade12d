"""Stand-ins for programs."""

from __future__ import annotations

from pathlib import Path


def program(file: Path, body: str) -> None:
    """Write a program of a few lines of shell, with the folder that it is in."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/bin/sh\n{body}\n")
    file.chmod(0o755)
