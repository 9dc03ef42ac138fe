"""The gradient of every single sample, in one backward pass."""

from __future__ import annotations

from typing import Any

import numpy as np

from minibatch.layers import Layer
from minibatch.models import Model
from minibatch.typing import Array

#: Samples taken backward at a time: it bounds the memory for activations, not the result.
CHUNK = 256


def per_sample_gradients(model: Model, x: Any, y: Any) -> Array:
    """Return g_i, the gradient of each sample's loss by the parameters, as the rows of a matrix.

    The layers are run as for a batch, but the backward pass starts from each sample's own, unscaled gradient; and
    where a layer would sum its weights' gradient over the samples, the summands are kept. The mean of the rows is
    the gradient of the batch.

    Parameters
    ----------
    model : Model
        Compiled. Run in inference mode (dropout off), and not changed.
    x : array_like, shape (N, ...)
    y : array_like, shape (N, ...)
        Targets, as the loss wants them.

    Returns
    -------
    ndarray, shape (N, D)
        In the model's float type; column j belongs to ``model.parameters.theta[j]``.

    Raises
    ------
    ValueError
        If the model is not compiled, or the data do not fit it.
    TypeError
        If a layer with weights has no rule for single samples.

    Examples
    --------
    >>> import minibatch as mb
    >>> line = mb.Sequential([mb.Input((1,)), mb.layers.Dense(1, kernel_initializer="zeros")])
    >>> line.compile("sgd", "mse")
    >>> mb.noise.per_sample_gradients(line, [[1.0], [2.0]], [2.0, 4.0])
    array([[ -4.,  -4.],
           [-16.,  -8.]], dtype=float32)
    """
    inputs, targets = model.checked(x, y)
    parameters = model.parameters
    rows = np.empty((len(inputs), parameters.theta.size), dtype=parameters.theta.dtype)
    kept = parameters.gradient.copy()  # watching changes nothing: the last step's gradient is put back
    for start in range(0, len(inputs), CHUNK):
        piece = slice(start, start + CHUNK)

        def collect(layer: Layer, dy: Array, cache: Any, rows: Array = rows[piece]) -> None:
            gradients = layer.per_sample_gradients(dy, cache)
            for weight, gradient in zip(layer.weights, gradients, strict=True):
                rows[:, parameters.slices[weight]] = gradient.reshape(len(rows), -1)

        y_pred, caches = model.forward(inputs[piece].astype(rows.dtype, copy=False))
        model.objective.differentiate_each(targets[piece], y_pred, caches, collect)
    parameters.gradient[...] = kept
    return rows
