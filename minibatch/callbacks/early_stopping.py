"""Stop when a number has stopped improving."""

from __future__ import annotations

from typing import Any

from minibatch.callbacks.callback import Logs
from minibatch.callbacks.monitor import MonitorCallback


class EarlyStopping(MonitorCallback):
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
        Which way is better; "auto" takes min for losses, and what a metric says of itself.
    baseline : float, optional
        A value that must be beaten, too, for the patience to start again.
    restore_best_weights : bool, default False
        Whether to put back the best epoch's weights at the end of training, also where the fit was not stopped.
    start_from_epoch : int, default 0
        Earlier epochs are ignored, even for the best.

    Attributes
    ----------
    best, best_epoch, best_weights
        Of the best epoch so far (counted from 0); None, 0 and None before it.
    stopped_epoch : int
        The epoch after which it stopped; 0 if it did not.

    Raises
    ------
    ValueError
        At the end of the first epoch, if ``mode`` is "auto" and nothing says which way is better.

    Warns
    -----
    UserWarning
        At the end of every epoch whose logs lack ``monitor``; for an unknown ``mode``.

    Examples
    --------
    >>> import minibatch as mb
    >>> model = mb.Sequential([mb.Input((1,)), mb.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> stop = mb.callbacks.EarlyStopping(monitor="loss", min_delta=1e9, patience=3)
    >>> len(model.fit([[1.0]], [2.0], epochs=10, verbose=0, callbacks=[stop]).epoch)
    4
    """

    state_names = ("best", "best_epoch", "best_weights", "stopped_epoch", "wait")

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
        super().__init__(monitor, mode, min_delta=min_delta)
        self.patience = patience
        self.verbose = verbose
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

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        super().on_epoch_end(epoch, logs)
        current = self._monitored(logs)
        if current is None or epoch < self.start_from_epoch:
            return
        if self.restore_best_weights and self.best_weights is None:
            self.best_weights, self.best_epoch = self.model.get_weights(), epoch
        self.wait += 1
        if self._is_improvement(current, self.best):
            self.best, self.best_epoch = current, epoch
            if self.restore_best_weights:
                self.best_weights = self.model.get_weights()
            if self.baseline is None or self._is_improvement(current, self.baseline):
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
