from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minibatch as mb
from minibatch.callbacks import LambdaCallback

EVENTS = {
    "on_train_begin", "on_epoch_begin", "on_train_batch_begin", "on_train_batch_end", "on_test_begin",
    "on_test_batch_begin", "on_test_batch_end", "on_test_end", "on_epoch_end", "on_train_end",
}  # fmt: skip


def test_every_event_calls_its_function() -> None:
    heard: set[str] = set()

    def listener(name: str) -> Any:
        return lambda *args: heard.add(name)

    model = mb.Sequential([mb.Input((1,)), mb.layers.Dense(1)])
    model.compile("sgd", "mse")
    x = np.ones((4, 1))
    callback = LambdaCallback(**{name: listener(name) for name in EVENTS})
    model.fit(x, x, verbose=0, validation_data=(x, x), callbacks=[callback])
    assert heard == EVENTS


def test_names_that_are_no_events() -> None:
    with pytest.raises(
        TypeError, match=r"no method of Callback is called 'on_epoch_ends'. Did you mean 'on_epoch_end'"
    ):
        LambdaCallback(on_epoch_ends=print)
    with pytest.raises(TypeError, match="on_epoch_end must be a function; got 3"):
        LambdaCallback(on_epoch_end=3)


def test_a_state_by_functions() -> None:
    box = {"count": 3}
    callback = LambdaCallback(state_dict=lambda: dict(box), load_state_dict=box.update)
    assert callback.state_dict() == {"count": 3}
    callback.load_state_dict({"count": 4})
    assert box == {"count": 4}
