from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minibatch as mb
from minibatch.callbacks import Callback


def line() -> tuple[mb.Sequential, np.ndarray, np.ndarray]:
    model = mb.Sequential([mb.Input((1,)), mb.layers.Dense(1)])
    model.compile(mb.optimizers.SGD(0.1), "mse")
    x = np.linspace(-1, 1, 10)[:, None]
    return model, x, 2 * x


class Recorder(Callback):
    def __init__(self) -> None:
        super().__init__()
        self.events: list[tuple[Any, ...]] = []

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self.events.append(("begin", batch, logs))

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.events.append(("end", batch, logs))


def test_the_loss_of_a_step_is_from_before_its_update_and_the_logs_are_running_means() -> None:
    model, x, y = line()
    seen: list[float] = []

    class Watch(Callback):
        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            b = slice(4 * batch, 4 * batch + 4)
            seen.append(float(np.mean((self.model(x[b]) - y[b]) ** 2)) * len(x[b]))

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            samples = min(4 * (batch + 1), 10)
            assert logs["loss"] == pytest.approx(sum(seen) / samples, rel=1e-5)

    history = model.fit(x, y, batch_size=4, epochs=1, shuffle=False, verbose=0, callbacks=[Watch()])
    assert len(seen) == 3
    assert history.history["loss"] == [pytest.approx(sum(seen) / 10, rel=1e-5)]


def test_old_spellings_are_called_only_where_the_new_are_not_defined() -> None:
    """Keras's base on_train_batch_end calls on_batch_end; one that defines both hears each event once."""
    model, x, y = line()
    heard: list[str] = []

    class Old(Callback):
        def on_batch_begin(self, batch: int, logs: Any = None) -> None:
            heard.append(f"old begin {batch}")

        def on_batch_end(self, batch: int, logs: Any = None) -> None:
            heard.append(f"old end {batch}")

    class Both(Old):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            heard.append(f"new end {batch}")

    class Through(Old):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            heard.append("through")
            super().on_train_batch_end(batch, logs)

    model.fit(x, y, batch_size=10, verbose=0, callbacks=[Old()])
    assert heard == ["old begin 0", "old end 0"]
    heard.clear()
    model.fit(x, y, batch_size=10, verbose=0, callbacks=[Both()])
    assert heard == ["old begin 0", "new end 0"]
    heard.clear()
    model.fit(x, y, batch_size=10, verbose=0, callbacks=[Through()])
    assert heard == ["old begin 0", "through", "old end 0"]


def test_a_method_put_on_the_instance_is_called() -> None:
    model, x, y = line()
    callback, steps = Callback(), []
    callback.on_train_batch_end = lambda batch, logs=None: steps.append(batch)
    model.fit(x, y, batch_size=4, verbose=0, callbacks=[callback])
    assert steps == [0, 1, 2]


def test_model_and_params() -> None:
    model, x, y = line()
    callback = Recorder()
    model.fit(x, y, batch_size=4, epochs=3, verbose=0, callbacks=[callback])
    assert callback.model is model
    assert callback.params == {"verbose": 0, "epochs": 3, "steps": 3}


def test_a_callback_may_stop_inside_an_epoch() -> None:
    model, x, y = line()

    class Stop(Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self.model.stop_training = batch == 1

    history = model.fit(x, y, batch_size=2, epochs=5, verbose=0, callbacks=[Stop()], validation_data=(x, y))
    assert model.optimizer.iterations == 2
    assert history.epoch == [0]
    assert set(history.history) == {"loss", "val_loss"}


def test_what_a_callback_adds_to_the_logs_of_an_epoch_is_in_the_history() -> None:
    model, x, y = line()

    class Rate(Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            logs["rate"] = self.model.optimizer.learning_rate

    history = model.fit(x, y, epochs=2, verbose=0, callbacks=[Rate()])
    assert history.history["rate"] == [0.1, 0.1]


def test_one_callback_needs_no_list() -> None:
    model, x, y = line()
    callback = Recorder()
    model.fit(x, y, verbose=0, callbacks=callback)
    model.evaluate(x, y, verbose=0, callbacks=callback)
    model.predict(x, verbose=0, callbacks=callback)
    assert len(callback.events) == 2


def test_history_is_returned_and_kept() -> None:
    model, x, y = line()
    history = model.fit(x, y, epochs=2, verbose=0)
    assert isinstance(history, mb.callbacks.History)
    assert model.history is history
    assert history.model is model
    assert history.epoch == [0, 1]
    assert history.params == {"verbose": 0, "epochs": 2, "steps": 1}


@pytest.mark.parametrize(
    ("wrong", "hint"), [(mb.callbacks.History, r"\(a class: call it\)"), ("history", "'history'")]
)
def test_what_is_no_callback_is_refused_before_the_first_step(wrong: object, hint: str) -> None:
    model, x, y = line()
    before = model.parameters.theta.copy()
    with pytest.raises(TypeError, match=f"callbacks must be minibatch.callbacks.Callback objects; got .*{hint}"):
        model.fit(x, y, verbose=0, callbacks=[wrong])
    np.testing.assert_array_equal(model.parameters.theta, before)
