"""YAML text to values."""

from __future__ import annotations

from typing import Any

import yaml

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def load_yaml(text: str) -> Any:
    """Return the value of a YAML text, of plain types only; raises yaml.YAMLError.

    libyaml takes a tenth of the time. Text that it refuses is read again by PyYAML's own parser, whose
    messages say better what was expected.
    """
    try:
        return yaml.load(text, Loader=_LOADER)  # noqa: S506 - both are safe loaders
    except yaml.YAMLError:
        return yaml.safe_load(text)
