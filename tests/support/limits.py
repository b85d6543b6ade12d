"""The tables of limits in docs/deployment.md: the value of each field is what a running container or pod has.

`make generate WHAT=limits` lets the tests write what they found; else they compare.
"""

from __future__ import annotations

import json
import os
import re
from typing import Any

from include.settings import ROOT

PAGE = ROOT / "docs/deployment.md"


def hold(fields: str, inspected: Any, *, number: int) -> None:
    """Compare, or write, the values of the fields of the page whose names match an expression.

    `number` is how many the page must have; `inspected` is what an engine or a cluster tells of a container
    or a pod.
    """
    rows = re.compile(rf"^\| `({fields})` \| `(.*?)` \|", re.MULTILINE)
    page = PAGE.read_text()
    told = dict(rows.findall(page))
    found = {field: json.dumps(_at(inspected, field)) for field in told}
    assert len(told) == number
    if os.environ.get("WRITE_LIMITS"):
        PAGE.write_text(rows.sub(lambda row: f"| `{row[1]}` | `{found[row[1]]}` |", page))
    else:
        assert found == told, "`make generate WHAT=limits` writes what is enforced now"


def _at(inspected: Any, field: str) -> Any:
    """What a path such as `spec.containers[0].image` leads to."""
    for name in re.findall(r"\w+", field):
        inspected = inspected[int(name)] if name.isdigit() else inspected.get(name)
    return inspected
