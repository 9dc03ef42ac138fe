"""Which batch size is better, and were the runs enough to say so? The same model under several seeds at each."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from minibatch.batching import Batches, steps_per_epoch
from minibatch.callbacks.monitor import MonitorCallback
from minibatch.models import Model
from minibatch.study.ledger import Ledger, about_data, about_model
from minibatch.study.report import BatchSizeStudy, Setting
from minibatch.study.run import Arrays, measure
from minibatch.typing import Array
from minibatch.utils.names import near_misses
from minibatch.utils.random import put_back, set_random_seed

#: Called as ``progress(what, runs_done, runs_in_all)``.
Progress = Callable[[str, int, int], Any]


def batch_size_study(
    build: Callable[[], Model],
    x: Any,
    y: Any,
    *,
    batch_sizes: Sequence[int | str],
    epochs: int,
    validation_data: tuple[Any, Any] | None = None,
    seeds: int | Iterable[int] = 5,
    learning_rates: Sequence[float] | None = None,
    metric: str = "val_loss",
    mode: str = "auto",
    progress: Progress = lambda *_: None,
    runs_file: str | os.PathLike[str] | None = None,
) -> BatchSizeStudy:
    """Train one model at several batch sizes under several seeds, and compare how it ends.

    Under one seed every batch size has the same initial weights and sees the samples in the same order, cut into
    batches of its size. So the runs of a seed are a pair, or a row: what a seed does to all of them alike falls out
    of their differences. How much that is the runs show: it can be little.

    Parameters
    ----------
    build : callable
        Returns a new, compiled model, its initial weights drawn: give it no seed of its own. Before each call the
        library's seed is set, as by ``set_random_seed``, to that of the run; afterwards all is put back.
    x, y : array_like, shapes (N, ...)
        To train on.
    batch_sizes : sequence of int or "full"
        Different ones.
    epochs : int
        The same for all: so small batches make more updates.
    validation_data : (x, y), optional
    seeds : int or iterable of int, default 5
        That many, from 0 on; or these. Two at least have intervals; with two or three they are very wide.
    learning_rates : sequence of float, optional
        To train at each of them, in place of the one that the model is compiled with. Batch sizes are then compared
        each at its own best.
    metric : str, default "val_loss"
        What decides: "loss", "accuracy" or another that the model is compiled with, of the training set; with
        "val_" before it, of the validation set. Measured at the end, with the weights as they are then.
    mode : {"auto", "min", "max"}
        Which way ``metric`` is better; "auto" knows it as ``EarlyStopping`` does.
    progress : callable, optional
        Called as ``progress(what, runs_done, runs_in_all)``.
    runs_file : path-like, optional
        Keeps how each run ended, as it ends. What is in the file is not run again: so a study that was stopped goes
        on, and one whose runs were not enough is asked again with more seeds, sizes or rates.

    Returns
    -------
    BatchSizeStudy
        With ``table()``, ``verdict()``, ``to_dict()`` and ``plot()``.

    Raises
    ------
    ValueError
        If there is nothing to run, something is given twice, or the model has no such metric; if ``runs_file`` is
        of another study (other data, epochs, layers, optimizer, loss or metrics), or no such file.
    RuntimeError
        If ``build`` returns other initial weights for the same seed.

    Examples
    --------
    >>> import numpy as np
    >>> import minibatch as mb
    >>> from minibatch.study import batch_size_study
    >>> x = np.random.default_rng(0).normal(size=(120, 3))
    >>> y = x @ [1.0, -2.0, 0.5] + 0.3
    >>> def build():
    ...     model = mb.Sequential([mb.Input((3,)), mb.layers.Dense(1)])
    ...     model.compile(mb.optimizers.SGD(0.01), "mse")
    ...     return model
    >>> found = batch_size_study(build, x, y, batch_sizes=[4, "full"], epochs=3, metric="loss")
    >>> found.best.batch_size, [setting.updates for setting in found.settings]
    (4, [90, 3])
    >>> found.difference(found.settings[1]).holds_zero
    False
    """
    x, y = np.asarray(x), np.asarray(y)
    n = len(x)
    _sequence("batch_sizes", batch_sizes)
    sizes = sorted({n if size == "full" else min(_positive("batch_sizes", size), n) for size in batch_sizes})
    if not sizes or len(sizes) < len(batch_sizes):
        raise ValueError(
            f"batch_sizes must be different ones, at least one, where all above {n} mean all {n} samples; got "
            f"{batch_sizes!r}."
        )
    if isinstance(seeds, int | np.integer):
        numbers = list(range(_positive("seeds", seeds)))
    else:
        _sequence("seeds", seeds)
        numbers = [_positive("seeds", seed, least=0) for seed in seeds]
    if not numbers or len(set(numbers)) < len(numbers):
        raise ValueError(f"seeds must be a positive number of them, or different ones; got {seeds!r}.")
    if learning_rates is not None:
        _sequence("learning_rates", learning_rates)
    rates = [None] if learning_rates is None else sorted(_rate(rate) for rate in learning_rates)
    if not rates or len(set(rates)) < len(rates):
        raise ValueError(f"learning_rates must be different ones, at least one; got {learning_rates!r}.")
    _positive("epochs", epochs)
    sets: dict[str, Arrays] = {"": (x, y)}
    if validation_data is not None:
        if len(validation_data) != 2:
            raise ValueError(f"validation_data must be a pair (x, y); got {len(validation_data)} entries.")
        sets["val_"] = (np.asarray(validation_data[0]), np.asarray(validation_data[1]))

    with put_back():
        model = _built(build, numbers[0], x)
        ledger = Ledger(runs_file, about_data(sets, epochs) | about_model(model, learning_rates is not None))
        for seed in sorted(ledger.starts)[:1]:  # what the file's runs began with, if it has any
            ledger.begin(seed, _built(build, seed, x).get_weights())
        names = measure(model, {prefix: (x[:1], y[:1]) for prefix, (x, y) in sets.items()})
    if metric not in names:
        hint = " Give validation_data." if metric.startswith("val_") and validation_data is None else ""
        known = f"there are {', '.join(names)}.{near_misses(metric, names)}"
        raise ValueError(f"the model has no {metric!r} at the end of a run; {known}{hint}")
    larger_is_better = Direction(metric, mode).of(model)
    plan = [(seed, size, rate) for seed in numbers for size in sizes for rate in rates]
    for done, (seed, size, rate) in enumerate(plan):
        if (seed, size, rate) not in ledger.ends:
            words = f"seed {seed}, batch size {size}" + ("" if rate is None else f", learning rate {rate:g}")
            progress(words, done, len(plan))
            model = _trained(build, x, y, size, epochs, seed, rate, ledger)
            ledger.add((seed, size, rate), measure(model, sets))
    progress("", len(plan), len(plan))

    starts = {ledger.starts[seed] for seed in numbers}
    return BatchSizeStudy(
        n_samples=n,
        epochs=epochs,
        seeds=tuple(numbers),
        metric=metric,
        larger_is_better=larger_is_better,
        one_start=len(numbers) > 1 and len(starts) == 1,
        settings=tuple(
            Setting(
                batch_size=size,
                learning_rate=rate,
                updates=epochs * steps_per_epoch(n, size),
                ends={name: tuple(ledger.ends[seed, size, rate][name] for seed in numbers) for name in names},
            )
            for size in sizes
            for rate in rates
        ),
    )


def _trained(
    build: Callable[[], Model],
    x: Array,
    y: Array,
    size: int,
    epochs: int,
    seed: int,
    rate: float | None,
    ledger: Ledger,
) -> Model:
    """Return a model trained under a seed, which began with the weights that the ledger knows."""
    with put_back():
        model = _built(build, seed, x)
        ledger.begin(seed, model.get_weights())
        if rate is not None:
            model.optimizer.learning_rate = rate
        model.fit(Batches(x, y, batch_size=size, seed=seed), epochs=epochs, verbose=0)
    return model


def _built(build: Callable[[], Model], seed: int, x: Array) -> Model:
    set_random_seed(seed)
    model = build()
    if not isinstance(model, Model) or not model.compiled:
        raise ValueError(f"build() must return a compiled model; it returned {model!r}.")
    if not model.built:
        model.build((None, *x.shape[1:]))
    return model


def _positive(name: str, value: Any, least: int = 1) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise ValueError(f"{name} must be integers, {least} or more; got {value!r}.")
    return int(value)


def _rate(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not 0 <= value < np.inf:
        raise ValueError(f"learning_rates must be numbers, 0 or more; got {value!r}.")
    return float(value)


def _sequence(name: str, value: Any) -> None:
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise ValueError(f"{name} must be several, in a list; got {value!r}.")


class Direction(MonitorCallback):
    """Which way a metric is better, as the callbacks know it."""

    def of(self, model: Model) -> bool:
        """Return whether larger is better, for a compiled model."""
        self.set_model(model)
        return self._resolve()
