"""`Dataset`: a pipeline in the shape of ``tf.data.Dataset``, with its names, over NumPy arrays.

A dataset is a recipe: a function that starts an iterator, and how many elements it will give. Each method wraps one
recipe in another; nothing runs until it is iterated over, and it can be iterated over again.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, SupportsIndex

import numpy as np

from minibatch.batching import arithmetic
from minibatch.batching.arithmetic import check_integer
from minibatch.batching.buffer import shuffled
from minibatch.batching.collate import collate, cut, layout, weighted
from minibatch.batching.elements import elements_of, frozen, shown
from minibatch.batching.prefetch import AUTOTUNE, parallel_map, prefetched, worker_count
from minibatch.batching.sources import open_sources
from minibatch.batching.structure import batch_maker
from minibatch.results import Count

INFINITE_CARDINALITY = -1
UNKNOWN_CARDINALITY = -2


class Dataset:
    """A lazy, re-iterable sequence of elements: arrays, numbers, or tuples and dicts of them.

    Made by `from_tensor_slices`, `from_generator`, `range` or `zip`, and by the methods of another one. It
    holds what tf.data's has in common with NumPy; a mapped function sees and returns NumPy arrays. A loop over it
    gets them, too, with the ``numpy()`` of tf.data's tensors; single numbers are plain.

    Elements that come straight from an array or from `cache` are read-only, so that a mapped function that
    works in place is an error and not a change of the data.

    Examples
    --------
    >>> dataset = Dataset.range(6).map(lambda i: i * i).filter(lambda i: i % 2 == 0).batch(2)
    >>> list(dataset)
    [array([0, 4]), array([16])]
    """

    #: What ``batch`` was called with, of a dataset that ``batch`` made; None of any other.
    batch_size: int | None = None

    def __init__(self, start: Callable[[], Iterator[Any]], cardinality: int = UNKNOWN_CARDINALITY) -> None:
        self._start = start
        self._cardinality = cardinality

    def __iter__(self) -> Iterator[Any]:
        """Start a new pass over the elements; their arrays know ``numpy``, as tensors do."""
        return map(shown, self._start())

    def __len__(self) -> int:
        """Return the number of elements, if it is known and finite; else raise a TypeError, as tf.data does."""
        if self._cardinality < 0:
            kind = "infinite" if self._cardinality == INFINITE_CARDINALITY else "unknown"
            raise TypeError(f"The dataset's length is {kind}; say how much of it to use (take, steps_per_epoch).")
        return self._cardinality

    def __bool__(self) -> bool:
        return True  # as in tf.data; without this, bool() would ask for the length

    def cardinality(self) -> Count:
        """Return the number of elements, INFINITE_CARDINALITY (-1) or UNKNOWN_CARDINALITY (-2)."""
        return Count(self._cardinality)

    def as_numpy_iterator(self) -> Iterator[Any]:
        """Start a new pass over the elements as they are: what the library itself goes through."""
        return self._start()

    # --- where elements come from --------------------------------------------------------------------

    @staticmethod
    def from_tensor_slices(tensors: Any) -> Dataset:
        """Make a dataset of the samples of arrays: ``tensors[0]``, ``tensors[1]``, ...

        Parameters
        ----------
        tensors : array-like, or tuple or dict of them
            All with the same number of samples. The kinds that `Batches` takes.

        Examples
        --------
        >>> for element in Dataset.from_tensor_slices({"a": [1, 2], "b": [[3.0], [4.0]]}):
        ...     print(element["a"], element["b"])
        1 [3.]
        2 [4.]
        """
        sources, n_samples = open_sources(tensors, None, None, None)
        make = batch_maker(tensors)
        return Dataset(lambda: iter(make([elements_of(source) for source in sources.values()])), n_samples)

    @staticmethod
    def from_generator(generator: Callable[..., Iterable[Any]], *, args: tuple[Any, ...] = ()) -> Dataset:
        """Make a dataset of what ``generator(*args)`` yields; it is called anew for each pass.

        An iterator that can run only once is a TypeError: pass the function that makes it.
        """
        if not callable(generator):
            raise TypeError(
                f"generator must be callable, so that it can run again; got {type(generator).__name__}."
            )
        return Dataset(lambda: iter(generator(*args)))

    @staticmethod
    def range(*args: int) -> Dataset:
        """Make a dataset of ``range(*args)``, as int64."""
        numbers = range(*args)
        return Dataset(lambda: map(np.int64, numbers), len(numbers))

    @staticmethod
    def zip(*datasets: Any) -> Dataset:
        """Make a dataset of tuples, one element of each; as long as the shortest.

        Takes datasets, or one tuple of them, as tf.data does.
        """
        parts: tuple[Dataset, ...] = datasets[0] if len(datasets) == 1 else datasets
        if not isinstance(parts, tuple) or not parts or not all(isinstance(part, Dataset) for part in parts):
            raise TypeError(f"zip needs datasets, or a tuple of them; got {datasets!r}.")
        lengths = [part.cardinality() for part in parts]
        finite = [n for n in lengths if n != INFINITE_CARDINALITY]
        unknown = UNKNOWN_CARDINALITY in lengths
        count = UNKNOWN_CARDINALITY if unknown else min(finite, default=INFINITE_CARDINALITY)
        return Dataset(lambda: zip(*(part._start() for part in parts), strict=False), count)

    # --- one element at a time -----------------------------------------------------------------------

    def map(
        self, map_func: Callable[..., Any], num_parallel_calls: int | None = None, deterministic: bool | None = None
    ) -> Dataset:
        """Apply a function to every element; a tuple's parts are its arguments.

        Parameters
        ----------
        map_func : callable
            Whatever it raises, the reader gets, with its traceback.
        num_parallel_calls : int, optional
            How many threads run it at once; AUTOTUNE is one per processor. Threads help where NumPy or the
            disk does the work.
        deterministic : bool, optional
            Accepted for tf.data's sake: the order is always kept.
        """
        self._check_callable(map_func, "map_func")

        def apply(element: Any) -> Any:
            return map_func(*element) if isinstance(element, tuple) else map_func(element)

        if num_parallel_calls is None:
            return Dataset(lambda: map(apply, self._start()), self._cardinality)
        workers = worker_count(_count(num_parallel_calls, "num_parallel_calls", at_least=1))
        return Dataset(lambda: parallel_map(apply, self._start(), workers), self._cardinality)

    def filter(self, predicate: Callable[..., Any]) -> Dataset:
        """Keep the elements for which ``predicate`` is true; how many that is, is then unknown."""
        self._check_callable(predicate, "predicate")

        def start() -> Iterator[Any]:
            for element in self._start():
                if predicate(*element) if isinstance(element, tuple) else predicate(element):
                    yield element

        return Dataset(start)

    def concatenate(self, dataset: Dataset) -> Dataset:
        """Give the elements of this one, then those of another.

        >>> list(Dataset.range(2).concatenate(Dataset.range(8, 10)))
        [np.int64(0), np.int64(1), np.int64(8), np.int64(9)]
        """
        if not isinstance(dataset, Dataset):
            raise TypeError(f"concatenate takes a dataset; got {type(dataset).__name__}.")
        lengths = self._cardinality, dataset._cardinality
        # As in tf.data: with an infinite one it is infinite, else with an unknown one unknown.
        n = sum(lengths) if min(lengths) >= 0 else max(length for length in lengths if length < 0)
        return Dataset(lambda: itertools.chain.from_iterable(part._start() for part in (self, dataset)), n)

    def enumerate(self, start: int = 0) -> Dataset:
        """Pair each element with its number: ``(start, element), (start + 1, element), ...``."""
        return Dataset.zip(Dataset(lambda: map(np.int64, itertools.count(start)), INFINITE_CARDINALITY), self)

    # --- which elements, and in what order -----------------------------------------------------------

    def cache(self, filename: str = "") -> Dataset:
        """Keep the elements in memory after the first full pass, for the passes that follow.

        A pass that is broken off keeps nothing. A ``filename`` is refused: there is no cache on disk here.
        """
        if filename:
            raise ValueError(f"cache keeps elements in memory only; got filename={filename!r}.")
        kept: list[Any] = []
        complete = False

        def start() -> Iterator[Any]:
            nonlocal complete
            if complete:
                yield from kept
                return
            filling = []
            for element in self._start():
                filling.append(frozen(element))
                yield filling[-1]
            if not complete:
                kept[:], complete = filling, True

        return Dataset(start, self._cardinality)

    def shuffle(
        self, buffer_size: SupportsIndex, seed: SupportsIndex | None = None, reshuffle_each_iteration: bool = True
    ) -> Dataset:
        """Shuffle through a buffer: each element that leaves it, at random, is replaced by the next.

        Parameters
        ----------
        buffer_size : int
            At least 1. Smaller than the dataset, it shuffles only locally: data sorted by class stay nearly
            sorted. ``Batches(shuffle=True)`` needs no buffer.
        seed : int, optional
            Pass k under a seed is the same each time. By default drawn from the library's stream.
        reshuffle_each_iteration : bool
            If False, every pass has the order of the first.
        """
        size = check_integer(buffer_size, "buffer_size", at_least=1)
        if seed is None:
            from minibatch.utils.random import next_seed

            seed = next_seed()
        root, passes = check_integer(seed, "seed", at_least=0), itertools.count()

        def start() -> Iterator[Any]:
            yield from shuffled(self._start(), size, root, next(passes) if reshuffle_each_iteration else 0)

        return Dataset(start, self._cardinality)

    def repeat(self, count: int | None = None) -> Dataset:
        """Run through the elements ``count`` times; forever if it is None or -1."""
        times = None if count is None else _count(count, "count", at_least=0)
        if times == -1:
            times = None

        def start() -> Iterator[Any]:
            for _ in itertools.count() if times is None else range(times):
                empty = True
                for element in self._start():
                    empty = False
                    yield element
                if empty:
                    return

        n = self._cardinality
        if times is None:
            return Dataset(start, 0 if n == 0 else INFINITE_CARDINALITY)
        return Dataset(start, n * times if n >= 0 or times == 0 else n)

    def take(self, count: int) -> Dataset:
        """Stop after the first ``count`` elements; -1 takes all."""
        if (number := _count(count, "count", at_least=0)) == -1:
            return self
        n = self._cardinality
        known = number if n == INFINITE_CARDINALITY else min(n, number) if n >= 0 else n
        return Dataset(lambda: itertools.islice(self._start(), number), known)

    def skip(self, count: int) -> Dataset:
        """Leave out the first ``count`` elements; -1 leaves out all."""
        if (number := _count(count, "count", at_least=0)) == -1:
            return self.take(0)
        n = self._cardinality
        return Dataset(lambda: itertools.islice(self._start(), number, None), max(n - number, 0) if n >= 0 else n)

    # --- batches -------------------------------------------------------------------------------------

    def batch(
        self, batch_size: SupportsIndex, drop_remainder: bool = False, *, remainder: str | None = None
    ) -> Dataset:
        """Stack consecutive elements into batches.

        Parameters
        ----------
        batch_size : int
            B, at least 1.
        drop_remainder : bool
            tf.data's word for ``remainder="drop"``.
        remainder : str, optional
            One of the policies of `Batches`; by default ``"keep"``. ``"weight"`` needs elements ``(x, y)``
            and makes ``(x, y, w)``; ``"balance"`` needs a known cardinality; ``"carry"`` opens each pass
            with what the last full pass left over.

        Raises
        ------
        ValueError
            While iterating: if elements differ in shape or dtype, within a batch or between batches.
        """
        B = check_integer(batch_size, "batch_size", at_least=1)
        policy = arithmetic.check_remainder(remainder or ("drop" if drop_remainder else "keep"))
        if drop_remainder and policy != "drop":
            raise ValueError(f'drop_remainder=True is remainder="drop"; got remainder={remainder!r} as well.')
        n = self._cardinality
        known = n if n >= 0 else None
        carried: list[Any] = []

        def start() -> Iterator[Any]:
            expected = None
            for elements in cut(self._start(), B, policy, known, carried):
                batch = collate(elements)
                expected = expected or layout(batch)
                if layout(batch) != expected:
                    raise ValueError(f"A batch has samples of {layout(batch)}; the first batch had {expected}.")
                yield weighted(batch, len(elements), B) if policy == "weight" else batch

        if policy == "carry" and known is not None:
            n = UNKNOWN_CARDINALITY if known % B else known // B
        elif known:
            n = arithmetic.steps_per_epoch(known, B, policy)
        batches = Dataset(start, n)
        batches.batch_size = B
        return batches

    def unbatch(self) -> Dataset:
        """Split batches into their samples."""

        def start() -> Iterator[Any]:
            for batch in self._start():
                sources, _ = open_sources(batch, None, None, None)
                yield from batch_maker(batch)([elements_of(source) for source in sources.values()])

        n = self._cardinality
        return Dataset(start, n if n == INFINITE_CARDINALITY else UNKNOWN_CARDINALITY)

    def prefetch(self, buffer_size: int) -> Dataset:
        """Prepare up to ``buffer_size`` elements in a thread while the reader uses one; AUTOTUNE is 2."""
        size = _count(buffer_size, "buffer_size", at_least=0)
        if size == 0:
            return self
        return Dataset(lambda: prefetched(self._start(), 2 if size == AUTOTUNE else size), self._cardinality)

    @staticmethod
    def _check_callable(function: Any, name: str) -> None:
        if not callable(function):
            raise TypeError(f"{name} must be callable; got {type(function).__name__}.")


def _count(value: SupportsIndex, name: str, at_least: int) -> int:
    """Return a number, or the -1 that tf.data uses for "all" and AUTOTUNE."""
    if not isinstance(value, bool) and value == -1:
        return -1
    return check_integer(value, name, at_least)
