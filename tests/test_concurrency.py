"""Calls in threads: results in order, never too many at once, no error lost, no thread left."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.concurrency import BackgroundHash, BackgroundTask, map_ordered

LARGE = 1 << 16


def test_results_come_in_the_order_of_the_items_whatever_takes_how_long() -> None:
    def slow(number: int) -> int:
        time.sleep(0.02 * (number % 3 == 0))
        return number * 10

    assert list(map_ordered(slow, range(9), 4)) == [number * 10 for number in range(9)]
    assert list(map_ordered(slow, [], 4)) == []


def test_items_are_taken_only_as_results_are_consumed() -> None:
    taken: list[int] = []

    def numbers() -> Iterator[int]:
        for number in range(9):
            taken.append(number)
            yield number

    results = map_ordered(str, numbers(), 3)
    assert (next(results), taken) == ("0", [0, 1, 2])
    assert (next(results), taken) == ("1", [0, 1, 2, 3])


def test_the_first_error_is_raised_once_the_calls_in_progress_have_ended() -> None:
    ended: list[int] = []

    def fail_at_one(number: int) -> None:
        if number == 1:
            raise LookupError(number)
        time.sleep(0.05)
        ended.append(number)

    before = threading.active_count()
    with pytest.raises(LookupError, match="1"):
        list(map_ordered(fail_at_one, range(9), 3))
    assert sorted(ended) == [0, 2, 3]
    assert threading.active_count() == before


def test_calls_run_in_order_and_one_at_a_time_while_the_caller_goes_on() -> None:
    task, numbers, gate = BackgroundTask(), list[int](), threading.Event()
    task.start(gate.wait)
    assert numbers == []
    gate.set()
    for number in range(20):
        task.start(partial(numbers.append, number))
        assert len(numbers) >= number
    task.wait()
    assert numbers == list(range(20))
    task.shutdown()


def test_an_error_is_raised_at_the_next_start_or_wait() -> None:
    task = BackgroundTask()
    for follow in (task.wait, partial(task.start, int)):
        task.start(partial(int, "not a number"))
        with pytest.raises(ValueError, match="not a number"):
            follow()
    task.shutdown()


def test_the_thread_ends_with_the_task_even_after_an_error() -> None:
    before, task = threading.active_count(), BackgroundTask()
    task.start(partial(int, "not a number"))
    task.shutdown()
    assert threading.active_count() == before


@given(st.lists(st.sampled_from([b"", b"a", b"bc" * LARGE, bytes(LARGE - 1)]), max_size=6))
def test_a_hash_is_that_of_all_blocks_small_and_large(blocks: list[bytes]) -> None:
    digest = BackgroundHash("sha256")
    for block in blocks:
        digest.update(block, b"x", block)
    whole = b"".join(block + b"x" + block for block in blocks)
    assert digest.hexdigest() == hashlib.sha256(whole).hexdigest()


def test_small_blocks_start_no_thread() -> None:
    before, digest = threading.active_count(), BackgroundHash("md5")
    for _ in range(100):
        digest.update(b"small")
    assert threading.active_count() == before
    assert digest.hexdigest() == hashlib.md5(b"small" * 100).hexdigest()


class GatedDigest:
    """A digest that is done when the gate opens."""

    def __init__(self) -> None:
        self.gate = threading.Event()

    def update(self, _: bytes) -> None:
        assert self.gate.wait(10)

    def hexdigest(self) -> str:
        return "done"


def test_a_large_block_is_hashed_while_the_caller_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    gated = GatedDigest()
    monkeypatch.setattr(hashlib, "new", lambda *_, **__: gated)
    digest = BackgroundHash("sha256")
    digest.update(bytes(LARGE))
    gated.gate.set()
    assert digest.hexdigest() == "done"
