"""`Batches`: an epoch after epoch of mini-batches, exact, repeatable and resumable."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from minibatch.batching import arithmetic
from minibatch.batching.order import Indices, permutation
from minibatch.batching.sources import as_source
from minibatch.batching.structure import components, rebuilder

# Small batches are gathered many at a time and handed out as disjoint slices of one fresh block, so
# that the cost of a call into NumPy is shared between them.
BLOCK_BYTES = 1 << 18


class Batches:
    """Mini-batches of arrays, epoch after epoch.

    Parameters
    ----------
    x, y : array, tuple or dict of arrays
        Samples along the first axis, the same number N in each component. ``y`` may be left out.
    batch_size : int, None or "full"
        B; None and "full" mean all samples.
    shuffle : bool
        A new order in each epoch, or the order of the data.
    remainder : {"keep", "drop"}
        What becomes of the last N mod B samples.
    seed : int, optional
        From 0 to 2**64 - 1. Epoch k under a seed is the same everywhere and always. By default drawn
        from the library's stream (``set_random_seed``).

    Attributes
    ----------
    n_samples, batch_size : int
        N and B (resolved: never None or "full").
    x, y, shuffle, remainder, seed
        As given.

    Notes
    -----
    A batch that was handed out is never overwritten.

    Examples
    --------
    >>> x, y = np.arange(5.0), np.arange(5)
    >>> batches = Batches(x, y, batch_size=2, shuffle=False)
    >>> len(batches)
    3
    >>> for x_b, y_b in batches:
    ...     print(x_b, y_b)
    [0. 1.] [0 1]
    [2. 3.] [2 3]
    [4.] [4]
    """

    def __init__(
        self,
        x: Any,
        y: Any = None,
        *,
        batch_size: SupportsIndex | str | None = 32,
        shuffle: bool = True,
        remainder: str = "keep",
        seed: SupportsIndex | None = None,
    ) -> None:
        self.x, self.y = x, y
        whole = x if y is None else (x, y)
        names = [*components(x, "x"), *(() if y is None else components(y, "y"))]
        self._sources = [as_source(data, name) for name, data in names]
        lengths = {name: len(source) for (name, _), source in zip(names, self._sources, strict=True)}
        if len(set(lengths.values())) != 1:
            listed = ", ".join(f"{name} has {n} samples" for name, n in lengths.items())
            raise ValueError(
                f"All components must have the same number of samples; {listed or 'x is empty'}."
            )
        self.n_samples = next(iter(lengths.values()))
        if self.n_samples == 0:
            raise ValueError("There are no samples: x has length 0.")
        self.batch_size = arithmetic.resolve_batch_size(batch_size, self.n_samples)
        self.shuffle = shuffle
        self.remainder = arithmetic.check_remainder(remainder)
        if seed is None:
            from minibatch.utils.random import next_seed

            seed = next_seed()
        self.seed = arithmetic.check_integer(seed, "seed", at_least=0)
        self._rebuild = None if len(names) == 1 and whole is names[0][1] else rebuilder(whole)
        if len(self) == 0:
            raise ValueError(arithmetic.no_step_message(self.n_samples, self.batch_size, remainder))
        self._next_epoch = 0

    def __len__(self) -> int:
        """Return the number of batches of an epoch."""
        return arithmetic.steps_per_epoch(self.n_samples, self.batch_size, self.remainder)

    def __iter__(self) -> Iterator[Any]:
        """Run the next epoch."""
        k, self._next_epoch = self._next_epoch, self._next_epoch + 1
        return self.epoch(k)

    def order(self, k: int) -> Indices:
        """Return the order of epoch k's samples: (N,) intp."""
        return permutation(self.n_samples, self.seed, k) if self.shuffle else np.arange(self.n_samples)

    def epoch_indices(self, k: int) -> list[Indices]:
        """Return the sample indices of each of epoch k's batches."""
        order, low, batches = self.order(k), 0, []
        for size in arithmetic.batch_sizes(self.n_samples, self.batch_size, self.remainder):
            batches.append(order[low : low + size])
            low += size
        return batches

    def epoch(self, k: int, start: int = 0) -> Iterator[Any]:
        """Iterate over epoch k's batches, from batch ``start``; a pure function of (seed, k, start)."""
        order, low, skip = self.order(k), 0, start
        row_bytes = max(sum(s.dtype.itemsize * int(np.prod(s.shape)) for s in self._sources), 1)
        for size, count in arithmetic.runs(self.n_samples, self.batch_size, self.remainder):
            skipped = min(skip, count)
            skip, low, count = skip - skipped, low + skipped * size, count - skipped
            per_block = max(1, BLOCK_BYTES // (size * row_bytes))
            while count:
                m = min(per_block, count)
                rows = order[low : low + m * size]
                blocks: list[NDArray[Any]] = [s.take(rows).reshape(m, size, *s.shape) for s in self._sources]
                if self._rebuild is None:
                    yield from blocks[0]
                else:
                    yield from map(self._rebuild, zip(*blocks, strict=True))
                low, count = low + m * size, count - m
