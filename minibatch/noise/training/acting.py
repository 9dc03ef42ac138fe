"""What acts on the gradient's noise: a callback with a monitor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from minibatch.callbacks.callback import Callback, Logs
from minibatch.noise.training.monitor import GradientNoise


class Acting(Callback):
    """A callback with a monitor: its own, which it passes every event on to; or one of the fit's.

    Parameters
    ----------
    quantities : sequence of str
        What it acts on.
    every : int or "epoch"
        At which steps it measures.
    monitor : GradientNoise, optional
        One that is in the fit's callbacks, before this one, and measures these quantities: so that nothing is
        measured twice.
    """

    def __init__(self, quantities: Sequence[str], every: int | str, monitor: GradientNoise | None) -> None:
        super().__init__()
        self._is_own = monitor is None
        self.monitor = GradientNoise(every=every, quantities=list(quantities)) if monitor is None else monitor
        missing = [name for name in quantities if name not in self.monitor.plan.intervals]
        if missing:
            raise ValueError(f"{type(self).__name__}: the monitor must measure {', '.join(missing)}, too.")

    def set_model(self, model: Any) -> None:
        super().set_model(model)
        if self._is_own:
            self.monitor.set_model(model)

    def set_feed(self, feed: Any) -> None:
        if self._is_own:
            self.monitor.set_feed(feed)

    def on_train_begin(self, logs: Logs | None = None) -> None:
        if self._is_own:
            self.monitor.on_train_begin()

    def on_train_end(self, logs: Logs | None = None) -> None:
        if self._is_own:
            self.monitor.on_train_end()

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        if self._is_own:
            self.monitor.on_epoch_begin(epoch)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if self._is_own:
            self.monitor.on_epoch_end(epoch)

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        if self._is_own:
            self.monitor.on_train_batch_begin(batch)

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        if self._is_own:
            self.monitor.on_train_batch_end(batch)

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "monitor": self.monitor.state_dict() if self._is_own else None}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        super().load_state_dict({name: value for name, value in state.items() if name != "monitor"})
        if self._is_own:
            self.monitor.load_state_dict(state["monitor"])
