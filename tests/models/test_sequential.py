from __future__ import annotations

import numpy as np
import pytest

import minibatch as mb

L = mb.layers


def test_an_input_layer_is_no_layer_of_the_model() -> None:
    model = mb.Sequential([mb.Input((3,)), L.Dense(2)])
    assert [layer.name for layer in model.layers] == ["dense"]
    assert model.name == "sequential"
    assert mb.Sequential().name == "sequential_1"
    assert mb.Sequential(name="mine").name == "mine"


@pytest.mark.parametrize(
    ("layers", "error", "message"),
    [
        (
            lambda: [mb.Input((3,)), L.Dense],
            TypeError,
            r"expected a layer; got <class .*Dense'> \(a class: call it\)",
        ),
        (lambda: [mb.Input((3,)), "dense"], TypeError, "expected a layer; got 'dense'"),
        (lambda: [L.Dense(1), mb.Input((3,))], ValueError, "Input must come first, and once"),
        (lambda: [mb.Input((3,)), mb.Input((3,))], ValueError, "Input must come first, and once"),
        (lambda: [L.Dense(1)] * 2, ValueError, "the layer 'dense' is there twice"),
        (
            lambda: [L.Dense(1, name="a"), L.Dense(1, name="a")],
            ValueError,
            "two layers are named 'a'; names must differ",
        ),
        (
            lambda: [mb.Input((8, 8)), L.Conv2D(1, 3)],
            ValueError,
            r"layer 'conv2d': expected samples of shape \(H, W, C\); got \(8, 8\)\. Add the channel axis",
        ),
        (
            lambda: [mb.Input((4, 4, 1)), L.Conv2D(1, 3), L.Conv2D(1, 3)],
            ValueError,
            "layer 'conv2d_1': a window of 3 x 3 does not fit into an image of 2 x 2",
        ),
    ],
)
def test_what_does_not_fit_together(layers: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        mb.Sequential(layers())


def test_a_layer_that_does_not_fit_is_not_added() -> None:
    model = mb.Sequential([mb.Input((4,)), L.Dense(2)])
    theta = model.parameters.theta.copy()
    for wrong, error in (
        (L.Conv2D(1, 3), ValueError),
        (L.Dense, TypeError),
        (L.Dense(2, name="dense"), ValueError),
    ):
        with pytest.raises(error):
            model.add(wrong)
        assert len(model.layers) == 1
        assert model.output_shape == (None, 2)
        np.testing.assert_array_equal(model.parameters.theta, theta)
    model.add(L.Dense(3))
    assert model.output_shape == (None, 3)


def test_a_first_batch_that_does_not_fit_leaves_the_model_unbuilt() -> None:
    model = mb.Sequential([L.Dense(2), L.Conv2D(1, 3), L.Flatten(), L.Dense(1)])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="layer 'conv2d': expected samples of shape"):
        model.fit(np.zeros((4, 3)), np.zeros(4), verbose=0)
    assert not model.built
    model.fit(np.zeros((4, 5, 5, 1)), np.zeros(4), verbose=0)
    assert model.input_shape == (None, 5, 5, 1)


def test_a_model_without_layers() -> None:
    model = mb.Sequential([mb.Input((3,))])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="has no layers"):
        model.fit(np.zeros((2, 3)), np.zeros(2), verbose=0)


def test_calling_a_model() -> None:
    model = mb.Sequential([mb.Input((3,)), L.Dense(2), L.Dropout(0.9)])
    x = np.ones((50, 3))
    np.testing.assert_array_equal(model(x), model.predict(x, verbose=0))
    assert (model(x, training=True) == 0).mean() > 0.5
