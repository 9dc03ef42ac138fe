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
    x: Array,
    training: bool = False,
    before: Callable[[], None] = lambda: None,
) -> None:
    """Check the gradients of sum(R * layer(x)), R random and fixed, by x and by every weight.

    ``before`` runs before each forward pass; it can make a random layer repeat itself.
    """
    x = x.copy()
    layer.ensure_built(x.shape[1:])
    for weight in layer.weights:  # no gradient may hide behind a weight that is zero
        weight.assign(weight.value + np.random.default_rng(len(weight.shape)).normal(0, 0.3, weight.shape))
    before()
    y, cache = layer.forward(x, training)
    assert y.shape == (len(x), *layer.output_shape_for(x.shape[1:]))
    R = np.random.default_rng(9).normal(size=y.shape)

    def f() -> float:
        before()
        return float((R * layer.forward(x, training)[0]).sum())

    x_before, R_before = x.copy(), R.copy()
    dx = layer.backward(R, cache)
    gradients = [weight.gradient.copy() for weight in layer.weights]
    np.testing.assert_array_equal(x, x_before, err_msg="backward changed x")
    np.testing.assert_array_equal(R, R_before, err_msg="backward changed dy")
    assert_same_gradient(f"{layer.name}: dx", dx, numerical_gradient(f, x))
    for weight, gradient in zip(layer.weights, gradients, strict=True):
        assert_same_gradient(f"{layer.name}: d{weight.name}", gradient, numerical_gradient(f, weight.value))


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
