from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import numpy as np
import pytest

import minibatch as mb

L = mb.layers


def small() -> mb.Sequential:
    return mb.Sequential(
        [mb.Input((4, 4, 1)), L.Conv2D(2, 3, name="c"), L.Flatten(), L.Dense(3, name="d")], name="m"
    )


def test_one_vector_and_views_into_it() -> None:
    model = small()
    theta = model.parameters.theta
    assert theta.size == model.count_params() == 3 * 3 * 2 + 2 + 8 * 3 + 3
    assert [(w.name, w.path, w.shape) for w in model.weights] == [
        ("kernel", "m/c/kernel", (3, 3, 1, 2)),
        ("bias", "m/c/bias", (2,)),
        ("kernel", "m/d/kernel", (8, 3)),
        ("bias", "m/d/bias", (3,)),
    ]
    np.testing.assert_array_equal(theta, np.concatenate([w.value.ravel() for w in model.weights]))
    theta[:] = 7
    assert all((w.value == 7).all() for w in model.weights)
    assert all(np.shares_memory(w.value, theta) for w in model.weights)
    assert all(np.shares_memory(w.gradient, model.parameters.gradient) for w in model.weights)


def test_get_and_set_weights() -> None:
    one, two = small(), small()
    two.set_weights(one.get_weights())
    np.testing.assert_array_equal(one.parameters.theta, two.parameters.theta)
    one.get_weights()[0][...] = 99
    np.testing.assert_array_equal(one.parameters.theta, two.parameters.theta)
    two.set_weights([w.tolist() for w in one.get_weights()])
    np.testing.assert_array_equal(one.parameters.theta, two.parameters.theta)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda w: w[:-1], "model 'm' has 4 weights; got 3 arrays"),
        (lambda w: [*w[:3], np.zeros(4)], r"weight 'm/d/bias' has shape \(3,\); got an array of shape \(4,\)"),
        (lambda w: [w[0] * 0, w[1], w[2].T, w[3]], r"weight 'm/d/kernel' has shape \(8, 3\); got .*\(3, 8\)"),
        (lambda w: [w[0] * 0, w[1], w[2], np.array(["a", "b", "c"])], "could not convert|numbers"),
    ],
)
def test_set_weights_that_fails_halfway_changes_nothing(spoil: object, message: str) -> None:
    model = small()
    before = model.parameters.theta.copy()
    with pytest.raises(ValueError, match=message):
        model.set_weights(spoil(model.get_weights()))
    np.testing.assert_array_equal(model.parameters.theta, before)


def test_adding_a_layer_keeps_the_weights_there_are() -> None:
    model = mb.Sequential([mb.Input((3,)), L.Dense(2)])
    before = model.get_weights()
    model.add(L.Dense(4))
    assert model.output_shape == (None, 4)
    for now, then in zip(model.get_weights(), before, strict=False):
        np.testing.assert_array_equal(now, then)
    assert all(np.shares_memory(w.value, model.parameters.theta) for w in model.weights)


def test_a_layer_shared_by_two_models_has_one_set_of_numbers() -> None:
    """They are a view into the vector of the model that gathered them last; the other gathers them again."""
    layer = L.Dense(2, name="shared")
    first = mb.Sequential([mb.Input((3,)), layer, L.Dense(1)], name="first")
    second = mb.Sequential([mb.Input((3,)), layer], name="second")
    x = np.ones((4, 3))
    for model, other in ((second, first), (first, second), (second, first)):
        model.compile("sgd", "mse")
        before = other.predict(x, verbose=0)
        model.fit(x, np.full((4, model.output_shape[1]), 5.0), verbose=0)
        assert np.shares_memory(layer.kernel.value, model.parameters.theta)
        assert not np.array_equal(other.predict(x, verbose=0), before)
        np.testing.assert_array_equal(first.get_weights()[0], second.get_weights()[0])


def test_the_shape_becomes_known_with_the_first_batch() -> None:
    model = mb.Sequential([L.Dense(2), L.Dense(1)])
    assert not model.built
    with pytest.raises(ValueError, match="has no parameters yet, since the shape of its input is not known"):
        model.count_params()
    model.compile("sgd", "mse")
    model.fit(np.zeros((4, 3)), np.zeros(4), verbose=0)
    assert model.built
    assert (model.input_shape, model.output_shape) == ((None, 3), (None, 1))
    other = mb.Sequential([L.Dense(2)])
    other.build((None, 5))
    assert other.count_params() == 12


def test_get_layer() -> None:
    model = small()
    assert model.get_layer("d") is model.get_layer(index=-1) is model.layers[2]
    with pytest.raises(ValueError, match="no layer 'e'; there are c, flatten, d"):
        model.get_layer("e")
    with pytest.raises(ValueError, match="there are 3 layers; got index 3"):
        model.get_layer(index=3)
    with pytest.raises(ValueError, match="give a name or an index"):
        model.get_layer()


@pytest.mark.parametrize(
    "again", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))], ids=["copy", "pickle"]
)
def test_a_copy_has_a_vector_of_its_own_with_views_into_it(again: Callable[[mb.Sequential], mb.Sequential]) -> None:
    x, y = np.random.default_rng(0).normal(size=(20, 4, 4, 1)), np.arange(20) % 3
    model = mb.Sequential(
        [mb.Input((4, 4, 1)), L.Conv2D(2, 3, activation="relu"), L.Flatten(), L.Dense(3, "softmax")]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, verbose=0, shuffle=False)
    theta = model.parameters.theta.copy()
    other = again(model)
    assert all(np.shares_memory(w.value, other.parameters.theta) for w in other.weights)
    np.testing.assert_array_equal(other.parameters.theta, theta)
    other.fit(x, y, verbose=0, shuffle=False)
    np.testing.assert_array_equal(model.parameters.theta, theta)  # the first is left alone
    model.fit(x, y, verbose=0, shuffle=False)  # and goes on, as the copy did: the optimizer was copied, too
    np.testing.assert_array_equal(model.parameters.theta, other.parameters.theta)


def test_a_shallow_copy_leaves_the_views_where_they_are() -> None:
    model = small()
    copy.copy(model)
    assert all(np.shares_memory(w.value, model.parameters.theta) for w in model.weights)
