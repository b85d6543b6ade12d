"""Wrong contracts: each value that a contract may not hold, as `tests/contract/test_bounds.py` lists them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from include.contract import loader
from include.exceptions import PipelineInvalid
from include.excerpt import quote
from tests.contract.test_bounds import CASES, TOGETHER, changed, written
from tests.wrong_inputs.table import rows


def read(changes: dict[str, Any]) -> Callable[[Path], object]:
    return lambda tmp: loader.load(written(tmp, changes))


WRONG = rows(
    "contract",
    *(
        (f"{number} {path} {quote(value)[:20]}", read(changed(path, value)), PipelineInvalid, message)
        for number, (path, value, message) in enumerate(CASES)
    ),
    *(
        (f"{number} {path} and others", read(changes), PipelineInvalid, message)
        for number, (path, changes, message) in enumerate(TOGETHER)
    ),
)
