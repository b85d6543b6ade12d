"""Word pydantic's errors as faults of a `pipeline.yaml`."""

from __future__ import annotations

import re
from typing import Any, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from include.contract.pipeline import Pipeline
from include.exceptions import Fault
from include.excerpt import is_secret, nearest, quote

_PLAIN_KEY = re.compile(r"[\w./-]{1,100}")
"""A key that a path shows as it is; others are quoted."""

_OF_KEY = "[key]"
"""Pydantic's last part of the path where a mapping's key is wrong, and not its value."""


def to_fault(error: ErrorDetails) -> Fault:
    """Return a fault with the path of its key, the value, and what is allowed."""
    path = _path(error["loc"])
    if error["type"] == "extra_forbidden":
        return Fault(path, _unknown_key(error["loc"]))
    if error["type"] == "missing":
        return Fault(path, "is missing")
    message, value = error["msg"].removeprefix("Value error, "), error["input"]
    if is_secret(path):
        return Fault(path, f"is not valid ({error['type']}); correct it")
    if error["type"] == "value_error":
        return Fault(path, message.replace(repr(value), quote(value)))
    if isinstance(value, dict):
        return Fault(path, message)
    return Fault(path, f"{quote(value)}: {message[:1].lower()}{message[1:]}")


def _path(location: tuple[int | str, ...]) -> str:
    path = ""
    for part in location:
        if isinstance(part, int):
            path += f"[{part}]"
        elif part != _OF_KEY:
            key = part if _PLAIN_KEY.fullmatch(part) else quote(part)
            path += f".{key}" if path else key
    return path or "file"


def _unknown_key(location: tuple[int | str, ...]) -> str:
    section: Any = Pipeline
    is_mapping = False
    for part in location[:-1]:
        if isinstance(part, int) or is_mapping:  # an item of a list or mapping: its section is that of all
            is_mapping = False
            continue
        fields = section.model_fields if isinstance(section, type) and issubclass(section, BaseModel) else {}
        annotation = fields[part].annotation if part in fields else None
        section, is_mapping = _model_in(annotation), get_origin(annotation) is dict
    allowed = sorted(field.alias or name for name, field in section.model_fields.items()) if section else []
    return f"is not a known key; {nearest(location[-1], allowed)}allowed: {', '.join(allowed)}"


def _model_in(annotation: Any) -> Any:
    options = [annotation, *getattr(annotation, "__args__", ())]
    return next((kind for kind in options if isinstance(kind, type) and issubclass(kind, BaseModel)), None)
