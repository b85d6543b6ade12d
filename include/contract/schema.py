"""The JSON Schema of `pipeline.yaml`, with which editors complete it."""

from __future__ import annotations

import json

from include.contract.pipeline import Pipeline


def schema() -> str:
    """Return the JSON Schema of pipeline.yaml."""
    return json.dumps(Pipeline.model_json_schema(), indent=2) + "\n"
