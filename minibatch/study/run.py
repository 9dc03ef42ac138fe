"""One training at one batch size, with what a comparison needs to know of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minibatch.batching import Batches, batch_sizes
from minibatch.callbacks import Callback
from minibatch.callbacks.callback import Logs
from minibatch.models import Model
from minibatch.study.trajectory import Trajectory
from minibatch.typing import Array

Arrays = tuple[Array, Array]


@dataclass(frozen=True)
class Run:
    """A training at one batch size.

    Attributes
    ----------
    batch_size : int
        B, of at most N.
    steps_per_epoch, last_batch : int
        Updates of an epoch, and the size of its last batch.
    epochs, updates, seconds : list
        Where each point of the curves lies: after 0, 1, 2, ... epochs. Seconds count the training steps alone, not
        the evaluations between.
    loss, accuracy, val_loss, val_accuracy : list of float
        At those points, over the whole training set and the whole validation set, with the weights as they were.
    theta : ndarray, shape (D,)
        The weights at the end.
    path : ndarray, shape (T, D)
        The weights along the way; T about ``path_points``.
    path_updates : list of int
        How many updates had been made at each point of the path.
    """

    batch_size: int
    steps_per_epoch: int
    last_batch: int
    epochs: list[int]
    updates: list[int]
    seconds: list[float]
    loss: list[float]
    accuracy: list[float]
    val_loss: list[float]
    val_accuracy: list[float]
    theta: Array = field(repr=False)
    path: Array = field(repr=False)
    path_updates: list[int] = field(repr=False)

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers, without the weights."""
        arrays = ("theta", "path", "path_updates")
        return {name: value for name, value in vars(self).items() if name not in arrays}


def measure(model: Model, sets: Mapping[str, Arrays]) -> dict[str, float]:
    """Return loss and metrics over each whole set, with the weights as they are; a set's key is its prefix."""
    return {
        prefix + name: float(value)
        for prefix, (x, y) in sets.items()
        for name, value in model.evaluate(x, y, batch_size="full", verbose=0, return_dict=True).items()
    }


class _Timeline(Callback):
    """Measures the model at the start and after every epoch, and the time of the steps between."""

    def __init__(self, train: Arrays, validation: Arrays, on_epoch: Callable[[int], Any]) -> None:
        super().__init__()
        self.sets = {"": train, "val_": validation}
        self.on_epoch = on_epoch
        self.curves: dict[str, list[float]] = {}
        self.seconds = [0.0]

    def _measure(self) -> None:
        for name, value in measure(self.model, self.sets).items():
            self.curves.setdefault(name, []).append(value)

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._measure()

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._began = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self.seconds.append(self.seconds[-1] + time.perf_counter() - self._began)
        self._measure()
        self.on_epoch(self.params["steps"])


def train_run(
    build: Callable[[], Model],
    train: Arrays,
    validation: Arrays,
    *,
    batch_size: int | str,
    epochs: int,
    seed: int,
    path_points: int = 400,
    on_epoch: Callable[[int], Any] = lambda steps: None,
) -> Run:
    """Train a model at one batch size.

    The training runs twice. The first time it is timed, with nothing to see to it between two steps; the second
    time the same steps are made again to record their path. Both end in the same weights, bit for bit.

    Parameters
    ----------
    build : callable
        Returns a new, compiled model (with the metric "accuracy"): each time with the same weights.
    train, validation : tuple of ndarray
        (x, y).
    batch_size : int or "full"
    epochs : int
    seed : int
        Of the order of the batches. Runs of one seed see the samples in one order, cut into batches of their size.
    path_points : int, default 400
        About how many points of the path to keep.
    on_epoch : callable, optional
        Called after every epoch, of both trainings, with its number of steps.

    Returns
    -------
    Run
    """
    x, y = train
    size = len(x) if batch_size == "full" else min(int(batch_size), len(x))
    sizes = batch_sizes(len(x), size)
    updates = len(sizes) * epochs

    model = build()
    timeline = _Timeline(train, validation, on_epoch)
    model.fit(Batches(x, y, batch_size=size, seed=seed), epochs=epochs, verbose=0, callbacks=[timeline])

    again = build()
    trajectory = Trajectory(every=max(1, updates // path_points))
    ticks = _EpochTicks(on_epoch)
    again.fit(Batches(x, y, batch_size=size, seed=seed), epochs=epochs, verbose=0, callbacks=[trajectory, ticks])
    if not np.array_equal(model.parameters.theta, again.parameters.theta, equal_nan=True):
        raise RuntimeError(
            "the same training, run twice, ended in different weights: build() must return the same model twice."
        )
    epoch_numbers = list(range(epochs + 1))
    return Run(
        batch_size=size,
        steps_per_epoch=len(sizes),
        last_batch=sizes[-1],
        epochs=epoch_numbers,
        updates=[epoch * len(sizes) for epoch in epoch_numbers],
        seconds=timeline.seconds,
        loss=timeline.curves["loss"],
        accuracy=timeline.curves["accuracy"],
        val_loss=timeline.curves["val_loss"],
        val_accuracy=timeline.curves["val_accuracy"],
        theta=model.parameters.theta.copy(),
        path=trajectory.points,
        path_updates=trajectory.updates,
    )


class _EpochTicks(Callback):
    """Tells of every epoch's end."""

    def __init__(self, on_epoch: Callable[[int], Any]) -> None:
        super().__init__()
        self.on_epoch = on_epoch

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self.on_epoch(self.params["steps"])
