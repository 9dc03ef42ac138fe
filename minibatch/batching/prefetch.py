"""Threads that work ahead: the next elements while one is being used, several at a time.

Both functions are generators, and both leave nothing running: when the reader stops (``break``, an
exception, Ctrl-C), its generator is closed, which ends the threads before the loop is left. What goes
wrong in a thread is raised in the reader, with the thread's traceback.
"""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from queue import Empty, Queue
from threading import Event, Thread
from typing import Any, TypeVar

T = TypeVar("T")
U = TypeVar("U")

# As in tf.data: choose for me.
AUTOTUNE = -1


class _Ended:
    """The last thing in a queue: the source has ended, or failed with ``error``."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


def prefetched(source: Iterable[T], size: int) -> Iterator[T]:
    """Iterate over ``source`` in a thread, at most ``size`` elements ahead of the reader."""
    ahead: Queue[Any] = Queue(maxsize=size)
    stop = Event()

    def work() -> None:
        iterator: Iterator[T] | None = None
        end = _Ended()
        try:
            iterator = iter(source)
            for element in iterator:
                if stop.is_set():
                    break
                ahead.put(element)
        except BaseException as error:
            end = _Ended(error)
        finally:
            if close := getattr(iterator, "close", None):
                close()  # here, where it ran; it may own threads, too
            if not stop.is_set():
                ahead.put(end)

    # A daemon, so that a program that ends with an iterator half read is not kept waiting for it.
    thread = Thread(target=work, name="minibatch-prefetch", daemon=True)
    thread.start()
    try:
        while True:
            element = ahead.get()
            if isinstance(element, _Ended):
                if element.error is not None:
                    raise element.error
                return
            yield element
    finally:
        stop.set()
        # The worker may be waiting for room; it puts no more than one element after it sees the stop.
        # When the interpreter is ending, daemons no longer run, and would be waited for in vain.
        while thread.is_alive() and not sys.is_finalizing():
            try:
                ahead.get_nowait()
            except Empty:
                thread.join(timeout=0.01)


def parallel_map(function: Callable[[T], U], source: Iterable[T], workers: int) -> Iterator[U]:
    """Yield ``function(element)`` in the order of the elements, computed by ``workers`` threads."""
    pool = ThreadPoolExecutor(workers, thread_name_prefix="minibatch-map")
    pending: deque[Future[U]] = deque()
    try:
        for element in source:
            pending.append(pool.submit(function, element))
            if len(pending) > 2 * workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def worker_count(num_parallel_calls: int) -> int:
    """Return how many threads to use; AUTOTUNE means one per processor."""
    return (os.cpu_count() or 1) if num_parallel_calls == AUTOTUNE else num_parallel_calls
