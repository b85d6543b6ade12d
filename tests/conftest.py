"""Servers that many tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.stack import RunningStack, run_stack


@pytest.fixture(scope="session")
def running() -> Iterator[RunningStack]:
    """One embedded stack for all tests that leave it running; they are marked `stack`."""
    with run_stack() as stack:
        yield stack
