"""The example with limits that nothing exceeds: each run walks the whole way, and none starts another."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from include.settings import ROOT

PIPELINE = "flights"
_LIMITS = (
    ("min_improvement: -1.0", r"min_improvement: 0\.0"),
    ("minimum: 0.0", r"minimum: 0\.6"),
    ("max_drop: 1.0}\n  max_latency_ms: 5000", r"max_drop: 0\.05}\n  max_latency_ms: 50"),
    ("share: 1.0", r"share: 0\.3"),
    ("metric: roc_auc, max_drop: 1.0", r"metric: roc_auc, max_drop: 0\.1"),
)


def lenient_example(folder: Path) -> Path:
    """Copy the pipelines into a folder, the example with lenient limits; return the folder of the copies."""
    pipelines = folder / "pipelines"
    shutil.copytree(ROOT / "include" / "pipelines", pipelines)
    contract = pipelines / PIPELINE / "pipeline.yaml"
    text = contract.read_text()
    for lenient, strict in _LIMITS:
        text, found = re.subn(strict, lenient, text)
        if not found:
            raise ValueError(f"{contract} has no {strict!r} any more; fix {__file__}")
    contract.write_text(text)
    return pipelines
