"""A checkout that the services cannot read is refused, with the remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.exceptions import Misconfigured
from include.platform.compose import permissions


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for folder in ("dags", "plugins", "include/platform/compose"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder).chmod(0o755)
        (tmp_path / folder / "file").touch()
        (tmp_path / folder / "file").chmod(0o644)
    (tmp_path / "include").chmod(0o755)
    return tmp_path


def test_what_everybody_may_read_is_fine(checkout: Path) -> None:
    bytecode = checkout / "dags/__pycache__"
    bytecode.mkdir(0o700)
    (bytecode / "one.pyc").touch(0o600)
    (checkout / ".env").touch(0o600)
    permissions.check(checkout)


@pytest.mark.parametrize(("path", "mode"), [("include/platform/compose/file", 0o640), ("plugins", 0o750)])
def test_what_is_closed_is_named_with_what_opens_it(checkout: Path, path: str, mode: int) -> None:
    (checkout / path).chmod(mode)
    with pytest.raises(Misconfigured) as caught:
        permissions.check(checkout)
    assert str(caught.value) == (
        "the services run as other users, which cannot read 1 of the files and folders here, "
        f"such as {path} (mode {mode:o}); run `chmod -R o+rX dags plugins include`"
    )
