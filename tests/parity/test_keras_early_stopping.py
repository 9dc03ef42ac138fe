"""The same sequences of logs through both libraries' EarlyStopping: the same stops, the same restored weights."""

from __future__ import annotations

import itertools
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from parity.keras_reference import BOTH, keras

import minibatch as mb


class FakeModel:
    """Its weights are the number of the epoch."""

    def __init__(self, lib: Any) -> None:
        self.stop_training = False
        self.now = -1
        self.metrics = []
        if lib is keras:  # where Keras looks for a metric's direction
            model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(3, "softmax")])
            model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"], run_eagerly=True)
            model.evaluate(np.zeros((1, 1)), np.zeros(1), verbose=0)
            self.metrics = model.metrics

    def get_weights(self) -> int:
        return self.now

    def set_weights(self, weights: int) -> None:
        self.now = weights


MODELS = {lib: FakeModel(lib) for lib in BOTH}


def run(lib: Any, values: list[float | None], monitor: str, arguments: dict[str, Any], capsys: Any = None) -> Any:
    """Return everything that can be seen of a run: epochs, weights left, state, what was printed."""
    model = MODELS[lib]
    model.stop_training, model.now = False, -1
    callback = lib.callbacks.EarlyStopping(monitor=monitor, **arguments)
    callback.set_model(model)
    callback.on_train_begin()
    epoch, caught = -1, []
    for epoch, value in enumerate(values):
        model.now = epoch
        with warnings.catch_warnings(record=True) as now:
            warnings.simplefilter("always")
            callback.on_epoch_end(epoch, {"other": 1.0} if value is None else {monitor: value})
        caught += [epoch] * len(now)
        if model.stop_training:
            break
    callback.on_train_end()
    best = None if callback.best is None else float(callback.best)
    seen = (epoch, model.now, callback.wait, callback.stopped_epoch, callback.best_epoch, best, caught)
    return (*seen, capsys.readouterr().out) if capsys else seen


SEQUENCES = [
    [3.0, 2.0, 1.0, 1.0, 1.0, 1.0],
    [1.0, 1.0, 1.0],
    [5.0, 4.0, 4.5, 3.0, 3.5, 3.5, 3.5],
    [1.0, 2.0, 3.0, 4.0],
    [2.0, None, 1.0, None, 1.5, 1.5],
    [float("nan"), 1.0, float("nan"), float("nan"), 0.5],
    [float("inf"), 2.0, 1.0, 5.0, 5.0],
]


@pytest.mark.parametrize("values", SEQUENCES, ids=str)
@pytest.mark.parametrize(
    ("monitor", "mode"), [("val_loss", "auto"), ("accuracy", "auto"), ("x", "min"), ("x", "max")]
)
def test_every_setting(values: list[float | None], monitor: str, mode: str, capsys: Any) -> None:
    for patience, min_delta, restore, start, baseline in itertools.product(
        [0, 1, 2], [0, 0.5, -0.5], [False, True], [0, 2], [None, 2.5]
    ):
        arguments = {
            "mode": mode,
            "patience": patience,
            "min_delta": min_delta,
            "restore_best_weights": restore,
            "start_from_epoch": start,
            "baseline": baseline,
            "verbose": 1,
        }
        theirs, mine = (run(lib, values, monitor, arguments, capsys) for lib in BOTH)
        assert repr(mine) == repr(theirs), arguments  # repr, since NaN is not equal to itself


@settings(max_examples=60, deadline=None)
@given(
    # Multiples of 1/8, exact in float32, in which Keras compares.
    values=st.lists(st.integers(-16, 16).map(lambda n: n / 8), min_size=1, max_size=12),
    patience=st.integers(0, 4),
    min_delta=st.integers(0, 8).map(lambda n: n / 8),
    start=st.integers(0, 5),
    baseline=st.none() | st.integers(-16, 16).map(lambda n: n / 8),
    mode=st.sampled_from(["min", "max"]),
)
def test_any_sequence(
    values: list[float], patience: int, min_delta: float, start: int, baseline: float | None, mode: str
) -> None:
    arguments = {
        "mode": mode,
        "patience": patience,
        "min_delta": min_delta,
        "restore_best_weights": True,
        "start_from_epoch": start,
        "baseline": baseline,
    }
    theirs, mine = (run(lib, values, "loss", arguments) for lib in BOTH)
    assert mine == theirs


def two_epochs(callback: Any) -> None:
    for epoch in range(2):
        callback.on_epoch_end(epoch, {"val_something": 1.0})


def test_a_direction_that_cannot_be_told_raises_in_both() -> None:
    for lib in BOTH:
        callback = lib.callbacks.EarlyStopping(monitor="val_something")
        callback.set_model(MODELS[lib])
        callback.on_train_begin()
        with pytest.raises(ValueError, match="mode='max'"):
            two_epochs(callback)


def test_in_a_fit_both_stop_after_the_same_epoch_with_the_same_weights() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 3)).astype("float32"), rng.integers(3, size=60)
    initial, results = None, []
    for lib in (keras, mb):
        model = lib.Sequential([lib.Input((3,)), lib.layers.Dense(3, "softmax")])
        if initial is None:
            initial = model.get_weights()
        model.set_weights(initial)
        model.compile(lib.optimizers.SGD(2.0), "sparse_categorical_crossentropy", metrics=["accuracy"])
        stop = lib.callbacks.EarlyStopping(patience=2, restore_best_weights=True)
        history = model.fit(x, y, epochs=30, validation_split=0.3, shuffle=False, verbose=0, callbacks=[stop])
        results.append((history.epoch, stop.best_epoch, stop.stopped_epoch, model.get_weights()))
    (theirs, mine) = results
    assert 2 < len(theirs[0]) < 30
    assert mine[:3] == theirs[:3]
    for a, b in zip(theirs[3], mine[3], strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-4, atol=1e-5)
