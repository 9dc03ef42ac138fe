"""The fully connected layer: every output sees every input."""

from __future__ import annotations

import functools
import math
import sys
from typing import Any

import numpy as np

from minibatch import initializers, memory, regularizers
from minibatch.activations import softmax
from minibatch.layers.activated import ActivatedLayer
from minibatch.layers.layer import Cache, positive
from minibatch.layers.outer import Outer, outer
from minibatch.layers.product import TILED, affine, product, sum_of_rows
from minibatch.typing import Array

#: The softmax of up to so many outputs is a compiled loop: of more, NumPy takes several exponentials at a time.
SHORT = 32
#: In inference it is for so many samples: a prediction for a few need not load Numba.
MANY = 256


@functools.cache
def _loops() -> Any:
    """Return the compiled loops (``dense_kernels``); None where Numba's compiler is off."""
    from minibatch.compiling import PLAIN
    from minibatch.layers import dense_kernels

    return None if PLAIN else dense_kernels


def _small(x: Array, W: Array) -> bool:
    """Return whether rows x (N, I) or (N, O) go with W (I, O) in products too small for any way but BLAS, at once.

    ``product`` finds the same, but asks more than such a product costs.
    """
    return x.ndim == 2 and len(x) * W.size < TILED


class Dense(ActivatedLayer):
    """y = f(x W + b).

    Axes: N samples, I inputs, O outputs (``units``). x (N, ..., I), W (I, O), b (O,), y (N, ..., O): with axes
    in between, the same W serves each position, as in Keras.

    Parameters
    ----------
    units : int
        O, the number of outputs.
    activation : str, Activation or None
        f; None is the identity.
    use_bias : bool, default True
    kernel_initializer, bias_initializer : str or Initializer
        Glorot uniform and zeros, as in Keras.
    kernel_regularizer, bias_regularizer : str, Regularizer or None
        Penalties added to the loss.
    name : str, optional

    Raises
    ------
    ValueError
        If ``units`` is not a positive integer, or a name is unknown.

    Examples
    --------
    >>> import minibatch as mb
    >>> layer = mb.layers.Dense(2, kernel_initializer="ones")
    >>> layer([[1.0, 2.0, 3.0]])
    array([[6., 6.]], dtype=float32)
    """

    # ``forward`` and ``backward`` are ``ActivatedLayer``'s; here are their halves without f: ``linear`` for x W + b
    # (its formula is ``affine``), ``linear_backward`` for dW, db and dx. Where a batch ``fits``, is so small that
    # NumPy's calls take longer than its numbers, the compiled ``_loops`` do the same.
    owns_z = has_floor = has_softmax = True

    def __init__(
        self,
        units: int,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activation, **kwargs)
        self.units = positive("Dense", "units", units)
        self.use_bias = use_bias
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)

    def build(self, input_shape: tuple[int, ...]) -> None:
        W = ((input_shape[-1], self.units), self.kernel_initializer)
        b = ((self.units,), self.bias_initializer)
        self.kernel = self.add_weight(*W, regularizer=self.kernel_regularizer, name="kernel")
        if self.use_bias:
            self.bias = self.add_weight(*b, regularizer=self.bias_regularizer, name="bias")

    def output_shape_for(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        if not input_shape:
            raise ValueError(f"layer {self.name!r}: Dense needs samples with at least one axis, (I,); got ().")
        return (*input_shape[:-1], self.units)

    def linear(self, x: Array, training: bool) -> tuple[Array, Cache]:
        return self.linear_above(x, None)

    def linear_above(self, x: Array, least: float | None) -> tuple[Array, Cache]:
        W, b = self.kernel.value, self.bias.value if self.use_bias else None
        # Both ways give the same bits; so Numba, if it is not there, is not loaded for this.
        fits = b is not None and "numba" in sys.modules and _small(x, W) and x.dtype == W.dtype
        loops = _loops() if fits else None
        if loops is None:
            return affine(x, W, b, least), x
        z = x.dot(W)
        loops.add_bias(z, b, -math.inf if least is None else least)
        return z, x

    def linear_softmax(self, x: Array, training: bool) -> tuple[Array, Array, Cache]:
        W = self.kernel.value
        fits = self.use_bias and self.units <= SHORT and x.ndim == 2 and x.dtype == W.dtype
        loops = _loops() if fits and (training or len(x) >= MANY) else None
        if loops is None:
            z = self.linear(x, training)[0]
            return softmax.function(z), z, x
        z = x.dot(W) if _small(x, W) else product(x, W)
        y = z.copy()  # of a few numbers in less time than np.empty_like
        loops.add_bias_softmax(z, self.bias.value, y)
        return y, z, x

    def activation_backward(self, dy: Array, z: Array, y: Array) -> Array:
        least = self.activation.floor
        fits = least is not None and dy.ndim == 2 and dy.nbytes < memory.LARGE and dy.flags.c_contiguous
        fits = fits and dy.shape == y.shape and dy.dtype == y.dtype == self.kernel.value.dtype
        loops = _loops() if fits else None
        if loops is None:
            return super().activation_backward(dy, z, y)
        dz = np.empty_like(dy)
        loops.above(dy, y, least, dz)
        return dz

    def linear_backward(self, dz: Array, cache: Cache) -> Array:
        self.weights_backward(dz, cache)
        W = self.kernel.value
        return dz.dot(W.T) if _small(dz, W) else product(dz, W.T)

    def weights_backward(self, dz: Array, cache: Cache) -> None:
        x, dW = cache, self.kernel.gradient
        fits = _small(x, dW) and len(x) > 1 and x.dtype == dz.dtype == dW.dtype
        loops = _loops() if fits and dz.flags.c_contiguous and dW.flags.c_contiguous else None
        if loops is not None:
            x.T.dot(dz, dW)
            if self.use_bias:
                loops.sum_of_rows(dz, self.bias.gradient)
            return
        rows, drows = _rows(x), _rows(dz)
        product(rows.T, drows, out=dW)
        if self.use_bias:
            sum_of_rows(drows, out=self.bias.gradient)

    def per_sample_gradients(self, dz: Array, cache: Cache) -> list[Array | Outer]:
        # One sample's kernel gradient is the outer product of its input and its output gradient, summed over
        # the positions in between (there is one position when x is (N, I)).
        x = cache
        a = x.reshape(len(x), -1, x.shape[-1])
        d = dz.reshape(len(dz), -1, dz.shape[-1])
        kernel = outer(a, d, self.kernel.shape)
        return [kernel, d.sum(axis=1)] if self.use_bias else [kernel]


def _rows(x: Array) -> Array:
    """Return x (N, ..., I) as (N * ..., I)."""
    return x if x.ndim == 2 else x.reshape(-1, x.shape[-1])
