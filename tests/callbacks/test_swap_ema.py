from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import minibatch as mb
from minibatch.callbacks import SwapEMAWeights

KEY = "model_variables_moving_average"


def model(epochs: int = 3, **arguments: Any) -> tuple[Any, SwapEMAWeights]:
    """Return a model whose weights are [1, 2], their averages [10, 20], and a frozen weight 7; and the callback."""
    optimizer = SimpleNamespace(use_ema=True, name="SGD", state={KEY: np.array([10.0, 20.0, 0.0])})
    fake = SimpleNamespace(
        parameters=SimpleNamespace(theta=np.array([1.0, 2.0, 7.0])),
        active_slices=lambda: {"w": slice(0, 1), "b": slice(1, 2)},
        optimizer=optimizer,
        stop_training=False,
    )
    callback = SwapEMAWeights(**arguments)
    callback.set_model(fake)
    callback.set_params({"epochs": epochs, "steps": 1, "verbose": 0})
    return fake, callback


def both(fake: Any) -> tuple[list[float], list[float]]:
    assert fake.parameters.theta[2] == 7
    return fake.parameters.theta[:2].tolist(), fake.optimizer.state[KEY][:2].tolist()


PLAIN, SWAPPED, AVERAGES = ([1, 2], [10, 20]), ([10, 20], [1, 2]), ([10, 20], [10, 20])


@pytest.mark.parametrize("kind", ["test", "predict"])
def test_swapped_for_an_evaluation_or_prediction_and_back(kind: str) -> None:
    fake, callback = model()
    theta = fake.parameters.theta
    for _ in range(2):
        getattr(callback, f"on_{kind}_begin")()
        assert both(fake) == SWAPPED
        getattr(callback, f"on_{kind}_end")()
        assert both(fake) == PLAIN
    assert fake.parameters.theta is theta  # in place: the layers' views see it


def test_between_epochs_only_if_asked() -> None:
    fake, callback = model()
    callback.on_epoch_end(0)
    assert both(fake) == PLAIN
    fake, callback = model(swap_on_epoch=True)
    callback.on_epoch_begin(0)
    assert both(fake) == PLAIN
    callback.on_test_begin()
    callback.on_test_end()
    callback.on_epoch_end(0)
    assert both(fake) == SWAPPED
    callback.on_epoch_begin(1)
    assert both(fake) == PLAIN


def test_at_the_end_of_a_fit_both_are_the_averages() -> None:
    fake, callback = model(swap_on_epoch=True)
    callback.on_epoch_end(2)
    assert both(fake) == AVERAGES
    fake, callback = model(swap_on_epoch=True)
    fake.stop_training = True
    callback.on_epoch_end(0)
    assert both(fake) == AVERAGES


def test_a_fit_that_is_taken_up_between_epochs_swaps_back() -> None:
    fake, killed = model(swap_on_epoch=True)
    killed.on_epoch_end(0)
    _, again = model(swap_on_epoch=True)
    again.set_model(fake)
    again.load_state_dict(killed.state_dict())
    again.on_epoch_begin(1)
    assert both(fake) == PLAIN


def test_without_an_average() -> None:
    fake, callback = model()
    fake.optimizer.use_ema = False
    with pytest.raises(ValueError, match="needs an optimizer with use_ema=True; SGD has not"):
        callback.on_test_begin()
    fake.optimizer.use_ema, fake.optimizer.state = True, {}
    with pytest.raises(ValueError, match="SGD has made no step"):
        callback.on_test_begin()


def test_a_fit_evaluates_its_averages(rng: np.random.Generator) -> None:
    """Against averages reckoned from the weights after each step."""
    x = rng.normal(size=(12, 2))
    y = x.sum(axis=1, keepdims=True)
    model = mb.Sequential([mb.Input((2,)), mb.layers.Dense(1)])
    model.compile(mb.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5), "mse")
    average: list[np.ndarray] = []
    seen: list[float] = []

    class Reckon(mb.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            theta = self.model.parameters.theta.astype("float64")
            average[:] = [(average[0] + theta) / 2 if average else theta]

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            W, b = average[0][:2], average[0][2]
            seen.append(float(np.mean((x @ W + b - y[:, 0]) ** 2)))

    callbacks = [Reckon(), SwapEMAWeights()]
    history = model.fit(x, y, batch_size=4, epochs=3, verbose=0, validation_data=(x, y), callbacks=callbacks)
    np.testing.assert_allclose(history.history["val_loss"], seen, rtol=1e-4)
