"""Tensors of PyTorch and TensorFlow, a DataLoader and a tf.data.Dataset as data: taken as Keras takes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from parity.keras_reference import tf, twins

# What Keras says of everything that makes its own batches.
pytestmark = pytest.mark.filterwarnings("ignore:`shuffle=True` was passed, but will be ignored")

rng = np.random.default_rng(17)
X, Y = rng.normal(size=(40, 4)).astype("float32"), rng.integers(3, size=40)
CLOSE = {"rel": 2e-5, "abs": 2e-6}


def stack(lib: Any) -> Any:
    return lib.Sequential([lib.Input((4,)), lib.layers.Dense(3, "softmax")])


def same(fit: Callable[[Any], Any], x: Any) -> None:
    theirs, mine = twins(stack)
    fits = []
    for model in (theirs, mine):
        model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
        fits.append(fit(model))
    assert fits[1].history.keys() == fits[0].history.keys()
    for key, values in fits[0].history.items():
        assert fits[1].history[key] == pytest.approx(values, **CLOSE), key
    np.testing.assert_allclose(mine.predict(x, verbose=0), theirs.predict(x, verbose=0), rtol=2e-5, atol=1e-6)


def test_tensors_of_tensorflow() -> None:
    x, y = tf.constant(X), tf.constant(Y)
    same(lambda m: m.fit(x, y, epochs=2, batch_size=7, shuffle=False, verbose=0), x)


def test_a_dataset_of_tensorflow() -> None:
    dataset = tf.data.Dataset.from_tensor_slices((X, Y)).batch(7)
    same(lambda m: m.fit(dataset, epochs=2, validation_data=dataset, verbose=0), dataset)
    endless = dataset.repeat()
    same(lambda m: m.fit(endless, epochs=3, steps_per_epoch=4, verbose=0), dataset)


def test_tensors_of_pytorch() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch belongs to no extra; this is tried where it is there")
    x, y = torch.tensor(X), torch.tensor(Y)
    same(lambda m: m.fit(x, y, epochs=2, batch_size=7, shuffle=False, verbose=0), x)


def test_a_data_loader_of_pytorch() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch belongs to no extra; this is tried where it is there")
    from torch.utils.data import DataLoader, TensorDataset

    loader = DataLoader(TensorDataset(torch.tensor(X), torch.tensor(Y)), batch_size=8)
    same(lambda m: m.fit(loader, epochs=2, validation_data=loader, verbose=0), loader)
