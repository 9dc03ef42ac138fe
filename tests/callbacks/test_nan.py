from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from callbacks.fakes import FakeModel, started

import minibatch as mb
from minibatch.callbacks import TerminateOnNaN


@pytest.mark.parametrize("loss", [float("nan"), float("inf"), -float("inf"), np.float32("nan")])
def test_the_fit_stops_at_that_batch(loss: float, capsys: pytest.CaptureFixture[str]) -> None:
    model = FakeModel()
    callback = started(TerminateOnNaN(), model)
    for logs in ({"loss": 1e30}, {}, None):
        callback.on_train_batch_end(0, logs)
    assert not model.stop_training
    callback.on_train_batch_end(3, {"loss": loss})
    assert model.stop_training
    assert capsys.readouterr().out == "Batch 3: Invalid loss, terminating training\n"
    model.stop_training = False
    with pytest.raises(RuntimeError, match=r"NaN or Inf loss encountered at batch 3. Loss value: -?(nan|inf)"):
        started(TerminateOnNaN(raise_error=True), model).on_train_batch_end(3, {"loss": loss})
    assert not model.stop_training


@pytest.mark.filterwarnings("ignore:The loss is NaN", "ignore:y holds values that are not finite")
@pytest.mark.parametrize("raise_error", [False, True])
def test_in_a_fit(raise_error: bool, capsys: pytest.CaptureFixture[str]) -> None:
    model = mb.Sequential([mb.Input((1,)), mb.layers.Dense(1)])
    model.compile("sgd", "mse")
    x, y = np.ones((6, 1)), np.array([1.0, 1.0, np.nan, 1.0, 1.0, 1.0])
    ended: list[Any] = []
    after = mb.callbacks.LambdaCallback(on_train_end=ended.append)
    arguments: dict[str, Any] = {"batch_size": 2, "epochs": 3, "shuffle": False, "verbose": 0}
    arguments["callbacks"] = [TerminateOnNaN(raise_error), after]
    if raise_error:
        with pytest.raises(RuntimeError, match="at batch 1"):
            model.fit(x, y, **arguments)
    else:
        assert model.fit(x, y, **arguments).epoch == [0]
    assert model.optimizer.iterations == 2
    assert len(ended) == (not raise_error)
