"""As whom PostgreSQL runs: the caller or, since it refuses root, a user of its own that root makes.

Its socket asks for no password, so the folder around it has to be private: who may enter is who may read.
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

_USER = "millrace"


def needed() -> bool:
    """Whether another user is needed: PostgreSQL refuses to run as root."""
    return os.geteuid() == 0


def options() -> dict[str, Any]:
    """What `subprocess.run` has to be told to run as that user."""
    return {"user": _USER, "group": _entry().pw_gid, "extra_groups": []} if needed() else {}


def private(folder: Path) -> None:
    """Make a folder that its user alone may enter; raises Misconfigured if somebody else made it before."""
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (_uid(), os.geteuid()):
            raise Misconfigured(
                f"{folder} belongs to somebody else; remove it, or change MILLRACE_VAR"
            ) from None
    folder.chmod(0o700)
    own(folder)


def own(folder: Path) -> None:
    """Make sure that a folder and what it holds are the user's; raises Misconfigured if that cannot be."""
    owner = folder.stat().st_uid
    if owner == _uid():
        return
    if not needed():
        raise Misconfigured(
            f"{folder} belongs to user {owner}, not to {_uid()}; start the stack as the same user as before, "
            "or set MILLRACE_VAR to another folder"
        )
    for path in [folder, *folder.rglob("*")]:
        shutil.chown(path, _USER, _entry().pw_gid)


def allow_traversal(path: Path) -> None:
    """Let the user pass the folders above `path`, where root's own are closed; not look into them."""
    if needed():
        for folder in path.parents:
            if not (mode := folder.stat().st_mode) & stat.S_IXOTH:
                folder.chmod(mode | stat.S_IXOTH)


def _uid() -> int:
    return _entry().pw_uid if needed() else os.geteuid()


def _entry() -> pwd.struct_passwd:
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
