"""A watcher sees each step's backward pass and gradient, and changes nothing."""

from __future__ import annotations

from typing import Any

import numpy as np

import minibatch as mb
from minibatch.models.watcher import Watcher
from minibatch.noise.per_sample import PerSample


def trained(watcher: Watcher | None, seed: int = 0) -> np.ndarray:
    mb.utils.set_random_seed(seed)
    model = mb.Sequential([mb.Input((3,)), mb.layers.Dense(4, "relu"), mb.layers.Dropout(0.3), mb.layers.Dense(2)])
    model.compile("adam", "mse")
    if watcher is not None:
        model.watchers.append(watcher)
    rng = np.random.default_rng(0)
    model.fit(rng.normal(size=(20, 3)), rng.normal(size=(20, 2)), batch_size=8, epochs=2, verbose=0)
    return model.parameters.theta.copy()


class Recorder(Watcher):
    def __init__(self) -> None:
        self.visits: list[str] = []
        self.misses: list[float] = []
        self.model: mb.Sequential | None = None
        self.shares: list[tuple[mb.layers.Layer, np.ndarray, object]] = []

    def visit(self, layer, dy, cache):
        self.visits.append(type(layer).__name__)
        self.shares.append((layer, dy, cache))

    def differentiated(self, batch, outputs, caches, loss):
        model = self.shares[0][0].weights[0].value.base  # theta, before the update
        assert model is not None
        self.losses = loss
        # The mean of the samples' own gradients is the gradient of the batch.
        for layer, dy, cache in self.shares:
            for weight, each in zip(layer.weights, layer.per_sample_gradients(dy, cache), strict=True):
                total = np.asarray(each).sum(axis=0)
                self.misses.append(float(np.abs(total - weight.gradient).max()))
        self.shares = []


def test_every_layer_is_shown_last_first_and_the_gradient_is_there():
    watcher = Recorder()
    trained(watcher)
    assert watcher.visits == ["Dense", "Dropout", "Dense"] * 6
    assert len(watcher.misses) == 6 * 4
    assert max(watcher.misses) < 1e-6
    assert np.isfinite(watcher.losses)


def test_watching_changes_no_bit():
    np.testing.assert_array_equal(trained(Recorder()), trained(None))


def test_a_watcher_that_leaves_everything_out_is_one():
    np.testing.assert_array_equal(trained(Watcher()), trained(None))


def test_gradients_collected_in_a_step_are_scaled_back():
    """In training the backward pass starts from the mean: B times its shares are the samples' own gradients."""
    model = mb.Sequential([mb.Input((3,)), mb.layers.Dense(4, "tanh"), mb.layers.Dense(2, kernel_regularizer="l2")])
    model.compile("sgd", "mse")
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(6, 3)), rng.normal(size=(6, 2))
    expected = mb.noise.per_sample_gradients(model, x, y)

    class Collector(Watcher):
        def __init__(self):
            self.seen = PerSample(
                model.parameters, 6, {w: w.regularizer.gradient(w.value).reshape(-1) for w in [model.weights[2]]}
            )

        def visit(self, layer, dy, cache):
            self.seen.visit(layer, dy, cache)

        def differentiated(self, batch, outputs, caches, loss):
            self.rows = self.seen.rows()

    collector = Collector()
    model.watchers.append(collector)
    model.train_on_batch(x, y)
    np.testing.assert_allclose(collector.rows, expected, rtol=1e-5, atol=1e-6)


class OnceInAnEpoch(Watcher, mb.callbacks.Callback):
    """Comes for the first step of all, and goes after two."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = 0

    def on_train_begin(self, logs: Any = None) -> None:
        self.model.watchers.append(self)

    def differentiated(self, *_: Any) -> None:
        self.seen += 1

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if self.seen == 2 and self in self.model.watchers:
            self.model.watchers.remove(self)


def test_who_goes_within_an_epoch_is_gone() -> None:
    model = mb.Sequential([mb.Input((1,)), mb.layers.Dense(1)])
    model.compile("sgd", "mse")
    watcher = OnceInAnEpoch()
    model.fit(np.ones((6, 1)), np.ones(6), batch_size=2, epochs=3, verbose=0, callbacks=[watcher])
    assert watcher.seen == 2
    assert not model.watchers
