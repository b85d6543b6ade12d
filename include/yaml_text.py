"""YAML text to values of plain types, within limits that keep a text from exhausting its reader."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NoReturn

import yaml

from include.exceptions import Fault, PipelineInvalid
from include.excerpt import LIMIT, describe, excerpt, is_secret, quote
from include.text_file import read_text

MAX_DEPTH = 64
"""How deep lists and mappings may be nested."""
MAX_NODES = 50_000
"""The most values, with those counted again that an alias (`*name`) repeats."""
MAX_CHARACTERS = 200
"""The longest number, date or other value that is not text: the time to convert one grows with its square."""

_EXPLAINED_CHARACTERS = 2**16
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TEXT = "tag:yaml.org,2002:str"
_MERGE = "tag:yaml.org,2002:merge"
# PostgreSQL refuses NUL, and UTF-8 has no surrogates: Airflow could store no DAG of a file with one of them.
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


class YAMLRefused(yaml.MarkedYAMLError):
    """Text that is YAML, but beyond a limit, ambiguous or with an impossible value; `path` is its key."""

    def __init__(self, path: str, problem: str, mark: Any) -> None:
        super().__init__(problem=problem, problem_mark=mark)
        self.path = path


def load_yaml(text: str) -> Any:
    """Return the value of a YAML text, of plain types only; raises yaml.YAMLError.

    libyaml takes a tenth of the time. Short text that it refuses is read again by PyYAML's own parser, whose
    messages say better what was expected.
    """
    try:
        return _load(text, _LOADER)
    except YAMLRefused:
        raise
    except yaml.YAMLError:
        if len(text) > _EXPLAINED_CHARACTERS:
            raise
        return _load(text, yaml.SafeLoader)


def read_yaml(file: Path) -> dict[str, Any]:
    """Return the mapping of a YAML file of a pipeline; raises PipelineInvalid with the key or line."""
    try:
        found = load_yaml(read_text(file))
    except yaml.YAMLError as error:
        raise PipelineInvalid(str(file), [_fault(error)]) from error
    if not isinstance(found, dict):
        raise PipelineInvalid(str(file), [Fault("file", f"is {type(found).__name__}; write keys and values")])
    return found


def _fault(error: yaml.YAMLError) -> Fault:
    mark = getattr(error, "problem_mark", None)
    line = f"line {mark.line + 1}" if mark else "file"
    problem = getattr(error, "problem", None) or str(error)
    if isinstance(error, YAMLRefused):
        return Fault(error.path or line, f"{problem} ({line})" if error.path else problem)
    return Fault(line, f"not readable as YAML: {excerpt(problem)}; correct it")


def _load(text: str, kind: Any) -> Any:
    check_limits(text, kind)
    loader = kind(text)
    try:
        root = loader.get_single_node()
        if root is None:
            return None
        _Nodes(loader).check(root, "", 0)
        return loader.construct_document(root)
    finally:
        loader.dispose()


def check_limits(text: str, kind: Any = _LOADER) -> None:
    """Raise YAMLRefused for a text that is nested too deep or has too many values.

    It comes before nodes are made of the text: of deep nesting, libyaml makes them until the process dies.
    """
    depth = count = 0
    for event in yaml.parse(text, Loader=kind):
        count += isinstance(event, yaml.NodeEvent)
        if count > MAX_NODES:
            _refuse_count("", event.start_mark)
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                _refuse_depth("", event.start_mark)
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _refuse_count(path: str, mark: Any) -> NoReturn:
    problem = (
        f"the file has more than {MAX_NODES:,} values, each *alias counted as what it repeats; shorten it"
    )
    raise YAMLRefused(path, problem, mark)


def _refuse_depth(path: str, mark: Any) -> NoReturn:
    raise YAMLRefused(
        path, f"is nested deeper than {MAX_DEPTH} levels; write it flatter, without *aliases to itself", mark
    )


class _Nodes:
    """Checks the nodes of one document, and makes the values of those without parts."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader
        self._count = 0

    def check(self, node: yaml.Node, path: str, depth: int) -> None:
        """Check a node and all below it, an alias as what it stands for."""
        self._count += 1
        if self._count > MAX_NODES:
            _refuse_count(path, node.start_mark)
        if depth > MAX_DEPTH:
            _refuse_depth(path, node.start_mark)
        if isinstance(node, yaml.ScalarNode):
            self._check_scalar(node, path)
        elif isinstance(node, yaml.SequenceNode):
            for number, item in enumerate(node.value):
                self.check(item, f"{path}[{number}]", depth + 1)
        else:
            self._check_mapping(node, path, depth)

    def _check_mapping(self, node: Any, path: str, depth: int) -> None:
        first: dict[tuple[str, str], yaml.Mark] = {}
        for key, value in node.value:
            self.check(key, path, depth + 1)
            name = str(key.value)[:LIMIT] if isinstance(key, yaml.ScalarNode) else "?"
            inner = f"{path}.{name}" if path else name
            if isinstance(key, yaml.ScalarNode) and key.tag != _MERGE:
                mark = first.setdefault((key.tag, key.value), key.start_mark)
                if mark is not key.start_mark:
                    raise YAMLRefused(
                        inner,
                        f"is written twice, first in line {mark.line + 1}; keep one of them",
                        key.start_mark,
                    )
            self.check(value, inner, depth + 1)

    def _check_scalar(self, node: yaml.ScalarNode, path: str) -> None:
        if found := _UNPRINTABLE.search(node.value):
            raise YAMLRefused(path, f"contains the character {found[0]!r}; remove it", node.start_mark)
        if node.tag in (_TEXT, _MERGE):
            return
        kind = node.tag.rpartition(":")[2]
        if len(node.value) > MAX_CHARACTERS:
            raise YAMLRefused(
                path,
                f"has {len(node.value):,} characters, the limit for the type {kind!r} is {MAX_CHARACTERS}; "
                "put text in quotes",
                node.start_mark,
            )
        try:
            self._loader.construct_object(node)
        except (yaml.YAMLError, RecursionError):
            raise
        except Exception as error:  # PyYAML lets pass what Python's own types raise
            value, reason = quote(node.value), describe(error)
            if is_secret(path):
                value, reason = "the value", type(error).__name__
            problem = f"{value} is not a valid {kind} ({reason}); correct it"
            raise YAMLRefused(path, problem, node.start_mark) from error
