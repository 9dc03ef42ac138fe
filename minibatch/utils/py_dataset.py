"""`PyDataset`: batches that a user's own class makes, one at a time."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np


class PyDataset:
    """Base class for data that come batch by batch out of Python code: from files, say.

    Define ``__getitem__(index)``, which returns a whole batch (x, (x, y) or (x, y, sample_weight)), and
    ``__len__()``, which returns how many batches there are; or, for batches without end, ``num_batches`` as a
    property that returns None. ``on_epoch_begin()`` and ``on_epoch_end()`` are called around every epoch.

    ``fit`` takes the batches in a new random order each epoch, unless it is told ``shuffle=False``; what is in a
    batch is for the class to shuffle, in ``on_epoch_end``.

    (Keras calls ``on_epoch_end`` once more, before the first epoch, and twice in an evaluation.)

    Parameters
    ----------
    workers : int, default 1
        More than one: so many threads make batches ahead of the model. The order stays the same.
    use_multiprocessing : bool, default False
        Only False: there are no worker processes here.
    max_queue_size : int, default 10
        Accepted for Keras's sake: the threads are as far ahead as there are threads.

    Examples
    --------
    >>> class Squares(PyDataset):
    ...     def __len__(self):
    ...         return 3
    ...
    ...     def __getitem__(self, index):
    ...         x = np.arange(2 * index, 2 * index + 2)
    ...         return x, x**2
    >>> [y.tolist() for x, y in Squares()]
    [[0, 1], [4, 9], [16, 25]]
    """

    # Of the class too, so that a subclass that forgets super().__init__() works.
    workers: int = 1
    use_multiprocessing: bool = False
    max_queue_size: int = 10

    def __init__(self, workers: int = 1, use_multiprocessing: bool = False, max_queue_size: int = 10) -> None:
        if use_multiprocessing:
            raise ValueError("use_multiprocessing=True is not here; the nearest: workers=n, which are threads.")
        self.workers = workers
        self.use_multiprocessing = use_multiprocessing
        self.max_queue_size = max_queue_size

    def __getitem__(self, index: int) -> Any:
        """Return the batch at this position."""
        # The subclass's to write; the class of error is Keras's, here and below.
        raise NotImplementedError(f"{type(self).__name__} needs a __getitem__(index) that returns a batch.")

    def __iter__(self) -> Iterator[Any]:
        """Return the batches in order."""
        n = self.num_batches
        return (self[index] for index in (itertools.count() if n is None else range(n)))

    @property
    def num_batches(self) -> int | None:
        """The number of batches of a pass; None if there is no end to them."""
        if not hasattr(self, "__len__"):
            raise NotImplementedError(
                f"{type(self).__name__} needs a __len__() that returns the number of batches, or a property "
                "num_batches that returns None."
            )
        return len(self)

    def on_epoch_begin(self) -> None:
        """Do what should be done before the first batch of an epoch."""

    def on_epoch_end(self) -> None:
        """Do what should be done after the last batch of an epoch: shuffle, say."""


def passes(dataset: PyDataset, shuffle: bool = False) -> Callable[[], Iterator[Any]]:
    """Return what starts a pass over the batches: in order, or each time in a random order of its own."""
    from minibatch.utils.random import next_seed

    rng = np.random.default_rng(next_seed()) if shuffle and dataset.num_batches is not None else None

    def batch(index: int) -> Any:
        made = dataset[index]
        return tuple(made) if isinstance(made, list) else made

    def start() -> Iterator[Any]:
        n = dataset.num_batches
        order = itertools.count() if n is None else range(n) if rng is None else rng.permutation(n).tolist()
        if dataset.workers <= 1:
            return map(batch, order)
        from minibatch.batching.prefetch import parallel_map

        return parallel_map(batch, order, dataset.workers)

    return start
