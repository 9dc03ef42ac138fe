"""The gradients of all samples a block at a time, and the inner products of all pairs of them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from minibatch.models import Model
from minibatch.models.feed import Batch
from minibatch.noise.per_sample import PerSample, chunks, count, part
from minibatch.typing import Array

#: Bytes of gradients (factors, or rows where a layer has no factors) held at a time, in float64.
BLOCK_BYTES = 128 << 20
#: Samples whose products with the others are made at a time.
ROWS = 128


class Blocks:
    """The gradients of samples, in float64, a block at a time: each is computed again when it is asked for again.

    If there is a single block, it is kept.

    Parameters
    ----------
    model : Model
    batch : Batch
        As ``model.checked`` returns it.
    """

    def __init__(self, model: Model, batch: Batch) -> None:
        self.model = model
        self.batch = batch
        self._only: PerSample | None = None

    def __iter__(self) -> Iterator[tuple[slice, PerSample]]:
        return self.before(count(self.batch))

    def before(self, stop: int) -> Iterator[tuple[slice, PerSample]]:
        """Return (which, their gradients) for each block of the samples before ``stop``, where a block begins."""
        if self._only is not None and stop == len(self._only):
            yield slice(0, stop), self._only
            return
        held: list[PerSample] = []
        start = 0
        for piece, gradients in chunks(self.model, part(self.batch, slice(0, stop))):
            held.append(gradients.astype(np.float64))
            end = min(piece.stop, stop)
            if sum(g.nbytes for g in held) >= BLOCK_BYTES or end == stop:
                block = PerSample.joined(held)
                if len(block) == count(self.batch):
                    self._only = block
                yield slice(start, end), block
                held, start = [], end


def products(blocks: Blocks) -> Array:
    """Return g_i . g_k for all samples, (N, N) float64.

    Beside the result, memory holds two blocks. If there is one, every sample is run backward once; if there are m,
    about m / 2 times.
    """
    n = count(blocks.batch)
    inner = np.empty((n, n))
    for mine, g in blocks:
        for start in range(0, len(g), ROWS):
            # Few rows at a time, so that they stay in the cache; and of each pair of rows only one product.
            few = slice(start, start + ROWS)
            stop = min(start + ROWS, len(g))
            rows, columns = slice(mine.start + start, mine.start + stop), slice(mine.start, mine.start + stop)
            inner[rows, columns] = g[few].products(g[:stop])
            inner[columns, rows] = inner[rows, columns].T
        for other, h in blocks.before(mine.start):
            inner[mine, other] = g.products(h)
            inner[other, mine] = inner[mine, other].T
    return inner
