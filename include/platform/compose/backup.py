"""Backup and restore of the platform on one server: its databases and the files of the lake and of MLflow.

A backup can be taken while the platform runs or while it is stopped; in the latter case PostgreSQL is
started meanwhile. References are saved before the things that they refer to: Airflow's runs, then MLflow's,
then the lake's commits, then the files, which are added but never changed. So a backup contains everything
that it refers to. It is a folder that appears only when it is complete.
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
"""The services whose files are saved, with the path at which each mounts its volume."""
_TAR_FILE_CHANGED = 1
"""GNU tar's status if a file changed while it was read, such as the log of an unfinished run."""


def backup(compose: Compose, target: Path, say: Say) -> None:
    """Save everything into a new folder.

    Raises Misconfigured if the folder exists, or if there is nothing to save.
    """
    if target.exists():
        raise Misconfigured(f"{target} already exists; name another folder by TO=…")
    if missing := {"postgres", *_VOLUMES} - compose.volumes():
        raise Misconfigured(
            f"there is nothing to save: this project has no volume {', '.join(sorted(missing))}; `make "
            "compose DO=up` creates them, and COMPOSE_PROJECT_NAME in .env selects the project"
        )
    part = target.with_name(f"{target.name}.part-{os.getpid()}")
    part.mkdir(mode=0o700, parents=True)
    try:
        with _database(compose, say):
            _save(compose, part, say)
    except BaseException:
        shutil.rmtree(part)  # failing backups from a cron job would fill the disk
        raise
    part.rename(target)


def restore(compose: Compose, source: Path, say: Say) -> None:
    """Replace the platform's data by a backup.

    Before anything is changed, raises BadData if the backup is damaged, Misconfigured if it was made with
    other keys.
    """
    _check(compose, source)
    say("stopping everything")
    # Not `up --no-start`: docker-compose 1.29 would wait for the health of services that it does not start.
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
    """Have PostgreSQL running, and a container for each other service whose files are saved.

    Running containers stay as they are; PostgreSQL is stopped at the end if it did not run before.
    """
    states = {container.service: container.state["Status"] for container in compose.containers()}
    # `--no-recreate`: the checkout may be newer than the running containers.
    compose.call("create", "--no-recreate", "postgres", *_VOLUMES)
    try:
        compose.up(say, "postgres", options=("--no-recreate",))
        yield
    finally:
        if states.get("postgres") not in ("running", "restarting"):
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
            *_with_volume(compose, service, "ro"),
            "--create",
            "--numeric-owner",
            "--directory",
            "/volume",
            ".",
        )
        options = ("run", "--rm", "--entrypoint", "tar")
        compose.docker(*options, *command, stdout=target, allowed=(0, _TAR_FILE_CHANGED))


def _unpack(compose: Compose, service: str, file: Path) -> None:
    empty = "find /volume -mindepth 1 -delete"
    script = f"{empty} && tar --extract --numeric-owner --same-owner --directory /volume"
    with file.open("rb") as packed:
        command = (*_with_volume(compose, service, "rw"), "-c", script)
        compose.docker("run", "--rm", "--interactive", "--entrypoint", "sh", *command, stdin=packed)


def _with_volume(compose: Compose, service: str, mode: str) -> tuple[str, ...]:
    """Return arguments of `docker run`: the MLflow image, which has GNU tar, with a service's volume."""
    volume = compose.container(service).volumes[_VOLUMES[service]]
    image = compose.container("mlflow").image
    return "--network", "none", "--user", "0:0", "--volume", f"{volume}:/volume:{mode}", image


def _key_fingerprints(compose: Compose) -> dict[str, str]:
    """Return hashes of the secrets without which the data cannot be read."""
    variables = env.read(compose.folder / ".env")
    return {name: hashlib.sha256(variables.get(name, "").encode()).hexdigest()[:16] for name in env.DATA_KEYS}


def _seal(compose: Compose, folder: Path) -> None:
    """Write the manifest, which holds the checksum of every file."""
    manifest = {
        "format": _FORMAT,
        "made": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "keys": _key_fingerprints(compose),
        "images": {container.service: container.image for container in compose.containers()},
        "files": {file.name: _sha256(file) for file in sorted(folder.iterdir())},
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")


def _check(compose: Compose, source: Path) -> None:
    try:
        manifest = json.loads((source / MANIFEST).read_text())
    except (OSError, ValueError) as error:
        raise Misconfigured(f"{source} is not a backup: its {MANIFEST} cannot be read ({error})") from error
    if manifest.get("format") != _FORMAT:
        raise Misconfigured(f"{source} has format {manifest.get('format')!r}; this version reads {_FORMAT}")
    damaged = [
        name
        for name, checksum in manifest["files"].items()
        if not (source / name).is_file() or _sha256(source / name) != checksum
    ]
    if damaged:
        raise BadData(f"{source} is damaged: {', '.join(damaged)}; take another backup")
    fingerprints = _key_fingerprints(compose).items()
    different = [name for name, fingerprint in fingerprints if manifest["keys"].get(name) != fingerprint]
    if different:
        raise Misconfigured(
            f"{source} was made with other values of {', '.join(different)}, without which its data cannot "
            "be read; first restore the .env of that time"
        )


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
