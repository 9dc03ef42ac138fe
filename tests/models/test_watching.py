"""Watching never changes what is watched, and one seed repeats a whole script, bit for bit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minibatch as mb
from minibatch.callbacks import Callback, EarlyStopping

L = mb.layers
rng = np.random.default_rng(0)
X, Y = rng.normal(size=(70, 6, 6, 1)).astype(np.float32), rng.integers(3, size=70)


def build(metrics: list[str] | None = None) -> mb.Sequential:
    mb.utils.set_random_seed(11)
    model = mb.Sequential(
        [
            mb.Input((6, 6, 1)),
            L.Conv2D(4, 3, activation="relu"),
            L.MaxPooling2D(),
            L.Dropout(0.3),
            L.Flatten(),
            L.Dense(8, "relu"),
            L.Dropout(0.5),
            L.Dense(3, "softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=metrics)
    return model


def fit(model: mb.Sequential, epochs: int = 3, **arguments: Any) -> np.ndarray:
    model.fit(X, Y, batch_size=16, epochs=epochs, verbose=0, **arguments)
    return model.parameters.theta.copy()


class Nosy(Callback):
    """Looks at everything: runs the model, evaluates, takes gradients, draws a seedless ``Batches``."""

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.model(X[:5])
        self.model.loss_and_gradient(X[:5], Y[:5])
        self.model.get_weights()[0][...] = 0
        logs.clear()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.model.predict(X[:5], verbose=0)


WATCHING: dict[str, Callable[[], tuple[mb.Sequential, dict[str, Any]]]] = {
    "metrics": lambda: (build(["accuracy", "sparse_categorical_accuracy"]), {}),
    "callbacks": lambda: (build(), {"callbacks": [Nosy(), EarlyStopping("loss", patience=99)]}),
    "validation": lambda: (build(), {"validation_data": (X[:20], Y[:20])}),
    "validation in batches": lambda: (build(), {"validation_data": mb.Batches(X[:20], Y[:20], seed=1)}),
    "everything": lambda: (
        build(["accuracy"]),
        {"callbacks": [Nosy()], "validation_data": (X[:20], Y[:20]), "validation_batch_size": 7},
    ),
}


@pytest.mark.parametrize("what", sorted(WATCHING))
def test_watching_a_fit_changes_no_bit_of_the_weights(what: str) -> None:
    plain = fit(build())
    model, arguments = WATCHING[what]()
    np.testing.assert_array_equal(fit(model, **arguments), plain)


def test_watching_between_two_fits_changes_no_bit_of_the_second() -> None:
    plain = build()
    fit(plain, 1)
    expected = fit(plain, 1)
    watched = build(["accuracy"])
    fit(watched, 1, validation_data=(X[:20], Y[:20]))
    watched.evaluate(X, Y, verbose=0)
    watched.predict(X, verbose=0)
    watched.loss_and_gradient(X, Y)
    watched.summary(print_fn=lambda line: None)
    np.testing.assert_array_equal(fit(watched, 1, validation_split=0.0), expected)


def test_verbose_changes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    plain = fit(build())
    for verbose in (1, 2):
        model = build()
        model.fit(X, Y, batch_size=16, epochs=3, verbose=verbose)
        np.testing.assert_array_equal(model.parameters.theta, plain)


def test_one_seed_repeats_a_script_bit_for_bit() -> None:
    def script(seed: int) -> tuple[np.ndarray, dict[str, list[float]], np.ndarray]:
        mb.utils.set_random_seed(seed)
        model = mb.Sequential([mb.Input((36,)), L.Dense(9, "relu"), L.Dropout(0.4), L.Dense(3, "softmax")])
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        history = model.fit(X.reshape(70, 36), Y, epochs=3, validation_split=0.2, verbose=0)
        model.fit(X.reshape(70, 36), Y, epochs=1, verbose=0)
        return model.parameters.theta, history.history, model.predict(X.reshape(70, 36), verbose=0)

    (theta, history, outputs), (theta_2, history_2, outputs_2) = script(5), script(5)
    np.testing.assert_array_equal(theta, theta_2)
    np.testing.assert_array_equal(outputs, outputs_2)
    assert history == history_2
    assert not np.array_equal(script(6)[0], theta)


def test_dropout_masks_do_not_move_the_order_of_the_batches() -> None:
    """Each thing has a stream of its own: with a rate of 0 in its place, the batches stay in order."""

    def first_losses(rate: float) -> list[np.ndarray]:
        mb.utils.set_random_seed(3)
        model = mb.Sequential([mb.Input((36,)), L.Dropout(rate), L.Dense(3, "softmax")])
        model.compile(mb.optimizers.SGD(0.0), "sparse_categorical_crossentropy")
        seen: list[np.ndarray] = []
        step = model.train_step
        model.train_step = lambda batch: (seen.append(batch.targets[0]), step(batch))[1]
        model.fit(X.reshape(70, 36), Y, epochs=2, verbose=0)
        return seen

    for with_, without in zip(first_losses(0.5), first_losses(0.0), strict=True):
        np.testing.assert_array_equal(with_, without)
