"""Threads that work ahead: same elements, errors with their traceback, and nothing left running."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minibatch.batching import AUTOTUNE, Dataset
from minibatch.batching.prefetch import parallel_map, prefetched


def ours() -> list[str]:
    return [
        thread.name
        for thread in threading.enumerate()
        if thread.name.startswith(("minibatch-prefetch", "minibatch-map"))
    ]


@pytest.fixture(autouse=True)
def _nothing_left_running() -> Iterator[None]:
    yield
    assert ours() == []


@given(n=st.integers(0, 40), size=st.integers(1, 5), workers=st.integers(1, 4))
def test_the_same_elements_in_the_same_order(n: int, size: int, workers: int) -> None:
    assert list(prefetched(range(n), size)) == list(range(n))
    assert list(parallel_map(lambda i: i * i, range(n), workers)) == [i * i for i in range(n)]


def test_prefetch_works_ahead_and_no_further() -> None:
    made = []

    def source() -> Iterator[int]:
        for i in range(100):
            made.append(i)
            yield i

    iterator = prefetched(source(), 3)
    assert next(iterator) == 0
    deadline = time.monotonic() + 5
    while len(made) < 5 and time.monotonic() < deadline:
        time.sleep(0.001)
    time.sleep(0.02)
    assert len(made) == 5  # one read, three waiting, one in the worker's hand
    iterator.close()  # type: ignore[attr-defined]


def test_calls_run_at_the_same_time() -> None:
    barrier = threading.Barrier(3, timeout=10)  # each of three calls waits for the other two
    assert list(Dataset.range(3).map(lambda i: barrier.wait() * 0 + i, num_parallel_calls=3)) == [0, 1, 2]


def pipelines() -> dict[str, Dataset]:
    source = Dataset.range(1000)
    return {
        "prefetch": source.prefetch(2),
        "map": source.map(lambda i: i + 1, num_parallel_calls=2),
        "both": source.map(lambda i: i + 1, num_parallel_calls=AUTOTUNE).shuffle(10).batch(2).prefetch(AUTOTUNE),
        "nested": source.prefetch(1).prefetch(1).map(lambda i: i, num_parallel_calls=2).prefetch(3),
    }


@pytest.mark.parametrize("name", pipelines())
def test_threads_stop_on_break(name: str) -> None:
    for _ in pipelines()[name]:
        break
    assert ours() == []


@pytest.mark.parametrize("name", pipelines())
def test_threads_stop_on_an_exception_in_the_loop(name: str) -> None:
    with pytest.raises(KeyError):  # noqa: PT012
        for _ in pipelines()[name]:
            raise KeyError
    assert ours() == []


def fail_at_seven(i: int) -> int:
    if i == 7:
        raise RuntimeError("no seven here")
    return i


@pytest.mark.parametrize(
    "dataset",
    [
        Dataset.range(20).map(fail_at_seven, num_parallel_calls=3),
        Dataset.range(20).map(fail_at_seven).prefetch(2),
        Dataset.range(20).map(fail_at_seven, num_parallel_calls=2).prefetch(2).prefetch(2),
    ],
)
def test_an_error_in_a_worker_reaches_the_reader_with_its_traceback(dataset: Dataset) -> None:
    iterator = iter(dataset)
    assert [int(next(iterator)) for _ in range(7)] == list(range(7))
    with pytest.raises(RuntimeError, match="no seven here") as caught:
        next(iterator)
    assert "fail_at_seven" in "".join(traceback.format_tb(caught.value.__traceback__))


INTERRUPTED = """
import signal, sys, threading, time
from minibatch.batching import AUTOTUNE, Dataset

signal.signal(signal.SIGINT, signal.default_int_handler)  # a test run in the background may have it ignored

def slow(i):
    time.sleep(0.01)
    return i

try:
    for i in Dataset.range(10**9).map(slow, num_parallel_calls=2).prefetch(AUTOTUNE):
        if i == 3:
            print("running", flush=True)
except KeyboardInterrupt:
    left = [t.name for t in threading.enumerate() if t.name.startswith(("minibatch-prefetch", "minibatch-map"))]
    print("stopped", left, flush=True)
"""


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT to a process")
def test_control_c_stops_everything() -> None:
    process = subprocess.Popen([sys.executable, "-c", INTERRUPTED], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "running\n"
    process.send_signal(signal.SIGINT)
    try:
        output, _ = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert output == "stopped []\n"
    assert process.returncode == 0


def test_a_program_may_end_with_an_iterator_half_read() -> None:
    code = "from minibatch.batching import Dataset; i = iter(Dataset.range(99).prefetch(1)); print(next(i))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert (done.stdout, done.stderr) == ("0\n", "")
