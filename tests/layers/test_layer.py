from __future__ import annotations

import copy
import inspect
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minibatch as mb
from minibatch.layers import ActivatedLayer, InputLayer, Layer


def test_a_layer_keeps_nothing_between_calls(rng: np.random.Generator) -> None:
    """Two passes forward, then the two back in either order: each finds its own cache."""
    layer = mb.layers.Dense(3, "tanh")
    a, b = (rng.normal(size=(4, 2)).astype(np.float32) for _ in range(2))
    layer(a)
    (y_a, cache_a), (y_b, cache_b) = layer.forward(a), layer.forward(b)
    dx_b = layer.backward(y_b, cache_b)
    dx_a = layer.backward(y_a, cache_a)
    kernel_a = layer.kernel.gradient.copy()
    np.testing.assert_array_equal(layer.backward(*layer.forward(a)), dx_a)
    np.testing.assert_array_equal(layer.kernel.gradient, kernel_a)
    np.testing.assert_array_equal(layer.backward(*layer.forward(b)), dx_b)


def test_names_as_keras_gives_them() -> None:
    names = [mb.layers.Dense(1).name, mb.layers.Dense(1).name, mb.layers.Conv2D(1, 1).name]
    names += [mb.layers.MaxPooling2D().name, mb.layers.Flatten().name, mb.layers.Dense(1, name="out").name]
    assert names == ["dense", "dense_1", "conv2d", "max_pooling2d", "flatten", "out"]
    assert mb.Input((3,)).name == "input_layer"


@pytest.mark.parametrize(
    ("make", "argument"),
    [
        (lambda **k: mb.layers.Dense(1, **k), "kernel_constraint"),
        (lambda **k: mb.layers.Dense(1, **k), "dtype"),
        (lambda **k: mb.layers.Conv2D(1, 1, **k), "activity_regularizer"),
        (lambda **k: mb.layers.Dropout(0.1, **k), "noise_shape"),
    ],
)
def test_an_argument_that_only_keras_has(make: object, argument: str) -> None:
    with pytest.raises(TypeError, match=rf"the argument '{argument}' of Keras is not"):
        make(**{argument: "something"})


@pytest.mark.parametrize(
    ("make", "arguments"),
    [
        (
            lambda **k: mb.layers.Dense(1, **k),
            {"kernel_regularizer": None, "bias_constraint": None, "activity_regularizer": None, "dtype": None},
        ),
        (
            lambda **k: mb.layers.Conv2D(1, 1, **k),
            {"data_format": None, "dilation_rate": (1, 1), "groups": 1},
        ),
        (lambda **k: mb.layers.Conv2D(1, 1, **k), {"data_format": "channels_last", "dilation_rate": 1}),
        (lambda **k: mb.layers.Flatten(**k), {"data_format": "channels_last"}),
        (lambda **k: mb.layers.Dropout(0.1, **k), {"noise_shape": None}),
    ],
)
def test_an_argument_that_only_keras_has_may_say_what_is_so_anyway(
    make: object, arguments: dict[str, object]
) -> None:
    make(**arguments)


def test_an_argument_that_nobody_has_gets_near_misses() -> None:
    with pytest.raises(TypeError, match=r"Dense\(\) has no argument 'activaton'.*'activation'"):
        mb.layers.Dense(1, activaton="relu")


def test_a_layer_is_built_for_one_shape() -> None:
    layer = mb.layers.Dense(2, name="d")
    layer(np.zeros((1, 3)))
    with pytest.raises(ValueError, match=r"layer 'd' was built for samples of shape \(3,\); got \(4,\)"):
        layer(np.zeros((1, 4)))


def test_set_weights_that_fails_halfway_changes_nothing() -> None:
    layer = mb.layers.Dense(2)
    layer(np.zeros((1, 3)))
    before = layer.get_weights()
    for wrong in ([np.ones((3, 2)), np.ones(3)], [np.ones((3, 2))], [np.ones((3, 2)), np.array(["a", "b"])]):
        with pytest.raises(ValueError, match=r"weight|could not convert"):
            layer.set_weights(wrong)
        for now, then in zip(layer.get_weights(), before, strict=True):
            np.testing.assert_array_equal(now, then)


def test_get_weights_are_copies() -> None:
    layer = mb.layers.Dense(2)
    layer(np.zeros((1, 3)))
    layer.get_weights()[0][...] = 99
    assert not (layer.kernel.value == 99).any()
    layer.kernel.numpy()[...] = 99
    np.asarray(layer.kernel)[...] = 99
    assert not (layer.kernel.value == 99).any()


def test_a_layer_with_weights_and_no_rule_for_per_sample_gradients() -> None:
    class Scale(Layer):
        def build(self, input_shape: tuple[int, ...]) -> None:
            self.factor = self.add_weight((), "ones", name="factor")

    scale = Scale()
    scale.ensure_built((2,))
    with pytest.raises(TypeError, match="no rule for per-sample gradients: define per_sample_gradients"):
        scale.per_sample_gradients(np.zeros((1, 2)), None)
    assert mb.layers.Flatten().per_sample_gradients(np.zeros((1, 2)), None) == []


@pytest.mark.parametrize("shape", [None, 20, (0,), (-1,), (2.5,), ("a",), (True,)])
def test_input_needs_a_tuple_of_positive_integers(shape: object) -> None:
    with pytest.raises(ValueError, match="Input: shape must be a tuple of positive integers"):
        mb.Input(shape)


def test_input_takes_numpy_integers() -> None:
    assert mb.Input((np.int64(3), np.int32(2))).shape == (None, 3, 2)


def test_every_layer_here_is_checked_by_differences() -> None:
    """A new layer must come with a gradient check: a call of ``check_layer`` in a file of this folder."""
    checks = [path.read_text() for path in Path(__file__).parent.glob("test_*.py")]
    checked = "\n".join(text for text in checks if "check_layer(" in text)
    unchecked = [
        name
        for name, item in vars(mb.layers).items()
        if inspect.isclass(item)
        and issubclass(item, Layer)
        and item not in (Layer, ActivatedLayer, InputLayer)
        and not re.search(rf"\b{item.__name__}\b", checked)
    ]
    assert not unchecked


class Lists(mb.layers.Dense):
    """A Dense whose cache holds z, and whose gradients are doubled: what it overrides is what is run."""

    def linear(self, x, training):
        z, cache = super().linear(x, training)
        return z, (cache, z)

    def linear_backward(self, dz, cache):
        x, z = cache
        assert (z < 0).any()  # before the activation
        dx = super().linear_backward(2 * dz, x)
        return dx


def test_a_subclass_that_overrides_a_half_is_heeded(rng: np.random.Generator) -> None:
    x, y = rng.normal(size=(8, 3)), rng.normal(size=(8, 5))
    gradients = []
    for kind in (mb.layers.Dense, Lists):
        model = mb.Sequential(
            [mb.Input((3,)), kind(5, "relu", kernel_initializer=mb.initializers.GlorotUniform(3))]
        )
        model.compile("sgd", "mse")
        gradients.append(model.loss_and_gradient(x, y)[1])
    np.testing.assert_array_equal(gradients[1], 2 * gradients[0])
    assert mb.layers.Dense.owns_z
    assert not Lists.owns_z


@pytest.mark.parametrize(
    "make",
    [
        lambda: [mb.layers.Flatten(), mb.layers.Dense(4, "relu"), mb.layers.Dense(2)],
        lambda: [mb.layers.Conv2D(3, 2, activation="relu"), mb.layers.Flatten(), mb.layers.Dense(2)],
        lambda: [mb.layers.DepthwiseConv2D(2), mb.layers.Flatten(), mb.layers.Dense(2)],
        lambda: [mb.layers.Rescaling(2.0), mb.layers.BatchNormalization(), mb.layers.Flatten(), mb.layers.Dense(2)],
    ],
)
def test_without_the_gradient_by_the_input_the_others_are_the_same(make, rng: np.random.Generator) -> None:
    model = mb.Sequential([mb.Input((5, 5, 2)), *make()])
    model.compile("sgd", "mse")
    x = rng.normal(size=(6, 5, 5, 2)).astype(np.float32)
    y, caches = model.forward([x], training=True)
    dy = rng.normal(size=y[0].shape).astype(np.float32)
    (dx,) = model.backward([dy], caches, [False])
    expected = model.parameters.gradient.copy()
    assert dx is not None
    assert expected.any()
    model.parameters.gradient[...] = 9
    assert model.backward([dy], caches, [False], by_inputs=False) == [None]
    np.testing.assert_array_equal(model.parameters.gradient, expected)


def test_a_branch_around_the_weights_gets_no_gradient_and_harms_none(rng: np.random.Generator) -> None:
    """x and Dense(x) meet in an Add: x needs no gradient, and the weights' is that of the branch alone."""
    x = mb.Input((3,))
    dense = mb.layers.Dense(3)
    model = mb.Model(x, mb.layers.Add()([dense(x), x]))
    model.compile("sgd", "mse")
    inputs = rng.normal(size=(4, 3)).astype(np.float32)
    caches = model.forward([inputs], training=True)[1]
    dy = rng.normal(size=(4, 3)).astype(np.float32)
    model.backward([dy], caches, [False], by_inputs=False)
    np.testing.assert_allclose(dense.kernel.gradient, inputs.T @ dy, rtol=1e-5)


class Twice:
    """A mixin that doubles z."""

    def linear(self, x, training):
        z, cache = super().linear(x, training)
        return 2 * z, cache


class TwiceDense(Twice, mb.layers.Dense):
    """What is mixed in is what is run, whatever its neighbour promises of its own ``linear``."""


def test_a_linear_that_is_mixed_in_is_heeded(rng: np.random.Generator) -> None:
    x = rng.normal(size=(8, 3)).astype(np.float32)
    plain, twice = (kind(5, "relu", kernel_initializer="ones") for kind in (mb.layers.Dense, TwiceDense))
    np.testing.assert_allclose(twice(x), 2 * plain(x))
    alone = mb.layers.Dense(5, "relu", kernel_initializer="ones")
    alone.linear = lambda x, training: (3 * mb.layers.Dense.linear(alone, x, training)[0], x)
    np.testing.assert_allclose(alone(x), 3 * plain(x), rtol=1e-6)


@pytest.mark.parametrize("activation", ["relu", "softmax", "tanh"])
def test_a_linear_put_in_place_for_one_layer_promises_nothing(activation: str, rng: np.random.Generator) -> None:
    x = rng.normal(size=(8, 5)).astype(np.float32)
    alone, other = (mb.layers.Dense(5, activation, kernel_initializer="identity") for _ in range(2))
    alone.linear = lambda x, training: (x, x)
    kept = x.copy()
    y, _ = alone.forward(x, training=True)
    np.testing.assert_array_equal(x, kept)  # z is x itself: nothing is written over it
    np.testing.assert_allclose(y, mb.activations.get(activation)(x), rtol=1e-6)
    np.testing.assert_allclose(other(x), y, rtol=1e-6)
    assert (other.owns_z, other.has_floor, other.has_softmax) == (True, True, True)
    again = copy.deepcopy(alone)
    np.testing.assert_array_equal(again.forward(x, training=True)[0], y)


# Layers as they are written for Keras ------------------------------------------------------------------------


def test_add_weight_takes_what_keras_s_takes() -> None:
    layer = mb.layers.Flatten()
    kernel = layer.add_weight(shape=(2, 3), initializer="ones", trainable=True)
    assert (kernel.name, kernel.path, kernel.shape) == ("variable", f"{layer.name}/variable", (2, 3))
    assert (kernel.value == 1).all()
    scalar = layer.add_weight(dtype="float32", constraint=None)
    assert (scalar.name, scalar.shape) == ("variable_1", ())
    named = layer.add_weight((4,), "zeros", "float32", name="bias", regularizer="l2", trainable=False)
    assert (named.name, named.trainable) == ("bias", False)
    assert layer.add_weight((100, 100)).value.std() == pytest.approx(np.sqrt(2 / 200), rel=0.05)  # Glorot uniform
    assert len(layer.weights) == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"shape": "kernel"}, r"its name by keyword: add_weight\(shape, ..., name='kernel'\)"),
        ({"constraint": "max_norm"}, "the argument 'constraint' of Keras is not here"),
        ({"dtype": "int32"}, "the argument 'dtype' of Keras is not here"),
        ({"initialiser": "zeros"}, r"add_weight\(\) has no argument 'initialiser'. Did you mean 'initializer'"),
    ],
)
def test_add_weight_refuses_in_words(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        mb.layers.Flatten().add_weight(**arguments)


def test_a_layer_with_a_call_is_told_that_its_gradient_is_written_out() -> None:
    class Doubled(Layer):
        def call(self, inputs: Any) -> Any:
            return 2 * inputs

    with pytest.raises(TypeError, match=r"Doubled defines call.*forward\(x, training\) and backward.*extending.md"):
        Doubled()(np.ones((1, 2)))


def test_input_dim_says_the_shape_of_the_first_layer_s_input() -> None:
    model = mb.Sequential([mb.layers.Dense(3, input_dim=4)])
    assert model.input_shape == (None, 4)
    assert "input_dim" not in model.layers[0].get_config()
    table = mb.layers.Embedding(input_dim=5, output_dim=2)  # its own argument of that name
    assert table.given_shape is None
    assert table.get_config()["input_dim"] == 5


@pytest.mark.parametrize("shape", [(None,), (None, 3)])
def test_an_open_extent_is_refused_in_words(shape: object) -> None:
    with pytest.raises(ValueError, match=r"leaves an extent open \(None\).*all samples of a model have one shape"):
        mb.Input(shape)
