"""Every loss against Keras's: values and gradients, reductions, weights, settings, the configuration of each."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from parity.keras_reference import keras, tf

import minibatch as mb

REDUCTIONS = ["sum_over_batch_size", "mean", "sum", "mean_with_sample_weight", "none", None]
#: (class, settings, what targets and predictions are drawn from)
CASES: list[tuple[str, dict[str, Any], str]] = [
    ("MeanSquaredError", {}, "real"),
    ("MeanAbsoluteError", {}, "real"),
    ("MeanAbsolutePercentageError", {}, "real"),
    ("MeanSquaredLogarithmicError", {}, "real"),
    ("Huber", {}, "real"),
    ("Huber", {"delta": 0.3}, "real"),
    ("LogCosh", {}, "real"),
    ("Hinge", {}, "signs"),
    ("SquaredHinge", {}, "signs"),
    ("Hinge", {}, "bits"),
    ("SquaredHinge", {}, "bits"),
    ("CategoricalHinge", {}, "one-hot"),
    ("KLDivergence", {}, "probabilities"),
    ("Poisson", {}, "counts"),
    *[
        (
            kind,
            {"from_logits": logits, "label_smoothing": s},
            f"{targets}, {'logits' if logits else 'probabilities'}",
        )
        for (kind, targets), logits, s in itertools.product(
            [("BinaryCrossentropy", "bits"), ("CategoricalCrossentropy", "one-hot")], [True, False], [0.0, 0.2]
        )
    ],
    *[
        ("SparseCategoricalCrossentropy", {"from_logits": logits, "ignore_class": ignored}, "classes, " + kind)
        for (logits, kind), ignored in itertools.product(
            [(True, "logits"), (False, "probabilities")], [None, 1, -1]
        )
    ],
]
IDS = [f"{name}-{i}" for i, (name, *_) in enumerate(CASES)]
SHAPES = [(6, 4), (5, 3, 4)]


def draw(
    drawn_from: str, settings: dict[str, Any], shape: tuple[int, ...], rng: np.random.Generator
) -> tuple[Any, Any]:
    y: Any
    p: Any = rng.normal(0, 2, shape)
    if drawn_from.startswith("classes"):
        y = rng.integers(shape[-1], size=shape[:-1])
        if settings.get("ignore_class") == -1:
            y[rng.random(y.shape) < 0.3] = -1
    elif drawn_from.startswith("one-hot"):
        y = np.eye(shape[-1])[rng.integers(shape[-1], size=shape[:-1])]
    elif drawn_from.startswith("bits"):
        y = rng.integers(2, size=shape)
    elif drawn_from == "signs":
        y = rng.choice([-1, 1], size=shape)
    elif drawn_from == "counts":
        y, p = rng.poisson(2, size=shape), rng.uniform(0.1, 4, shape)
    else:
        y = rng.normal(0, 2, shape)
    if "probabilities" in drawn_from:
        p = rng.uniform(0.02, 0.98, shape)
        p.flat[::7] = 0  # and at the edge of the clip
        p.flat[3::11] = 1
        if drawn_from == "probabilities":
            y = rng.dirichlet(np.ones(shape[-1]), shape[:-1])
    return (y if drawn_from.startswith("classes") else y.astype("float32")), p.astype("float32")


def theirs_of(loss: Any, y: Any, p: np.ndarray, w: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return Keras's value and its gradient by the predictions."""
    x = tf.convert_to_tensor(p)
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = loss(y, x, w)
    return np.asarray(value), np.asarray(tape.gradient(value, x))


@pytest.mark.parametrize(("name", "settings", "drawn_from"), CASES, ids=IDS)
def test_values_and_gradients(
    name: str, settings: dict[str, Any], drawn_from: str, rng: np.random.Generator
) -> None:
    """Of every reduction, without and with weights of each shape that both libraries take."""
    for reduction, shape in itertools.product(REDUCTIONS, SHAPES):
        y, p = draw(drawn_from, settings, shape, rng)
        positions = shape[:-1]
        weights = [None, rng.uniform(0, 3, positions).astype("float32"), np.zeros(positions, "float32")]
        if len(positions) > 1:
            weights.append(rng.uniform(0, 3, (positions[0], 1)).astype("float32"))
        mine = getattr(mb.losses, name)(**settings, reduction=reduction)
        for w in weights:
            value, gradient = theirs_of(getattr(keras.losses, name)(**settings, reduction=reduction), y, p, w)
            np.testing.assert_allclose(mine(y, p, w), value, rtol=2e-5, atol=2e-6)
            targets = mine.targets(y, shape[1:])
            total, dy = mine.of_batch(targets, p, w)
            np.testing.assert_allclose(dy, gradient, rtol=2e-5, atol=2e-6)
            assert dy.dtype == np.float32
            # What Keras reports of an array of losses is their mean.
            assert total == pytest.approx(float(value.mean()), rel=2e-5, abs=2e-6)
            assert mine.value(targets, p, w) == total


@pytest.mark.parametrize(("name", "settings", "drawn_from"), CASES, ids=IDS)
def test_functions(name: str, settings: dict[str, Any], drawn_from: str, rng: np.random.Generator) -> None:
    function = mb.utils.names.snake_case(name)
    for shape in SHAPES:
        y, p = draw(drawn_from, settings, shape, rng)
        expected = getattr(keras.losses, function)(y, p, **settings)
        np.testing.assert_allclose(getattr(mb.losses, function)(y, p, **settings), expected, rtol=2e-5, atol=2e-6)


def test_at_the_corners() -> None:
    """Where a slope jumps, the side taken is Keras's."""
    y = np.array([[1, -1, 1, 0.5]], "float32")
    p = np.array([[1, -1, 0, 1.5]], "float32")
    for name in ("MeanAbsoluteError", "Hinge", "SquaredHinge", "Huber", "MeanAbsolutePercentageError"):
        _, gradient = theirs_of(getattr(keras.losses, name)(), y, p, None)
        np.testing.assert_allclose(getattr(mb.losses, name)().of_batch(y, p)[1], gradient, rtol=1e-6, err_msg=name)
    one_hot = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]], "float32")
    tied = np.array([[2, 1, 1, 0], [1, 1, 1, -1], [-1, -2, -1, -3]], "float32")
    _, gradient = theirs_of(keras.losses.CategoricalHinge(), one_hot, tied, None)
    np.testing.assert_allclose(mb.losses.CategoricalHinge().of_batch(one_hot, tied)[1], gradient, rtol=1e-6)


def test_large_numbers() -> None:
    y, p = np.array([[1.0, 0, 0]], "float32"), np.array([[1e4, -1e4, 30]], "float32")
    for name, settings in [
        ("BinaryCrossentropy", {"from_logits": True}),
        ("CategoricalCrossentropy", {"from_logits": True}),
        ("LogCosh", {}),
        ("Huber", {}),
    ]:
        value, gradient = theirs_of(getattr(keras.losses, name)(**settings), y, p, None)
        mine, dy = getattr(mb.losses, name)(**settings).of_batch(y, p)
        assert mine == pytest.approx(float(value), rel=1e-6)
        np.testing.assert_allclose(dy, gradient, rtol=1e-5, atol=1e-7)


def test_names_and_what_they_stand_for() -> None:
    for name in dir(keras.losses):
        if not name.startswith("_") and name not in ("get", "serialize", "deserialize"):
            try:
                found = getattr(mb.losses, name)
            except AttributeError as error:
                assert "Keras has" in str(error)  # noqa: PT017
            else:
                assert found.__name__ == name
    for name in keras.src.losses.ALL_OBJECTS_DICT:
        if name not in ("Loss", "LossFunctionWrapper"):
            try:
                assert mb.losses.get(name)
            except ValueError as error:
                assert "Keras has" in str(error)  # noqa: PT017


@pytest.mark.parametrize(("name", "settings", "drawn_from"), CASES, ids=IDS)
def test_configurations_go_both_ways(name: str, settings: dict[str, Any], drawn_from: str) -> None:
    mine = getattr(mb.losses, name)(**settings, reduction="sum", name="mine")
    there = keras.losses.deserialize(mb.losses.serialize(mine))
    assert (type(there).__name__, there.name, there.reduction) == (name, "mine", "sum")
    here = mb.losses.deserialize(keras.losses.serialize(there))
    assert (type(here), here.name, here.reduction) == (type(mine), "mine", "sum")
    for key, value in settings.items():
        if name != "Huber":  # Keras does not write down its delta
            assert getattr(here, key) == value
    again = mb.losses.deserialize(mb.losses.serialize(mine))
    assert again.get_config() == mine.get_config()
    assert getattr(mb.losses, name)().name == getattr(keras.losses, name)().name


def test_how_keras_trains_without_a_reduction(rng: np.random.Generator) -> None:
    """It follows the gradient of the sum, and reports the mean."""
    x, y = rng.normal(size=(6, 4)).astype("float32"), rng.normal(size=(6, 3)).astype("float32")
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    W, b = model.get_weights()
    model.compile(keras.optimizers.SGD(0.01), keras.losses.MeanSquaredError(reduction=None))
    loss = model.fit(x, y, batch_size=6, verbose=0).history["loss"][0]
    value, dy = mb.losses.MeanSquaredError(reduction=None).of_batch(y, x @ W + b)
    assert value == pytest.approx(loss, rel=1e-5)
    np.testing.assert_allclose(model.get_weights()[0], W - 0.01 * x.T @ dy, rtol=1e-5, atol=1e-6)
