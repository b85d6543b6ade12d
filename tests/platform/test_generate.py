"""Generated files are up to date."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.platform.generate import GENERATED
from include.settings import ROOT


@pytest.mark.parametrize("file", GENERATED, ids=str)
def test_a_generated_file_is_current(file: Path) -> None:
    assert (ROOT / file).read_text() == GENERATED[file](), "run `make generate`"
