"""One thing beside the caller: in order, one at a time, and no failure is lost."""

from __future__ import annotations

import hashlib
import threading
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.concurrency import BackgroundHash, BackgroundTask

LARGE = 1 << 16


def test_work_is_done_in_order_and_one_at_a_time_while_the_caller_goes_on() -> None:
    beside, done, gate = BackgroundTask(), list[int](), threading.Event()
    beside.do(gate.wait)
    assert done == []
    gate.set()
    for number in range(20):
        beside.do(partial(done.append, number))
        assert len(done) >= number
    beside.wait()
    assert done == list(range(20))
    beside.end()


def test_a_failure_is_raised_at_the_next_hand_over_or_wait() -> None:
    beside = BackgroundTask()
    for follow in (beside.wait, partial(beside.do, int)):
        beside.do(partial(int, "no number"))
        with pytest.raises(ValueError, match="no number"):
            follow()
    beside.end()


def test_the_thread_ends_with_the_work_whatever_comes_of_it() -> None:
    before, beside = threading.active_count(), BackgroundTask()
    beside.do(partial(int, "no number"))
    beside.end()
    assert threading.active_count() == before


@given(st.lists(st.sampled_from([b"", b"a", b"bc" * LARGE, bytes(LARGE - 1)]), max_size=6))
def test_a_digest_is_that_of_all_blocks_small_and_large(blocks: list[bytes]) -> None:
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


class Waiting:
    """A digest that is done when the gate opens."""

    def __init__(self) -> None:
        self.gate = threading.Event()

    def update(self, _: bytes) -> None:
        assert self.gate.wait(10)

    def hexdigest(self) -> str:
        return "done"


def test_a_large_block_is_digested_while_the_caller_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = Waiting()
    monkeypatch.setattr(hashlib, "new", lambda *_, **__: waiting)
    digest = BackgroundHash("sha256")
    digest.update(bytes(LARGE))
    waiting.gate.set()
    assert digest.hexdigest() == "done"
