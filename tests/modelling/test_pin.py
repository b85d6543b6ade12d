"""A training is pinned to a commit, and to days whose targets can be known there."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from include.exceptions import NotEnoughData
from include.modelling.pin import pin
from tests.support.loop import Loop
from tests.support.pipeline import day

LAST = day(29)


@pytest.mark.parametrize(
    ("delay", "asked", "until"),
    [
        (1, None, LAST),
        (5, None, day(25)),
        (5, LAST, day(25)),
        (5, day(25), day(25)),
        (5, day(3), day(3)),
        (30, None, day(0)),
    ],
)
def test_no_day_is_held_out_whose_target_cannot_be_known(
    loop: Loop, delay: int, asked: date | None, until: date
) -> None:
    wait = timedelta(days=delay)
    assert pin(loop.table, loop.head, f"t-{loop.folder.name}", until=asked, label_delay=wait).until == until


def test_a_table_that_is_younger_than_its_targets_is_not_enough(loop: Loop) -> None:
    with pytest.raises(
        NotEnoughData, match=r"by monitoring\.label_delay \(31d\) no target of them is known yet"
    ):
        pin(loop.table, loop.head, f"t-{loop.folder.name}", label_delay=timedelta(days=31))
