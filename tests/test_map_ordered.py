"""Doing a few things at once: in order, never too many, and nothing goes on after the end."""

from __future__ import annotations

import threading
import time

import pytest

from include.concurrency import map_ordered


def test_results_come_in_the_order_of_the_items_whatever_takes_how_long() -> None:
    def slow(number: int) -> int:
        time.sleep(0.02 * (number % 3 == 0))
        return number * 10

    assert list(map_ordered(slow, range(9), 4)) == [number * 10 for number in range(9)]
    assert list(map_ordered(slow, [], 4)) == []


def test_items_are_taken_only_as_results_are_asked_for() -> None:
    taken: list[int] = []
    found = map_ordered(str, (taken.append(number) or number for number in range(9)), 3)
    assert (next(found), taken) == ("0", [0, 1, 2])
    assert (next(found), taken) == ("1", [0, 1, 2, 3])


def test_the_first_failure_is_raised_once_what_had_begun_has_ended() -> None:
    ended: list[int] = []

    def work(number: int) -> None:
        if number == 1:
            raise LookupError(number)
        time.sleep(0.05)
        ended.append(number)

    before = threading.active_count()
    with pytest.raises(LookupError, match="1"):
        list(map_ordered(work, range(9), 3))
    assert sorted(ended) == [0, 2, 3]
    assert threading.active_count() == before
