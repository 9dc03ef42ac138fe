"""The floor: the bare ``np.matmul`` calls of a step, one after the other, and nothing else."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from minibatch.bench.works import Conv, Dense, Work
from minibatch.typing import Array

#: The patches of an image are made for so many bytes of images at a time, here as in ``layers/window.py``; the
#: floor multiplies one such block again and again, so its numbers are already in the processor's cache.
BLOCK = 2**21

Product = Callable[[], None]


class Floor:
    """The matrix products of one step of a work, with memory for their operands.

    Parameters
    ----------
    work : Work
    """

    def __init__(self, work: Work) -> None:
        self.forward: list[Product] = []
        self.backward: list[Product] = []
        self._rng = np.random.default_rng(0)
        first = True
        for layer, before, after in work.shapes():
            if isinstance(layer, Dense):
                self._dense(work.batch_size, before[0], after[0], first)
            elif isinstance(layer, Conv):
                self._conv(work.batch_size, before, after, first)
            else:
                continue
            first = False

    def _dense(self, N: int, I: int, O: int, first: bool) -> None:  # noqa: E741  # the maths' own letters
        x, W, dz = self._numbers(N, I), self._numbers(I, O), self._numbers(N, O)
        self.forward.append(product(x, W))
        self.backward.append(product(x.T, dz))
        if not first:
            self.backward.append(product(dz, W.T))

    def _conv(self, N: int, before: tuple[int, ...], after: tuple[int, ...], first: bool) -> None:
        (OH, OW, F), (H, W, C) = after, before
        self._patches(self.forward, N, OH * OW, 9 * C, F)
        self._patches(self.backward, N, OH * OW, 9 * C, F, transposed=True)
        if not first:  # the input's gradient, a convolution of the output's with F channels in and C out
            self._patches(self.backward, N, H * W, 9 * F, C)

    def _patches(
        self, products: list[Product], N: int, positions: int, row: int, columns: int, transposed: bool = False
    ) -> None:
        few = max(1, min(N, BLOCK // (positions * row * 4)))
        A, W, z = (
            self._numbers(few * positions, row),
            self._numbers(row, columns),
            self._numbers(few * positions, columns),
        )
        for start in range(0, N, few):
            rows = min(few, N - start) * positions
            products.append(product(A[:rows].T, z[:rows]) if transposed else product(A[:rows], W))

    def _numbers(self, *shape: int) -> Array:
        return self._rng.standard_normal(shape, dtype=np.float32)

    def step(self) -> None:
        """Multiply what one step of training multiplies."""
        for multiply in self.forward:
            multiply()
        for multiply in self.backward:
            multiply()

    def inference(self) -> None:
        """Multiply what one batch of ``predict`` or ``evaluate`` multiplies."""
        for multiply in self.forward:
            multiply()


def product(a: Array, b: Array) -> Product:
    """Return a function that multiplies these two into memory that is kept."""
    out = np.empty((a.shape[0], b.shape[1]), np.float32)

    def multiply() -> None:
        np.matmul(a, b, out=out)

    return multiply
