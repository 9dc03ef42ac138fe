from __future__ import annotations

import numpy as np
import pytest

import minibatch as mb
from minibatch.batching import Batches
from minibatch.study import train_run


def build() -> mb.Sequential:
    mb.utils.set_random_seed(3)
    model = mb.Sequential([mb.Input((4,)), mb.layers.Dense(8, "relu"), mb.layers.Dense(3, "softmax")])
    model.compile(mb.optimizers.SGD(0.1), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


@pytest.fixture
def data() -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((50, 4)).astype(np.float32), rng.integers(0, 3, 50)
    return (x[:42], y[:42]), (x[42:], y[42:])


def test_a_run_is_a_plain_fit_with_its_curves(data):
    train, validation = data
    ticks: list[int] = []
    run = train_run(build, *data, batch_size=10, epochs=3, seed=5, on_epoch=ticks.append)
    assert (run.batch_size, run.steps_per_epoch, run.last_batch) == (10, 5, 2)
    assert run.epochs == [0, 1, 2, 3]
    assert run.updates == [0, 5, 10, 15]
    assert ticks == [5] * 6  # three epochs, trained twice
    assert run.seconds[0] == 0
    assert np.all(np.diff(run.seconds) > 0)

    model = build()
    start = model.evaluate(*train, batch_size="full", verbose=0)
    model.fit(Batches(*train, batch_size=10, seed=5), epochs=3, verbose=0)
    np.testing.assert_array_equal(run.theta, model.parameters.theta)
    np.testing.assert_array_equal(run.path[-1], run.theta)
    assert run.path_updates == list(range(16))
    assert [run.loss[0], run.accuracy[0]] == start
    assert [run.loss[-1], run.accuracy[-1]] == model.evaluate(*train, batch_size="full", verbose=0)
    assert [run.val_loss[-1], run.val_accuracy[-1]] == model.evaluate(*validation, batch_size="full", verbose=0)
    assert set(run.to_dict()) == set(vars(run)) - {"theta", "path", "path_updates"}


def test_full_batch_and_a_batch_larger_than_the_set_are_one_step(data):
    full = train_run(build, *data, batch_size="full", epochs=2, seed=5)
    large = train_run(build, *data, batch_size=1000, epochs=2, seed=5)
    assert (full.batch_size, full.steps_per_epoch, full.last_batch) == (42, 1, 42)
    np.testing.assert_array_equal(full.theta, large.theta)


def test_long_paths_are_thinned(data):
    run = train_run(build, *data, batch_size=1, epochs=2, seed=5, path_points=10)
    assert run.updates[-1] == 84
    assert run.path_updates == [*range(0, 84, 8), 84]


def test_a_build_that_differs_from_call_to_call_is_found_out(data):
    count = iter(range(10))

    def fickle() -> mb.Sequential:
        model = build()
        model.parameters.theta[0] += next(count)
        return model

    with pytest.raises(RuntimeError, match="must return the same model twice"):
        train_run(fickle, *data, batch_size=10, epochs=1, seed=5)
