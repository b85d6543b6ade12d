"""Contain what goes wrong with one pipeline, so that it reaches no other."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from include.exceptions import Fault, MillraceError, PipelineInvalid
from include.excerpt import describe

_Result = TypeVar("_Result")


def contain(do: Callable[[], _Result], *, file: Path, action: str) -> _Result | PipelineInvalid:
    """Return what `do` returns, or as an error of the pipeline's file whatever it raises.

    Only KeyboardInterrupt passes: SystemExit, MemoryError and the time-outs of Airflow, which are not
    subclasses of Exception either, concern this pipeline and not the others. `action` words what `do` does
    ("reading it").
    """
    try:
        return do()
    except KeyboardInterrupt:
        raise
    except PipelineInvalid as error:
        return error
    except BaseException as error:  # noqa: BLE001 - see above
        return PipelineInvalid(str(file), [Fault("file", _message(error, action))])


def _message(error: BaseException, action: str) -> str:
    if isinstance(error, MillraceError):
        return str(error)
    if isinstance(error, OSError):
        reason = error.strerror or type(error).__name__
        return f"{action} failed: {reason}; correct it, or let Airflow's user read it"
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    return (
        f"{action} failed with {describe(error)}{where}; correct the file, or the code that raised it, then "
        "save it again"
    )
