"""Gradients by central differences, entry by entry, in float64.

(f(t + h) - f(t - h)) / 2h has an error of h^2 f'''/6 + eps |f| / h. With h = 1e-5 and f near 1 both are near
1e-10, so agreement to 1e-6 of the value, or to 1e-8 near zero, leaves room for curvature and none for a wrong term.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from minibatch.layers import Layer
from minibatch.models import Model
from minibatch.typing import Array

STEP = 1e-5


def numerical_gradient(f: Callable[[], float], at: Array) -> Array:
    """Return df/dat by central differences; ``f`` reads ``at``, which is moved and put back."""
    assert at.dtype == np.float64, "central differences need float64"
    gradient = np.empty_like(at)
    for index in np.ndindex(at.shape):
        here = at[index]
        at[index] = here + STEP
        above = f()
        at[index] = here - STEP
        below = f()
        at[index] = here
        gradient[index] = (above - below) / (2 * STEP)
    return gradient


def assert_same_gradient(what: str, mine: Array, numerical: Array, rtol: float = 1e-6, atol: float = 1e-8) -> None:
    """Fail with the entry that is furthest off: its index and both values."""
    assert mine.shape == numerical.shape, f"{what}: shape {mine.shape}, should be {numerical.shape}"
    excess = np.abs(mine - numerical) - (atol + rtol * np.abs(numerical))
    if mine.size and not excess.max() <= 0:  # a NaN fails, too
        worst = np.unravel_index(np.nanargmax(excess), excess.shape)
        place = tuple(int(i) for i in worst)
        wrong = int((~(excess <= 0)).sum())
        raise AssertionError(
            f"{what}: entry {place} is {mine[worst]!r} backward, {numerical[worst]!r} by differences; "
            f"{wrong} of {mine.size} entries differ"
        )


def check_layer(
    layer: Layer,
    x: Array | list[Array],
    training: bool = False,
    before: Callable[[], None] = lambda: None,
) -> None:
    """Check the gradients of sum(R * layer(x)), R random and fixed, by x and by every weight.

    x may be a list, for a layer of several inputs; where backward returns None, x has no gradient. ``before`` runs
    before each forward pass; it can make a random layer repeat itself.
    """
    x = [part.copy() for part in x] if isinstance(x, list) else x.copy()
    inputs = x if isinstance(x, list) else [x]
    shapes = [part.shape[1:] for part in inputs]
    shape = layer.ensure_built(shapes if isinstance(x, list) else shapes[0])
    for weight in layer.weights:  # no gradient may hide behind a weight that is zero; a variance stays positive
        noise = np.random.default_rng(len(weight.shape)).normal(0, 0.3, weight.shape)
        weight.assign(weight.value + (noise if weight.trainable else np.abs(noise)))
    before()
    y, cache = layer.forward(x, training)
    assert y.shape == (len(inputs[0]), *shape)
    R = np.random.default_rng(9).normal(size=y.shape)

    def f() -> float:
        before()
        return float((R * layer.forward(x, training)[0]).sum())

    x_before, R_before = [part.copy() for part in inputs], R.copy()
    for weight in layer.weights:
        weight.gradient[...] = 99 if weight.trainable else 0  # backward is to write over it
    dx = layer.backward(R, cache)
    trainable = [weight for weight in layer.weights if weight.trainable]
    gradients = [weight.gradient.copy() for weight in trainable]
    for part, before_it in zip(inputs, x_before, strict=True):
        np.testing.assert_array_equal(part, before_it, err_msg="backward changed x")
    np.testing.assert_array_equal(R, R_before, err_msg="backward changed dy")
    if dx is not None:
        for part, gradient in zip(inputs, dx if isinstance(x, list) else [dx], strict=True):
            assert_same_gradient(f"{layer.name}: dx", gradient, numerical_gradient(f, part))
    for weight, gradient in zip(trainable, gradients, strict=True):
        assert_same_gradient(f"{layer.name}: d{weight.name}", gradient, numerical_gradient(f, weight.value))


def check_per_sample_gradients(layer: Layer, x: Array, training: bool = False) -> None:
    """Check that each sample's gradient is what backward writes for a batch of that sample alone."""
    layer.ensure_built(x.shape[1:])
    y, cache = layer.forward(x, training)
    R = np.random.default_rng(9).normal(size=y.shape)
    each = [np.asarray(gradient) for gradient in layer.per_sample_gradients(R, cache)]
    trainable = [weight for weight in layer.weights if weight.trainable]
    for i in range(len(x)):
        layer.backward(R[i : i + 1], layer.forward(x[i : i + 1], training)[1])
        for weight, gradient in zip(trainable, each, strict=True):
            assert gradient.shape == (len(x), *weight.shape)
            assert_same_gradient(f"{layer.name}: d{weight.name} of sample {i}", gradient[i], weight.gradient)


def check_model(model: Model, x: Array, y: Array, sample_weight: Array | None = None, rtol: float = 1e-6) -> None:
    """Check the gradient of a compiled model's loss by every parameter and every input entry."""
    x = x.copy()
    batch = model.checked(x, y, sample_weight)
    objective = model.objective

    def f() -> float:
        outputs, caches = model.forward([x])
        return objective.value(batch.targets, outputs, caches, batch.weights)[0]

    loss, gradient = model.loss_and_gradient(x, y, sample_weight)
    np.testing.assert_allclose(loss, f(), rtol=1e-12)
    for weight, piece in model.parameters.slices.items():
        numerical = numerical_gradient(f, weight.value)
        assert_same_gradient(f"dL/d{weight.path}", gradient[piece].reshape(weight.shape), numerical, rtol)

    (head,) = objective.heads
    outputs, caches = model.forward([x])
    loss_fn, prediction = head.view(outputs[0], caches)
    _, dy = loss_fn.of_batch(batch.targets[0], prediction, batch.weights[0])
    (dx,) = model.backward([dy], caches, [head.on_logits])
    assert dx is not None
    assert_same_gradient("dL/dx", dx, numerical_gradient(f, x), rtol)
