"""Pieces side by side: each once, errors told, forks and callers from several threads survived."""

from __future__ import annotations

import functools
import gc
import os
import sys
import threading
import time
import weakref
from collections import Counter
from typing import Any

import numpy as np
import pytest

import minibatch as mb
from minibatch import parallel
from minibatch.blas import blas_threads, one_blas_thread, set_blas_threads


@pytest.fixture(autouse=True)
def _three_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "_threads", 3)


def test_every_piece_is_done_once_and_by_several_threads() -> None:
    done: Counter[int] = Counter()
    by: set[int] = set()

    def piece(i: int) -> None:
        time.sleep(0.002)
        by.add(threading.get_ident())
        done[i] += 1

    parallel.each(piece, range(40))
    assert done == Counter(range(40))
    assert len(by) == 3


def test_an_error_in_a_piece_reaches_the_caller_and_the_threads_go_on() -> None:
    def piece(i: int) -> None:
        if i == 5:
            raise ValueError("the fifth")

    for _ in range(20):
        with pytest.raises(ValueError, match="the fifth"):
            parallel.each(piece, range(12))
    done: list[int] = []
    parallel.each(done.append, range(12))
    assert sorted(done) == list(range(12))


def test_a_job_inside_a_job_is_done_by_whoever_came_to_it() -> None:
    total = np.zeros((8, 8))

    def outer(i: int) -> None:
        def inner(j: int) -> None:
            total[i, j] += 1

        parallel.each(inner, range(8))

    parallel.each(outer, range(8))
    np.testing.assert_array_equal(total, 1)


def test_numpys_settings_hold_in_every_thread() -> None:
    zeros = np.zeros(4)

    def piece(i: int) -> None:
        time.sleep(0.001)
        zeros[i % 4 : i % 4 + 1] / 0

    with np.errstate(invalid="ignore"):
        parallel.each(piece, range(20))
    with np.errstate(invalid="raise"), pytest.raises(FloatingPointError):
        parallel.each(piece, range(20))


@pytest.mark.parametrize("wrong", [0, -1, 1.5, True, "two"])
def test_numbers_of_threads_that_are_none(wrong: object) -> None:
    with pytest.raises(ValueError, match=f"expected a positive integer, or None for all processors; got {wrong!r}"):
        parallel.set_threads(wrong)  # type: ignore[arg-type]  # what is wrong with it is the test


def test_set_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    parallel.set_threads(5)
    assert parallel.threads() == 5
    parallel.set_threads(None)
    assert 1 <= parallel.threads() <= (os.cpu_count() or 1)


@pytest.mark.parametrize(("said", "count"), [("1", 1), ("0", 1), ("2", 2), ("many", 8), ("99", 8)])
def test_the_environment_may_ask_for_fewer_threads(said: str, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: range(8), raising=False)
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", said)
    assert parallel._as_many_as_there_are() == count


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_process_makes_threads_of_its_own() -> None:
    parallel.each(lambda i: None, range(8))  # the threads are there
    child = os.fork()
    if child == 0:
        done: list[int] = []
        parallel.each(done.append, range(8))
        os._exit(0 if sorted(done) == list(range(8)) else 1)
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


def fitted(seed: int) -> np.ndarray:
    """Weights of a convolutional network after a few steps."""
    rng = np.random.default_rng(seed)
    layers = [mb.layers.Conv2D(4, 3, activation="relu"), mb.layers.MaxPooling2D(), mb.layers.Flatten()]
    model = mb.Sequential([mb.Input((12, 12, 2)), *layers, mb.layers.Dense(3, "softmax")], name=f"m{seed}")
    for weight in model.weights:
        weight.assign(rng.normal(0, 0.1, weight.shape))
    model.compile("adam", "sparse_categorical_crossentropy")
    x = rng.normal(size=(96, 12, 12, 2)).astype(np.float32)
    model.fit(x, rng.integers(3, size=96), batch_size=32, epochs=3, shuffle=False, verbose=0)
    return model.parameters.theta.copy()


def test_two_threads_fit_two_models_as_one_thread_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minibatch.layers.window.BLOCK", 8000)
    alone = [fitted(seed) for seed in (1, 2)]
    found: dict[int, np.ndarray] = {}
    for _ in range(3):
        found.clear()
        threads = [threading.Thread(target=lambda s=seed: found.update({s: fitted(s)})) for seed in (1, 2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for seed, expected in zip((1, 2), alone, strict=True):
            np.testing.assert_array_equal(found[seed], expected)


def test_neither_threads_nor_blas_threads_change_a_bit_of_a_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minibatch.layers.window.BLOCK", 8000)
    expected = fitted(4)
    before = blas_threads()
    for threads in (1, 2, 5):
        monkeypatch.setattr(parallel, "_threads", threads)
        set_blas_threads(2)
        try:
            np.testing.assert_array_equal(fitted(4), expected)
        finally:
            set_blas_threads(before or 1)


def test_products_that_threads_share_are_the_same_on_every_number_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minibatch.layers.product.LARGE", 1000)
    monkeypatch.setattr("minibatch.layers.tiles.LARGE", 1000)
    parallel._forget()
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(80, 200)).astype(np.float32), rng.integers(3, size=80)
    shares: set[int] = set()

    def noted(job: Any, do: Any) -> None:
        # Helpers of before may still have something to do.
        if threading.current_thread() in parallel._helpers.threads:
            shares.add(threading.get_ident())
        do(job)

    # A helper does a job of Python's, or watches for compiled ones.
    for kind in (parallel._Job, parallel.Watch):
        monkeypatch.setattr(kind, "help", functools.partialmethod(noted, do=kind.help))

    def results(threads: int) -> list[np.ndarray]:
        monkeypatch.setattr(parallel, "_threads", threads)
        mb.utils.set_random_seed(3)
        model = mb.Sequential([mb.Input((200,)), mb.layers.Dense(300, "relu"), mb.layers.Dense(3, "softmax")])
        model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
        model.fit(x, y, batch_size=40, epochs=2, verbose=0)
        tested = model.evaluate(x, y, batch_size=40, verbose=0)
        return [model.parameters.theta.copy(), np.array(tested), model.predict(x, batch_size=40, verbose=0)]

    alone = results(1)
    assert not shares
    for threads in (2, 4):
        for one, other in zip(alone, results(threads), strict=True):
            np.testing.assert_array_equal(one, other)
    deadline = time.monotonic() + 20
    while not shares and time.monotonic() < deadline:  # they may have been late for all of it
        time.sleep(0.001)
    assert shares
    assert threading.get_ident() not in shares


@pytest.mark.skipif(blas_threads() is None, reason="this NumPy's BLAS cannot be told how many threads to use")
def test_blas_has_its_threads_back_when_the_last_has_left() -> None:
    before = blas_threads()
    set_blas_threads(2)
    try:
        with one_blas_thread():
            assert blas_threads() == 1
            with one_blas_thread():
                assert blas_threads() == 1
            assert blas_threads() == 1
        assert blas_threads() == 2
        with pytest.raises(KeyError), one_blas_thread():
            raise KeyError
        assert blas_threads() == 2
    finally:
        set_blas_threads(before or 1)


def test_the_threads_do_not_keep_a_process_alive() -> None:
    import subprocess

    code = (
        "from minibatch import parallel; parallel.set_threads(4); parallel.each(lambda i: None, range(9)); print(1)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "1"


MOVABLE = hasattr(os, "sched_setaffinity") and parallel._where is not None


@pytest.mark.skipif(not MOVABLE, reason="this system does not say on which processor a thread runs")
def test_the_threads_leave_the_processor_to_their_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[int, set[int]]] = []
    place, processors = 1, {0, 1, 2}
    monkeypatch.setattr(parallel, "_where", lambda: place)
    monkeypatch.setattr(os, "sched_getaffinity", lambda thread: processors)
    monkeypatch.setattr(os, "sched_setaffinity", lambda thread, others: told.append((thread, others)))
    parallel._forget()

    def tells() -> list[tuple[int, set[int]]]:
        told.clear()
        parallel.each(lambda i: None, range(20))
        return told.copy()

    first = tells()
    threads = [thread.native_id for thread in parallel._helpers.threads]
    assert len(threads) == 2
    assert first == [(thread, {0, 2}) for thread in threads]
    assert tells() == []  # the caller is still there
    place = 2
    assert tells() == [(thread, {0, 1}) for thread in threads]
    place, processors = 0, {0}  # nowhere else to go
    assert tells() == [(thread, {0}) for thread in threads]
    parallel._threads = 4  # one more
    place, processors = 0, {0, 1}
    assert tells() == [(thread.native_id, {1}) for thread in parallel._helpers.threads]
    assert len(parallel._helpers.threads) == 3


@pytest.mark.skipif(not MOVABLE, reason="this system does not say on which processor a thread runs")
@pytest.mark.skipif(len(getattr(os, "sched_getaffinity", lambda _: {0})(0)) < 2, reason="there is one processor")
def test_the_threads_do_run_beside_their_caller() -> None:
    parallel._forget()
    seen: set[frozenset[int]] = set()
    caller = threading.get_ident()

    def look(i: int) -> None:
        time.sleep(0.002)
        if threading.get_ident() != caller:
            seen.add(frozenset(os.sched_getaffinity(0)))

    parallel.each(look, range(40))
    mine = os.sched_getaffinity(0)
    assert seen
    assert all(places < mine and len(places) == len(mine) - 1 for places in seen)


@pytest.mark.skipif(not MOVABLE, reason="this system does not say on which processor a thread runs")
def test_where_threads_must_not_be_moved_the_work_is_done_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def forbidden(thread: int, processors: set[int]) -> None:
        asked.append(thread)
        raise PermissionError

    monkeypatch.setattr(os, "sched_setaffinity", forbidden)
    monkeypatch.setattr(os, "sched_getaffinity", lambda thread: {0, 1})
    parallel._forget()
    done: list[int] = []
    parallel.each(done.append, range(12))
    assert sorted(done) == list(range(12))
    assert asked


def test_a_thread_keeps_nothing_of_a_job_that_is_over() -> None:
    numbers = np.ones(1000)
    gone = weakref.ref(numbers)
    parallel.each(lambda i, numbers=numbers: time.sleep(0.001), range(12))
    del numbers
    deadline = time.monotonic() + 10
    while gone() is not None and time.monotonic() < deadline:
        gc.collect()
        time.sleep(0.001)
    assert gone() is None
