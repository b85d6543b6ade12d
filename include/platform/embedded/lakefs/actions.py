"""Action files of a repository: which hooks run on which event.

Format: https://docs.lakefs.io/howto/hooks/
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import yaml

from include.platform.embedded.lakefs.errors import PreconditionFailed
from include.platform.embedded.lakefs.webhooks import Webhook
from include.yaml_text import check_limits

FOLDER = "_lakefs_actions/"
MAX_BYTES = 1 << 20
_CREATIONS = [f"{verb}-{what}" for verb in ("create", "delete") for what in ("branch", "tag")]
_OPERATIONS = ["commit", "merge", "revert", "cherry-pick", *_CREATIONS]
_EVENTS = {"prepare-commit", *(f"{moment}-{name}" for moment in ("pre", "post") for name in _OPERATIONS)}
_FOREIGN_KINDS = ("airflow", "lua")
"""Kinds of hooks that lakeFS runs and this server does not."""
_NAME = re.compile(r"\w[-\w. ]+", re.ASCII)
_HOOK_ID = re.compile(r"[_a-zA-Z][-_a-zA-Z0-9]{1,255}")
_CONDITION = re.compile(r"(?:success\(\)|failure\(\)|true\b|false\b|and\b|or\b|not\b|&&|\|\||!|[()]|\s)+")
_TO_PYTHON = {"&&": " and ", "||": " or ", "!": " not ", "success()": "success", "failure()": "failure"}


class _Loader(yaml.SafeLoader):
    """A loader that reads every scalar but null as text, as lakeFS does: YAML 1.1 has `on` for true."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - the name is PyYAML's
        first: [(tag, pattern) for tag, pattern in found if tag.endswith(":null")]
        for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


@dataclass(frozen=True)
class Hook:
    """A hook of an action; `webhook` is None if it is of a kind that is not run here."""

    id: str
    kind: str
    condition: str
    webhook: Webhook | None

    def wanted(self, *, success: bool) -> bool:
        """Return whether the hook runs, after the earlier hooks of its action succeeded or one failed."""
        if not self.condition:
            return success
        return _holds(_parsed(self.condition), success)


@dataclass(frozen=True)
class Action:
    """An action file; `on` has the patterns of branches of each event, none for all branches."""

    name: str
    on: dict[str, list[str]]
    hooks: tuple[Hook, ...]

    def matches(self, event: str, branch: str) -> bool:
        """Return whether the action's hooks run on an event."""
        patterns = self.on.get(event)
        if patterns is None:
            return False
        return not patterns or any(fnmatchcase(branch, pattern.replace("[^", "[!")) for pattern in patterns)

    @property
    def foreign(self) -> Hook | None:
        """The first hook that is not run here, or None."""
        return next((hook for hook in self.hooks if hook.webhook is None), None)


class ActionInvalid(PreconditionFailed):
    """An action file has a fault, so nobody knows what its hooks would have refused."""

    def __init__(self, path: str, fault: str) -> None:
        super().__init__(f"action file {path!r} is not valid: {fault}; correct or delete it")


def parse(path: str, content: bytes) -> Action:
    """Return the action of a file; raise ActionInvalid with the first fault if it has one."""
    try:
        text = content.decode()
        check_limits(text)
        return _action(yaml.load(text, Loader=_Loader))  # noqa: S506 - a safe loader
    except (ValueError, yaml.YAMLError) as error:
        raise ActionInvalid(path, str(error)) from error


def parse_all(files: dict[str, bytes]) -> list[Action]:
    """Return the actions of all files, in the order of their paths; names have to be unique."""
    actions: dict[str, Action] = {}
    for path, content in files.items():
        action = parse(path, content)
        if action.name in actions:
            raise ActionInvalid(path, f"another file has the name {action.name!r}")
        actions[action.name] = action
    return list(actions.values())


def _action(text: Any) -> Action:
    fields = _mapping(text, "the file")
    name = _text(fields, "name")
    if not _NAME.fullmatch(name):
        raise ValueError(f"name {name!r} needs two or more letters, digits, '_', '-', '.' and spaces")
    on = _mapping(fields.get("on"), "on")
    if not on:
        raise ValueError("'on' names no event")
    events = {event: _patterns(event, given) for event, given in on.items()}
    hooks = [_hook(given) for given in _list(fields.get("hooks"), "hooks")]
    ids = [hook.id for hook in hooks]
    if len(ids) > len(set(ids)):
        raise ValueError("two hooks have the same id")
    return Action(name, events, tuple(hooks))


def _patterns(event: str, given: Any) -> list[str]:
    if event not in _EVENTS:
        raise ValueError(f"event {event!r} is not known: allowed are {', '.join(sorted(_EVENTS))}")
    patterns = _list(_mapping(given, event).get("branches"), f"branches of {event}")
    if patterns and event.endswith("-tag"):
        raise ValueError(f"{event!r} takes no branches")
    if not all(isinstance(pattern, str) for pattern in patterns):
        raise ValueError(f"branches of {event!r} have to be texts")
    return patterns


def _hook(given: Any) -> Hook:
    fields = _mapping(given, "a hook")
    name, kind, condition = (_text(fields, key) for key in ("id", "type", "if"))
    if not _HOOK_ID.fullmatch(name):
        raise ValueError(f"hook id {name!r} needs two or more letters, digits, '_' and '-'")
    if condition:
        _parsed(condition)
    if kind in _FOREIGN_KINDS:
        return Hook(name, kind, condition, None)
    if kind != "webhook":
        raise ValueError(f"hook {name!r} has the unknown type {kind!r}")
    properties = _mapping(fields.get("properties"), f"properties of hook {name!r}")
    try:
        return Hook(name, kind, condition, Webhook.of(properties))
    except ValueError as error:
        raise ValueError(f"hook {name!r}: {error}") from error


def _parsed(condition: str) -> ast.expr:
    """Return a condition as an expression of `success`, `failure`, `and`, `or` and `not`."""
    if not _CONDITION.fullmatch(condition):
        raise ValueError(f"condition {condition!r} may hold success(), failure(), !, &&, || and parentheses")
    text = re.sub(r"&&|\|\||!|(?:success|failure)\(\)", lambda found: _TO_PYTHON[found[0]], condition)
    try:
        return ast.parse(text.strip(), mode="eval").body
    except SyntaxError as error:
        raise ValueError(f"condition {condition!r} cannot be read") from error


def _holds(node: ast.expr, success: bool) -> bool:
    if isinstance(node, ast.BoolOp):
        parts = [_holds(value, success) for value in node.values]
        return all(parts) if isinstance(node.op, ast.And) else any(parts)
    if isinstance(node, ast.UnaryOp):
        return not _holds(node.operand, success)
    return {"success": success, "failure": not success, "true": True, "false": False}[ast.unparse(node)]


def _mapping(given: Any, what: str) -> dict[str, Any]:
    if given in (None, ""):
        return {}
    if not isinstance(given, dict):
        raise ValueError(f"{what} has to be a mapping")
    return given


def _list(given: Any, what: str) -> list[Any]:
    if given in (None, ""):
        return []
    if not isinstance(given, list):
        raise ValueError(f"{what} has to be a list")
    return given


def _text(fields: dict[str, Any], key: str) -> str:
    text = fields.get(key, "")
    if not isinstance(text, str):
        raise ValueError(f"{key!r} has to be a text")
    return text
