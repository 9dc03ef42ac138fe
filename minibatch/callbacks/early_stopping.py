"""Stop when a number has stopped improving."""

from __future__ import annotations

import warnings
from typing import Any

from minibatch.callbacks.callback import Callback, Logs
from minibatch.utils.names import near_misses


class EarlyStopping(Callback):
    """Stop when the monitored number has not improved for ``patience`` epochs.

    Parameters
    ----------
    monitor : str, default "val_loss"
        A key of the logs.
    min_delta : float, default 0
        By how much a new value must be better than the best to count: strictly more.
    patience : int, default 0
        Epochs without improvement before stopping; 0 acts as 1, and the first epoch never stops a fit.
    verbose : {0, 1}
        1 says when it stops.
    mode : {"auto", "min", "max"}
        Which way is better; "auto" takes min for losses and max for accuracies.
    baseline : float, optional
        A value that must be beaten, too, for the patience to start again.
    restore_best_weights : bool, default False
        Whether to put back the best epoch's weights at the end of training, also where the fit was not stopped.
    start_from_epoch : int, default 0
        Earlier epochs are ignored, even for the best.

    Raises
    ------
    ValueError
        If ``mode`` is unknown, or is "auto" and ``monitor`` does not say which way is better.

    Warns
    -----
    UserWarning
        At the end of every epoch whose logs lack ``monitor``.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        super().__init__()
        if mode not in ("auto", "min", "max"):
            raise ValueError(f"EarlyStopping: unknown mode {mode!r}.{near_misses(mode, ('auto', 'min', 'max'))}")
        self.monitor = monitor
        self.min_delta = abs(min_delta)
        self.patience = patience
        self.verbose = verbose
        self.mode = mode
        self.baseline = baseline
        self.restore_best_weights = restore_best_weights
        self.start_from_epoch = start_from_epoch
        self._start()

    def _start(self) -> None:
        self.wait = 0
        self.stopped_epoch = 0
        self.best: float | None = None
        self.best_epoch = 0
        self.best_weights: list[Any] | None = None

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._start()

    def _improves(self, current: float, reference: float | None) -> bool:
        if reference is None:
            return True
        if self._larger_is_better():
            return current - self.min_delta > reference
        return current + self.min_delta < reference

    def _larger_is_better(self) -> bool:
        if self.mode != "auto":
            return self.mode == "max"
        name = self.monitor.removeprefix("val_")
        if name.endswith(("accuracy", "acc")):
            return True
        if name.endswith(("loss", "error", "crossentropy", "mse")):
            return False
        raise ValueError(
            f"EarlyStopping: whether a smaller or a larger {self.monitor!r} is better cannot be told from its "
            "name; give mode='min' or mode='max'."
        )

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        current = (logs or {}).get(self.monitor)
        if current is None:
            warnings.warn(
                f"EarlyStopping: the monitored {self.monitor!r} is not in the logs; they hold "
                f"{', '.join(logs or {})}.",
                stacklevel=2,
            )
            return
        if epoch < self.start_from_epoch:
            return
        if self.restore_best_weights and self.best_weights is None:
            self.best_weights, self.best_epoch = self.model.get_weights(), epoch
        self.wait += 1
        if self._improves(current, self.best):
            self.best, self.best_epoch = current, epoch
            if self.restore_best_weights:
                self.best_weights = self.model.get_weights()
            if self.baseline is None or self._improves(current, self.baseline):
                self.wait = 0
        elif self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs: Logs | None = None) -> None:
        if self.verbose and self.stopped_epoch > 0:
            print(f"Epoch {self.stopped_epoch + 1}: early stopping")
        if self.restore_best_weights and self.best_weights is not None:
            if self.verbose:
                print(f"Restoring model weights from the end of the best epoch: {self.best_epoch + 1}.")
            self.model.set_weights(self.best_weights)
