"""`python -m include.platform.compose VERB`: what `make compose DO=…` calls."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

from include import environment
from include.exceptions import MillraceError, Unavailable
from include.platform.compose import env, permissions
from include.platform.compose.backup import backup, restore
from include.platform.compose.docker_compose import Compose

ROOT = Path(__file__).resolve().parents[3]
_IMAGES = ("job", "airflow", "mlflow")


def main(arguments: list[str]) -> int:
    """One verb; 0, or 1 with the reason on stderr."""
    asked = _parser().parse_args(arguments)
    try:
        environment.refuse_old_names(env.read(ROOT / ".env"))
        _VERBS[asked.verb](asked)
    except MillraceError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="include.platform.compose", description=__doc__)
    parser.add_argument("verb", choices=sorted(_VERBS))
    parser.add_argument("--folder", type=Path, default=None, help="of the backup; new ones below var/backups")
    return parser


def _say(text: str) -> None:
    print(text, flush=True)  # between what Docker prints, also into a file


def _env(_: argparse.Namespace) -> None:
    added = env.complete(ROOT / ".env")
    _say(f".env: added {', '.join(added)}" if added else ".env has everything; nothing was changed")


def _up(_: argparse.Namespace) -> None:
    compose = _startable()
    _build()
    compose.up(_say)


def _backup(asked: argparse.Namespace) -> None:
    _save(Compose.find(ROOT), asked.folder)


def _restore(asked: argparse.Namespace) -> None:
    compose = _startable()
    _build()  # the server may be new, or go back to an older version: both tag their images alike
    restore(compose, asked.folder.resolve(), _say)


def _upgrade(asked: argparse.Namespace) -> None:
    """A backup before anything new starts: migrations of a database have no way back."""
    compose = _startable()
    _env(asked)  # this version may have a secret more
    _build()  # what runs keeps the images that it has
    _save(compose, asked.folder)
    compose.up(_say)


def _save(compose: Compose, folder: Path | None) -> None:
    target = (folder or ROOT / "var/backups" / time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())).resolve()
    backup(compose, target, _say)
    _say(f"the backup is in {target}")


def _startable() -> Compose:
    """The platform of this checkout, which its services can read."""
    permissions.check(ROOT)
    return Compose.find(ROOT)


def _build() -> None:
    """Our own images, in the version of this checkout."""
    if subprocess.run([ROOT / "include/platform/images/build", *_IMAGES], check=False).returncode:
        raise Unavailable("the images could not be built; see above")


_VERBS = {"env": _env, "up": _up, "backup": _backup, "restore": _restore, "upgrade": _upgrade}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
