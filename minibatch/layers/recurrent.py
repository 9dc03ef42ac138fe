"""Recurrence: the same small dense layer at every step of a sequence, fed with its own last output."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from minibatch import activations, initializers, regularizers
from minibatch.layers.layer import Cache, Layer, positive
from minibatch.layers.outer import Outer, outer
from minibatch.typing import Array


class SimpleRNN(Layer):
    """h_t = f(x_t W + h_{t-1} U + b), h_0 = 0 (Elman 1990).

    A batch of sequences is a batch of samples like any other: all its sequences take step t together. Axes: N
    samples, T steps, I inputs, O outputs (``units``). x (N, T, I), kernel W (I, O), recurrent_kernel U (O, O),
    bias b (O,); y is h_T, (N, O), or all of h, (N, T, O).

    Parameters
    ----------
    units : int
        O.
    activation : str, Activation or None, default "tanh"
        f.
    use_bias : bool, default True
    kernel_initializer, recurrent_initializer, bias_initializer : str or Initializer
        Glorot uniform, orthogonal and zeros, as in Keras. An orthogonal U keeps the length of what it carries on.
    kernel_regularizer, recurrent_regularizer, bias_regularizer : str, Regularizer or None
    return_sequences : bool, default False
        Whether y is every h_t and not the last alone.
    go_backwards : bool, default False
        Whether to begin with the last step; the outputs then come in that order, too.
    name : str, optional

    Raises
    ------
    ValueError
        If ``units`` is not a positive integer, or samples are not sequences (T, I).
    TypeError
        For what Keras has besides: a state that is returned or kept, dropout, unrolling.

    Examples
    --------
    >>> import minibatch as mb
    >>> layer = mb.layers.SimpleRNN(
    ...     1, activation=None, kernel_initializer="ones", recurrent_initializer="ones", return_sequences=True
    ... )
    >>> layer([[[1.0], [2.0], [3.0]]])[0, :, 0]  # running sums
    array([1., 3., 6.], dtype=float32)
    """

    keras_only: ClassVar[dict[str, tuple[Any, ...]]] = {
        "dropout": (0,),
        "recurrent_constraint": (),
        "recurrent_dropout": (0,),
        "return_state": (False,),
        "seed": (),
        "stateful": (False,),
        "unroll": (False,),
        "zero_output_for_mask": (False,),
    }
    #: Where Keras's files keep the weights: in its layer there is a cell.
    weights_path = "cell/vars"

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        *,
        return_sequences: bool = False,
        go_backwards: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.units = positive("SimpleRNN", "units", units)
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.recurrent_initializer = initializers.get(recurrent_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.recurrent_regularizer = regularizers.get(recurrent_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.return_sequences = return_sequences
        self.go_backwards = go_backwards

    def output_shape_for(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        if len(input_shape) != 2:
            raise ValueError(
                f"layer {self.name!r}: SimpleRNN needs samples that are sequences, (T, I); got {input_shape}."
            )
        return (input_shape[0], self.units) if self.return_sequences else (self.units,)

    def build(self, input_shape: tuple[int, ...]) -> None:
        W = ((input_shape[-1], self.units), self.kernel_initializer)
        U = ((self.units, self.units), self.recurrent_initializer)
        self.kernel = self.add_weight(*W, regularizer=self.kernel_regularizer, name="kernel")
        self.recurrent_kernel = self.add_weight(*U, regularizer=self.recurrent_regularizer, name="recurrent_kernel")
        if self.use_bias:
            b = ((self.units,), self.bias_initializer)
            self.bias = self.add_weight(*b, regularizer=self.bias_regularizer, name="bias")

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Cache]:
        if self.go_backwards:
            x = x[:, ::-1]
        n, steps = x.shape[:2]
        z = x @ self.kernel.value  # what does not wait for the step before, for all steps at once
        if self.use_bias:
            z += self.bias.value
        h = np.zeros((n, steps + 1, self.units), dtype=z.dtype)
        for t in range(steps):
            z[:, t] += h[:, t] @ self.recurrent_kernel.value
            h[:, t + 1] = self.activation.function(z[:, t])
        y: Array = h[:, 1:] if self.return_sequences else h[:, -1]
        return y, (x, z, h)

    def _through_time(self, dy: Array, cache: Cache) -> Array:
        """Return dz (N, T, O), last step first: what h_t does to the loss itself, and through h_{t+1}."""
        _, z, h = cache
        dz: Array = np.empty_like(z)
        dh = np.zeros_like(h[:, 0])
        last = z.shape[1] - 1
        for t in range(last, -1, -1):
            if self.return_sequences:
                dh = dh + dy[:, t]
            elif t == last:
                dh = dy
            dz[:, t] = self.activation.backward(dh, z[:, t], h[:, t + 1])
            dh = dz[:, t] @ self.recurrent_kernel.value.T
        return dz

    def backward(self, dy: Array, cache: Cache) -> Array:
        x, _, h = cache
        dz = self._through_time(dy, cache)
        rows = dz.reshape(-1, self.units)
        np.matmul(x.reshape(-1, x.shape[-1]).T, rows, out=self.kernel.gradient)
        np.matmul(h[:, :-1].reshape(-1, self.units).T, rows, out=self.recurrent_kernel.gradient)
        if self.use_bias:
            rows.sum(axis=0, out=self.bias.gradient)
        dx: Array = dz @ self.kernel.value.T
        if self.go_backwards:
            dx = dx[:, ::-1]
        return dx

    def per_sample_gradients(self, dy: Array, cache: Cache) -> list[Array | Outer]:
        x, _, h = cache
        dz = self._through_time(dy, cache)
        kernel, recurrent = outer(x, dz, self.kernel.shape), outer(h[:, :-1], dz, self.recurrent_kernel.shape)
        return [kernel, recurrent, dz.sum(axis=1)] if self.use_bias else [kernel, recurrent]
