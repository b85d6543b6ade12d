"""Run a pipeline's own code: whatever it raises becomes one error that names the person's line.

The message of an exception may quote rows, so it is repeated only where it is known to hold none: where the
code itself holds the text, or where a library words a rule without values. The frames go along as a note.
"""

from __future__ import annotations

import os
import re
import traceback
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager
from pathlib import Path
from types import CodeType

from include.exceptions import JobFailed, MillraceError, Misconfigured, Stopped, Transient
from include.excerpt import excerpt, quote

_MAX_FRAMES = 15
_PASSING = (KeyboardInterrupt, GeneratorExit, Stopped, MillraceError)
"""What is not the code's fault, or is worded already."""
_WRONG_VALUES = (
    FileExistsError,
    FileNotFoundError,
    IsADirectoryError,
    NotADirectoryError,
    PermissionError,
    ValueError,  # as of a wrong URL, or an answer that is not JSON, in requests
)
"""Of the errors of the network and the machine those that another try meets again."""
_PROJECT = Path(__file__).parents[1]

_RULES = re.compile(
    r"Input[\w ]* contains (NaN|infinity)"
    r"|X has \d+ features, but \w+ is expecting \d+ features as input"
    r"|The '\w+' parameter of \w+ must be .+?(?=\. Got )"
)
"""Beginnings of scikit-learn's messages (1.9) that hold no value: the rest is cut off."""
_ARGUMENTS = re.compile(
    r"[\w.]+\(\) (got an unexpected keyword argument '\w+'"
    r"|missing \d+ required [\w -]+: [\w', ]+|takes [\w ]+ but [\w ]+ given"
    r"|got multiple values for (keyword )?argument '\w+')"
    r"|No module named '[\w.]+'|cannot import name '\w+' from '[\w.]+'|name '\w+' is not defined"
)
"""Python's own messages about a call or a name."""


@contextmanager
def own_code(
    action: str,
    folder: Path,
    *,
    remedy: str,
    kind: type[MillraceError] = JobFailed,
    origin: str = "",
    sees_rows: bool = True,
) -> Iterator[None]:
    """Raise `kind` for what the block's own code raises; "<action> failed with …" begins its message.

    `folder` holds the person's files, and `origin` names their call where none of their lines ran. Code that
    sees no rows may have its messages about arguments repeated. Errors of the network stay Transient. What
    is not the code's fault passes: Ctrl-C, the time-outs of Airflow, the stop of a job.

        with own_code("fit of the model", folder, remedy="correct it"):
            estimator.fit(rows, target)
    """
    try:
        yield
    except _PASSING:
        raise
    except BaseException as error:
        if not (isinstance(error, (Exception, SystemExit)) or _is_raised_in(folder, error)):
            raise
        said = f"{action} failed with {explain(error, folder, origin=origin, sees_rows=sees_rows)}"
        told = _told(error, said, remedy, kind, sees_rows)
        told.add_note(frames(error))
        raise told from None  # its message may quote rows


def _is_raised_in(folder: Path, error: BaseException) -> bool:
    """Return whether the code itself raised an error, and no handler of a signal meanwhile."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return _is_in(frame.f_code.co_filename, folder)


def explain(error: BaseException, folder: Path, *, origin: str = "", sees_rows: bool = True) -> str:
    """Return class and place of an exception, without anything that may be a value of the data."""
    name, where = excerpt(type(error).__name__), _where(error, folder, origin)
    ran = _own_frame(error, folder) is not None or any(_functions(error))  # else the call itself is wrong
    detail = _known(error, sees_rows=sees_rows and ran)
    return f"{name} ({detail}) {where}" if detail else f"{name} {where}"


def frames(error: BaseException) -> str:
    """Return the frames of a traceback without the message of its exception."""
    found = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename != __file__]
    last = found[-_MAX_FRAMES:]
    return "The last frames, without the message, which may quote rows:\n" + "".join(
        traceback.format_list(last)
    )


def _told(
    error: BaseException, said: str, remedy: str, kind: type[MillraceError], sees_rows: bool
) -> MillraceError:
    if isinstance(error, MemoryError):
        return Misconfigured(
            f"{said}: there is not enough memory; shorten training.window, read smaller batches, or run it "
            "where there is more"
        )
    if isinstance(error, BrokenExecutor):
        return Transient(
            f"{said}: a process of its own was ended, as when memory is short; it is tried again"
        )
    if isinstance(error, OSError) and _may_pass(error):
        is_pythons = type(error).__module__ == "builtins"  # the numbers of others have other meanings
        reason = os.strerror(error.errno) if error.errno and is_pythons else "the service or the machine"
        return Transient(f"{said}: {reason}; it is tried again")
    if not sees_rows and isinstance(error, TypeError):  # what it is called with comes from the contract
        kind = Misconfigured
    return kind(f"{said}; {remedy}")


def _may_pass(error: OSError) -> bool:
    """Return whether an error is one of the network or the machine; libraries raise a bare OSError, too."""
    bare = type(error) is OSError and error.errno is None
    return not (bare or isinstance(error, _WRONG_VALUES))


def _known(error: BaseException, *, sees_rows: bool) -> str:
    """Return what an exception says, if it is known to hold no value of the data."""
    message = _message(error)
    if found := _RULES.match(message) or (None if sees_rows else _ARGUMENTS.match(message)):
        return excerpt(found[0])
    if isinstance(error, SyntaxError) and error.filename and Path(error.filename).is_file():
        return excerpt(str(error.msg))
    said = [*error.args[:1], getattr(error, "name", None)] if len(error.args) == 1 else []
    written = _texts(error)
    return next((quote(text) for text in said if isinstance(text, str) and text in written), "")


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - whatever its own __str__ raises
        return ""


def _texts(error: BaseException) -> set[str]:
    """Return the texts and names that the code of the traceback is written with."""
    codes = [frame.f_code for frame, _ in traceback.walk_tb(error.__traceback__)]
    return {text for code in codes for text in (*code.co_consts, *code.co_names) if isinstance(text, str)}


def _where(error: BaseException, folder: Path, origin: str) -> str:
    if isinstance(error, SyntaxError) and _is_in(error.filename or "", folder):
        return f"at {error.filename}:{error.lineno}"
    if (own := _own_frame(error, folder)) is not None:
        code, line = own
        return f"at {code.co_filename}:{line} in {quote(code.co_qualname)}"
    called = next((name for name in _functions(error) if "<locals>" not in name), "")
    place = f"in {excerpt(called)}" if called else "when called"
    return f"{place}, {origin}" if origin else place


def _own_frame(error: BaseException, folder: Path) -> tuple[CodeType, int] | None:
    """Return code and line of the last frame in the person's files, also of what caused the error."""
    seen: BaseException | None = error
    for _ in range(_MAX_FRAMES):
        if seen is None:
            break
        found = [(frame.f_code, line) for frame, line in traceback.walk_tb(seen.__traceback__)]
        if own := [one for one in found if _is_in(one[0].co_filename, folder)]:
            return own[-1]
        seen = seen.__cause__ or seen.__context__
    return None


def _functions(error: BaseException) -> Iterator[str]:
    """Yield the functions of libraries in a traceback, the one that was called first."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        code, name = frame.f_code, str(frame.f_globals.get("__name__", "a library"))
        is_machinery = name.partition(".")[0] in ("contextlib", "importlib")
        if not (is_machinery or _is_in(code.co_filename, _PROJECT)):
            yield f"{code.co_qualname} of {name}"


def _is_in(file: str, folder: Path) -> bool:
    return bool(file) and Path(file).is_relative_to(folder)
