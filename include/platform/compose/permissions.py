"""File permissions of the checkout, which is mounted into services that run as other users."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from include.exceptions import Misconfigured

_FOLDERS = ("dags", "plugins", "include")


def check(checkout: Path) -> None:
    """Raise Misconfigured if other users cannot read all mounted files, for example after umask 027."""
    if unreadable := sorted(_unreadable(checkout)):
        first, mode = unreadable[0].relative_to(checkout), unreadable[0].stat().st_mode & 0o777
        raise Misconfigured(
            f"the services run as other users, which cannot read {len(unreadable)} of the files and folders "
            f"here, such as {first} (mode {mode:o}); run `chmod -R o+rX {' '.join(_FOLDERS)}`"
        )


def _unreadable(checkout: Path) -> Iterator[Path]:
    """Yield what other users cannot read, except bytecode, which Python compiles again if necessary."""
    for folder in _FOLDERS:
        for path in (checkout / folder, *(checkout / folder).rglob("*")):
            needed = 0o005 if path.is_dir() else 0o004
            if path.stat().st_mode & needed != needed and "__pycache__" not in path.parts:
                yield path
