"""The fully connected layer: every output sees every input."""

from __future__ import annotations

from typing import Any

from minibatch import initializers, regularizers
from minibatch.layers.layer import ActivatedLayer, Cache, positive
from minibatch.layers.outer import Outer, outer
from minibatch.layers.product import affine, product, sum_of_rows
from minibatch.typing import Array


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

    owns_z = has_floor = True

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
        shape = (input_shape[-1], self.units)
        self.kernel = self.add_weight("kernel", shape, self.kernel_initializer, regularizer=self.kernel_regularizer)
        if self.use_bias:
            bias = ("bias", (self.units,), self.bias_initializer)
            self.bias = self.add_weight(*bias, regularizer=self.bias_regularizer)

    def output_shape_for(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        if not input_shape:
            raise ValueError(f"layer {self.name!r}: Dense needs samples with at least one axis, (I,); got ().")
        return (*input_shape[:-1], self.units)

    def linear(self, x: Array, training: bool) -> tuple[Array, Cache]:
        return self.linear_above(x, None)

    def linear_above(self, x: Array, least: float | None) -> tuple[Array, Cache]:
        return affine(x, self.kernel.value, self.bias.value if self.use_bias else None, least), x

    def linear_backward(self, dz: Array, cache: Cache) -> Array:
        self.weights_backward(dz, cache)
        return product(dz, self.kernel.value.T)

    def weights_backward(self, dy: Array, cache: Cache) -> None:
        x, dz = cache, dy
        rows, drows = _rows(x), _rows(dz)
        product(rows.T, drows, out=self.kernel.gradient)
        if self.use_bias:
            sum_of_rows(drows, out=self.bias.gradient)

    def per_sample_gradients(self, dy: Array, cache: Cache) -> list[Array | Outer]:
        # One sample's kernel gradient is the outer product of its input and its output gradient, summed over
        # the positions in between (there is one position when x is (N, I)).
        x = cache
        a = x.reshape(len(x), -1, x.shape[-1])
        d = dy.reshape(len(dy), -1, dy.shape[-1])
        kernel = outer(a, d, self.kernel.shape)
        return [kernel, d.sum(axis=1)] if self.use_bias else [kernel]


def _rows(x: Array) -> Array:
    """Return x (N, ..., I) as (N * ..., I)."""
    return x if x.ndim == 2 else x.reshape(-1, x.shape[-1])
