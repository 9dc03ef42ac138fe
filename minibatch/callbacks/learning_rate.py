"""Change the learning rate from epoch to epoch: by a plan, or when a number has stopped improving."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minibatch.callbacks.callback import Callback, Logs
from minibatch.callbacks.monitor import MonitorCallback
from minibatch.utils.names import argument_names, near_misses


class LearningRateScheduler(Callback):
    """Set the learning rate at the beginning of every epoch, and write it into the logs at the end.

    Parameters
    ----------
    schedule : callable
        ``schedule(epoch, learning_rate)`` returns the epoch's learning rate, a float, from the epoch's number
        (from 0) and the learning rate now; ``schedule(epoch)`` will do.
    verbose : {0, 1}
        1 says what is set.

    Raises
    ------
    ValueError
        In a fit, if ``schedule`` returns no float, or the optimizer has no learning rate.

    Examples
    --------
    >>> import minibatch as mb
    >>> model = mb.Sequential([mb.Input((1,)), mb.layers.Dense(1)])
    >>> model.compile(mb.optimizers.SGD(0.5), "mse")
    >>> halve = mb.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2 if epoch else rate)
    >>> model.fit([[1.0]], [2.0], epochs=3, verbose=0, callbacks=[halve]).history["learning_rate"]
    [0.5, 0.25, 0.125]
    """

    def __init__(self, schedule: Callable[..., Any], verbose: int = 0) -> None:
        super().__init__()
        if not callable(schedule):
            raise TypeError(f"LearningRateScheduler: schedule must be a function of the epoch; got {schedule!r}.")
        self.schedule = schedule
        self.verbose = verbose

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        optimizer = self.model.optimizer
        if not hasattr(optimizer, "learning_rate"):
            raise ValueError(f"LearningRateScheduler: {optimizer!r} has no learning_rate.")
        try:
            rate = self.schedule(epoch, float(optimizer.learning_rate))
        except TypeError:  # as in Keras, to find out whether it takes the epoch alone
            rate = self.schedule(epoch)
        if not isinstance(rate, float | np.floating):
            raise ValueError(
                f"LearningRateScheduler: the output of schedule should be a float; got {rate!r} for epoch {epoch}."
            )
        optimizer.learning_rate = rate
        if self.verbose:
            print(f"\nEpoch {epoch + 1}: LearningRateScheduler setting learning rate to {rate}.")

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if logs is not None:
            logs["learning_rate"] = float(self.model.optimizer.learning_rate)


class ReduceLROnPlateau(MonitorCallback):
    """Multiply the learning rate by ``factor`` when the monitored number has stopped improving.

    Parameters
    ----------
    monitor : str, default "val_loss"
        A key of the logs.
    factor : float below 1, default 0.1
    patience : int, default 10
        Epochs without improvement before a cut; 0 acts as 1.
    verbose : {0, 1}
        1 says what is set.
    mode : {"auto", "min", "max"}
        Which way is better; "auto" takes min for losses, and what a metric says of itself.
    min_delta : float, default 1e-4
        By how much a new value must be better than the best to count: strictly more. The best is that of the
        whole fit: a cut does not forget it.
    cooldown : int, default 0
        Epochs after a cut that do not count towards the patience.
    min_lr : float, default 0
        No learning rate below this is set.

    Raises
    ------
    ValueError
        If ``factor`` is 1 or more; at the end of the first epoch, if ``mode`` is "auto" and nothing says which way
        is better.
    TypeError
        For an argument that is unknown.

    Warns
    -----
    UserWarning
        At the end of every epoch whose logs lack ``monitor``; for an unknown ``mode``.

    Notes
    -----
    The learning rate of the epoch that ends is written into its logs.
    """

    state_names = ("best", "cooldown_counter", "wait")

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
        **unknown: Any,
    ) -> None:
        for name in unknown:
            known = argument_names(type(self))
            today = " It is today 'min_delta'." if name == "epsilon" else near_misses(name, known)
            raise TypeError(f"ReduceLROnPlateau() has no argument {name!r}.{today}")
        super().__init__(monitor, mode, min_delta=min_delta)
        if not factor < 1:
            raise ValueError(f"ReduceLROnPlateau: factor must be below 1; got {factor!r}.")
        self.factor = factor
        self.min_lr = min_lr
        self.patience = patience
        self.verbose = verbose
        self.cooldown = cooldown
        self._start()

    def _start(self) -> None:
        self.best: float | None = None
        self.cooldown_counter = 0
        self.wait = 0

    def in_cooldown(self) -> bool:
        """Return whether a cut is so recent that epochs do not count."""
        return self.cooldown_counter > 0

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._start()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        super().on_epoch_end(epoch, logs)
        if logs is not None:
            logs["learning_rate"] = float(self.model.optimizer.learning_rate)
        current = self._monitored(logs)
        if current is None:
            return
        if self.in_cooldown():
            self.cooldown_counter -= 1
            self.wait = 0
        if self._is_improvement(current, self.best):
            self.best = current
            self.wait = 0
        elif not self.in_cooldown():
            self.wait += 1
            if self.wait >= self.patience and self._reduce(epoch):
                self.cooldown_counter = self.cooldown
                self.wait = 0

    def _reduce(self, epoch: int) -> bool:
        """Cut the learning rate; return whether there was anything to cut."""
        optimizer = self.model.optimizer
        now = float(optimizer.learning_rate)
        # In float32, in which the learning rate may be kept: at min_lr it is there, not a rounding above.
        if np.float32(now) <= np.float32(self.min_lr):
            return False
        rate = max(now * self.factor, self.min_lr)
        optimizer.learning_rate = rate
        if self.verbose:
            print(f"\nEpoch {epoch + 1}: ReduceLROnPlateau reducing learning rate to {rate}.")
        return True
