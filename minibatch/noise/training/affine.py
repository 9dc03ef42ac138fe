"""The gradients of single samples by a dense layer's kernel and bias, taken together and never multiplied out.

Axes: N samples, I inputs, O outputs. One sample's gradient is [a_i, 1]' d_i, a_i the layer's input (I,) and d_i the
gradient by its output (O,).
"""

from __future__ import annotations

import numpy as np

from minibatch.noise.training import elementwise
from minibatch.noise.training.lazy import kernels
from minibatch.typing import Array

#: Rows of fewer numbers are too short for the compiled loops to run along.
SHORT_ROW = 64
#: Of so many samples, all pairs are no work to speak of.
FEW_SAMPLES = 32


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
        one, factor = self.d.dtype.type(self.bias is not None), self.scale * other.scale
        kernels().products_with(self.a, self.d, other.a, other.d, one, factor, 0, self.n, along)

    @property
    def runs_along_inputs(self) -> bool:
        """Whether the loops over the second moments run along I, because the rows of O numbers are short."""
        return self.outputs < SHORT_ROW and self.inputs > self.outputs

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
