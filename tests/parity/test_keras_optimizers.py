"""Twenty steps of every rule in both libraries, on vectors whose sizes straddle the blocks of ours."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from parity.keras_reference import keras, tf

import minibatch as mb
from minibatch.optimizers.optimizer import BLOCK

RULES = [
    ("SGD", {}),
    ("SGD", {"learning_rate": 0.3, "momentum": 0.9}),
    ("SGD", {"momentum": 0.9, "nesterov": True}),
    ("Adam", {}),
    ("Adam", {"learning_rate": 0.1, "beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-3}),
    ("RMSprop", {}),
    ("RMSprop", {"rho": 0.5, "epsilon": 1e-3}),
    ("RMSprop", {"momentum": 0.7}),
    ("RMSprop", {"centered": True}),
    ("RMSprop", {"momentum": 0.7, "centered": True}),
]


@pytest.mark.parametrize(("name", "arguments"), RULES, ids=str)
@pytest.mark.parametrize("size", [1, 100, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 5])
def test_twenty_steps(name: str, arguments: dict[str, Any], size: int) -> None:
    """Gradients of many sizes, zeros among them; the learning rate is changed after ten steps."""
    rng = np.random.default_rng(size)
    start = rng.normal(size=size).astype("float32")
    theirs, mine = getattr(keras.optimizers, name)(**arguments), getattr(mb.optimizers, name)(**arguments)
    variable, theta = keras.Variable(start), start.copy()
    theirs.build([variable])
    for step in range(20):
        if step == 10:
            theirs.learning_rate = mine.learning_rate = 0.02
        g = (rng.normal(size=size) * 10.0 ** rng.integers(-6, 2, size) * (rng.random(size) > 0.1)).astype("float32")
        theirs.apply([tf.constant(g)], [variable])
        mine.apply(g, theta)
    assert mine.iterations == int(theirs.iterations)
    moved = np.abs(theta - start).max()
    assert moved > 1e-3
    # Rounding: each step adds about 1e-7 of theta (size 1 to 4), and of the step, which is at most the way moved.
    # A centered RMSprop takes the difference of two nearly equal numbers under its root, which magnifies it.
    slack = 100 if arguments.get("centered") else 1
    np.testing.assert_allclose(theta, variable.numpy(), rtol=0, atol=slack * (2e-6 + 2e-6 * moved))
