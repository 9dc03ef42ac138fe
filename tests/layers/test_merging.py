from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gradient_check import check_layer
from hypothesis import given, settings
from hypothesis import strategies as st

import minibatch as mb

ELEMENTWISE = ["Add", "Multiply", "Average", "Maximum", "Minimum"]
SHAPES = [
    [(2, 3)],
    [(2, 3), (2, 3)],
    [(3,), (3,), (3,)],
    [(2, 3), (3,)],
    [(1, 3), (2, 1), (3,)],
    [(4, 1, 2), (3, 2)],
]


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("kind", ELEMENTWISE)
@pytest.mark.parametrize("shapes", SHAPES, ids=str)
def test_gradients(kind: str, shapes: list[tuple[int, ...]], rng: np.random.Generator) -> None:
    check_layer(getattr(mb.layers, kind)(), [rng.normal(size=(3, *shape)) for shape in shapes])


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("shapes", [[(3,), (3,)], [(2, 3), (3,)], [(1,), (2, 3)]], ids=str)
def test_gradients_of_a_difference(shapes: list[tuple[int, ...]], rng: np.random.Generator) -> None:
    check_layer(mb.layers.Subtract(), [rng.normal(size=(3, *shape)) for shape in shapes])


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(
    ("axis", "shapes"),
    [(-1, [(3,), (2,)]), (1, [(2, 3), (4, 3), (1, 3)]), (-2, [(2, 3), (1, 3)]), (3, [(2, 2, 1), (2, 2, 3)])],
    ids=str,
)
def test_gradients_of_concatenation(axis: int, shapes: list[tuple[int, ...]], rng: np.random.Generator) -> None:
    check_layer(mb.layers.Concatenate(axis), [rng.normal(size=(3, *shape)) for shape in shapes])


def test_of_several_equal_inputs_the_first_takes_the_gradient() -> None:
    xs = [np.array([[1.0, 2.0]]), np.array([[1.0, 3.0]]), np.array([[0.0, 3.0]])]
    layer = mb.layers.Maximum()
    y, cache = layer.forward(xs)
    assert y.tolist() == [[1, 3]]
    assert [dx.tolist() for dx in layer.backward(np.ones((1, 2)), cache)] == [[[1, 0]], [[0, 1]], [[0, 0]]]


def test_a_factor_of_zero_still_sends_the_others_their_gradient() -> None:
    layer = mb.layers.Multiply()
    _, cache = layer.forward([np.array([[0.0]]), np.array([[3.0]]), np.array([[2.0]])])
    assert [dx.item() for dx in layer.backward(np.ones((1, 1)), cache)] == [6, 0, 0]


@given(st.lists(st.lists(st.sampled_from([1, 2, 3]), max_size=3), min_size=1, max_size=4), st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_shapes_and_sums_of_any_inputs(shapes: list[list[int]], n: int) -> None:
    """Either NumPy cannot spread the samples over each other, or each sample's sum is what NumPy makes of it."""
    rng = np.random.default_rng(n)
    xs = [rng.normal(size=(n, *shape)) for shape in shapes]
    layer = mb.layers.Add()
    try:
        expected = np.stack([sum(x[i] for x in xs) for i in range(n)])
    except ValueError:
        with pytest.raises(ValueError, match="Add needs inputs of one shape"):
            layer.ensure_built([tuple(shape) for shape in shapes])
        return
    assert layer.ensure_built([tuple(shape) for shape in shapes]) == expected.shape[1:]
    y, cache = layer.forward(xs)
    np.testing.assert_allclose(y, expected, atol=1e-12)
    dxs = layer.backward(np.ones_like(y), cache)
    for x, dx in zip(xs, dxs, strict=True):
        # Every number of x is used as often as it was spread.
        np.testing.assert_array_equal(dx, np.full(x.shape, y.size / x.size))


@pytest.mark.parametrize("kind", [*ELEMENTWISE, "Subtract", "Concatenate"])
def test_the_function_of_the_same_name(kind: str) -> None:
    xs = [np.array([[1.0, 5.0]]), np.array([[4.0, 2.0]])]
    function = getattr(mb.layers, kind.lower())
    np.testing.assert_array_equal(function(xs), getattr(mb.layers, kind)()(xs))
    symbol = function([mb.Input((2,)), mb.Input((2,))], name="merged")
    assert symbol.name == "merged"
    assert symbol.shape == ((None, 4) if kind == "Concatenate" else (None, 2))


def test_a_model_with_a_residual_and_a_concatenation(rng: np.random.Generator) -> None:
    a = mb.Input((3,))
    h = mb.layers.Dense(3, "tanh")(a)
    out = mb.layers.Dense(1)(mb.layers.concatenate([mb.layers.add([a, h]), h]))
    model = mb.Model(a, out)
    model.compile("sgd", "mse")
    x, y = rng.normal(size=(8, 3)), rng.normal(size=8)
    losses = model.fit(x, y, epochs=30, verbose=0).history["loss"]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("kind", [*ELEMENTWISE, "Subtract", "Concatenate"])
def test_one_input_that_is_no_list(kind: str) -> None:
    with pytest.raises(ValueError, match=rf"{kind} takes a list of inputs; got one of shape \(3,\)"):
        getattr(mb.layers, kind)()(np.zeros((2, 3)))


@pytest.mark.parametrize("count", [1, 3])
def test_a_difference_is_of_two(count: int) -> None:
    with pytest.raises(ValueError, match=f"Subtract takes exactly 2 inputs; got {count}"):
        mb.layers.Subtract()([np.zeros((2, 3))] * count)


@pytest.mark.parametrize(
    ("axis", "shapes", "message"),
    [
        (0, [(2,), (2,)], "axis must be an axis of a sample"),
        (2, [(2,), (2,)], "axis must be an axis of a sample"),
        (-2, [(2,), (2,)], "axis must be an axis of a sample"),
        (-1, [(2, 3), (3, 3)], "differ along axis -1 only"),
        (1, [(2, 3), (2,)], "differ along axis 1 only"),
    ],
)
def test_what_cannot_be_concatenated(axis: int, shapes: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        mb.layers.Concatenate(axis)([np.zeros((1, *shape)) for shape in shapes])
