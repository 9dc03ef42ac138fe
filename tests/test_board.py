"""Compiled pieces: each done once, by who watches the board as well, and told when one fails."""

from __future__ import annotations

import os
import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minibatch import board as module
from minibatch import parallel
from minibatch.atomics import add, read
from minibatch.board import (
    ARGUMENTS,
    EXTENT,
    FUNCTION,
    HERE,
    STEP,
    Board,
    Cut,
    _take_pieces,
    empty,
    share,
    this,
)
from minibatch.compiling import PLAIN, compiled
from minibatch.parallel import together
from minibatch.typing import Array
from minibatch.watching import Watch

compiled_only = pytest.mark.skipif(not HERE, reason="nobody watches where nothing is compiled")


@compiled
def count(board: Board, cut: Cut, found: Array, by: float, start: int, stop: int) -> None:
    """Add ``by`` to every number."""
    if start < 0:
        share(board, cut, this(count, (board, cut, found, by)))
        return
    for i in range(start, stop):
        found[i] += by


@compiled
def fail(board: Board, cut: Cut, found: Array, start: int, stop: int) -> None:
    """Fail at the fourth number."""
    if start < 0:
        share(board, cut, this(fail, (board, cut, found)))
        return
    if start == 4:
        raise ValueError("the fourth")
    found[start:stop] = 1


@compiled
def meet(board: Board, cut: Cut, present: Board, most: int, start: int, stop: int) -> None:
    """Come, and wait until another has: two pieces that one thread cannot do."""
    if start < 0:
        share(board, cut, this(meet, (board, cut, present, most)))
        return
    add(present, 0, 1)
    for _ in range(most):
        if read(present, 0) == 2:
            add(present, 1, 1)
            return


@compiled
def note(board: Board, cut: Cut, order: Board, counter: Board, helps: bool, start: int, stop: int) -> None:
    """Write the how-manieth piece each is, all taken by its owner or by one who helps."""
    if start < 0:
        board[FUNCTION], board[ARGUMENTS] = this(note, (board, cut, order, counter, helps))
        board[EXTENT], board[STEP] = cut
        _take_pieces(board, helps)
        return
    order[start:stop] = add(counter, 0, 1)


@settings(deadline=None)
@given(extent=st.integers(0, 60), step=st.integers(1, 70), threads=st.integers(1, 4), times=st.integers(1, 5))
def test_every_number_is_in_one_piece(extent: int, step: int, threads: int, times: int) -> None:
    found = np.zeros(64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parallel, "_threads", threads)
        for _ in range(times):
            together(count, (extent, step), found, 2.0)
    np.testing.assert_array_equal(found[:extent], 2 * times)
    assert not found[extent:].any()


def test_a_board_that_nobody_watches() -> None:
    found = np.zeros(10)
    count(empty(), (10, 3), found, 1.0, -1, -1)
    np.testing.assert_array_equal(found, 1)


@compiled_only
def test_who_watches_takes_pieces() -> None:
    board, present = empty(), np.zeros(2, np.int64)
    module.watch(empty())  # it is compiled
    meet(board, (2, 1), present, 1, -1, -1)
    deadline = time.monotonic() + 30
    while present[1] < 2 and time.monotonic() < deadline:
        present[:] = 0
        helper = threading.Thread(target=module.watch, args=(board,))
        helper.start()
        meet(board, (2, 1), present, 10**7, -1, -1)
        helper.join()
    np.testing.assert_array_equal(present, 2)


@compiled_only
def test_who_watches_leaves_after_a_while_and_when_called() -> None:
    board = empty()
    module.watch(board)
    assert board[module.LEFT] == 1
    board[module.LEAVE] = 1
    module.watch(board)
    assert board[module.LEFT] == 2
    assert not board[module.INSIDE]


ERROR, MESSAGE = (ValueError, "the fourth") if PLAIN else (RuntimeError, "a compiled piece of work failed")


@pytest.mark.parametrize("threads", [1, 3])
def test_a_piece_that_fails_is_told_and_the_rest_is_done(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "_threads", threads)
    found = np.zeros(10)
    for _ in range(5):
        with pytest.raises(ERROR, match=MESSAGE):
            together(fail, (10, 1), found)
    assert found[:4].all()
    together(count, (10, 1), found, 0.0)  # the next job is a job like any other
    assert parallel._helpers.free.acquire(blocking=False)
    parallel._helpers.free.release()


def test_beside_another_job_it_is_done_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "_threads", 3)
    boards: list[Board] = []
    found = np.zeros(8)

    def job(board: Board, cut: Cut, found: Array, start: int, stop: int) -> None:
        boards.append(board)
        count(board, cut, found, 1.0, start, stop)

    together(job, (8, 1), found)
    with parallel._helpers.free:
        together(job, (8, 1), found)
    together(job, (8, 8), found)  # one piece
    np.testing.assert_array_equal(found, 3)
    watched = parallel._helpers.watch.board
    assert [board is watched for board in boards] == [not PLAIN, False, False]


def test_jobs_of_python_between_compiled_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "_threads", 3)
    parallel._forget()  # helpers of other tests
    found, by = np.zeros(50), set()

    def piece(i: int) -> None:
        time.sleep(0.001)
        by.add(threading.get_ident())

    for _ in range(10):
        together(count, (50, 1), found, 1.0)
        parallel.each(piece, range(12))
    np.testing.assert_array_equal(found, 10)
    assert len(by) == 3  # those who watched came


def test_callers_of_two_threads() -> None:
    found = np.zeros((2, 100))

    def call(row: Array) -> None:
        for _ in range(300):
            together(count, (100, 5), row, 1.0)

    threads = [threading.Thread(target=call, args=(row,)) for row in found]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    np.testing.assert_array_equal(found, 300)


@compiled_only
def test_helpers_stay_away_when_others_want_their_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    watch, now = Watch(), 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    absences = []
    assert watch.wanting(2) == 2
    for wait in (0.0,) * 6 + (0.009, 0.011):
        now += wait
        watch.board[module.LATE], watch.board[module.LEFT] = 1, watch.called
        assert watch.wanting(2) == 0
        assert watch.board[module.LEAVE]
        absences.append(watch.absent_until - now)
        now += absences[-1] - 1e-6
        assert watch.wanting(2) == 0
        assert watch.board[module.LEAVE]
        assert watch.wanting(2, long=True) == 2  # it is worth it
        watch.board[module.LEFT] = watch.called
        now += 2e-6
        assert watch.wanting(2) == 2
        assert not watch.board[module.LEAVE]
    np.testing.assert_allclose(absences, [0.005, 0.02, 0.08, 0.3, 0.3, 0.3, 0.3, 0.005])


@compiled_only
def test_who_was_not_running_is_late(monkeypatch: pytest.MonkeyPatch) -> None:
    board = empty()
    board[module.INSIDE] = 1  # one who will be at a piece for long
    late = threading.Timer(0.05, lambda: board.__setitem__(module.INSIDE, 0))
    late.start()
    begun = time.monotonic()
    count(board, (4, 1), np.zeros(4), 1.0, -1, -1)
    late.join()
    assert time.monotonic() - begun > 0.04
    assert board[module.LATE]
    count(empty(), (4, 1), np.zeros(4), 1.0, -1, -1)


@compiled_only
def test_helpers_without_work_take_no_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "_threads", 3)
    found = np.zeros(50)
    together(count, (50, 1), found, 1.0)
    time.sleep(0.1)
    begun = time.process_time()
    time.sleep(0.2)
    assert time.process_time() - begun < 0.02


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_process_has_a_board_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "_threads", 3)
    found = np.zeros(50)
    together(count, (50, 1), found, 1.0)
    child = os.fork()
    if child == 0:
        for _ in range(20):
            together(count, (50, 1), found, 1.0)
        os._exit(0 if (found == 21).all() else 1)
    deadline = time.monotonic() + 20
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            break
        if time.monotonic() > deadline:
            os.kill(child, 9)
            pytest.fail("the forked process waits for threads that it has not")
        time.sleep(0.01)
    assert os.waitstatus_to_exitcode(status) == 0


@compiled_only
@pytest.mark.parametrize(
    ("helps", "expected"), [(False, [0, 0, 0, 1, 1, 1, 2, 2, 2, 3]), (True, [3, 3, 3, 2, 2, 2, 1, 1, 1, 0])]
)
def test_the_owner_takes_the_first_pieces_and_who_helps_the_last(helps: bool, expected: list[int]) -> None:
    order = np.full(10, -1)
    note(empty(), (10, 3), order, np.zeros(1, np.int64), helps, -1, -1)
    assert order.tolist() == expected
