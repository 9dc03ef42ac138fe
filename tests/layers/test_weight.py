from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minibatch as mb
from minibatch.layers import Weight


def kernel() -> Weight:
    layer = mb.layers.Dense(2)
    layer.build((3,))
    return layer.kernel


CALCULATIONS: dict[str, Callable[[Any], Any]] = {
    "times": lambda w: w * 2,
    "from the right": lambda w: 2 - w,
    "array first": lambda w: np.ones((3, 2), np.float32) * w,
    "power": lambda w: w**2,
    "minus": lambda w: -w,
    "length": abs,
    "matrix product": lambda w: np.ones((1, 3), np.float32) @ w,
    "with itself": lambda w: w + w,
    "below": lambda w: w < 0,
    "row": lambda w: w[0],
    "entry": lambda w: w[0, 0],
    "slice": lambda w: w[:, 1],
    "function": np.exp,
    "sum": np.sum,
    "two results": lambda w: np.modf(w)[0],
}


@pytest.mark.parametrize("calculate", CALCULATIONS.values(), ids=CALCULATIONS)
def test_a_weight_can_be_calculated_with(calculate: Callable[[Any], Any]) -> None:
    w = kernel()
    before = w.numpy()
    found, expected = calculate(w), calculate(before)
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == expected.dtype
    if isinstance(expected, np.ndarray):
        assert type(found.numpy()) is np.ndarray
        found[...] = 0  # what comes of it is a copy
    np.testing.assert_array_equal(w.value, before)


def test_a_weight_is_changed_in_place() -> None:
    model = mb.Sequential([mb.Input((3,)), mb.layers.Dense(2, kernel_initializer="ones")])
    layer = model.layers[0]
    w = layer.kernel
    w.assign_add(np.full((3, 2), 2.0))
    w.assign_sub(np.full((3, 2), 0.5))
    np.testing.assert_array_equal(model.parameters.theta[:6], 2.5)
    layer.kernel += 1
    assert layer.kernel is w
    np.testing.assert_array_equal(model.parameters.theta[:6], 3.5)
    with pytest.raises(ValueError, match=r"has shape \(3, 2\); got an array of shape \(2,\)"):
        w.assign_add([1.0, 2.0])


def test_a_weight_is_equal_to_itself_alone() -> None:
    a, b = kernel(), kernel()
    b.assign(a.value)
    assert (a == a) is True
    assert (a == b) is False
    assert (a != b) is True
    assert {a: 1}[a] == 1
    assert b not in [a]


def test_a_shared_layers_weights_keep_their_first_models_name() -> None:
    net = mb.Sequential([mb.Input((8,)), mb.layers.Dense(4, name="h"), mb.layers.Dense(1, name="o")], name="net")
    mb.Model(net.inputs, net.layers[0].output, name="ext")
    assert [weight.path for weight in net.weights] == ["net/h/kernel", "net/h/bias", "net/o/kernel", "net/o/bias"]
