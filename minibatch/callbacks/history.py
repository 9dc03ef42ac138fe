"""The record of a fit."""

from __future__ import annotations

from typing import Any

from minibatch.callbacks.callback import Callback, Logs


class History(Callback):
    """What ``fit`` returns: the logs of every epoch.

    Attributes
    ----------
    epoch : list of int
        The epochs run, counted from 0.
    history : dict of str to list of float
        "loss", the metrics' names, and "val_" with each: one entry for each epoch.
    params : dict
        "epochs", "steps", "verbose".
    """

    state_names = ("epoch", "history")

    def __init__(self) -> None:
        super().__init__()
        self.epoch: list[int] = []
        self.history: dict[str, list[Any]] = {}

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.epoch = []

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self.epoch.append(epoch)
        for key, value in (logs or {}).items():
            self.history.setdefault(key, []).append(value)
