"""What would leave too little space on a disk has to wait."""

from __future__ import annotations

import shutil
from pathlib import Path

from include.free_space import shortage

EIB = 2**60


def test_what_leaves_enough_begins(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    assert shortage("a part", tmp_path, free // 2, what="a load") is None
    assert shortage("a part", tmp_path, 0, what="a load", size=free // 2) is None


def test_what_leaves_too_little_is_told_with_the_numbers(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    assert shortage("a part", tmp_path, free // 2, what="a load", size=free) is not None
    told = shortage("a part", tmp_path, EIB, what="a load")
    assert told is not None
    assert told.startswith("a part's disk has ")
    assert "MiB free, and a load has to leave 1,099,511,627,776 MiB (MILLRACE_MIN_FREE); free some" in told


def test_a_folder_that_is_not_there_yet_has_the_space_of_its_disk(tmp_path: Path) -> None:
    assert shortage("a part", tmp_path / "a" / "b", EIB, what="a load") is not None
    assert shortage("a part", tmp_path / "a" / "b", 0, what="a load") is None
