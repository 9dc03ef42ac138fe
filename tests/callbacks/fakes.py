"""Models without arithmetic, for callbacks to be played to."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from minibatch.callbacks import Callback


class FakeModel:
    """Its weights are one number; saving writes that number into the file."""

    def __init__(self, learning_rate: float = 1.0, metrics: Any = ()) -> None:
        self.stop_training = False
        self.now = -1
        self.optimizer = SimpleNamespace(learning_rate=learning_rate)
        self.objective = SimpleNamespace(keyed_metrics={metric.name: metric for metric in metrics})
        self.saved: list[str] = []

    def get_weights(self) -> list[int]:
        return [self.now]

    def set_weights(self, weights: list[int]) -> None:
        (self.now,) = weights

    def save(self, filepath: str | os.PathLike[str], overwrite: bool = True) -> None:
        assert overwrite
        Path(filepath).write_text(str(self.now))
        self.saved.append(Path(filepath).name)

    save_weights = save


def play(callback: Callback, model: Any, epochs: list[dict[str, Any]], first: int = 0) -> int:
    """Play epochs without batches, given their logs, to the callback; return how many were run."""
    for epoch, logs in enumerate(epochs[first:], first):
        model.now = epoch
        callback.on_epoch_begin(epoch, {})
        callback.on_epoch_end(epoch, logs)
        if model.stop_training:
            return epoch + 1
    return len(epochs)


def started(callback: Any, model: Any) -> Any:
    """Return the callback, at the beginning of a fit of this model."""
    callback.set_model(model)
    callback.set_params({"verbose": 0, "epochs": 10, "steps": 1})
    callback.on_train_begin({})
    return callback
