"""The operating-system user that runs PostgreSQL.

PostgreSQL refuses to run as root. If root starts the stack, a dedicated user is created for it; otherwise
it runs as the caller. Its socket asks for no password, so the folder around the socket has to be private:
anybody who can enter it can read the databases.
"""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

from include.exceptions import Misconfigured
from include.platform.embedded import sockets

_USER = "millrace"


def is_required() -> bool:
    """Return whether PostgreSQL needs a dedicated user, because the caller is root."""
    return os.geteuid() == 0


def subprocess_options() -> dict[str, Any]:
    """Return the arguments with which `subprocess.run` runs a program as PostgreSQL's user."""
    return {"user": _USER, "group": _entry().pw_gid, "extra_groups": []} if is_required() else {}


def make_private(folder: Path) -> None:
    """Create a folder that only PostgreSQL's user can enter.

    Raises Misconfigured if the folder exists and belongs to another user.
    """
    sockets.make_private(folder, {_uid(), os.geteuid()})
    take_ownership(folder)


def take_ownership(folder: Path) -> None:
    """Make PostgreSQL's user the owner of a folder and of everything in it.

    Raises Misconfigured if the folder belongs to another user and the caller is not root.
    """
    owner = folder.stat().st_uid
    if owner == _uid():
        return
    if not is_required():
        raise Misconfigured(
            f"{folder} belongs to user {owner}, not to {_uid()}; start the stack as the same user as before, "
            "or set MILLRACE_VAR to another folder"
        )
    for path in [folder, *folder.rglob("*")]:
        shutil.chown(path, _USER, _entry().pw_gid)


def allow_traversal(path: Path) -> None:
    """Let PostgreSQL's user pass through the folders above `path` that root has closed.

    Grants the right to enter them (`x`), not to list them (`r`).
    """
    if is_required():
        for folder in path.parents:
            if not (mode := folder.stat().st_mode) & stat.S_IXOTH:
                folder.chmod(mode | stat.S_IXOTH)


def _uid() -> int:
    return _entry().pw_uid if is_required() else os.geteuid()


def _entry() -> pwd.struct_passwd:
    """Return the dedicated user's entry, creating the user if necessary."""
    try:
        return pwd.getpwnam(_USER)
    except KeyError:
        command = ["useradd", "--system", "--user-group", "--no-create-home", "--shell", "/bin/false", _USER]
        try:
            subprocess.run(command, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise Misconfigured(
                "PostgreSQL refuses to run as root, and no user could be made for it "
                f"({' '.join(command)!r}: {error}); run the stack as another user"
            ) from error
        return pwd.getpwnam(_USER)
