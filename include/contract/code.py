"""A pipeline's own Python: import its `model.py` once a process, or check it without running it."""

from __future__ import annotations

import importlib.util
import symtable
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from include.contract.own_code import own_code
from include.exceptions import Fault, Misconfigured, PipelineInvalid
from include.text_file import read_text

MODEL = "model.py"
PACKAGE = "include.pipelines"
"""The package that the modules of pipelines belong to."""


def load_module(folder: Path, file: str) -> ModuleType:
    """Return a module of a pipeline, such as its model.py, imported from its file once a process.

    Raises Misconfigured if the file is missing or fails to import.
    """
    path = folder / file
    name = f"{PACKAGE}.{folder.name}.{path.stem}"
    if name in sys.modules and getattr(sys.modules[name], "__file__", None) == str(path):
        return sys.modules[name]
    import_spec = importlib.util.spec_from_file_location(name, path)
    if import_spec is None or import_spec.loader is None or not path.is_file():
        raise Misconfigured(f"{path} is missing; see docs/pipelines.md for what it has to define")
    module = importlib.util.module_from_spec(import_spec)
    sys.modules[name] = module  # pickled functions of a model are looked up by this name
    remedy = "correct it, or install what it needs"
    with own_code(f"import of {path}", folder, kind=Misconfigured, remedy=remedy, sees_rows=False):
        try:
            import_spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
    return module


def load_function(folder: Path, file: str, name: str) -> Callable[..., Any]:
    """Return a function of a pipeline's module; raises Misconfigured if it is missing."""
    function = getattr(load_module(folder, file), name, None)
    if not callable(function):
        raise Misconfigured(f"{folder / file} defines no function {name!r}; see docs/pipelines.md")
    return function  # type: ignore[no-any-return]


def check_source(file: Path, *, function: str) -> None:
    """Raise PipelineInvalid if a module is not Python, or does not define a function.

    Nothing is imported: that would take seconds, and the packages that the module needs may be there only
    where its jobs run.
    """
    text = read_text(file)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(text, str(file), "exec", dont_inherit=True)
        table = symtable.symtable(text, str(file), "exec")
    except SyntaxError as error:
        line = f"line {error.lineno}" if error.lineno else "file"
        raise PipelineInvalid(
            str(file), [Fault(line, f"is not valid Python: {error.msg}; correct it")]
        ) from error
    if "import *" not in text and function not in table.get_identifiers():
        raise PipelineInvalid(str(file), [Fault(function, "is not defined; see docs/pipelines.md")])
