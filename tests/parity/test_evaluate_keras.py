"""What ``evaluate`` and its kin return as a list, and under which names: as in Keras, for every way to compile."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras.src.trainers.compile_utils import CompileMetrics  # where Keras makes the keys; it has no public name
from parity.keras_reference import BOTH, keras, twins

import minibatch as mb
from minibatch.models.head import log_keys

rng = np.random.default_rng(3)
X = rng.normal(size=(20, 4)).astype("float32")
NUMBERS, CLASSES = rng.normal(size=(20, 1)).astype("float32"), rng.integers(3, size=20)
W = rng.uniform(0, 2, 20).astype("float32")
CLOSE = {"rel": 2e-5, "abs": 2e-6}


def one(lib: Any) -> Any:
    return lib.Sequential([lib.Input((4,)), lib.layers.Dense(1)])


def two(lib: Any) -> Any:
    """Outputs whose names are not in alphabetical order, so that sorting shows."""
    L, x = lib.layers, lib.Input((4,))
    return lib.Model(x, [L.Dense(1, name="reg")(x), L.Dense(3, activation="softmax", name="cls")(x)])


ONE: list[dict[str, Any]] = [
    {},
    {"metrics": ["mse", "mae"]},
    {"metrics": {"dense": ["mse", "mae"]}},
    {"weighted_metrics": ["mse", "mae"]},
    {"metrics": ["mse"], "weighted_metrics": ["mae"]},
    {"metrics": ["mae"], "weighted_metrics": ["mae"]},
    {"metrics": ["mae", "mae"], "weighted_metrics": ["mae", "mae"]},
    {"metrics": ["mse", "named", "mae"]},
]
TWO: list[dict[str, Any]] = [
    {},
    {"loss": ["mse", None], "metrics": [["mae"], ["accuracy"]]},
    {"loss_weights": [1.0, 0.5]},
    {"metrics": [["mae", "mse"], ["accuracy"]]},
    {"metrics": [["mae", "mse"], ["accuracy"]], "loss_weights": [1.0, 0.5]},
    {"metrics": {"cls": ["accuracy"]}},
    {"metrics": {"reg": ["mse", "mae"], "cls": ["accuracy"]}},
    {"metrics": [["mae"], None], "weighted_metrics": [["mae"], ["accuracy"]]},
    {"metrics": [["mae", "mae"], ["accuracy"]]},
    {"weighted_metrics": {"reg": ["mse", "mae"]}},
    {"metrics": [["named"], ["accuracy"]]},
]


def with_metrics(lib: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments with a metric of a name of its own in place of the word."""

    def named(given: Any) -> Any:
        if isinstance(given, dict):
            return {key: named(entry) for key, entry in given.items()}
        if isinstance(given, list):
            return [named(entry) for entry in given]
        return lib.metrics.MeanSquaredError(name="a_name") if given == "named" else given

    return {key: named(value) for key, value in arguments.items()}


def same(build: Any, loss: Any, y: Any, arguments: dict[str, Any]) -> None:
    theirs, mine = twins(build)
    for model, lib in zip((theirs, mine), BOTH, strict=True):
        model.compile("sgd", **{"loss": loss, **with_metrics(lib, arguments)})
    weights: dict[str, Any] = {"sample_weight": W if build is one else [W, W]}
    calls: list[Any] = [
        lambda m: m.evaluate(X, y, batch_size=7, verbose=0),
        lambda m: m.evaluate(X, y, batch_size=20, verbose=0, **weights),
        lambda m: m.test_on_batch(X, y),
        lambda m: m.train_on_batch(X, y, **weights),
    ]
    for call in calls[1:]:
        assert call(mine) == pytest.approx(call(theirs), **CLOSE)
    if build is one:  # where each output's own loss is reported, Keras's is a mean over batches
        assert calls[0](mine) == pytest.approx(calls[0](theirs), **CLOSE)
    assert mine.metrics_names == theirs.metrics_names
    by_name, expected = (m.test_on_batch(X, y, return_dict=True) for m in (mine, theirs))
    assert list(by_name) == list(expected)
    assert by_name == pytest.approx(expected, **CLOSE)


@pytest.mark.parametrize("arguments", ONE, ids=str)
def test_one_output(arguments: dict[str, Any]) -> None:
    same(one, "mse", NUMBERS, arguments)


@pytest.mark.filterwarnings("ignore:Gradients do not exist for variables")  # Keras, of an output without a loss
@pytest.mark.parametrize("arguments", TWO, ids=str)
def test_two_outputs(arguments: dict[str, Any]) -> None:
    same(two, ["mse", "sparse_categorical_crossentropy"], [NUMBERS, CLASSES], arguments)


def test_the_metrics_of_the_last_output_come_first_if_its_name_does() -> None:
    """What a script unpacks: [loss, reg_loss, cls_loss, cls_accuracy, reg_mae, reg_mse]."""
    model = two(mb)
    model.compile("sgd", ["mse", "sparse_categorical_crossentropy"], metrics=[["mae", "mse"], ["accuracy"]])
    values = model.evaluate(X, [NUMBERS, CLASSES], verbose=0)
    named = model.evaluate(X, [NUMBERS, CLASSES], verbose=0, return_dict=True)
    names = ["loss", "reg_loss", "cls_loss", "cls_accuracy", "reg_mae", "reg_mse"]
    assert values == [named[name] for name in names]
    assert np.unique(np.round(values, 4)).size == 5  # but for reg_mse, which is reg_loss, an exchange would show


@pytest.mark.parametrize("metrics", [["mae", "mae", "mae"], ["mae", "mse", "mae"]])
def test_keys_of_metrics_that_come_twice(metrics: list[str]) -> None:
    theirs, mine = twins(one)
    for model in (theirs, mine):
        model.compile("sgd", "mse", metrics=metrics, weighted_metrics=metrics)
        model.fit(X, NUMBERS, verbose=0)
    assert list(mine.history.history) == list(theirs.history.history)
    keys = log_keys([(weighted, name) for weighted in (False, True) for name in metrics])
    assert sorted([*keys, "loss"]) == list(theirs.history.history)


NAMES = st.lists(st.sampled_from(["mae", "mse", "weighted_mae"]), max_size=4)


@given(NAMES, NAMES)
@settings(max_examples=40, deadline=None)
def test_keys_are_those_of_keras(plain: list[str], weighted: list[str]) -> None:
    def made(names: list[str]) -> list[Any]:
        return [keras.metrics.Mean(name=name) for name in names]

    compiled = CompileMetrics(made(plain), made(weighted))
    compiled.build(np.zeros((2, 1)), np.zeros((2, 1)))
    keys = log_keys([*((False, name) for name in plain), *((True, name) for name in weighted)])
    # A name that looks like another's key overwrites that in Keras; so do equal keys here.
    assert list(dict.fromkeys(keys)) == list(compiled.result())


def test_functions_without_a_name() -> None:
    theirs, mine = twins(one)
    for model, mean in ((theirs, keras.ops.mean), (mine, np.mean)):
        model.compile(
            "sgd", "mse", metrics=[lambda y, p, f=mean: f(p, axis=-1), lambda y, p, f=mean: f(y, axis=-1)]
        )
        model.fit(X, NUMBERS, verbose=0)
    assert list(theirs.history.history) == ["lambda", "lambda_1", "loss"]
    assert list(mine.history.history) == ["lambda", "lambda_1", "loss"]


def f1_in_keras_words(lib: Any, ops: Any) -> Any:
    """A metric as Keras's guide writes them, once for each library: only where ``ops`` comes from differs."""

    class F1(lib.metrics.Metric):  # type: ignore[misc]  # a base class that is handed over
        def __init__(self, name: str = "f1", **kwargs: Any) -> None:
            super().__init__(name=name, **kwargs)
            self.tp = self.add_weight(name="tp", initializer="zeros")
            self.wrong = self.add_variable(shape=(2,), initializer="zeros", name="wrong")

        def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
            w = 1.0 if sample_weight is None else ops.reshape(sample_weight, (-1, 1))
            self.tp.assign_add(ops.sum(w * ops.where(y_pred > 0, y_true, 0 * y_true)))
            fp = ops.sum(w * ops.where(y_pred > 0, 1 - y_true, 0 * y_true))
            self.wrong.assign_add(ops.stack([fp, ops.sum(w * ops.where(y_pred > 0, 0 * y_true, y_true))]))

        def result(self) -> Any:
            return 2 * self.tp / (2 * self.tp + ops.sum(self.wrong) + 1e-7)

    return F1


def test_a_metric_of_ones_own() -> None:
    theirs, mine = twins(one)
    y = rng.integers(2, size=(20, 1)).astype("float32")
    for model, lib, ops in ((theirs, keras, keras.ops), (mine, mb, np)):
        kind = f1_in_keras_words(lib, ops)
        model.compile("sgd", "mse", metrics=[kind()], weighted_metrics=[kind(name="weighted")])
        model.fit(X, y, sample_weight=W, batch_size=7, epochs=2, shuffle=False, verbose=0, validation_data=(X, y))
    assert mine.history.history.keys() == theirs.history.history.keys()
    for key, values in theirs.history.history.items():
        assert mine.history.history[key] == pytest.approx(values, **CLOSE), key
