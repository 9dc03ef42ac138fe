"""Why two float32 paths part at once, and not bit by bit: a kink within rounding."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minibatch as mb


def one_relu(bias: float) -> Any:
    """relu(x w + b) for a single sample x = 1, w = 0.5, target 1."""
    model = mb.Sequential([mb.Input((1,)), mb.layers.Dense(1, "relu")])
    model.compile(mb.optimizers.SGD(0.1), "mse")
    model.set_weights([np.array([[0.5]], "float32"), np.array([bias], "float32")])
    return model


def test_a_rounding_error_at_a_kink_becomes_a_step() -> None:
    """Two biases that differ by one rounding, on the two sides of the kink: one step is 0.2, the other none."""
    x, y = np.ones((1, 1), "float32"), np.ones((1, 1), "float32")
    below, above = np.float32(-0.5), np.nextafter(np.float32(-0.5), np.float32(0))
    models = [one_relu(float(bias)) for bias in (below, above)]
    for model in models:
        model.train_on_batch(x, y)
    closed, opened = (model.get_weights()[0].item() for model in models)
    assert above - below < 6e-8
    assert closed == 0.5
    assert opened == pytest.approx(0.5 + 0.1 * 2)
