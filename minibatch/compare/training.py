"""One training in one library, watched: the same lines for minibatch and for Keras."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minibatch.batching import Batches
from minibatch.compare import gradients, host
from minibatch.compare.builds import Build
from minibatch.compare.job import Job
from minibatch.compare.libraries import Library
from minibatch.typing import Array

#: At how many steps the weights are kept, so that their difference can be drawn; fewer for a large model.
KEPT, KEPT_NUMBERS = 48, 1 << 25

#: ``fit`` is timed for about so long, and for no more epochs than this.
FIT_SECONDS, FIT_EPOCHS = 0.4, 5

Progress = Callable[[int], Any]


class Trainer:
    """Trains the model of a job in one library.

    Parameters
    ----------
    library : Library
    build : callable
        ``build(K)``.
    job : Job
    data : dict of ndarray
        "x", "y", and perhaps "val_x", "val_y".
    """

    def __init__(self, library: Library, build: Build, job: Job, data: dict[str, Array]) -> None:
        self.library, self.build, self.job = library, build, job
        self.x, self.y = data["x"], data["y"]
        self.validation = (data["val_x"], data["val_y"]) if "val_x" in data else None
        self.noise_at_start: dict[int, gradients.Sampled] = {}

    def model(self, seed: int) -> Any:
        """Return a new model, with the library's own initial weights under this seed."""
        self.library.start(seed)
        model = self.build(self.library.package)
        if not getattr(model, "compiled", False):
            raise ValueError(f"build(K) must return a compiled model; it returned {model!r}.")
        if not model.weights:
            model.build((None, *self.x.shape[1:]))
        if not model.weights:
            raise ValueError("the model has no weights: there is nothing to train.")
        return model

    def steps(
        self, batch_size: int, seed: int, weights: Sequence[Array], progress: Progress
    ) -> tuple[dict[str, Any], dict[str, Array]]:
        """Train on the batches of ``Batches(seed=seed)``, one after the other, from these weights.

        Returns
        -------
        numbers : dict
            History, times, memory, noise: plain numbers.
        arrays : dict of ndarray
            ``loss`` and ``seconds`` (T,) of each step, ``weights`` (K, P) after each of ``weights_after`` (K,)
            updates, and the gradients of all samples ``G<steps>`` (D,).
        """
        batches = Batches(self.x, self.y, batch_size=batch_size, seed=seed)
        total = batches.steps(0) * self.job.epochs
        model = self.model(seed)
        model.set_weights([w.astype(self.job.floatx, copy=False) for w in weights])
        watch = _Watch(self, model, batch_size, seed, total)
        loss, seconds, sizes = np.empty(total), np.empty(total), np.empty(total, np.int64)
        history: dict[str, list[float]] = {}
        step = 0
        watch.after(0)
        watch.restart_peaks()
        for epoch in range(self.job.epochs):
            logs_of: list[dict[str, Any]] = []
            counts = []
            for rows in batches.epoch_indices(epoch):
                x_b, y_b = self.x[rows], self.y[rows]
                model.reset_metrics()
                began = time.perf_counter()
                logs = model.train_on_batch(x_b, y_b, return_dict=True)
                loss[step] = float(logs["loss"])  # waits for the device
                seconds[step] = time.perf_counter() - began
                sizes[step] = len(rows)
                logs_of.append(logs)
                counts.append(len(rows))
                step += 1
                progress(1)
                if step < total:
                    watch.after(step)
            for name in logs_of[0]:
                values = [float(logs[name]) for logs in logs_of]
                history.setdefault(name, []).append(float(np.average(values, weights=counts)))
            for name, value in self._evaluated(model).items():
                history.setdefault(name, []).append(value)
        watch.read_peaks()
        watch.after(total, last=True)
        arrays = {"loss": loss, "seconds": seconds} | watch.arrays()
        numbers = timings(seconds, sizes) | watch.peaks
        numbers |= {"history": history, "ran_on": self.library.ran_on(model), "steps": total}
        numbers |= {"noise": watch.noise, "noise_refused": watch.refused}
        numbers |= {"jit_compile": getattr(model, "jit_compile", None), "optimizer": type(model.optimizer).__name__}
        if self.job.time_fit:
            numbers["fit_samples_per_second"] = self._speed_of_fit(model, batch_size, numbers["step_seconds"])
        return numbers, arrays

    def own(self, batch_size: int, seed: int, progress: Progress) -> tuple[dict[str, Any], dict[str, Array]]:
        """Train by ``fit``, from the library's own initial weights, in its own order."""
        model = self.model(seed)
        host.restart_peak()
        self.library.restart_device_peak()
        clock = _clock(self.library.package, progress)
        record = model.fit(
            self.x,
            self.y,
            batch_size=batch_size,
            epochs=self.job.epochs,
            validation_data=self.validation,
            verbose=0,
            callbacks=[clock],
        )
        final = {f"final_{name}": value for name, value in self._evaluated(model, self.x, self.y, "").items()}
        final |= {f"final_{name}": value for name, value in self._evaluated(model).items()}
        rest = clock.seconds[1:] or clock.seconds
        numbers = {
            "history": {name: [float(v) for v in values] for name, values in record.history.items()},
            "final": final,
            "ran_on": self.library.ran_on(model),
            "first_epoch_seconds": clock.seconds[0],
            "fit_samples_per_second": len(self.x) / float(np.median(rest)),
            "host_peak": host.peak_bytes(),
            "device_peak": self.library.device_peak(),
        }
        return numbers, {}

    def _evaluated(
        self, model: Any, x: Array | None = None, y: Array | None = None, prefix: str = "val_"
    ) -> dict[str, float]:
        if x is None and self.validation is not None:
            x, y = self.validation
        if x is None:
            return {}
        logs = model.evaluate(x, y, batch_size=256, verbose=0, return_dict=True)
        return {prefix + name: float(value) for name, value in logs.items()}

    def _speed_of_fit(self, model: Any, batch_size: int, step_seconds: float | None) -> float:
        """Return the samples per second of ``fit``, the library's own loop, after an epoch that warms it up."""
        epoch_seconds = (step_seconds or FIT_SECONDS) * -(-len(self.x) // batch_size)
        epochs = int(min(max(FIT_SECONDS / max(epoch_seconds, 1e-9), 1), FIT_EPOCHS)) + 1
        clock = _clock(self.library.package, lambda _: None)
        model.fit(self.x, self.y, batch_size=batch_size, epochs=epochs, verbose=0, callbacks=[clock])
        return len(self.x) / float(np.median(clock.seconds[1:]))


class _Watch:
    """Keeps the weights at some steps, and measures the gradient noise at others; changes nothing."""

    def __init__(self, trainer: Trainer, model: Any, batch_size: int, seed: int, total: int) -> None:
        self.trainer, self.model = trainer, model
        self.batch_size, self.seed = batch_size, seed
        size = sum(w.size for w in model.get_weights())
        self.keep = set(spaced(total, min(KEPT, max(2, KEPT_NUMBERS // max(size, 1)))))
        self.measured_after = {total if step == -1 else step for step in trainer.job.noise_steps}
        self.weights: dict[int, Array] = {}
        self.noise: list[dict[str, Any]] = []
        self.refused: str | None = None
        self.peaks: dict[str, int | None] = {"host_peak": None, "device_peak": None}
        self.G: dict[str, Array] = {}

    def restart_peaks(self) -> None:
        """Begin to look at the memory: from here on it is the training's own."""
        host.restart_peak()
        self.trainer.library.restart_device_peak()

    def read_peaks(self) -> None:
        """Take the peaks since they were restarted into ``peaks``."""
        for name, value in (("host_peak", host.peak_bytes()), ("device_peak", self.trainer.library.device_peak())):
            if value is not None:
                self.peaks[name] = max(value, self.peaks[name] or 0)

    def after(self, step: int, last: bool = False) -> None:
        """Look at the model after so many updates."""
        if step in self.keep:
            weights = self.model.get_weights()
            self.weights[step] = np.concatenate([np.asarray(w).reshape(-1) for w in weights])
        if step in self.measured_after:
            # The matrix of the samples' gradients is no part of the training's memory.
            if step and not last:
                self.read_peaks()
            self._measure(step)
            self.restart_peaks()

    def _measure(self, step: int) -> None:
        trainer = self.trainer
        # The first weights are the same at every batch size.
        found = trainer.noise_at_start.get(self.seed) if step == 0 else None
        if found is None:
            try:
                found = gradients.sample(
                    trainer.library, self.model, trainer.x, trainer.y, trainer.job.noise_samples
                )
            except (TypeError, ValueError) as error:  # a layer without a rule for single samples
                self.refused = str(error)
        if found is None:
            return
        if step == 0:
            trainer.noise_at_start = {self.seed: found}
        self.noise.append({"step": step} | found.at(self.batch_size))
        self.G[f"G{step}"] = found.G

    def arrays(self) -> dict[str, Array]:
        steps = sorted(self.weights)
        kept = {"weights": np.stack([self.weights[step] for step in steps]), "weights_after": np.array(steps)}
        return kept | self.G


def spaced(total: int, count: int) -> list[int]:
    """Return about ``count`` numbers of updates from 0 to ``total``, closer together at the start.

    Examples
    --------
    >>> spaced(1000, 8)
    [0, 1, 3, 10, 32, 100, 316, 1000]
    """
    points = np.geomspace(1, max(total, 1), max(count - 1, 2))
    return sorted({0, *(round(float(point)) for point in points)})


def timings(seconds: Array, sizes: Array) -> dict[str, Any]:
    """Return the first step's time, the median of the rest, and what the first of each shape took more.

    A step on a batch of a size not met before may be compiled or traced anew: it is counted as that, and kept out
    of the median; so are shorter batches. Where no other step is left, what needs one is None.

    Examples
    --------
    >>> found = timings(np.array([1.0, 0.1, 0.1, 0.6, 0.1]), np.array([8, 8, 8, 4, 8]))
    >>> {name: round(value, 9) for name, value in found.items()} == {
    ...     "first_step_seconds": 1.0, "step_seconds": 0.1, "samples_per_second": 80.0, "compile_seconds": 1.4}
    True
    """
    first = np.zeros(len(sizes), bool)
    first[np.unique(sizes, return_index=True)[1]] = True
    rest = seconds[~first & (sizes == sizes.max())]
    if not len(rest):  # what one step took to compile, and what to compute, nobody can tell apart
        unknown = dict.fromkeys(("step_seconds", "samples_per_second", "compile_seconds"))
        return {"first_step_seconds": float(seconds[0]), **unknown}
    median = float(np.median(rest))
    return {
        "first_step_seconds": float(seconds[0]),
        "step_seconds": median,
        "samples_per_second": float(sizes.max()) / median,
        "compile_seconds": float(np.maximum(seconds[first] - median, 0).sum()),
    }


def _clock(package: Any, progress: Progress) -> Any:
    """Return a callback of the library that times each epoch."""

    class Clock(package.callbacks.Callback):  # type: ignore[misc]  # a base class that is known only when it runs
        seconds: list[float]

        def on_train_begin(self, logs: Any = None) -> None:
            self.seconds = []

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.began = time.perf_counter()

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self.seconds.append(time.perf_counter() - self.began)
            progress(self.params["steps"] or 0)

    return Clock()
