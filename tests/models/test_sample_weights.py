"""Sample and class weights: the same numbers from every source, against the sum written out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import minibatch as mb

rng = np.random.default_rng(0)
N = 6
X, Y, Z = rng.random((N, 3)), rng.random((N, 1)), rng.random((N, 1))
LABELS = np.array([0, 1, 0, 1, 1, 0])
W, V = np.arange(1.0, 1.0 + N), np.arange(3.0 * N, 0.0, -3.0)
OF_CLASS = {0: 2.0, 1: 5.0}


def two_outputs() -> mb.Model:
    inputs = mb.Input((3,))
    outputs = [mb.layers.Dense(1, kernel_initializer="ones", name=name)(inputs) for name in "ab"]
    model = mb.Model(inputs, outputs)
    model.compile(mb.optimizers.SGD(0.0), ["mse", "mse"])
    return model


def one_output() -> mb.Sequential:
    model = mb.Sequential([mb.Input((3,)), mb.layers.Dense(1, kernel_initializer="ones")])
    model.compile(mb.optimizers.SGD(0.0), "mse")
    return model


def mean_loss(y: np.ndarray, weights: np.ndarray) -> float:
    return float((weights * (X.sum(axis=1) - y.ravel()) ** 2).mean())


@pytest.mark.parametrize("given", [[W, V], (W, V), {"a": W, "b": V}], ids=["list", "tuple", "dict"])
@pytest.mark.parametrize("source", ["arrays", "Batches", "generator"])
def test_each_output_has_weights_of_its_own(given: Any, source: str) -> None:
    model = two_outputs()
    if source == "arrays":
        history = model.fit(X, [Y, Z], sample_weight=given, batch_size=N, verbose=0)
    elif source == "Batches":
        history = model.fit(mb.Batches(X, [Y, Z], sample_weight=given, batch_size=N), verbose=0)
    else:
        history = model.fit(((X, [Y, Z], given) for _ in range(1)), verbose=0)
    assert history.history["loss"] == pytest.approx([mean_loss(Y, W) + mean_loss(Z, V)], rel=1e-6)


def test_a_short_last_batch_counts_for_less_in_every_output() -> None:
    batches = mb.Batches(X, [Y, Z], sample_weight=[W, V], batch_size=4, shuffle=False, remainder="weight")
    first, last = batches
    for (_, _, weights), rows, share in ((first, slice(0, 4), 1.0), (last, slice(4, 6), 0.5)):
        np.testing.assert_allclose(weights[0], W[rows] * share)
        np.testing.assert_allclose(weights[1], V[rows] * share)


def test_one_array_of_weights_is_every_outputs() -> None:
    history = two_outputs().fit(mb.Batches(X, [Y, Z], sample_weight=W, batch_size=N), verbose=0)
    assert history.history["loss"] == pytest.approx([mean_loss(Y, W) + mean_loss(Z, W)], rel=1e-6)


def test_a_column_of_weights_is_weights() -> None:
    history = one_output().fit(mb.Batches(X, Y, sample_weight=W[:, None], batch_size=N), verbose=0)
    assert history.history["loss"] == pytest.approx([mean_loss(Y, W)], rel=1e-6)


def of_labels(class_weight: dict[int, float]) -> np.ndarray:
    return np.array([class_weight[label] for label in LABELS])


def test_weights_of_classes_go_with_those_of_a_short_last_batch() -> None:
    batches = mb.Batches(X, LABELS, batch_size=4, shuffle=False, remainder="weight")
    history = one_output().fit(batches, class_weight=OF_CLASS, verbose=0)
    shares = np.array([1.0, 1.0, 1.0, 1.0, 0.5, 0.5])
    assert history.history["loss"] == pytest.approx([mean_loss(LABELS, of_labels(OF_CLASS) * shares)], rel=1e-6)


def generator() -> Iterator[Any]:
    yield X, LABELS, W


@pytest.mark.parametrize(
    "train",
    [
        lambda model: model.fit(X, LABELS, sample_weight=W, class_weight=OF_CLASS, verbose=0),
        lambda model: model.fit(mb.Batches(X, LABELS, sample_weight=W), class_weight=OF_CLASS, verbose=0),
        lambda model: model.fit(generator(), class_weight=OF_CLASS, verbose=0),
        lambda model: model.train_on_batch(X, LABELS, W, OF_CLASS),
    ],
    ids=["arrays", "Batches", "generator", "train_on_batch"],
)
def test_weights_of_samples_and_of_classes_together_are_refused(train: Any) -> None:
    """Keras's rule: what both are together nobody has said."""
    with pytest.raises(ValueError, match="class_weight or sample_weight, not both"):
        train(one_output())


@pytest.mark.parametrize("source", ["arrays", "Batches"])
def test_weights_of_an_output_that_is_not_there_are_refused(source: str) -> None:
    given: dict[str, Any] = {"x": X, "y": [Y, Z], "sample_weight": {"a": W, "z": V}}
    arguments = given if source == "arrays" else {"x": mb.Batches(**given)}
    with pytest.raises(ValueError, match="sample_weight must be for the outputs 'a', 'b'; got 'z'"):
        two_outputs().fit(**arguments, verbose=0)
