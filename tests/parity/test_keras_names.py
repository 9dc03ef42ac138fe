"""Names, signatures, shapes, tables and distributions: what a script sees of the two libraries."""

from __future__ import annotations

import inspect
import re
from operator import attrgetter
from typing import Any

import numpy as np
import pytest
from parity.keras_reference import BOTH, keras

import minibatch as mb


def mlp(lib: Any) -> Any:
    return lib.Sequential([lib.Input((20,)), lib.layers.Dense(300, "relu"), lib.layers.Dense(10, "softmax")])


def cnn(lib: Any) -> Any:
    L = lib.layers
    return lib.Sequential(
        [
            lib.Input((8, 8, 1)),
            L.Conv2D(32, (3, 3), padding="same", activation="relu"),
            L.Conv2D(32, 3, strides=(2, 1)),
            L.Activation("relu"),
            L.MaxPooling2D((2, 2)),
            L.Dropout(0.25),
            L.Conv2D(64, 1),
            L.MaxPooling2D(2, padding="same"),
            L.Dropout(0.25),
            L.Flatten(),
            L.Dense(512),
            L.Dense(10, "softmax", name="digits"),
        ]
    )


@pytest.mark.parametrize("build", [mlp, cnn])
def test_names_shapes_and_counts(build: Any) -> None:
    theirs, mine = build(keras), build(mb)
    assert mine.name == theirs.name == "sequential"
    assert [layer.name for layer in mine.layers] == [layer.name for layer in theirs.layers]
    assert [(w.name, w.path, w.shape) for w in mine.weights] == [
        (w.name, w.path, tuple(w.shape)) for w in theirs.weights
    ]
    assert [w.shape for w in mine.get_weights()] == [w.shape for w in theirs.get_weights()]
    assert len(mine.trainable_weights) == len(theirs.trainable_weights)
    assert mine.count_params() == theirs.count_params()
    assert [layer.count_params() for layer in mine.layers] == [layer.count_params() for layer in theirs.layers]
    assert (mine.input_shape, mine.output_shape, mine.built) == (
        theirs.input_shape,
        theirs.output_shape,
        theirs.built,
    )
    assert build(mb).name == build(keras).name == "sequential_1"


def summary(model: Any, **arguments: Any) -> list[str]:
    texts: list[str] = []
    model.summary(print_fn=texts.append, **arguments)
    assert len(texts) == 1
    return re.sub(r"\x1b\[[0-9;]*m", "", texts[0]).split("\n")


@pytest.mark.parametrize("build", [mlp, cnn])
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "rmsprop"])
def test_summary(build: Any, optimizer: str) -> None:
    """Before the first step, and after it, when the optimizer has its own numbers."""
    models = [build(lib) for lib in BOTH]
    for model in models:
        model.compile(optimizer, "mse", **({"run_eagerly": True} if model is models[0] else {}))
    theirs, mine = map(summary, models)
    assert mine == theirs
    for model in models:
        model.fit(np.zeros((1, *model.input_shape[1:])), np.zeros((1, 10)), verbose=0)
    theirs, mine = map(summary, models)
    assert mine == theirs
    assert "Optimizer params" in mine[-2]


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_summary_of_a_model_with_a_frozen_layer(optimizer: str) -> None:
    """The optimizer keeps nothing for weights that do not move."""
    models = [mlp(lib) for lib in BOTH]
    for model in models:
        model.layers[0].trainable = False
        model.compile(optimizer, "mse")
        model.fit(np.zeros((1, 20)), np.zeros((1, 10)), verbose=0)
    theirs, mine = ([line for line in summary(model) if "params" in line] for model in models)
    assert mine == theirs


def test_summary_of_what_may_move() -> None:
    """What the cells say: Keras cuts the heading."""
    found = []
    for lib in BOTH:
        model = mlp(lib)
        model.add(lib.layers.Dropout(0.5))
        model.layers[0].trainable = False
        lines = summary(model, show_trainable=True, expand_nested=True)
        found.append([[cell.strip() for cell in line.split("│")] for line in lines if line.startswith("│")])
    assert found[0] == found[1]


def test_summary_of_a_model_that_knows_no_shape_yet() -> None:
    theirs, mine = (summary(lib.Sequential([lib.layers.Dense(3), lib.layers.Flatten()])) for lib in BOTH)
    assert mine == theirs


# Signatures -------------------------------------------------------------------------------------------------

SAME = [
    *(
        "layers.Dense",
        "layers.Conv2D",
        "layers.MaxPooling2D",
        "layers.Flatten",
        "layers.Dropout",
        "layers.Activation",
    ),
    *("losses.CategoricalCrossentropy", "losses.SparseCategoricalCrossentropy", "losses.MeanSquaredError"),
    *("metrics.BinaryAccuracy", "metrics.CategoricalAccuracy", "metrics.SparseCategoricalAccuracy", "metrics.Mean"),
    *("optimizers.SGD", "optimizers.Adam", "optimizers.RMSprop"),
    *("callbacks.Callback", "callbacks.EarlyStopping", "callbacks.History"),
    *("utils.to_categorical", "utils.set_random_seed", "Input", "Sequential.__init__"),
    *(f"Sequential.{method}" for method in ("compile", "fit", "evaluate", "predict", "summary", "add")),
    *(f"Sequential.{method}" for method in ("get_weights", "set_weights", "count_params", "get_layer")),
    *(f"initializers.{name}" for name in ("Zeros", "Ones", "Constant", "RandomUniform", "RandomNormal")),
    *(f"initializers.{name}" for name in ("TruncatedNormal", "VarianceScaling", "GlorotUniform", "GlorotNormal")),
    *("initializers.HeUniform", "initializers.HeNormal", "config.floatx", "config.epsilon", "config.set_floatx"),
]


@pytest.mark.parametrize("name", SAME)
def test_an_argument_that_is_here_is_where_keras_has_it_with_its_default(name: str) -> None:
    """So no call can mean one thing there and another here."""
    theirs, mine = (dict(inspect.signature(attrgetter(name)(lib)).parameters) for lib in BOTH)
    positional = [p.name for p in theirs.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
    for place, (argument, ours) in enumerate(mine.items()):
        if ours.kind in (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL):
            continue
        if ours.kind is not inspect.Parameter.KEYWORD_ONLY:
            assert positional[place : place + 1] == [argument], f"{argument} is not Keras's argument number {place}"
        if argument in theirs and theirs[argument].default is not inspect.Parameter.empty:
            known = (
                theirs[argument].default,
                None if argument in ("name", "print_fn") else theirs[argument].default,
            )
            assert ours.default in known or argument == "print_fn", argument


@pytest.mark.parametrize("name", ["floatx", "epsilon"])
def test_settings(name: str) -> None:
    assert getattr(mb.config, name)() == getattr(keras.config, name)()


@pytest.mark.parametrize("optimizer", ["SGD", "Adam", "RMSprop"])
def test_attributes_of_optimizers(optimizer: str) -> None:
    theirs, mine = (getattr(lib.optimizers, optimizer)() for lib in BOTH)
    for attribute in ("momentum", "nesterov", "beta_1", "beta_2", "epsilon", "rho", "centered"):
        assert hasattr(theirs, attribute) == hasattr(mine, attribute)
        if hasattr(theirs, attribute):
            assert getattr(mine, attribute) == getattr(theirs, attribute)
    assert mine.learning_rate == pytest.approx(float(theirs.learning_rate))
    assert mine.iterations == int(theirs.iterations) == 0


# Initializers -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("GlorotUniform", {}),
        ("GlorotNormal", {}),
        ("HeUniform", {}),
        ("HeNormal", {}),
        ("RandomUniform", {}),
        ("RandomUniform", {"minval": -2.0, "maxval": 1.0}),
        ("RandomNormal", {}),
        ("TruncatedNormal", {"mean": 1.0, "stddev": 0.5}),
        ("VarianceScaling", {}),
        ("VarianceScaling", {"scale": 2.0, "mode": "fan_out", "distribution": "uniform"}),
        ("VarianceScaling", {"mode": "fan_avg", "distribution": "untruncated_normal"}),
        ("VarianceScaling", {"distribution": "normal"}),
    ],
)
@pytest.mark.parametrize("shape", [(300, 200), (3, 3, 64, 100), (60000,)])
def test_initializers_have_one_distribution(name: str, arguments: dict[str, Any], shape: tuple[int, ...]) -> None:
    """Some 60,000 draws of each: mean, spread, limits, and the quantiles between."""
    theirs, mine = (np.asarray(getattr(lib.initializers, name)(**arguments, seed=1)(shape)).ravel() for lib in BOTH)
    assert theirs.dtype == mine.dtype
    std = float(theirs.std())
    assert mine.std() == pytest.approx(std, rel=0.015)  # five standard errors, of 1/sqrt(2 * 60,000)
    assert mine.mean() == pytest.approx(theirs.mean(), abs=0.03 * std)
    probabilities = np.linspace(0.01, 0.99, 21)
    np.testing.assert_allclose(
        np.quantile(mine, probabilities), np.quantile(theirs, probabilities), atol=0.07 * std
    )
    if name != "RandomNormal" and "untruncated" not in arguments.get("distribution", ""):
        assert (mine.min(), mine.max()) == pytest.approx((theirs.min(), theirs.max()), abs=0.02 * std)


def test_the_defaults_of_layers() -> None:
    for theirs, mine in (
        (keras.layers.Dense(300), mb.layers.Dense(300)),
        (keras.layers.Conv2D(300, 2), mb.layers.Conv2D(300, 2)),
    ):
        shape = (200,) if "dense" in mine.name else (5, 5, 50)
        theirs.build((None, *shape))
        mine.ensure_built(shape)
        for their, my in zip(theirs.get_weights(), mine.get_weights(), strict=True):
            assert my.std() == pytest.approx(their.std(), rel=0.02)
            assert (my.min(), my.max()) == pytest.approx((their.min(), their.max()), abs=1e-3)


# utils ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("labels", [[0, 2, 1], [[0], [2]], [[0, 1], [2, 0]], np.zeros((2, 3, 1), int), [1.0, 2.0]])
@pytest.mark.parametrize("num_classes", [None, 3, 5])
def test_to_categorical(labels: Any, num_classes: int | None) -> None:
    theirs, mine = (lib.utils.to_categorical(labels, num_classes) for lib in BOTH)
    np.testing.assert_array_equal(mine, theirs)
    assert mine.dtype == np.float32  # Keras returns float64, and casts it when it trains


def forked(lib: Any) -> Any:
    """A layer called twice, two inputs, two outputs."""
    L = lib.layers
    a, b = lib.Input((6,), name="a"), lib.Input((3,), name="b")
    shared = L.Dense(6, name="shared")
    h = L.Concatenate(name="both")([L.Dense(4, activation="relu", name="left")(shared(shared(a))), b])
    return lib.Model([a, b], [L.Dense(3, activation="softmax", name="class")(h), L.Dense(1, name="number")(h)])


def straight(lib: Any) -> Any:
    x = lib.Input((6,))
    return lib.Model(x, lib.layers.Dense(2)(lib.layers.BatchNormalization(name="norm")(x)))


@pytest.mark.parametrize("build", [forked, straight])
def test_summary_of_a_functional_model(build: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """The same rows and columns, inputs and connections; frozen weights counted apart."""
    texts = []
    for lib in BOTH:
        build(lib).summary()
        texts.append(
            [line.rstrip() for line in re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out).splitlines()]
        )
    theirs, mine = ([line for line in text if line.strip()] for text in texts)
    assert mine == theirs
