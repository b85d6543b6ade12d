"""The tables of limits in docs/deployment.md, whose values are those of a running container or pod.

Tests compare them; `make generate WHAT=limits` writes them.
"""

from __future__ import annotations

import json
import os
import re
from typing import Any

from include.settings import ROOT

PAGE = ROOT / "docs/deployment.md"


def hold(fields: str, inspected: Any, *, number: int) -> None:
    """Compare (or write) the values of those fields of the page whose names match a regular expression.

    The page must have `number` such fields; `inspected` is the engine's or the cluster's description of a
    container or a pod.
    """
    rows = re.compile(rf"^\| `({fields})` \| `(.*?)` \|", re.MULTILINE)
    page = PAGE.read_text()
    documented = dict(rows.findall(page))
    enforced = {field: json.dumps(_at(inspected, field)) for field in documented}
    assert len(documented) == number
    if os.environ.get("WRITE_LIMITS"):
        PAGE.write_text(rows.sub(lambda row: f"| `{row[1]}` | `{enforced[row[1]]}` |", page))
    else:
        assert enforced == documented, (
            "run `make generate WHAT=limits` to write the limits that are enforced now"
        )


def _at(inspected: Any, field: str) -> Any:
    """Return the value at a path such as `spec.containers[0].image`."""
    for name in re.findall(r"\w+", field):
        inspected = inspected[int(name)] if name.isdigit() else inspected.get(name)
    return inspected
