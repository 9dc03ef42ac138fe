"""The path of a training: the parameter vector after its updates."""

from __future__ import annotations

import numpy as np

from minibatch.callbacks import Callback
from minibatch.callbacks.callback import Logs
from minibatch.typing import Array


class Trajectory(Callback):
    """Keeps theta at the start and after every ``every``-th update, and the last one.

    Parameters
    ----------
    every : int, default 1
        At 1 a fit of T updates keeps T + 1 vectors of D numbers.

    Attributes
    ----------
    updates : list of int
        How many updates had been made at each point: 0, every, 2 every, ..., and the last.

    Examples
    --------
    >>> import minibatch as mb
    >>> from minibatch.study import Trajectory
    >>> line = mb.Sequential([mb.Input((1,)), mb.layers.Dense(1, kernel_initializer="zeros")])
    >>> line.compile("sgd", "mse")
    >>> path = Trajectory()
    >>> _ = line.fit([[1.0], [2.0]], [2.0, 4.0], batch_size="full", epochs=3, verbose=0, callbacks=[path])
    >>> path.points.shape, path.updates
    ((4, 2), [0, 1, 2, 3])
    """

    def __init__(self, every: int = 1) -> None:
        super().__init__()
        if isinstance(every, bool) or not isinstance(every, int) or every < 1:
            raise ValueError(f"Trajectory: every must be a positive integer; got {every!r}.")
        self.every = every
        self.updates: list[int] = []
        self._points: list[Array] = []
        self._count = 0

    @property
    def points(self) -> Array:
        """The points, in order: shape (T, D)."""
        return np.stack(self._points)

    def _keep(self) -> None:
        self.updates.append(self._count)
        self._points.append(self.model.parameters.theta.copy())

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.updates, self._points, self._count = [], [], 0
        self._keep()

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        self._count += 1
        if self._count % self.every == 0:
            self._keep()

    def on_train_end(self, logs: Logs | None = None) -> None:
        if self.updates[-1] != self._count:
            self._keep()
