"""Backup and restore of the platform on one server: its databases and the files of the lake and of MLflow.

A backup is taken while everything runs, or while nothing does but PostgreSQL, for as long as it takes. What
points is saved before what is pointed at (Airflow's runs, then MLflow's, then the lake's commits, then the
files, which are added and never changed): nothing in a backup leads to something that it lacks. It is a
folder, and there only when it is whole.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from include.exceptions import BadData, Misconfigured
from include.platform.compose import env
from include.platform.compose.databases import OWNERS
from include.platform.compose.docker_compose import Compose, Say

MANIFEST = "manifest.json"
_FORMAT = 1
_VOLUMES = {"lakefs": "/home/lakefs", "mlflow": "/var/lib/mlflow"}
"""Each service whose files are saved, with the place of its volume."""
_CHANGED = 1
"""GNU tar's status where a file grew while it was read: one of a run that is not over yet."""


def backup(compose: Compose, target: Path, say: Say) -> None:
    """Save everything into a new folder; raises Misconfigured if it is there, or there is nothing to save."""
    if target.exists():
        raise Misconfigured(f"{target} is there already; name another folder by TO=…")
    if lacking := {"postgres", *_VOLUMES} - compose.volumes():
        raise Misconfigured(
            f"there is nothing to save: no volume {', '.join(sorted(lacking))} of this project; `make "
            "compose DO=up` makes them, and COMPOSE_PROJECT_NAME in .env says which project is meant"
        )
    part = target.with_name(f"{target.name}.part-{os.getpid()}")
    part.mkdir(mode=0o700, parents=True)
    try:
        with _database(compose, say):
            _save(compose, part, say)
    except BaseException:
        shutil.rmtree(part)  # a nightly one that fails would fill the disk
        raise
    part.rename(target)


def restore(compose: Compose, source: Path, say: Say) -> None:
    """Put everything back as it was saved; what is there now is lost. Raises before anything is touched
    if the backup is damaged, or was made with other keys."""
    _check(compose, source)
    say("stopping everything")
    # Not `up --no-start`: docker-compose would wait for the health of what it does not start.
    compose.call("create")
    compose.call("stop")
    for service in _VOLUMES:
        say(f"restoring the files of {service}")
        _unpack(compose, service, source / f"{service}.tar")
    compose.up(say, "postgres", "databases")
    for name in OWNERS:
        _psql(compose, "dropdb", "--force", "--if-exists", name)
    compose.up(say, "postgres", "databases")
    for name, owner in OWNERS.items():
        say(f"restoring database {name}")
        with (source / f"{name}.dump").open("rb") as dump:
            options = ("--no-owner", "--role", owner, "--exit-on-error", "--dbname", name)
            _psql(compose, "pg_restore", *options, stdin=dump)
    compose.up(say)


@contextmanager
def _database(compose: Compose, say: Say) -> Iterator[None]:
    """PostgreSQL up, and a container of each other service that is saved; nothing that runs is touched."""
    found = {one.service: one.state["Status"] for one in compose.containers()}
    # Not recreated: the checkout may be of a newer version than what runs.
    compose.call("create", "--no-recreate", "postgres", *_VOLUMES)
    try:
        compose.up(say, "postgres", options=("--no-recreate",))
        yield
    finally:
        if found.get("postgres") not in ("running", "restarting"):
            compose.call("stop", "postgres")


def _save(compose: Compose, part: Path, say: Say) -> None:
    for name in OWNERS:
        say(f"saving database {name}")
        _dump(compose, name, part / f"{name}.dump")
    for service in _VOLUMES:
        say(f"saving the files of {service}")
        _pack(compose, service, part / f"{service}.tar")
    _seal(compose, part)


def _dump(compose: Compose, name: str, file: Path) -> None:
    with file.open("xb") as target:
        _psql(compose, "pg_dump", "--format", "custom", name, stdout=target)


def _psql(compose: Compose, program: str, *arguments: str, stdin: Any = None, stdout: Any = None) -> None:
    interactive = ["--interactive"] if stdin else []
    postgres = compose.container("postgres").id
    command = [*interactive, postgres, program, "--username", "postgres", *arguments]
    compose.docker("exec", *command, stdin=stdin, stdout=stdout)


def _pack(compose: Compose, service: str, file: Path) -> None:
    with file.open("xb") as target:
        command = (
            *_beside(compose, service, "ro"),
            "--create",
            "--numeric-owner",
            "--directory",
            "/kept",
            ".",
        )
        compose.docker("run", "--rm", "--entrypoint", "tar", *command, stdout=target, fine=(0, _CHANGED))


def _unpack(compose: Compose, service: str, file: Path) -> None:
    script = "find /kept -mindepth 1 -delete && tar --extract --numeric-owner --same-owner --directory /kept"
    with file.open("rb") as packed:
        command = (*_beside(compose, service, "rw"), "-c", script)
        compose.docker("run", "--rm", "--interactive", "--entrypoint", "sh", *command, stdin=packed)


def _beside(compose: Compose, service: str, mode: str) -> tuple[str, ...]:
    """What runs our own image, which has GNU tar, over a service's volume."""
    volume = compose.container(service).volumes[_VOLUMES[service]]
    image = compose.container("mlflow").image
    return "--network", "none", "--user", "0:0", "--volume", f"{volume}:/kept:{mode}", image


def _keys(compose: Compose) -> dict[str, str]:
    """Fingerprints of the secrets without which the data is worth nothing; they do not tell the secrets."""
    found = env.read(compose.folder / ".env")
    return {name: hashlib.sha256(found.get(name, "").encode()).hexdigest()[:16] for name in env.KEPT}


def _seal(compose: Compose, folder: Path) -> None:
    files = {file.name: _sum(file) for file in sorted(folder.iterdir())}
    made = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    images = {one.service: one.image for one in compose.containers()}
    told = {"format": _FORMAT, "made": made, "keys": _keys(compose), "images": images, "files": files}
    (folder / MANIFEST).write_text(json.dumps(told, indent=2) + "\n")


def _check(compose: Compose, source: Path) -> None:
    try:
        told = json.loads((source / MANIFEST).read_text())
    except (OSError, ValueError) as error:
        raise Misconfigured(f"{source} is no backup: its {MANIFEST} cannot be read ({error})") from error
    if told.get("format") != _FORMAT:
        raise Misconfigured(f"{source} has format {told.get('format')!r}; this version reads {_FORMAT}")
    damaged = [
        name
        for name, sum_ in told["files"].items()
        if not (source / name).is_file() or _sum(source / name) != sum_
    ]
    if damaged:
        raise BadData(f"{source} is damaged: {', '.join(damaged)}; take another backup")
    others = [name for name, print_ in _keys(compose).items() if told["keys"].get(name) != print_]
    if others:
        raise Misconfigured(
            f"{source} was made with other values of {', '.join(others)}, without which its data cannot be "
            "read; put the .env of that time back first"
        )


def _sum(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
