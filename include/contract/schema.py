"""The JSON Schema of `pipeline.yaml`, with which editors complete it."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from pydantic import BaseModel

from include.contract.pipeline import Pipeline
from include.contract.types import written


def schema() -> str:
    """Return the JSON Schema of pipeline.yaml."""
    found = Pipeline.model_json_schema()
    _write_defaults(Pipeline, found, found["$defs"])
    return json.dumps(found, indent=2) + "\n"


def _write_defaults(section: type[BaseModel], found: dict[str, Any], definitions: dict[str, Any]) -> None:
    """Write defaults of durations as a contract does: pydantic writes `P90D`, which the contract refuses."""
    for name, field in section.model_fields.items():
        shown, default = (
            found["properties"][field.alias or name],
            field.get_default(call_default_factory=True),
        )
        if isinstance(default, timedelta):
            shown["default"] = written(default)
        elif isinstance(default, BaseModel):
            shown["default"] = _plain(default)
        for kind in (field.annotation, *getattr(field.annotation, "__args__", ())):
            if isinstance(kind, type) and issubclass(kind, BaseModel) and kind.__name__ in definitions:
                _write_defaults(kind, definitions[kind.__name__], definitions)


def _plain(section: BaseModel) -> dict[str, Any]:
    """Return the values of a section as a contract writes them."""
    plain: dict[str, Any] = section.model_dump(mode="json", by_alias=True)
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, timedelta):
            plain[field.alias or name] = written(value)
        elif isinstance(value, BaseModel):
            plain[field.alias or name] = _plain(value)
    return plain
