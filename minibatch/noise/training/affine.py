"""The gradients of single samples by a dense layer's kernel and bias, taken together and never multiplied out.

Axes: N samples, I inputs, O outputs. One sample's gradient is [a_i, 1]' d_i, a_i the layer's input (I,) and d_i the
gradient by its output (O,).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from minibatch.noise.training import elementwise
from minibatch.noise.training.lazy import kernels
from minibatch.typing import Array

#: Rows of fewer numbers are too short for the compiled loops to run along.
SHORT_ROW = 64
#: Of so many samples, all pairs are no work to speak of.
FEW_SAMPLES = 32
#: Multiplications of a piece of the work on sums of squares, at most, about: some 40 microseconds.
PIECE = 1 << 22

SignalTask = Callable[[], tuple[float, float]]


class Affine:
    """g_i = c [a_i, 1]' d_i for N samples, by one layer's kernel and bias.

    Everything follows from the factors: with K_ik = c^2 (a_i.a_k + 1)(d_i.d_k) the lengths and the inner products,
    with (a^2)' d^2 the sums of squares.

    Parameters
    ----------
    a : ndarray, shape (N, I)
    d : ndarray, shape (N, O)
    scale : float
        c; N in a training step, whose d is of the mean loss.
    kernel : slice
        Where the kernel lies in the parameter vector.
    bias : slice or None
    """

    def __init__(self, a: Array, d: Array, scale: float, kernel: slice, bias: slice | None) -> None:
        self.a, self.d, self.scale, self.kernel, self.bias = a, d, scale, kernel, bias
        self.n: int = a.shape[0]
        self.inputs: int = a.shape[1]
        self.outputs: int = d.shape[1]

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, samples: slice) -> Affine:
        return Affine(self.a[samples], self.d[samples], self.scale, self.kernel, self.bias)

    @property
    def size(self) -> int:
        """The number of parameters."""
        return self.inputs * self.outputs + (self.outputs if self.bias is not None else 0)

    @property
    def pairs_are_less(self) -> bool:
        """Whether the inner products of all pairs are less work than those with one vector: N (I + O) < 2 I O."""
        work = self.n * (self.inputs + self.outputs)
        return work < 2 * self.inputs * self.outputs or self.n <= FEW_SAMPLES

    @property
    def factors_are_less(self) -> bool:
        """Whether the factors are smaller than the parameters, N (I + O) < I O: then another step keeps them."""
        numbers = self.n * (self.inputs + self.outputs)
        return numbers < self.inputs * self.outputs or self.n <= FEW_SAMPLES

    def add_products(self, gradient: Array, norm2: Array, along: Array) -> None:
        """Add |g_i|^2 to ``norm2`` and g_i . g to ``along``, both (N,); ``gradient`` (D,) is g, their mean."""
        if self.pairs_are_less:
            kernels().batch_products(self.a, self.d, self._one, self.scale**2, norm2, along)
        else:
            kernels().sample_lengths(self.a, self.d, self._one, self.scale**2, norm2)
            along += self.times(gradient)

    @property
    def _one(self) -> Any:
        """1 in the factors' float type, the input of the bias; 0 where there is none."""
        return self.d.dtype.type(self.bias is not None)

    def times(self, v: Array) -> Array:
        """Return g_i . v, (N,), for a vector v (D,)."""
        kernel = v[self.kernel].reshape(self.inputs, self.outputs)
        bias = np.zeros(self.outputs, v.dtype) if self.bias is None else v[self.bias]
        if self.runs_along_inputs:
            along: Array = np.zeros(self.n)
            kernels().sample_products(self.a, self.d, np.ascontiguousarray(kernel.T), bias, self.scale, along)
            return along
        z = self.a @ kernel
        z += bias
        along = np.einsum("no,no->n", z, self.d)
        along *= self.scale
        return along

    def add_along(self, other: Affine, along: Array) -> None:
        """Add g_i . h to ``along`` (N,), for h the mean of other samples' gradients."""
        factor = self.scale * other.scale
        kernels().products_with(self.a, self.d, other.a, other.d, self._one, factor, along)

    def signal_tasks(self, gradient: Array, epsilon: float, memory: dict[Any, Any]) -> list[SignalTask]:
        """Return functions whose results add up to ``elementwise.signal_sums`` over this layer's parameters.

        ``memory`` is kept between calls. The pieces depend on the shapes alone.
        """
        outer, rows_of_tile, numbers = kernels().outer_signal_sums, kernels().ROWS, self._numbers(epsilon)
        u, v, g = self.a, self.d, gradient[self.kernel].reshape(self.inputs, self.outputs)
        if self.runs_along_inputs:
            u, v, g = v, u, np.ascontiguousarray(g.T)  # so that its divisions run in several lanes
        few = max(1, PIECE // (rows_of_tile * v.size)) * rows_of_tile
        pieces = range(0, u.shape[1], few)
        squares, tiles, rows = self._places(memory, len(pieces))
        kernels().squared_tiles(v, tiles)
        tasks: list[SignalTask] = [
            partial(outer, u, i, min(i + few, u.shape[1]), tiles, g, numbers, squares, rows[k])
            for k, i in enumerate(pieces)
        ]
        if self.bias is not None:
            row = np.empty(self.outputs, self.d.dtype)
            tasks.append(partial(kernels().bias_signal_sums, self.d, gradient[self.bias], numbers, row))
        return tasks

    def _numbers(self, epsilon: float) -> tuple[Any, Any, Any]:
        """Return scale, bessel and epsilon of ``kernels.signal_sums``, in the factors' float type."""
        real = self.d.dtype.type
        return real(self.scale**2 / self.n), real(self.n / max(1, self.n - 1)), real(epsilon)

    def _places(self, memory: dict[Any, Any], pieces: int) -> tuple[Array, Array, Array]:
        """Return the memory of ``kernels.outer_signal_sums``, from the last call where there was one alike."""
        dtype = self.d.dtype
        key = (self.kernel.start, self.n, dtype, pieces)
        if key not in memory:
            if len(memory) > 100:  # batches of many sizes
                memory.clear()
            U, V = (self.outputs, self.inputs) if self.runs_along_inputs else (self.inputs, self.outputs)
            memory[key] = kernels().memory_of(self.n, U, V, pieces, dtype)
        places: tuple[Array, Array, Array] = memory[key]
        return places

    @property
    def runs_along_inputs(self) -> bool:
        """Whether the loops over the second moments run along I, because the rows of O numbers are short."""
        return self.outputs < SHORT_ROW and self.inputs > self.outputs

    def add_all(
        self, gradient: Array, kept: Affine | None, epsilon: float | None, memory: dict[Any, Any], found: Array
    ) -> tuple[float, float]:
        """Do ``add_products``, with ``kept`` ``add_along``, with ``epsilon`` the ``signal_tasks``: in one call.

        ``found`` (3, N) is added to. For a layer whose ``pairs_are_less``.
        """
        squares, tiles, rows = self._places(memory, 1)
        b, e = (self.a[:0], self.d[:0]) if kept is None else (kept.a, kept.d)
        sums: tuple[float, float] = kernels().layer_sums(
            self.a, self.d, b, e, self._one,
            (self.scale**2, self.scale * (1.0 if kept is None else kept.scale)),
            gradient, (self.kernel.start, -1 if self.bias is None else self.bias.start),
            self._numbers(-1.0 if epsilon is None else epsilon),
            (squares, tiles, rows[0]), self.runs_along_inputs, found,
        )  # fmt: skip
        return sums

    def second_moment(self) -> list[tuple[slice, Array]]:
        """Return (where, (1/N) sum_i g_ij^2) for the kernel and the bias: the reference of ``signal_sums``."""
        factor, d2 = self.scale**2 / self.n, np.square(self.d)
        moments = [(self.kernel, (np.square(self.a).T @ d2).reshape(-1) * factor)]
        return moments if self.bias is None else [*moments, (self.bias, d2.sum(axis=0) * factor)]

    def signal_sums_reference(self, gradient: Array, epsilon: float) -> tuple[float, float]:
        """Return ``signal_sums`` in plain NumPy."""
        sums = [
            elementwise.signal_sums(moment, gradient[place], self.n, epsilon)
            for place, moment in self.second_moment()
        ]
        return sum(plain for plain, _ in sums), sum(unbiased for _, unbiased in sums)

    def rows(self) -> list[tuple[slice, Array]]:
        """Return (where, the gradients multiplied out, (N, ...)) for the kernel and the bias."""
        d = self.d * self.d.dtype.type(self.scale)
        kernel = (self.a[:, :, None] * d[:, None]).reshape(self.n, -1)
        return [(self.kernel, kernel)] if self.bias is None else [(self.kernel, kernel), (self.bias, d)]

    def copy(self) -> Affine:
        """Return the same with factors of its own."""
        return Affine(self.a.copy(), self.d.copy(), self.scale, self.kernel, self.bias)
