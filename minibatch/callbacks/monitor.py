"""What watches one number of the logs, and knows when it has become better."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from minibatch import config
from minibatch.callbacks.callback import Callback, Logs
from minibatch.utils.names import near_misses

_MODES = ("auto", "min", "max")


class MonitorCallback(Callback):
    """The base of the callbacks that ask whether a number has improved.

    Parameters
    ----------
    monitor : str, default "val_loss"
        A key of the logs.
    mode : {"auto", "min", "max"}
        Which way is better. "auto" finds it out at the end of the first epoch: for "loss", min; for a metric of
        the compiled model, what the metric says of itself (its ``_direction``, "up" or "down"). A name that is
        none of these is judged by its end: "..._loss" is better small, "...accuracy" and "...acc" large.
    baseline : float, optional
        The best value to begin with; by default the first value is the first best.
    min_delta : float, default 0
        By how much a new value must be better than the best to count: strictly more. Its sign is of no account.

    Attributes
    ----------
    best : float or None
        The best value so far.

    Warns
    -----
    UserWarning
        If ``mode`` is none of the three: "auto" is taken, as in Keras.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        mode: str = "auto",
        baseline: float | None = None,
        min_delta: float = 0,
    ) -> None:
        super().__init__()
        if mode not in _MODES:
            warnings.warn(
                f"{type(self).__name__}: unknown mode {mode!r}, 'auto' is taken.{near_misses(mode, _MODES)}",
                stacklevel=3,
            )
            mode = "auto"
        self.monitor = monitor
        self.mode = mode
        self.best = baseline
        self.min_delta = abs(min_delta)
        self._larger_is_better: bool | None = None

    @property
    def monitor_op(self) -> np.ufunc | None:
        """``np.greater`` or ``np.less``, which says of two values whether the first is better; None until known."""
        if self.mode == "auto" and self._larger_is_better is None:
            return None
        return np.greater if self._resolve() else np.less

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        # Also where the logs lack the number: a name that means nothing is an error from the first epoch on.
        self._resolve()

    def _resolve(self) -> bool:
        """Return whether larger is better: found out once, when the model's metrics are there to be asked.

        Raises
        ------
        ValueError
            If ``mode`` is "auto" and nothing says which way is better.
        """
        if self._larger_is_better is None:
            self._larger_is_better = self._direction() == "max"
        return self._larger_is_better

    def _direction(self) -> str:
        if self.mode != "auto":
            return self.mode
        name = self.monitor.removeprefix("val_")
        if name == "loss":
            return "min"
        compiled = getattr(self.model, "objective", None)
        said = [
            metric._direction
            for key, metric in (compiled.keyed_metrics if compiled is not None else {}).items()
            if name in (key, metric.name) and getattr(metric, "_direction", None) is not None
        ]
        if said:
            return "max" if said[-1] == "up" else "min"
        if name.endswith(("accuracy", "acc")):
            return "max"
        if name.endswith("_loss"):
            return "min"
        raise ValueError(
            f"{type(self).__name__}: whether a smaller or a larger {self.monitor!r} is better cannot be told; "
            "give mode='min' or mode='max'."
        )

    def _monitored(self, logs: Logs | None) -> Any:
        """Return the number from the logs, or None with a warning if they lack it."""
        current = (logs or {}).get(self.monitor)
        if current is None:
            warnings.warn(
                f"{type(self).__name__}: the monitored {self.monitor!r} is not in the logs; they hold "
                f"{', '.join(logs or {})}.",
                stacklevel=3,
            )
        return current

    def _is_improvement(self, current: float, reference: float | None) -> bool:
        """Return whether ``current`` is better than ``reference``, or there is none. NaN is better than nothing."""
        if reference is None:
            return True
        # In the models' own float type, as in Keras: what differs beyond its digits is rounding, not improvement.
        real = np.dtype(config.floatx()).type
        with np.errstate(over="ignore"):
            if self._resolve():
                return bool(real(current - self.min_delta) > real(reference))
            return bool(real(current + self.min_delta) < real(reference))
