"""The progress line of fit, evaluate and predict, as Keras prints it."""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np

from minibatch.callbacks.callback import Callback, Logs
from minibatch.utils.console import printable, say

_BAR_WIDTH = 20
#: Seconds between two drawings of the line.
_INTERVAL = 0.05


class ProgbarLogger(Callback):
    """Prints how far an epoch is, the time per step, and the logs.

    With ``verbose=1`` on a terminal or in a notebook the line is drawn again as the steps go by; anywhere else it
    is printed once, when the epoch is over, without colours. With ``verbose=2`` it is one line without the bar;
    with 0 there is none.
    """

    def __init__(self) -> None:
        super().__init__()
        self._in_fit = False
        self._start = self._last_drawn = self._after_first = 0.0
        self._drawn_width = 0
        self._step = 0
        self._steps: int | None = None
        self._dynamic = False

    def set_params(self, params: dict[str, Any]) -> None:
        super().set_params(params)
        self._steps = params["steps"]

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._in_fit = True

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        if self.params["verbose"] and self.params["epochs"] > 1:
            print(f"Epoch {epoch + 1}/{self.params['epochs']}")
        self._begin()

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        self._draw(batch + 1, logs)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self._finish(logs)

    def on_test_begin(self, logs: Logs | None = None) -> None:
        if not self._in_fit:
            self._begin()

    def on_test_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        if not self._in_fit:
            self._draw(batch + 1, logs)

    def on_test_end(self, logs: Logs | None = None) -> None:
        if not self._in_fit:
            self._finish(logs)

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        self._begin()

    def on_predict_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        self._draw(batch + 1, None)

    def on_predict_end(self, logs: Logs | None = None) -> None:
        self._finish(None)

    def _begin(self) -> None:
        self._start, self._last_drawn = time.perf_counter(), 0.0
        self._drawn_width = self._step = 0
        self._dynamic = self.params["verbose"] not in (0, 2) and (sys.stdout.isatty() or "ipykernel" in sys.modules)

    def _draw(self, step: int, logs: Logs | None) -> None:
        """Draw the line again, if it can be drawn again and the last drawing was not just now."""
        self._step = step
        now = time.perf_counter()
        if step == 1:
            self._after_first = now
        if not self._dynamic:
            return
        if now - self._last_drawn >= _INTERVAL:
            self._last_drawn = now
            self._write(step, now, logs, final=False)

    def _finish(self, logs: Logs | None) -> None:
        if self._steps is None:
            self._steps = self._step  # as long as this epoch will the next be, it is supposed
        if self.params["verbose"]:
            self._write(self._step, time.perf_counter(), logs, final=True)

    def _per_step(self, step: int, now: float) -> float:
        """Return the seconds per step; as in Keras, the first, which also warms things up, does not count."""
        if step < 2 or self.params["verbose"] == 2:
            return (now - self._start) / max(step, 1)
        return (now - self._after_first) / (step - 1)

    def _write(self, step: int, now: float, logs: Logs | None, final: bool) -> None:
        # Where epochs differ in length, as with remainder="carry", one may be longer than the first.
        total = self._steps and max(self._steps, step)
        per_step = self._per_step(step, now)
        shown = f"{step:>7}/Unknown" if total is None else f"{step:>{len(str(total))}}/{total}"
        seconds = f"{now - self._start:.0f}s"
        if total is not None and not final:
            seconds = time_left(per_step * (total - step))
        numbers = f"{seconds} {time_per_step(per_step)}{metrics_text(logs)}"
        if self.params["verbose"] == 2:
            print(f"{shown} - {seconds} - {time_per_step(per_step)}{metrics_text(logs)}")
            return
        if not self._dynamic:
            say(f"{shown} {'━' * _BAR_WIDTH} {numbers}")
            return
        bar, width = "", len(f"{shown} {numbers}")
        if total is not None:
            done = int(_BAR_WIDTH * step / max(total, 1))
            bar = f" \33[32m{'━' * done}\33[37m{'━' * (_BAR_WIDTH - done)}\33[0m"
            width += _BAR_WIDTH + 1
        blank = " " * max(self._drawn_width - width, 0)
        self._drawn_width = width
        line = f"\r\33[1m{shown}\33[0m{bar} {numbers}{blank}" + ("\n" if final else "")
        sys.stdout.write(printable(line))
        sys.stdout.flush()


def time_left(seconds: float) -> str:
    """Return "7s", "1:05" or "1:00:05"."""
    whole = int(seconds)
    if seconds <= 60:
        return f"{whole}s"
    minutes, whole = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{whole:02d}" if hours else f"{minutes}:{whole:02d}"


def time_per_step(seconds: float) -> str:
    """Return "2s/step", "13ms/step" or "55us/step"."""
    if seconds >= 1 or seconds == 0:
        return f"{seconds:.0f}s/step"
    if seconds >= 1e-3:
        return f"{seconds * 1e3:.0f}ms/step"
    return f"{seconds * 1e6:.0f}us/step"


def metrics_text(logs: Logs | None) -> str:
    """Return " - accuracy: 0.9000 - loss: 0.3000"; of several numbers under one name, their mean."""
    means = {
        name: float(np.mean(value))
        for name, value in (logs or {}).items()
        if isinstance(value, int | float | np.number | np.ndarray | list | tuple)
    }
    # A learning rate of 0.001 is 0.0010 in Keras, too: its float32 is a little more.
    return "".join(
        f" - {name}: {mean:.4f}" if abs(mean) >= 1e-3 else f" - {name}: {mean:.4e}" for name, mean in means.items()
    )
