"""Memory that is handed out again: only when nobody can see it."""

from __future__ import annotations

import math
import os
import signal
import threading
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minibatch as mb
from minibatch import memory
from minibatch.memory import LARGE, Kept

SHAPE = (LARGE // 4, 2)


def test_memory_nobody_refers_to_is_handed_out_again() -> None:
    kept = Kept()
    first = kept.empty(SHAPE, np.float32)
    place = first.ctypes.data
    assert first.shape == SHAPE
    assert first.dtype == np.float32
    assert first.flags.c_contiguous
    del first
    assert kept.empty(SHAPE, np.float32).ctypes.data == place
    assert kept.empty((LARGE // 8, 3), np.float32).ctypes.data == place  # a shorter one, and of another shape


def test_memory_begins_at_a_cache_line() -> None:
    for shape in ((1,), (3, 5), (7, 64), (1 << 10, 1 << 8)):
        for array in (memory.aligned(shape, np.float32), memory.scratch("lines", shape, np.float32)):
            assert array.ctypes.data % memory.LINE_BYTES == 0
            assert array.shape == shape
            assert array.flags.c_contiguous
    assert memory.aligned((0, 3), np.float64).shape == (0, 3)
    for _ in range(3):
        held = [Kept().empty(SHAPE, np.float32) for _ in range(3)]
        assert all(array.ctypes.data % memory.LINE_BYTES == 0 for array in held)


@pytest.mark.parametrize(
    "look", [lambda a: a[5:], lambda a: a.T, lambda a: a.reshape(-1).view(np.uint8), memoryview]
)
def test_memory_that_somebody_sees_is_not(look: object) -> None:
    kept = Kept()
    first = kept.empty(SHAPE, np.float32)
    first.fill(1)
    seen = look(first)
    del first
    kept.empty(SHAPE, np.float32).fill(2)
    assert (np.asarray(seen).view(np.float32) == 1).all() if isinstance(seen, np.ndarray) else seen[0, 0] == 1


def test_a_small_array_does_not_hold_a_large_block() -> None:
    kept = Kept()
    large = kept.empty((8 * LARGE,), np.uint8)
    place = large.ctypes.data
    del large
    assert kept.empty((2 * LARGE,), np.uint8).ctypes.data != place


def test_release_lends_what_is_free_and_leaves_alone_what_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    lent = []
    lend = memory._Block.lend
    monkeypatch.setattr(memory._Block, "lend", lambda block: (lent.append(block.memory.size), lend(block))[1])
    kept = Kept()
    held = kept.empty(SHAPE, np.float32)
    held.fill(3)
    kept.empty((3 * LARGE,), np.uint8)
    kept.release()
    kept.release()
    assert lent == [3 * LARGE]  # once, as long as nobody uses it
    assert (held == 3).all()
    again = kept.empty((3 * LARGE,), np.uint8)
    again.fill(5)
    kept.release()
    assert (again == 5).all()
    del again
    kept.release()
    assert lent == 2 * [3 * LARGE]


@pytest.mark.parametrize("lends", [True, False])
def test_release_gives_back_what_is_not_used_any_more(lends: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_LENDS", lends and memory._LENDS)
    kept = Kept()
    kept.empty((5 * LARGE,), np.uint8)
    for releases in range(memory.IDLE):
        assert len(kept._blocks) == (1 if releases == 0 else 2 * memory._LENDS)
        kept.empty(SHAPE, np.float32)
        kept.release()
    kept.release()
    assert [block.memory.size for block in kept._blocks] == memory._LENDS * [math.prod(SHAPE) * 4]


def test_what_cannot_be_had_is_said_by_numpy() -> None:
    with pytest.raises(MemoryError, match="Unable to allocate"):
        Kept().empty((1 << 55,), np.uint8)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*fork")
def test_a_forked_process_has_memory_of_its_own() -> None:
    kept = Kept()
    mine = kept.empty(SHAPE, np.float32)
    mine.fill(1)
    child = os.fork()
    if not child:
        mine.fill(2)
        os._exit(0)
    os.waitpid(child, 0)
    assert (mine == 1).all()


@given(
    sizes=st.lists(st.integers(1, 5), min_size=1, max_size=20),
    drop=st.lists(st.booleans(), min_size=20, max_size=20),
)
def test_no_two_that_are_held_overlap(sizes: list[int], drop: list[bool]) -> None:
    kept = Kept()
    held: list[tuple[int, np.ndarray]] = []
    for number, (size, gone) in enumerate(zip(sizes, drop, strict=False)):
        array = kept.empty((size * LARGE // 4,), np.float32)
        array.fill(number)
        held.append((number, array))
        if gone:
            held.pop(0)
        del array
        for value, earlier in held:
            assert (earlier == value).all()


def test_scratch_is_each_threads_own_and_each_purposes() -> None:
    mine = memory.scratch("test", (3, 4), np.float32)
    assert memory.scratch("test", (3, 4), np.float32) is mine
    assert np.shares_memory(mine, memory.scratch("test", (12,), np.float32))
    assert not np.shares_memory(mine, memory.scratch("another test", (3, 4), np.float32))
    larger = memory.scratch("test", (30, 40), np.float32)
    assert np.shares_memory(larger, memory.scratch("test", (3, 4), np.float32))
    others: list[np.ndarray] = []
    thread = threading.Thread(target=lambda: others.append(memory.scratch("test", (3, 4), np.float32)))
    thread.start()
    thread.join()
    assert not np.shares_memory(others[0], memory.scratch("test", (3, 4), np.float32))


def test_outputs_kept_from_a_forward_pass_stay_what_they_were() -> None:
    rng = np.random.default_rng(0)
    layers = [mb.layers.Conv2D(16, 3, activation="relu"), mb.layers.MaxPooling2D(), mb.layers.Dropout(0.5)]
    model = mb.Sequential([mb.Input((24, 24, 8)), *layers])
    x = [rng.normal(size=(32, 24, 24, 8)).astype(np.float32) for _ in range(3)]
    outputs = [model.forward([part], training=True) for part in x]
    copies = [(y[0].copy(), [np.array(c[1]) for c in caches[:1]]) for y, caches in outputs]
    for part in x:
        y, caches = model.forward([part], training=True)
        model.backward([np.ones_like(y[0])], caches, [False])
    for (y, caches), (y_copy, z_copy) in zip(outputs, copies, strict=True):
        np.testing.assert_array_equal(y[0], y_copy)
        np.testing.assert_array_equal(caches[0][1], z_copy[0])


def test_only_whole_lines_go_past_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    z = memory.aligned((64, 32), np.float32)
    assert not memory.streams(z)
    monkeypatch.setattr(memory, "STREAM", z.nbytes)
    assert memory.streams(z)
    assert not memory.streams(z[:-1])  # fewer bytes
    monkeypatch.setattr(memory, "STREAM", 1)
    assert memory.streams(z[1:])
    assert not memory.streams(z.reshape(-1)[1:].reshape(23, 89))  # that begin inside of a line
    assert not memory.streams(z.reshape(-1, 8))  # rows of half a line


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*fork")
def test_a_forked_process_does_not_wait_for_threads_that_it_has_not() -> None:
    with memory._kept._lock:  # as another thread would
        child = os.fork()
        if not child:
            memory.empty(SHAPE, np.float32)
            os._exit(0)
    deadline = time.monotonic() + 20
    while not (done := os.waitpid(child, os.WNOHANG)[0]) and time.monotonic() < deadline:
        time.sleep(0.01)
    if not done:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert done
