"""`python -m include.platform.repositories <storage>`: make the lake's repository of every pipeline.

For an Airflow that Millrace did not set up: `make up` and Compose make repositories themselves. Without a
storage the command lists the repositories and makes none. Harmless if they are there.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from include.contract import loader
from include.contract.pipeline import Pipeline
from include.exceptions import MillraceError, Misconfigured, Transient, Unauthorized
from include.lake.client import Lake, LakeConnection
from include.settings import LakeLogin, settings


def make_repositories(connection: LakeConnection, pipelines: Path, storage: str) -> None:
    """Make the repositories of the valid pipelines in a folder, where they are not there.

    `storage` is a storage namespace of lakeFS (`s3://bucket/lake`, `local://lake`); each repository gets the
    folder of its name there. A pipeline that is broken, or whose repository the lake refuses, is named on
    stderr and keeps no other from its repository.
    """
    name_broken(pipelines)
    for pipeline in loader.valid(pipelines):
        name = pipeline.lake.repository
        with _naming(pipeline):
            Lake(connection, name).ensure_repository_below(storage, pipeline.lake.branch)


def find_repositories(connection: LakeConnection, pipelines: Path) -> dict[str, bool]:
    """Return for each valid pipeline's repository whether the lake has it, with the pipeline's branch."""
    found: dict[str, bool] = {}
    for pipeline in loader.valid(pipelines):
        lake = pipeline.lake
        found[lake.repository] = False
        with _naming(pipeline):
            found[lake.repository] = Lake(connection, lake.repository).ref_exists(lake.branch)
    return found


def name_broken(pipelines: Path) -> None:
    """Print on stderr what is wrong with the pipelines of a folder."""
    for error in loader.errors(pipelines):
        print(error, file=sys.stderr)  # noqa: T201 - for the user of a command


@contextmanager
def _naming(pipeline: Pipeline) -> Iterator[None]:
    """Print on stderr what the lake refuses of one pipeline; pass on what concerns all of them."""
    try:
        yield
    except (Transient, Unauthorized):
        raise
    except MillraceError as error:
        print(f"pipeline {pipeline.name!r}: {error}", file=sys.stderr)  # noqa: T201 - for the user of a command


def main(arguments: list[str]) -> int:
    """Read the lake's address and keys from lakectl's variables; return 1 if a repository is missing."""
    parser = argparse.ArgumentParser(prog="python -m include.platform.repositories")
    parser.add_argument("storage", nargs="?", help="such as s3://bucket/lake; left out: nothing is made")
    storage = parser.parse_args(arguments).storage
    connection, pipelines = _connection(), settings().pipelines
    if storage:
        make_repositories(connection, pipelines, storage)
    else:
        name_broken(pipelines)
    found = find_repositories(connection, pipelines)
    for name, is_there in found.items():
        print(f"{name}: {'ready' if is_there else 'missing'}")  # noqa: T201 - a command
    return 0 if all(found.values()) else 1


def _connection() -> LakeConnection:
    try:
        return LakeConnection.of(LakeLogin())
    except ValidationError as error:
        names = ", ".join(sorted({str(fault["loc"][0]) for fault in error.errors()}))
        raise Misconfigured(f"missing or wrong: {names}; set them as for lakectl") from error


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except MillraceError as error:
        sys.exit(str(error))
