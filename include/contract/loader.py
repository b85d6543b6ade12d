"""Load the pipelines of a folder, and check them against their contract.

All faults of a pipeline are reported together, with the file, the path of the key, the value and what is
allowed. Whatever goes wrong while one pipeline is read is a fault of that pipeline alone.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

from pydantic import ValidationError

from include.contract import code, suite
from include.contract.checks import check
from include.contract.containment import contain
from include.contract.export_folders import shared_faults
from include.contract.faults import to_fault
from include.contract.pipeline import Pipeline
from include.exceptions import Fault, Misconfigured, PipelineInvalid
from include.yaml_text import read_yaml

CONTRACT = "pipeline.yaml"

_SLOW_SECONDS = 1.0
_log = logging.getLogger(__name__)


def names(folder: Path) -> list[str]:
    """Return the names of the pipelines in a folder: its subfolders with a contract.

    Those that cannot be looked into count, and so do links to nowhere: somebody put a pipeline there. A
    folder that is not there has none; raises Misconfigured if it cannot be listed.
    """
    try:
        entries = sorted(folder.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise Misconfigured(
            f"the folder of the pipelines, {folder}, cannot be listed: {error.strerror}; set "
            "MILLRACE_PIPELINES, or let Airflow's user read it"
        ) from error
    return [entry.name for entry in entries if _is_pipeline(entry)]


def _is_pipeline(folder: Path) -> bool:
    try:
        os.lstat(folder / CONTRACT)
    except FileNotFoundError:
        is_hidden = folder.name.startswith(".")  # such as the lock of an editor, a link to nowhere
        return not is_hidden and folder.is_symlink() and not os.path.lexists(os.path.realpath(folder))
    except NotADirectoryError:
        return False
    except OSError:
        return True
    return True


def load(folder: Path) -> Pipeline:
    """Return one pipeline; raises PipelineInvalid with every fault, Misconfigured if there is no contract."""
    started = time.monotonic()
    try:
        return _load(folder)
    finally:
        if (seconds := time.monotonic() - started) > _SLOW_SECONDS:
            _log.warning("the contract of %r took %.1f s to read; shorten it", folder.name, seconds)


def _load(folder: Path) -> Pipeline:
    file = folder / CONTRACT
    if not _is_pipeline(folder):
        known = ", ".join(names(folder.parent)) or "none"
        raise Misconfigured(f"there is no pipeline {folder.name!r} in {folder.parent}; there is: {known}")
    raw = read_yaml(file)
    faults: list[Fault] = []
    pipeline: Pipeline | None = None
    try:
        pipeline = Pipeline.model_validate(raw)
    except ValidationError as error:
        faults += [to_fault(detail) for detail in error.errors(include_url=False)]
    faults += check(raw, folder)
    if pipeline is None or faults:
        raise PipelineInvalid(str(file), sorted(set(faults)))
    return pipeline


def read(folder: Path) -> Pipeline | PipelineInvalid:
    """Return one pipeline, or an error with its faults, whatever goes wrong."""
    return contain(partial(load, folder), file=folder / CONTRACT, action="reading it")


def read_all(folder: Path) -> Iterator[Pipeline | PipelineInvalid]:
    """Yield every pipeline of a folder, or the error with its faults."""
    return (read(folder / name) for name in names(folder))


def valid(folder: Path) -> Iterator[Pipeline]:
    """Yield the valid pipelines of a folder."""
    return (result for result in read_all(folder) if isinstance(result, Pipeline))


def file_errors(folder: Path, pipeline: Pipeline) -> Iterator[PipelineInvalid]:
    """Yield what can be seen in a valid pipeline's other files without running them.

    Such an error stops only the tasks that use the file, so the pipeline keeps its DAGs.
    """
    checks: list[tuple[Path, Callable[[Path], None]]] = [
        *((folder / feed.suite, suite.check_suite) for feed in pipeline.feeds if feed.suite),
        (folder / code.MODEL, partial(code.check_source, function="build")),
        *_source_file(folder, pipeline),
    ]
    for file, check_file in checks:
        found = contain(partial(check_file, file), file=file, action="checking it")
        if isinstance(found, PipelineInvalid):
            yield found


def errors(
    folder: Path, results: Iterable[Pipeline | PipelineInvalid] | None = None
) -> Iterator[PipelineInvalid]:
    """Yield what is wrong with the pipelines of a folder: with each contract, else with its other files.

    `results` are those of `read_all`, if they are there already.
    """
    writers: dict[tuple[str, str, str], str] = {}
    pipelines: list[Pipeline] = []
    for result in read_all(folder) if results is None else results:
        if isinstance(result, PipelineInvalid):
            yield result
            continue
        pipelines.append(result)
        yield from file_errors(folder / result.name, result)
        shared = [(table, writers.setdefault(table, result.name)) for table in result.tables]
        faults = [_shared(*table, other) for table, other in shared if other != result.name]
        if faults:
            yield PipelineInvalid(str(folder / result.name / CONTRACT), faults)
    for name, fault in shared_faults(pipelines, folder):
        yield PipelineInvalid(str(folder / name / CONTRACT), [fault])


def _source_file(folder: Path, pipeline: Pipeline) -> Iterator[tuple[Path, Callable[[Path], None]]]:
    """Yield the modules of the pipeline's folder that the `callable` of a source names, if it names one."""
    for feed in pipeline.feeds:
        module, _, function = str(feed.source.callable).partition(":")
        package, _, name = module.rpartition(".")
        file = folder / f"{name}.py"
        if package == f"{code.PACKAGE}.{folder.name}" and file.exists():
            yield file, partial(code.check_source, function=function)


def _shared(repository: str, branch: str, table: str, other: str) -> Fault:
    return Fault(
        "lake.table",
        f"{table!r} on {branch!r} of {repository!r} is the table of pipeline {other!r}, too: only the one "
        "that has written it may write it; change lake.table or lake.repository in the copy",
    )
