"""The gradient of every single sample, in one backward pass."""

from __future__ import annotations

from typing import Any

import numpy as np

from minibatch.layers import Layer
from minibatch.models import Model
from minibatch.models.feed import Batch
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
        If the model is not compiled, the data do not fit it, or the loss of a batch is not a mean over samples.
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
    batch = model.checked(x, y)
    _check_mean(model)
    parameters = model.parameters
    rows = np.empty((len(batch.inputs[0]), parameters.theta.size), dtype=parameters.theta.dtype)
    kept = parameters.gradient.copy()  # watching changes nothing: the last step's gradient is put back
    for start in range(0, len(rows), CHUNK):
        piece = slice(start, start + CHUNK)
        few = Batch([x[piece] for x in batch.inputs], [y[piece] for y in batch.targets], [])
        _fill(model, few, rows[piece])
    parameters.gradient[...] = kept
    return rows


def _check_mean(model: Model) -> None:
    """Raise a ValueError where the loss of a batch is not the mean over its samples."""
    for head in model.objective.heads:
        if head.loss is not None and head.loss.reduction not in ("sum_over_batch_size", "mean"):
            raise ValueError(
                f"the loss {head.loss.name!r} has reduction={head.loss.reduction!r}: gradient noise is about batch "
                "gradients that are means over samples (reduction='sum_over_batch_size')."
            )


def _fill(model: Model, batch: Batch, rows: Array) -> None:
    """Write the gradients of a few samples into rows (n, D)."""
    parameters = model.parameters
    rows[...] = 0

    def collect(layer: Layer, dy: Array, cache: Any) -> None:
        if layer.trainable:
            trainable = [weight for weight in layer.weights if weight.trainable]
            for weight, gradient in zip(trainable, layer.per_sample_gradients(dy, cache), strict=True):
                # Added up: a layer used twice in a model has two shares.
                rows[:, parameters.slices[weight]] += gradient.reshape(len(rows), -1)

    outputs, caches = model.forward([x.astype(rows.dtype, copy=False) for x in batch.inputs])
    model.objective.differentiate_each(batch.targets, outputs, caches, collect)
    for weight in model.objective.regularized:
        rows[:, parameters.slices[weight]] += weight.regularizer.gradient(weight.value).reshape(-1)
