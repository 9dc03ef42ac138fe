"""An MLP and a CNN, trained in real Keras and here, from the same weights on the same batches.

1,050 images in batches of 100: eleven steps an epoch, the last on 50, five epochs, each in an order of its own.
Every step's loss is compared, and every weight at the end.

The bounds. Both libraries compute in float32, unit roundoff u = 6e-8, but add up in different orders. A sum of n
terms then differs by some sqrt(n) u, a few 1e-7 of its size for the n of these layers (9 to 1,150), and each step
hands its difference on. Measured over the 55 steps: at most 5e-7 in a loss (of size 0.3 to 2.5) and 1e-6 in a
weight (of size 0.01 to 1). The bounds are ten times that, for other processors; a small mistake is ten times
beyond the bounds.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
from parity.keras_reference import keras, largest_difference, some_digits

import minibatch as mb

N, BATCH, EPOCHS = 1050, 100, 5
LOSS_BOUND, WEIGHT_BOUND = 5e-6, 1e-5
X, LABELS = some_digits(N)


def mlp(lib: Any) -> Any:
    L = lib.layers
    return lib.Sequential([lib.Input((64,)), L.Dense(32, "relu"), L.Dense(32, "tanh"), L.Dense(10, "softmax")])


def cnn(lib: Any) -> Any:
    L = lib.layers
    return lib.Sequential(
        [
            lib.Input((8, 8, 1)),
            L.Conv2D(8, (3, 3), padding="same", activation="relu"),
            L.Conv2D(8, 3, activation="relu"),
            L.MaxPooling2D((2, 2)),
            L.Conv2D(16, 3, strides=2, padding="same"),
            L.Activation("relu"),
            L.Flatten(),
            L.Dense(32, activation="relu"),
            L.Dense(10, activation="softmax"),
        ]
    )


def losses_of_steps(lib: Any, model: Any, epochs: list[tuple[np.ndarray, np.ndarray]]) -> list[float]:
    """Train on each (x, y) of ``epochs``, in that order, by ``fit``; return each step's own loss."""
    losses: list[float] = []

    class Record(lib.callbacks.Callback):
        """Metrics reset before each step: the logs after it are of that step alone."""

        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            self.model.reset_metrics() if lib is keras else self.model.objective.reset()

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            losses.append(logs["loss"])

    for epoch, (x, y) in enumerate(epochs):
        history = model.fit(
            x,
            y,
            batch_size=BATCH,
            initial_epoch=epoch,
            epochs=epoch + 1,
            shuffle=False,
            verbose=0,
            callbacks=[Record()],
        )
        assert history.params["steps"] == 11
    return losses


def shuffled(x: np.ndarray, y: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return each epoch's samples in an explicit order, one and the same for both libraries."""
    batches = mb.Batches(x, batch_size=BATCH, seed=7)
    return [(x[batches.order(k)], y[batches.order(k)]) for k in range(EPOCHS)]


OPTIMIZERS: dict[str, Callable[[Any], Any]] = {
    "sgd": lambda lib: lib.optimizers.SGD(0.1),
    "nesterov": lambda lib: lib.optimizers.SGD(0.05, momentum=0.9, nesterov=True),
    "adam": lambda lib: lib.optimizers.Adam(0.003),
    "rmsprop": lambda lib: lib.optimizers.RMSprop(0.001),
}
RUNS = [(mlp, "sgd"), (mlp, "nesterov"), (mlp, "adam"), (cnn, "adam"), (cnn, "rmsprop")]


def train(lib: Any, model: Any, optimizer: Any) -> tuple[list[float], list[np.ndarray]]:
    """Return each step's loss, and the weights at the end. The MLP has class numbers, the CNN one-hot rows."""
    flat = len(model.input_shape) == 2
    x, y = (X.reshape(N, 64), LABELS) if flat else (X, mb.utils.to_categorical(LABELS, 10))
    model.compile(optimizer, ("sparse_" if flat else "") + "categorical_crossentropy")
    return losses_of_steps(lib, model, shuffled(x, y)), model.get_weights()


@cache
def trained_in_keras(build: Callable[[Any], Any], optimizer: str) -> tuple[Any, list[float], list[np.ndarray]]:
    """Return (initial weights, losses, final weights)."""
    keras.utils.set_random_seed(1234)
    model = build(keras)
    initial = model.get_weights()
    return initial, *train(keras, model, OPTIMIZERS[optimizer](keras))


def compared(build: Callable[[Any], Any], optimizer: str, mine: Any = None) -> tuple[float, float]:
    """Return the largest difference of a step's loss, and of a weight after the last step."""
    initial, their_losses, their_weights = trained_in_keras(build, optimizer)
    model = build(mb)
    model.set_weights(initial)
    my_losses, my_weights = train(mb, model, mine or OPTIMIZERS[optimizer](mb))
    assert len(their_losses) == len(my_losses) == 11 * EPOCHS
    assert np.mean(my_losses[-11:]) < 0.8 * np.mean(my_losses[:11])  # it did learn
    in_weights = max(map(largest_difference, their_weights, my_weights))
    return largest_difference(their_losses, my_losses), in_weights


@pytest.mark.parametrize(("build", "optimizer"), RUNS)
def test_every_step_s_loss_and_the_final_weights(build: Callable[[Any], Any], optimizer: str) -> None:
    in_losses, in_weights = compared(build, optimizer)
    print(f"largest difference of a loss {in_losses:.1e}, of a weight {in_weights:.1e}")  # shown by pytest -s
    assert in_losses < LOSS_BOUND
    assert in_weights < WEIGHT_BOUND


class LastBatchAsLarge(mb.optimizers.SGD):
    """A mistake: the last, short batch divided by 100 in place of its own 50."""

    def apply(self, gradient: np.ndarray, *rest: Any) -> None:
        super().apply(gradient / 2 if self.iterations % 11 == 10 else gradient, *rest)


@pytest.mark.parametrize(
    ("build", "optimizer", "mistaken"),
    [
        (mlp, "sgd", LastBatchAsLarge(0.1)),
        (mlp, "nesterov", mb.optimizers.SGD(0.05, momentum=0.9)),
        (cnn, "adam", mb.optimizers.Adam(0.003, epsilon=3e-7)),
        (cnn, "rmsprop", mb.optimizers.RMSprop(0.001, epsilon=1.1e-7)),
    ],
)
def test_the_bounds_would_catch_a_mistake(build: Callable[[Any], Any], optimizer: str, mistaken: Any) -> None:
    in_losses, in_weights = compared(build, optimizer, mistaken)
    assert in_losses > 10 * LOSS_BOUND
    assert in_weights > 10 * WEIGHT_BOUND
