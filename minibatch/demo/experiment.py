"""The demo's numbers: the digits network, trained at several batch sizes."""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from minibatch.batching import Batches, steps_per_epoch
from minibatch.datasets import digits
from minibatch.demo.landscape import Landscape, grid_around
from minibatch.demo.line import line_landscape
from minibatch.initializers import GlorotUniform
from minibatch.layers import Dense, Input
from minibatch.models import Model, Sequential
from minibatch.noise import NoiseReport, gradient_noise
from minibatch.optimizers import SGD
from minibatch.plots import BatchSize, principal_plane
from minibatch.study import Run, train_run
from minibatch.typing import Array

EPOCHS = 30
LEARNING_RATE = 0.05


@dataclass(frozen=True)
class Experiment:
    """All that the table and the figures show.

    Attributes
    ----------
    settings : dict
        Seed, epochs, learning rate, sizes of the sets, versions.
    runs : dict of int to Run
        By batch size, smallest first.
    noise_at_start : NoiseReport
        At the weights that every run starts from, for the batch sizes of the runs and for powers of two.
    noise_at_end : dict of int to NoiseReport
        At the weights that each run ended with, for its own batch size.
    right : dict of int to ndarray of bool, shape (n_test,)
        Which of the test images each run has right at its end.
    line, plane : Landscape
        The straight line's, and the digits network's on the plane of its paths' principal directions.
    """

    settings: dict[str, Any]
    runs: dict[int, Run]
    noise_at_start: NoiseReport
    noise_at_end: dict[int, NoiseReport]
    right: dict[int, Array]
    line: Landscape
    plane: Landscape

    @property
    def n_samples(self) -> int:
        """How many samples the runs train on."""
        return int(self.settings["n_train"])

    def to_dict(self) -> dict[str, Any]:
        """Return every number behind the table and the figures."""
        return {
            "settings": self.settings,
            "runs": [run.to_dict() for run in self.runs.values()],
            "noise_at_start": self.noise_at_start.to_dict(draws=True),
            "noise_at_end": [{"run": size, **report.to_dict()} for size, report in self.noise_at_end.items()],
            "right": {str(size): right.astype(int).tolist() for size, right in self.right.items()},
            "line": self.line.to_dict(),
            "plane": self.plane.to_dict(),
        }


def build_network(seed: int | None, learning_rate: float = LEARNING_RATE) -> Model:
    """Return the digits network, 64-32-10, compiled: for one seed always with the same weights; None, any."""
    first, second = (None, None) if seed is None else (seed, seed + 1)
    model = Sequential(
        [
            Input((64,)),
            Dense(32, "relu", kernel_initializer=GlorotUniform(first)),
            Dense(10, "softmax", kernel_initializer=GlorotUniform(second)),
        ]
    )
    model.compile(SGD(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def digit_vectors() -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """Return the digits as rows of 64 numbers in [0, 1], for training and for testing."""
    (x_train, y_train), (x_test, y_test) = digits.load_data()
    rows = [(x.reshape(-1, 64) / 16).astype(np.float32) for x in (x_train, x_test)]
    return (rows[0], y_train), (rows[1], y_test)


def updates_in_all(batch_sizes: Sequence[int | str], epochs: int = EPOCHS) -> int:
    """Return how many updates ``run_experiment`` makes for these batch sizes: each run is trained twice."""
    return 2 * epochs * sum(steps_per_epoch(digits.N_TRAIN, size) for size in batch_sizes)


def run_experiment(
    batch_sizes: Sequence[int | str],
    seed: int,
    epochs: int = EPOCHS,
    progress: Callable[[int, str], Any] = lambda *_: None,
) -> Experiment:
    """Train at each batch size, measure the noise at the start and at the ends, and map the paths.

    Parameters
    ----------
    batch_sizes : sequence of int or "full"
        Different sizes from 1 to 1,437.
    seed : int
        Of the initial weights, the order of the samples, and the draws of the noise report.
    epochs : int
    progress : callable
        Told, as work goes on, of updates made and of what is being done.
    """
    train, test = digit_vectors()
    n = len(train[0])
    sizes = sorted(n if size == "full" else int(size) for size in batch_sizes)

    def build() -> Model:
        return build_network(seed)

    # The first steps of a process load and compile what later ones reuse; they are not part of any run's time.
    build().fit(Batches(*train, batch_size=32, seed=seed), epochs=1, verbose=0)
    runs: dict[int, Run] = {}
    for size in sizes:
        doing = "full batch" if size == n else f"batch size {size}"
        progress(0, doing)
        tick = partial(_tick, progress, doing)
        runs[size] = train_run(build, train, test, batch_size=size, epochs=epochs, seed=seed, on_epoch=tick)

    progress(0, "noise")
    model = build()
    ladder = {2**k for k in range(n.bit_length()) if 2**k < n} | {n}
    at_start = gradient_noise(model, *train, batch_sizes=sorted(ladder | set(sizes)), seed=seed)
    at_end, right = {}, {}
    for size, run in runs.items():
        model.parameters.theta[...] = run.theta
        at_end[size] = gradient_noise(model, *train, batch_sizes=[size], seed=seed)
        right[size] = model.predict(test[0], batch_size="full", verbose=0).argmax(axis=1) == test[1]

    progress(0, "landscapes")
    settings = {
        "seed": seed,
        "epochs": epochs,
        "learning_rate": LEARNING_RATE,
        "optimizer": "SGD",
        "n_train": n,
        "n_test": len(test[0]),
        "parameters": model.count_params(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "machine": f"{platform.system()} {platform.machine()}",
    }
    return Experiment(settings, runs, at_start, at_end, right, line_landscape(seed), _plane(model, train, runs))


def _tick(progress: Callable[[int, str], Any], doing: str, steps: int) -> None:
    progress(steps, doing)


def _plane(model: Model, train: tuple[Array, Array], runs: dict[int, Run]) -> Landscape:
    """Return the runs' paths on the plane of their two leading principal directions, with the loss there."""
    plane = principal_plane({size: run.path for size, run in runs.items()})
    paths: dict[BatchSize, Array] = {size: plane.projected[size] for size in runs}
    updates: dict[BatchSize, list[int]] = {size: run.path_updates for size, run in runs.items()}
    xs, ys = grid_around(np.concatenate(list(paths.values())))
    batch = model.checked(*train)

    def loss_at(point: tuple[float, float]) -> float:
        model.parameters.theta[...] = plane.lift(np.array([point]))[0]
        outputs, caches = model.forward(batch.inputs)
        return model.objective.value(batch.targets, outputs, caches, batch.weights)[0]

    loss = np.array([[loss_at((x, y)) for x in xs] for y in ys])
    share = (float(plane.explained[0]), float(plane.explained[1]))
    return Landscape(paths, updates, xs, ys, loss, explained=share)
