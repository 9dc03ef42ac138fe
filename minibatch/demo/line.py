"""The picture that textbooks draw by hand, computed: a straight line fitted by three batch sizes."""

from __future__ import annotations

import numpy as np

from minibatch.batching import Batches, steps_per_epoch
from minibatch.callbacks import Callback
from minibatch.callbacks.callback import Logs
from minibatch.datasets import digits
from minibatch.demo.landscape import Landscape, grid_around
from minibatch.initializers import Constant
from minibatch.layers import Dense, Input
from minibatch.models import Sequential
from minibatch.optimizers import SGD
from minibatch.plots import BatchSize
from minibatch.study import Trajectory
from minibatch.typing import Array

#: 1,050 samples in batches of 100 are eleven steps an epoch, the last of 50.
SAMPLES, BATCH, EPOCHS, RATE = 1050, 100, 6, 0.2
#: Slope and intercept to start from.
START = (-0.6, 1.15)


def line_data() -> tuple[Array, Array]:
    """Return x, y (1050, 1): the ink of a pixel in the middle of a digit, and of the pixel below it."""
    (x_train, _), (x_test, _) = digits.load_data()
    images = np.concatenate([x_train, x_test])[:SAMPLES] / 16
    return images[:, 3, 4, None].astype(np.float32), images[:, 4, 4, None].astype(np.float32)


def line_landscape(seed: int) -> Landscape:
    """Fit slope and intercept by batch 1, 100 and 1,050: the same number of updates at the same rate."""
    x, y = line_data()
    slope, intercept = START
    updates = EPOCHS * steps_per_epoch(SAMPLES, BATCH)
    paths: dict[BatchSize, Array] = {}
    for size in (1, BATCH, SAMPLES):
        line = Sequential(
            [Input((1,)), Dense(1, kernel_initializer=Constant(slope), bias_initializer=Constant(intercept))]
        )
        line.compile(SGD(RATE), "mse")
        path = Trajectory()
        line.fit(
            Batches(x, y, batch_size=size, seed=seed),
            epochs=updates,
            verbose=0,
            callbacks=[path, _StopAfter(updates)],
        )
        paths[size] = path.points.astype(np.float64)
    # Least squares, and the quadratic that it is the bottom of, in closed form.
    A = np.hstack([x, np.ones_like(x)]).astype(np.float64)
    minimum = np.linalg.lstsq(A, y[:, 0].astype(np.float64), rcond=None)[0]
    xs, ys = grid_around(np.concatenate([*paths.values(), minimum[None]]), cells=81)
    points = np.stack(np.meshgrid(xs, ys), axis=-1)
    H = A.T @ A / len(A)
    away = points - minimum
    loss = np.einsum("yxi,ij,yxj->yx", away, H, away) + np.mean((A @ minimum - y[:, 0]) ** 2)
    counts: dict[BatchSize, list[int]] = {size: list(range(updates + 1)) for size in paths}
    return Landscape(paths, counts, xs, ys, loss, minimum=minimum)


class _StopAfter(Callback):
    """Ends a fit after a number of updates."""

    def __init__(self, updates: int) -> None:
        super().__init__()
        self.left = updates

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        self.left -= 1
        self.model.stop_training = self.left == 0
