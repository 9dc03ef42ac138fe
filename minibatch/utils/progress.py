"""A progress bar for a loop of one's own, in the look of fit's."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from typing import Any

import numpy as np

from minibatch.callbacks.progbar import metrics_text, time_left, time_per_step
from minibatch.utils.console import printable


class Progbar:
    """Shows how far a loop is, the time per step, and numbers.

    With ``verbose=1`` on a terminal or in a notebook the line is drawn again as the steps go by; anywhere else it
    is printed once, at the end.

    Parameters
    ----------
    target : int or None
        How many steps there will be; None if that is unknown.
    width : int, default 20
        Of the bar, in characters.
    verbose : int, default 1
        0 is silent; 2 is one line, at the end, without a bar.
    interval : float, default 0.05
        The least time between two drawings, in seconds.
    stateful_metrics, stateless_metrics : iterable of str, optional
        The numbers that are shown as they are, or (give one of the two) those that are averaged over the steps. By
        default all are averaged.
    unit_name : str, default "step"

    Examples
    --------
    >>> bar = Progbar(3, verbose=2)
    >>> for step in range(3):
    ...     bar.update(step + 1, [("loss", 1.0 + step)])
    3/3 - 0s - ...s/step - loss: 3.0000
    """

    def __init__(
        self,
        target: int | None,
        width: int = 20,
        verbose: int = 1,
        interval: float = 0.05,
        stateful_metrics: Iterable[str] | None = None,
        stateless_metrics: Iterable[str] | None = None,
        unit_name: str = "step",
    ) -> None:
        if stateful_metrics is not None and stateless_metrics is not None:
            raise ValueError("give stateful_metrics or stateless_metrics, not both.")
        self.target = target
        self.width = width
        self.verbose = verbose
        self.interval = interval
        self.unit_name = unit_name
        self.stateful_metrics = None if stateful_metrics is None else set(stateful_metrics)
        self.stateless_metrics = None if stateless_metrics is None else set(stateless_metrics)
        self._sums: dict[str, tuple[float, int]] = {}
        self._seen = self._drawn_width = 0
        self._start, self._last_drawn = time.perf_counter(), 0.0
        self._after_first: float | None = None

    def update(
        self, current: int, values: Iterable[tuple[str, Any]] | None = None, finalize: bool | None = None
    ) -> None:
        """Show that so many steps are done.

        Parameters
        ----------
        current : int
        values : iterable of (str, number), optional
            Of the steps since the last call. With the last call, averaged numbers are shown as they are, too: fit
            hands over the epoch's own means there.
        finalize : bool, optional
            Whether this is the last call; by default, whether ``current`` reaches the target.
        """
        last = self.target is not None and current >= self.target if finalize is None else finalize
        steps = max(current - self._seen, 1)
        for name, value in values or ():
            number = float(np.mean(value))
            if last or not self._averaged(name):
                self._sums[name] = (number, 1)
            else:
                total, count = self._sums.get(name, (0.0, 0))
                self._sums[name] = (total + number * steps, count + steps)
        self._seen = current
        now = time.perf_counter()
        per_step = self._per_step(current, now)
        dynamic = self.verbose == 1 and (sys.stdout.isatty() or "ipykernel" in sys.modules)
        if self.verbose and (last or (dynamic and now - self._last_drawn >= self.interval)):
            self._write(current, now, per_step, last, dynamic)
            self._last_drawn = now

    def add(self, n: int, values: Iterable[tuple[str, Any]] | None = None) -> None:
        """Show that so many more steps are done."""
        self.update(self._seen + n, values)

    def _averaged(self, name: str) -> bool:
        if self.stateless_metrics is not None:
            return name in self.stateless_metrics
        return name not in (self.stateful_metrics or ())

    def _per_step(self, current: int, now: float) -> float:
        """Return the seconds per step; the first, which also warms things up, does not count."""
        after_first = self._after_first
        if current == 1:
            self._after_first = now
        if after_first is not None and current > 1:
            return (now - after_first) / (current - 1)
        return (now - self._start) / current if current else 0.0

    def _write(self, current: int, now: float, per_step: float, last: bool, dynamic: bool) -> None:
        target = self.target
        shown = f"{current:>7}/Unknown" if not target else f"{current:>{len(str(target))}}/{target}"
        seconds = f"{now - self._start:.0f}s"
        if target and not last:
            seconds = time_left(per_step * (target - current))
        unit = time_per_step(per_step).removesuffix("step") + self.unit_name
        text = metrics_text({name: total / count for name, (total, count) in self._sums.items()})
        if self.verbose == 2:
            print(f"{shown} - {seconds} - {unit}{text}")
            return
        done = int(self.width * current / target) if target else 0
        bar = f" {'━' * done}{'─' * (self.width - done)}" if target else ""
        line = f"{shown}{bar} {seconds} {unit}{text}"
        blank = " " * max(self._drawn_width - len(line), 0)
        self._drawn_width = len(line)
        print(printable(f"\r{line}{blank}" if dynamic else line), end="\n" if last else "", flush=True)
