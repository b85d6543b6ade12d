"""The engine of this machine, on which operators run their containers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.engine import SLEEPER, Engine, run_engine


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with run_engine() as found:
        found.gateway()
        yield found


@pytest.fixture(scope="module")
def sleeper(engine: Engine) -> str:
    """An image that works until it is stopped."""
    return engine.script(*SLEEPER)
