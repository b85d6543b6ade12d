"""`python -m include.platform.compose VERB`: the operator's CLI, which `make compose DO=VERB` calls."""

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
    """Run a verb; return 0, or 1 after printing the reason to stderr."""
    options = _parser().parse_args(arguments)
    try:
        environment.refuse_old_names(env.read(ROOT / ".env"))
        _VERBS[options.verb](options)
    except MillraceError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="include.platform.compose", description=__doc__)
    parser.add_argument("verb", choices=sorted(_VERBS))
    parser.add_argument(
        "--folder", type=Path, default=None, help="of the backup (default: a new one below var/backups)"
    )
    return parser


def _say(text: str) -> None:
    print(text, flush=True)  # in order with Docker's output, also if both go to a file


def _env(_: argparse.Namespace) -> None:
    added = env.complete(ROOT / ".env")
    _say(f".env: added {', '.join(added)}" if added else ".env is complete; nothing was changed")


def _up(_: argparse.Namespace) -> None:
    compose = _startable()
    _build()
    compose.up(_say)


def _backup(options: argparse.Namespace) -> None:
    _save(Compose.find(ROOT), options.folder)


def _restore(options: argparse.Namespace) -> None:
    compose = _startable()
    _build()  # images of another version, or on a new server none, may have the tags of this version
    restore(compose, options.folder.resolve(), _say)


def _upgrade(options: argparse.Namespace) -> None:
    """Upgrade to this checkout's version, after a backup: database migrations cannot be undone."""
    compose = _startable()
    _env(options)  # this version may have new secrets
    _build()  # running containers keep their images
    _save(compose, options.folder)
    compose.up(_say)


def _save(compose: Compose, folder: Path | None) -> None:
    target = (folder or ROOT / "var/backups" / time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())).resolve()
    backup(compose, target, _say)
    _say(f"the backup is in {target}")


def _startable() -> Compose:
    """Return the Compose project of this checkout, after checking that its services can read the files."""
    permissions.check(ROOT)
    return Compose.find(ROOT)


def _build() -> None:
    """Build the project's images in the version of this checkout."""
    if subprocess.run([ROOT / "include/platform/images/build", *_IMAGES], check=False).returncode:
        raise Unavailable("the images could not be built; see above")


_VERBS = {"env": _env, "up": _up, "backup": _backup, "restore": _restore, "upgrade": _upgrade}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
