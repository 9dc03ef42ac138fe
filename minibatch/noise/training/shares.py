"""A layer's share in a step's sums: the arrays that the compiled pieces of work take."""

from __future__ import annotations

from typing import Any

import numpy as np

from minibatch.noise.training.affine import Affine
from minibatch.noise.training.kept import Kept
from minibatch.noise.training.lazy import kernels, pieces
from minibatch.typing import Array

#: Multiplications of a piece of the work, at most, about: some 20 microseconds.
PIECE = 1 << 21
#: So many shapes are remembered: batches can be of many sizes.
REMEMBERED = 100

Arrays = tuple[Array, ...]


class Share:
    """What ``pieces.layer_sums`` takes for one layer and batches of one size: made once, and used at every step.

    Parameters
    ----------
    part : Affine
    kept : Kept or None
        Where g_i . h is wanted.
    epsilon : float or None
        Of the signal sums, if they are wanted.
    """

    def __init__(self, part: Affine, kept: Kept | None, epsilon: float | None) -> None:
        room = pieces()
        N, dtype = part.n, part.d.dtype
        factors = None if kept is None else kept.factors_of(part)
        M = 0 if factors is None else factors.n
        across = part.runs_along_inputs
        own_by = room.PAIRS if part.pairs_are_less else room.VECTOR if across else room.ELSEWHERE
        kept_by = room.ELSEWHERE
        if kept is not None and (factors is not None or across):
            kept_by = room.PAIRS if factors is not None else room.VECTOR
        #: Whether g_i . g, and g_i . h, are left to ``Affine.times``.
        self.leaves_own = own_by == room.ELSEWHERE
        self.leaves_kept = kept is not None and kept_by == room.ELSEWHERE
        U, V = (part.outputs, part.inputs) if across else (part.inputs, part.outputs)
        signal_rows = max(1, PIECE // (kernels().ROWS * N * V)) * kernels().ROWS
        signal = 0 if epsilon is None else -(-U // signal_rows)
        own_rows = _rows(N * (part.inputs + part.outputs)) if own_by == room.PAIRS else N
        kept_rows = _rows(M * (part.inputs + part.outputs)) if kept_by == room.PAIRS else N
        own, of_kept = -(-N // own_rows), 0 if kept_by == room.ELSEWHERE else -(-N // kept_rows)
        bias = -1 if part.bias is None else part.bias.start
        #: How many pieces of work it is, and how many multiplications, about.
        self.count = signal + own + of_kept
        self.work = N * part.size
        counts = [signal, signal_rows, own, own_rows, of_kept, kept_rows]
        plan = np.array([*counts, part.kernel.start, bias, across, own_by, kept_by])
        reals = np.array([part.bias is not None, part.scale**2 / N, N / max(1, N - 1), epsilon or 0.0], dtype)
        scales = np.array([part.scale, 1.0 if factors is None else factors.scale], np.float64)
        tiles = kernels().tiles_of(N, V if signal else 0, dtype)
        results = np.empty((3, N)), np.empty((own, N)), np.empty((signal, 2))
        self._same: Arrays = (plan, reals, scales, tiles, *results)
        self._nothing = np.empty((0, part.inputs), dtype), np.empty((0, part.outputs), dtype)
        self._idle: Arrays = (np.zeros_like(plan), *self._same[1:])

    def arrays(self, part: Affine, gradient: Array, kept: Kept | None) -> Arrays:
        """Return the layer's arrays in the order of ``pieces.Layer``."""
        h, (b, e) = gradient, self._nothing
        if kept is not None:
            factors = kept.factors_of(part)
            if factors is None:
                h = kept.gradient
            else:
                b, e = factors.a, factors.d
        return (part.a, part.d, b, e, gradient, h, *self._same)

    def idle(self, part: Affine, gradient: Array) -> Arrays:
        """Return arrays of a layer with which nothing is to be done."""
        return (part.a, part.d, *self._nothing, gradient, gradient, *self._idle)


def _rows(work: int) -> int:
    """Return how many rows of so many multiplications make a piece, a multiple of what is done at a time."""
    return max(1, PIECE // max(1, 4 * work)) * 4


def share_of(part: Affine, kept: Kept | None, epsilon: float | None, memory: dict[Any, Any]) -> Share:
    """Return a layer's share, from ``memory`` where there was one alike."""
    factors = None if kept is None else kept.factors_of(part)
    also = None if kept is None else -1 if factors is None else (factors.n, factors.scale)
    key = part.kernel.start, part.n, part.scale, part.d.dtype.char, also, epsilon
    share: Share | None = memory.get(key)
    if share is None:
        if len(memory) >= REMEMBERED:
            memory.clear()
        share = memory[key] = Share(part, kept, epsilon)
    return share
