"""``numpy()`` of what a call returns, and an optimizer's variables, have Keras's types."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from parity.keras_reference import BOTH, keras

import minibatch as mb

RESULTS = {
    "a model": lambda k, x, y: k.Sequential([k.Input((3,)), k.layers.Dense(2)])(x),
    "a layer": lambda k, x, y: k.layers.Dense(2)(x),
    "a row": lambda k, x, y: k.layers.Dense(2)(x)[0],
    "a loss": lambda k, x, y: k.losses.MeanSquaredError()(y, y),
    "a loss's function": lambda k, x, y: k.losses.mean_squared_error(y, y),
    "a metric, called": lambda k, x, y: k.metrics.MeanAbsoluteError()(y, y),
    "a metric's result": lambda k, x, y: k.metrics.Mean().result(),
    "steps": lambda k, x, y: k.optimizers.Adam().iterations,
    "a learning rate": lambda k, x, y: k.optimizers.Adam().learning_rate,
    "a weight, calculated with": lambda k, x, y: k.Sequential([k.Input((3,)), k.layers.Dense(2)]).weights[0] * 2,
    "a weight's row": lambda k, x, y: k.Sequential([k.Input((3,)), k.layers.Dense(2)]).weights[0][0],
}


@pytest.mark.parametrize("made", RESULTS.values(), ids=RESULTS)
def test_numpy(made: Any) -> None:
    x, y = np.ones((4, 3), np.float32), np.eye(4, 2, dtype=np.float32)
    theirs, mine = (made(library, x, y).numpy() for library in BOTH)
    assert type(mine) is type(theirs)
    assert mine.dtype == theirs.dtype
    assert mine.shape == theirs.shape


@pytest.mark.parametrize("options", [{}, {"use_ema": True}, {"gradient_accumulation_steps": 2}], ids=str)
@pytest.mark.parametrize("name", ["SGD", "Adam", "RMSprop", "Adagrad"])
def test_an_optimizers_variables(name: str, options: dict[str, Any]) -> None:
    x, y = np.ones((4, 3), np.float32), np.ones((4, 1), np.float32)
    found = []
    for k in BOTH:
        model = k.Sequential([k.Input((3,)), k.layers.Dense(2), k.layers.Dense(2), k.layers.Dense(1)])
        model.layers[1].trainable = False
        model.compile(getattr(k.optimizers, name)(**options), "mse")
        before = len(model.optimizer.variables)
        model.fit(x, y, verbose=0)
        numbers = [np.asarray(variable.numpy()) for variable in model.optimizer.variables]
        found.append((before, [(n.shape, n.dtype) for n in numbers]))
    assert found[0] == found[1]


def test_the_variables_are_the_numbers_that_the_optimizer_keeps() -> None:
    model = mb.Sequential([mb.Input((3,)), mb.layers.Dense(2)])
    model.compile(mb.optimizers.SGD(0.1, momentum=0.9), "mse")
    model.fit(np.ones((4, 3)), np.ones((4, 2)), verbose=0)
    _, rate, kernel, bias = model.optimizer.variables
    assert rate == 0.1
    kept = np.concatenate([kernel.ravel(), bias])
    np.testing.assert_array_equal(kept, model.optimizer.state["momentum"])
    scheduled = mb.optimizers.SGD(mb.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9))
    theirs = keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9))
    assert len(scheduled.variables) == len(theirs.variables) == 1
