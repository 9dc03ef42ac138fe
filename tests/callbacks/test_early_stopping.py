"""The rules of REFERENCE section 3, one by one; tests/parity runs the same sequences through Keras's class."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minibatch as mb
from minibatch.callbacks import EarlyStopping


class FakeModel:
    """Weights that say which epoch they are from."""

    def __init__(self) -> None:
        self.stop_training = False
        self.now = -1

    def get_weights(self) -> list[int]:
        return [self.now]

    def set_weights(self, weights: list[int]) -> None:
        (self.now,) = weights


def run(values: list[float], **arguments: Any) -> tuple[int, int]:
    """Return (how many epochs ran, which epoch's weights are left)."""
    callback, model = EarlyStopping(monitor="loss", **arguments), FakeModel()
    callback.set_model(model)
    callback.on_train_begin()
    epoch = -1
    for epoch, value in enumerate(values):
        model.now = epoch
        callback.on_epoch_end(epoch, {"loss": value})
        if model.stop_training:
            break
    callback.on_train_end()
    return epoch + 1, model.now


def test_improvement_is_strict() -> None:
    assert run([3, 3, 3, 3], patience=2)[0] == 3  # epochs 1 and 2 are no better
    assert run([3, 2, 2, 1, 1, 1], patience=2)[0] == 6


def test_patience_0_acts_as_1_and_the_first_epoch_never_stops() -> None:
    assert run([1, 1, 1], patience=0)[0] == run([1, 1, 1], patience=1)[0] == 2
    assert run([float("nan"), 1.0, 2.0], patience=0)[0] == 2


def test_min_delta() -> None:
    assert run([10, 9.5, 9.0, 8.5], patience=1, min_delta=0.5)[0] == 2  # 9.5 + 0.5 is not below 10
    assert run([10, 9.4, 8.8, 8.2], patience=1, min_delta=0.5)[0] == 4
    assert run([10, 9.4, 8.8, 8.2], patience=1, min_delta=-0.5)[0] == 4  # its size is what counts


def test_mode_max() -> None:
    assert run([0.1, 0.2, 0.3, 0.3, 0.3], patience=2, mode="max")[0] == 5
    assert run([0.3, 0.2, 0.1], patience=1, mode="max")[0] == 2


def test_restore_best_weights_at_the_end_even_without_a_stop() -> None:
    assert run([3, 1, 2, 2], patience=5, restore_best_weights=True) == (4, 1)
    assert run([3, 1, 2, 2, 2], patience=2, restore_best_weights=True) == (4, 1)
    assert run([3, 1, 2, 2], patience=5) == (4, 3)


def test_epochs_before_the_start_do_not_count_even_for_the_best() -> None:
    assert run([1, 5, 4, 3, 3, 3], patience=2, start_from_epoch=2, restore_best_weights=True) == (6, 3)


def test_baseline_must_be_beaten_for_the_patience_to_start_again() -> None:
    assert run([5, 4, 3, 2], patience=2, baseline=1)[0] == 4  # better each time: it waits, and never stops then
    assert run([5, 4, 4.5, 4.5], patience=2, baseline=1)[0] == 3
    assert run([5, 4, 4.5, 4.5], patience=2, baseline=10)[0] == 4


def test_a_second_fit_starts_afresh() -> None:
    callback, model = EarlyStopping(monitor="loss", patience=1), FakeModel()
    callback.set_model(model)
    for _ in range(2):
        model.stop_training = False
        callback.on_train_begin()
        callback.on_epoch_end(0, {"loss": 1.0})
        assert not model.stop_training
        callback.on_epoch_end(1, {"loss": 1.0})
        assert model.stop_training


def test_a_missing_monitor_warns_and_names_what_there_is() -> None:
    callback = EarlyStopping()
    with pytest.warns(UserWarning, match="'val_loss' is not in the logs; they hold accuracy, loss"):
        callback.on_epoch_end(0, {"accuracy": 1.0, "loss": 1.0})


def test_a_direction_that_cannot_be_told_is_an_error_from_the_first_epoch_on() -> None:
    for logs in ({"val_something": 1.0}, {"loss": 1.0}):
        callback = EarlyStopping(monitor="val_something")
        with pytest.raises(ValueError, match=r"'val_something' is better cannot be told.*mode='min' or mode='max'"):
            callback.on_epoch_end(0, logs)


def test_an_unknown_mode_warns_and_is_auto() -> None:
    with pytest.warns(UserWarning, match="EarlyStopping: unknown mode 'minn', 'auto' is taken. Did you mean 'min'"):
        assert EarlyStopping(mode="minn").mode == "auto"


def test_in_a_fit(capsys: pytest.CaptureFixture[str]) -> None:
    """A learning rate that makes the loss grow: the first epoch is the best."""
    model = mb.Sequential([mb.Input((1,)), mb.layers.Dense(1, kernel_initializer="ones")])
    model.compile(mb.optimizers.SGD(3.0), "mse")
    kept: list[list[np.ndarray]] = []

    class Keep(mb.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: object = None) -> None:
            kept.append(self.model.get_weights())

    x = np.linspace(-1, 1, 8)[:, None]
    stop = EarlyStopping(monitor="loss", patience=2, restore_best_weights=True, verbose=1)
    history = model.fit(x, 2 * x, epochs=9, verbose=0, callbacks=[Keep(), stop])
    losses = history.history["loss"]
    assert losses == sorted(losses)
    assert history.epoch == [0, 1, 2]
    assert (stop.stopped_epoch, stop.best_epoch, stop.best, stop.wait) == (2, 0, losses[0], 2)
    for now, best in zip(model.get_weights(), kept[0], strict=True):
        np.testing.assert_array_equal(now, best)
    assert capsys.readouterr().out == (
        "Epoch 3: early stopping\nRestoring model weights from the end of the best epoch: 1.\n"
    )
