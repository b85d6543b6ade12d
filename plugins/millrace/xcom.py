"""XCom keys that one module writes and another reads."""

from __future__ import annotations

FAULT = "fault"
"""Key under which a task that fails for bad data pushes its reasons and the link to its report."""
