"""Pieces of one piece of work, done side by side by the processors that are free.

NumPy lets go of Python's lock while it computes, so threads of Python can share a batch: each takes a few samples,
and BLAS runs on one thread inside each. The pieces are the same however many threads there are, and each writes to
a place of its own; so the result is the same, bit for bit, on one processor and on eight, alone and beside other
processes. A thread that the system runs late only finds less left to do: nobody waits for a piece that nobody has
begun.

To wake a thread takes 30 to 60 us, and two that take turns at Python's lock wake one another all the time. Work
that is over sooner is compiled as a whole (``together``), for threads that stay awake for a moment after the last
such work and need no lock (``board``). Where others want their processor they sleep: one that the system stops at a
piece would be waited for (``watching``).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from queue import SimpleQueue
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from minibatch import memory
from minibatch.blas import one_blas_thread
from minibatch.typing import Array
from minibatch.watching import Watch, board_room

Piece = TypeVar("Piece")


class _Job:
    """Pieces that are being done; whoever comes takes the next."""

    def __init__(self, task: Callable[[Any], None], pieces: Iterator[Any]) -> None:
        self.task, self.pieces = task, pieces
        self.lock = threading.Lock()
        self.over = False
        self.helpers = 0
        # A bare lock, for an Event takes longer to make than a small job's other preparations together.
        self.finished = threading.Lock()
        self.finished.acquire()
        self.error: BaseException | None = None
        self.numeric = np.geterr()  # NumPy keeps these for each thread

    def work(self) -> None:
        """Do pieces until there are none left."""
        try:
            while self.error is None:
                with self.lock:
                    piece = next(self.pieces, self)
                if piece is self:
                    return
                self.task(piece)
        except BaseException as error:
            self.error = error

    def help(self) -> None:
        """Do pieces, if the job is not over yet."""
        with self.lock:
            if self.over:
                return
            self.helpers += 1
        with np.errstate(**self.numeric):
            self.work()
        with self.lock:
            self.helpers -= 1
            if self.over and not self.helpers:
                self.finished.release()

    def end(self) -> None:
        """Wait for those who are still at a piece; raise what went wrong."""
        with self.lock:
            self.over = True
            waiting = self.helpers > 0
        if waiting:
            self.finished.acquire()
        if self.error is not None:
            raise self.error


def _as_many_as_there_are() -> int:
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
        if os.environ.get(name, "").isdigit():
            return max(1, min(processors, int(os.environ[name])))
    return processors


#: Says on which processor its caller runs; None where threads cannot be kept away from one.
_where: Callable[[], int] | None = None
if hasattr(os, "sched_setaffinity"):
    _where = getattr(ctypes.PyDLL(None), "sched_getcpu", None)


class _Helpers:
    """Threads that wait for jobs. They are made when first needed, and made again in a forked process."""

    def __init__(self) -> None:
        self.jobs: SimpleQueue[_Job | Watch] = SimpleQueue()
        self.threads: list[threading.Thread] = []
        self.count = _as_many_as_there_are()
        self.free = threading.Lock()
        self.place = -1  # the processor that is left to their caller
        self.watch = Watch()

    def call(self, job: _Job, count: int) -> None:
        """Hand a job to so many of them."""
        self.prepare(count)
        self.watch.end()
        for _ in range(count):
            self.jobs.put(job)

    def call_to_watch(self, count: int, long: bool) -> None:
        """See that so many of them watch the board."""
        self.prepare(count)
        for _ in range(self.watch.wanting(count, long)):
            self.jobs.put(self.watch)

    def prepare(self, count: int) -> None:
        """Make so many of them, and keep them away from their caller."""
        while len(self.threads) < count:
            self.threads.append(threading.Thread(target=self._serve, name="minibatch", daemon=True))
            self.threads[-1].start()
            self.place = -1
        if _where is not None and (place := _where()) != self.place:
            self.leave(place)

    def leave(self, place: int) -> None:
        """Keep away from this processor, where the caller is at work.

        On a virtual machine a processor that sleeps passes for one that is taken: threads that wait for it would be
        woken on their caller's, and wait there until it has done everything by itself.
        """
        self.place = place
        processors = os.sched_getaffinity(0)
        with contextlib.suppress(OSError):  # where it is forbidden, the system chooses
            for thread in self.threads:
                os.sched_setaffinity(thread.native_id or 0, processors - {place} or processors)

    def _serve(self) -> None:
        jobs = self.jobs
        while True:
            jobs.get().help()


_helpers = _Helpers()
_threads: int | None = None


def _forget() -> None:
    global _helpers
    _helpers = _Helpers()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def threads() -> int:
    """Return how many threads share the work of a large layer.

    By default as many as there are processors that this process may use; or fewer, where the environment says so
    as it does to BLAS, by ``OPENBLAS_NUM_THREADS`` or ``OMP_NUM_THREADS``.
    """
    return _helpers.count if _threads is None else _threads


def set_threads(count: int | None) -> None:
    """Let so many threads share the work of a large layer; None, as many as there are processors.

    No result depends on it. (The threads of NumPy's BLAS are another matter; see ``minibatch.blas``.)

    Raises
    ------
    ValueError
        If it is not a positive integer or None.
    """
    global _threads
    if count is not None and (isinstance(count, bool) or not isinstance(count, int) or count < 1):
        raise ValueError(f"set_threads: expected a positive integer, or None for all processors; got {count!r}.")
    _threads = count


def each(task: Callable[[Piece], None], pieces: Iterable[Piece]) -> None:
    """Run ``task`` on every piece, several at a time. Each must write to a place of its own.

    Raises
    ------
    Exception
        What a piece raised; the pieces that were not begun by then are left out.

    Examples
    --------
    >>> import numpy as np
    >>> x, y = np.arange(6.0), np.empty(6)
    >>> def double(piece):
    ...     np.multiply(x[piece], 2, out=y[piece])
    >>> each(double, [slice(0, 2), slice(2, 4), slice(4, 5), slice(5, 6)])
    >>> y
    array([ 0.,  2.,  4.,  6.,  8., 10.])
    """
    pieces = list(pieces)
    # To wake a thread takes longer than a small piece: each is to have two, at the least.
    count = min(threads(), len(pieces) // 2)
    with one_blas_thread():
        # A job inside a job, or beside another thread's, is done alone: all processors are at work already.
        if count < 2 or not _helpers.free.acquire(blocking=False):
            for piece in pieces:
                task(piece)
            return
        try:
            job = _Job(task, iter(pieces))
            _helpers.call(job, count - 1)
            job.work()
            job.end()
        finally:
            _helpers.free.release()


def together(job: Callable[..., None], cut: tuple[int, int], *arguments: Any, long: bool = False) -> None:
    """Run a compiled job, all of it, with helpers that watch its board (``board``).

    ``cut`` is the extent of the work, and that of a piece. Helpers come within a microsecond, if there was such a
    job a moment ago; so this is for work of 20 us and more, where ``each`` is for that of 200. A ``long`` job, of
    half a millisecond and more, is worth it to call helpers who stay away because others want their processor.
    """
    helpers = _helpers
    extent, step = cut
    helping = min(threads() - 1, -(-extent // step) // 2) if board_room().HERE else 0
    if helping < 1 or not helpers.free.acquire(blocking=False):
        job(board_room().empty(), cut, *arguments, -1, -1)  # that nobody watches
        return
    try:
        helpers.call_to_watch(helping, long)
        job(helpers.watch.board, cut, *arguments, -1, -1)
    finally:
        helpers.free.release()


def rooms(purpose: str, pieces: int, size: int, dtype: np.dtype[Any]) -> tuple[Array, npt.NDArray[np.int64]]:
    """Return memory for a compiled job, and who is in it: nobody yet.

    There is a room of ``size`` numbers for each thread that can be at one of the pieces (``layers.rooms``).
    """
    count = max(1, min(threads(), pieces))
    return memory.scratch(purpose, (count, size), dtype), np.zeros(count, np.int64)


#: A sum is made of so many partial sums, or fewer: each is one thread's at a time.
PARTS = 16


def summed(
    write: Callable[[Piece, Array], None], pieces: Sequence[Piece], shape: tuple[int, ...], dtype: npt.DTypeLike
) -> Array:
    """Return the sum of what ``write(piece, out)`` writes into arrays of this shape, several pieces at a time.

    They are added up in order, so that the sum does not depend on how many threads there are.

    Examples
    --------
    >>> summed(lambda piece, out: np.copyto(out, piece), [1.0, 2.0, 3.0], (2,), "float32")
    array([6., 6.], dtype=float32)
    """
    if not pieces:
        return np.zeros(shape, dtype)
    most = -(-len(pieces) // PARTS)
    parts = [pieces[i : i + most] for i in range(0, len(pieces), most)]
    totals = memory.empty((len(parts), *shape), dtype)

    def add_up(part: int) -> None:
        another = memory.scratch("another", shape, dtype)
        for k, piece in enumerate(parts[part]):
            write(piece, another if k else totals[part])
            if k:
                totals[part] += another

    each(add_up, range(len(parts)))
    total: Array = totals[0] if len(parts) == 1 else totals.sum(axis=0)
    return total


#: Elementwise work is cut into pieces of so many numbers, a tenth of a millisecond's work.
ELEMENTS = 1 << 18


def elementwise(task: Callable[..., Any], *arrays: Array) -> None:
    """Run ``task`` on arrays of one shape; on large ones, on pieces of them, as rows of numbers, several at a time.

    It must write into one of them, entry by entry.

    Examples
    --------
    >>> import numpy as np
    >>> x, y = np.array([[1.0, -2.0]]), np.empty((1, 2))
    >>> elementwise(lambda x, y: np.maximum(x, 0, out=y), x, y)
    >>> y
    array([[1., 0.]])
    """
    size = arrays[0].size
    if size < 2 * ELEMENTS or not all(array.flags.c_contiguous for array in arrays):
        task(*arrays)
        return
    rows = [array.reshape(-1) for array in arrays]
    each(lambda start: task(*(row[start : start + ELEMENTS] for row in rows)), range(0, size, ELEMENTS))


__all__ = ["each", "elementwise", "rooms", "set_threads", "summed", "threads", "together"]
