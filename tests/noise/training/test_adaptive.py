"""Batches that grow with the noise, and an end to training by it."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pytest

import minibatch as mb
from minibatch.models.watcher import Watcher
from minibatch.noise import AdaptiveBatchSize, EarlyStoppingEB, GradientNoise
from tests.noise.training.test_monitor import with_dropout, with_normalization

rng = np.random.default_rng(0)
X, Y = rng.normal(size=(200, 6)).astype(np.float32), rng.integers(0, 3, 200)  # nothing to learn: much noise


class Sizes(mb.callbacks.Callback):
    """The sizes of the batches that were made, and the samples in them."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []
        self.seen: list[np.ndarray] = []
        self.watcher = Watcher()

    def on_train_begin(self, logs: Any = None) -> None:
        self.watcher.differentiated = lambda batch, *rest: self._look(batch)  # type: ignore[method-assign]
        self.model.watchers.append(self.watcher)

    def _look(self, batch: Any) -> None:
        self.sizes.append(len(batch.inputs[0]))
        self.seen.append(batch.inputs[0].copy())

    def on_train_end(self, logs: Any = None) -> None:
        self.model.watchers.remove(self.watcher)


def fit(model: mb.Sequential, *callbacks: Any, batch_size: int = 8, epochs: int = 2, **arguments: Any) -> Any:
    return model.fit(X, Y, batch_size=batch_size, epochs=epochs, verbose=0, callbacks=list(callbacks), **arguments)


# --- the batch size -----------------------------------------------------------------------------------------


def test_a_noisy_batch_grows_at_the_very_next_step_and_no_sample_is_lost() -> None:
    sizes, adaptive = Sizes(), AdaptiveBatchSize(every=2, max_batch_size=64)
    history = fit(with_dropout(), sizes, adaptive)
    assert sizes.sizes[0] == 8
    step, size = adaptive.changes[0]
    assert sizes.sizes[: step + 1] == [8] * step + [size]
    assert 8 < size <= 16
    assert history.history["batch_size"][-1] == adaptive.batch_size == adaptive.changes[-1][1] > 16
    steps = np.cumsum(sizes.sizes)
    end = int(np.searchsorted(steps, 200)) + 1
    assert steps[end - 1] == 200  # the epoch ends with its last sample
    rows = np.concatenate(sizes.seen[:end])
    np.testing.assert_array_equal(np.unique(rows, axis=0), np.unique(X, axis=0))


def test_the_sizes_are_what_the_norm_test_says(float64: Any) -> None:
    """Followed by hand: S and Q of each measured step, their running means, eq. 3.12."""
    monitor = GradientNoise(quantities=["grad_norm", "trace"], every=3)
    adaptive = AdaptiveBatchSize("norm", theta=0.7, max_growth=1.5, decay=0.5, monitor=monitor)
    fit(with_dropout(), monitor, adaptive)
    steps, S = monitor.steps["trace"]
    Q = monitor.steps["grad_norm"][1] ** 2
    sizes = dict(zip(*monitor.steps["batch_size"], strict=True))
    B, changes, s, q = 8, [], 0.0, 0.0
    for step, trace, norm2 in zip(steps.tolist(), S, Q, strict=True):
        if sizes[step] < B:
            continue
        s, q = (s + trace) / 2, (q + norm2) / 2
        new = math.ceil(min(max(s / (0.49 * q), B), 1.5 * B, 200))
        if new / B >= 1.1:
            B = new
            changes.append([step, new])
    assert adaptive.changes == changes
    assert len(changes) > 2


def test_cabs_takes_what_it_says(float64: Any) -> None:
    monitor = GradientNoise(quantities=["cabs"])
    adaptive = AdaptiveBatchSize("cabs", decay=0.0, max_growth=1e9, monitor=monitor, shrink=True)
    model = with_dropout()
    model.optimizer.learning_rate = 1.0
    fit(model, monitor, adaptive, batch_size=2, epochs=1)
    assert adaptive.changes
    step, size = adaptive.changes[0]
    assert size == math.ceil(dict(zip(*monitor.steps["cabs"], strict=True))[step])


@pytest.mark.parametrize("test", ["norm", "inner_product", "cabs"])
def test_calm_gradients_leave_the_batch_as_it_is(test: str) -> None:
    x = np.repeat(X[:1], 64, axis=0)  # all samples alike: no noise at all
    model = with_dropout(dropout=0.0)
    adaptive = AdaptiveBatchSize(test, every=1)
    model.fit(x, np.zeros(64), batch_size=8, epochs=2, verbose=0, callbacks=[adaptive])
    assert adaptive.changes == []
    assert adaptive.batch_size == 8


def test_from_the_next_epoch_on_if_that_is_wanted() -> None:
    sizes, adaptive = Sizes(), AdaptiveBatchSize(every=1, effect="epoch")
    fit(with_dropout(), sizes, adaptive, epochs=3)
    assert sizes.sizes[:25] == [8] * 25
    assert sizes.sizes[25] == adaptive.changes[0][1] > 8
    assert adaptive.changes[0][0] == 25


def test_it_may_shrink_again_but_not_below_the_first() -> None:
    adaptive = AdaptiveBatchSize(every=1, shrink=True, decay=0.0)
    adaptive.monitor.latest = {"batch_size": 32, "grad_norm": 1.0, "trace": 1.0}
    adaptive._feed = type("Feed", (), {"batches": mb.Batches(X, batch_size=8, seed=0)})
    adaptive._begin(8)
    adaptive.batch_size = 32
    assert adaptive._wanted(adaptive.monitor.latest) == 16
    adaptive.batch_size = 9
    assert adaptive._wanted({**adaptive.monitor.latest, "batch_size": 9}) == 8
    adaptive.batch_size = 8
    assert adaptive._wanted({**adaptive.monitor.latest, "batch_size": 8}) is None


def test_with_normalization_half_batches_do_but_not_for_the_inner_product() -> None:
    adaptive = AdaptiveBatchSize(every=1, max_batch_size=20)
    fit(with_normalization(), adaptive)
    assert adaptive.batch_size == 20
    with pytest.raises(TypeError, match="BatchNormalization"):
        fit(with_normalization(), AdaptiveBatchSize("inner_product"))


@pytest.mark.parametrize("steps_per_epoch", [None, 7])
@pytest.mark.parametrize("stop_at", [2, 3, 9, 14])
def test_a_fit_taken_up_again_goes_on_with_the_size_it_had(
    stop_at: int, steps_per_epoch: int | None, tmp_path: Any
) -> None:
    class Killed(Exception):  # noqa: N818 - not an error of the library
        pass

    count = 0

    def kill(batch: int, logs: Any) -> None:
        nonlocal count
        count += 1
        if count == stop_at:
            raise Killed

    def callbacks() -> list[Any]:
        return [AdaptiveBatchSize(every=2, max_growth=1.3), mb.callbacks.LambdaCallback(on_train_batch_begin=kill)]

    arguments = {"epochs": 3, "steps_per_epoch": steps_per_epoch}
    if steps_per_epoch:
        arguments["batch_size"] = 8
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that an epoch of so many steps ran out of data
        count = -(10**6)
        whole = with_dropout()
        expected = fit(whole, *(made := callbacks()), **arguments)
        count = 0
        with pytest.raises(Killed):
            fit(with_dropout(), *callbacks(), mb.callbacks.BackupAndRestore(tmp_path, save_freq=1), **arguments)
        count = -(10**6)
        model = with_dropout()
        again = fit(model, *(new := callbacks()), mb.callbacks.BackupAndRestore(tmp_path, save_freq=1), **arguments)
    assert new[0].changes == made[0].changes
    assert again.history == expected.history
    np.testing.assert_array_equal(model.parameters.theta, whole.parameters.theta)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"test": "norms"}, "unknown test 'norms'.*'norm'"),
        ({"effect": "now"}, "unknown effect 'now'"),
        ({"theta": 0}, "expected a theta above 0; got 0"),
        ({"test": "cabs", "theta": 1.0}, "expected no theta with test='cabs'; got 1.0"),
        ({"max_batch_size": 0}, "max_batch_size must be a positive integer"),
        ({"max_growth": 1}, "max_growth must be above"),
        ({"decay": 1}, "decay must lie"),
        ({"every": 0}, "every must be a positive"),
        ({"monitor": GradientNoise(quantities=["trace"])}, "the monitor must measure grad_norm, too"),
    ],
)
def test_bad_arguments(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AdaptiveBatchSize(**arguments)


def test_a_stream_cannot_be_cut_anew() -> None:
    def stream() -> Any:
        while True:
            yield X[:8], Y[:8]

    with pytest.raises(ValueError, match="needs arrays or Batches"):
        with_dropout().fit(stream(), steps_per_epoch=2, verbose=0, callbacks=[AdaptiveBatchSize()])
    with pytest.raises(ValueError, match='shuffle="batch" an epoch depends'):
        fit(with_dropout(), AdaptiveBatchSize(), shuffle="batch")


# --- the end ------------------------------------------------------------------------------------------------


def test_noise_alone_ends_a_training() -> None:
    stop = EarlyStoppingEB()
    history = fit(with_dropout(), stop, epochs=50)
    assert len(history.epoch) == stop.stopped_epoch + 1 < 50
    assert history.history["eb"][-1] > 0
    assert all(value <= 0 for value in history.history["eb"][:-1])


def test_a_training_that_learns_goes_on() -> None:
    x = rng.normal(size=(64, 1))
    model = mb.Sequential([mb.Input((1,)), mb.layers.Dense(1)])
    model.compile(mb.optimizers.SGD(1e-3), "mse")
    stop = EarlyStoppingEB()
    model.fit(x, 3 * x[:, 0] + 1, batch_size=16, epochs=5, verbose=0, callbacks=[stop])
    assert stop.stopped_epoch == -1


def test_patience_start_and_words(capsys: Any) -> None:
    stop = EarlyStoppingEB(patience=2, start_from_epoch=3, verbose=1)
    history = fit(with_dropout(), stop, epochs=50)
    eb = history.history["eb"]
    assert stop.stopped_epoch >= 4
    assert all(value > 0 for value in eb[-2:])
    assert f"Epoch {len(eb)}: early stopping" in capsys.readouterr().out


def test_one_monitor_for_all() -> None:
    monitor = GradientNoise()
    own, shared = EarlyStoppingEB(), EarlyStoppingEB(monitor=monitor)
    first = fit(with_dropout(), own, epochs=20)
    second = fit(with_dropout(), monitor, shared, epochs=20)
    assert own.stopped_epoch == shared.stopped_epoch > -1
    assert first.history["eb"] == second.history["eb"]


def test_early_stopping_asks_for_sense() -> None:
    with pytest.raises(ValueError, match="patience must be a positive integer; got 0"):
        EarlyStoppingEB(patience=0)
    with pytest.raises(TypeError, match="BatchNormalization"):
        fit(with_normalization(), EarlyStoppingEB())
