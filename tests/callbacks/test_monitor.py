from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from callbacks.fakes import FakeModel

import minibatch as mb
from minibatch.callbacks import EarlyStopping, ModelCheckpoint, MonitorCallback, ReduceLROnPlateau


def monitor(name: str, *metrics: Any, **arguments: Any) -> MonitorCallback:
    callback = MonitorCallback(name, **arguments)
    callback.set_model(FakeModel(metrics=metrics))
    callback.on_epoch_end(0, {})
    return callback


def metric(name: str, direction: str | None) -> Any:
    return SimpleNamespace(name=name, _direction=direction)


@pytest.mark.parametrize("name", ["error", "val_error"])
def test_auto_asks_the_metric_of_that_name(name: str) -> None:
    up, down = (monitor(name, metric("other", None), metric("error", way)) for way in ("up", "down"))
    assert up._is_improvement(2.0, 1.0)
    assert not up._is_improvement(1.0, 2.0)
    assert down._is_improvement(1.0, 2.0)
    assert not down._is_improvement(2.0, 1.0)


def test_a_metric_that_does_not_say() -> None:
    for silent in (metric("mine", None), SimpleNamespace(name="mine")):
        with pytest.raises(ValueError, match="MonitorCallback: whether a smaller or a larger 'mine' is better"):
            monitor("mine", silent)
        assert monitor("mine", silent, mode="max")._is_improvement(2.0, 1.0)


def test_names_of_several_outputs_are_judged_by_their_end() -> None:
    assert monitor("val_a_loss")._is_improvement(1.0, 2.0)
    assert monitor("a_accuracy")._is_improvement(2.0, 1.0)
    assert monitor("val_a_acc")._is_improvement(2.0, 1.0)


def test_the_operator_is_there_to_be_looked_at() -> None:
    """As in Keras, where it is a function of Keras's own: of EarlyStopping, ModelCheckpoint and the like."""
    assert EarlyStopping(monitor="error").monitor_op is None
    assert EarlyStopping(monitor="error", mode="min").monitor_op is np.less
    assert monitor("error", metric("error", "up")).monitor_op is np.greater
    assert monitor("val_loss").monitor_op is np.less


def test_what_a_metric_says_goes_before_its_name() -> None:
    assert monitor("in_accuracy", metric("in_accuracy", "down"))._is_improvement(1.0, 2.0)


@pytest.mark.parametrize("name", ["accuracy", "val_mean_absolute_error"])
def test_the_compiled_metrics_of_a_fit_are_asked(name: str) -> None:
    x = np.linspace(-1, 1, 8)[:, None]
    model = mb.Sequential([mb.Input((1,)), mb.layers.Dense(1)])
    model.compile("sgd", "mse", metrics=["accuracy", "mean_absolute_error"])
    stop = EarlyStopping(monitor=name, patience=5)
    model.fit(x, 2 * x, epochs=2, verbose=0, validation_data=(x, x), callbacks=[stop])
    assert stop._resolve() is (name == "accuracy")


def test_a_difference_beyond_the_digits_of_float32_is_no_improvement() -> None:
    """A plateau of a loss adds up to numbers that differ by rounding: it must not go on for ever."""
    assert not monitor("loss")._is_improvement(1.0 - 1e-9, 1.0)
    assert monitor("loss")._is_improvement(1.0 - 1e-6, 1.0)
    assert not monitor("loss")._is_improvement(1e300, 1e299)  # too large for it: inf is not below inf


def test_in_float64_it_is(float64: None) -> None:
    assert monitor("loss")._is_improvement(1.0 - 1e-9, 1.0)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: EarlyStopping(mode="bigger"), "EarlyStopping"),
        (lambda: ReduceLROnPlateau(mode="bigger"), "ReduceLROnPlateau"),
        (lambda: ModelCheckpoint("m.keras", mode="bigger"), "ModelCheckpoint"),
    ],
)
def test_an_unknown_mode(make: Any, name: str) -> None:
    with pytest.warns(
        UserWarning, match=f"{name}: unknown mode 'bigger', 'auto' is taken. .*Known: auto, max, min"
    ) as w:
        make()
    assert w[0].filename == __file__
