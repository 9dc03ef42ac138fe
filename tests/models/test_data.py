"""What makes an array of itself is data wherever an array is, and is asked for it once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

import minibatch as mb
from minibatch.models import data

rng = np.random.default_rng(2)
X, Y, W = rng.normal(size=(23, 4)).astype("float32"), rng.integers(3, size=23), rng.uniform(0, 2, 23)


class Tensor:
    """PyTorch's as far as they are seen from here: a dtype unknown to NumPy, rows, a length, and ``__array__``."""

    def __init__(self, array: np.ndarray) -> None:
        self.array, self.asked = array, 0
        self.shape, self.ndim = tuple(array.shape), array.ndim
        self.dtype = f"tensor.{array.dtype}"

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, rows: Any) -> Tensor:
        return Tensor(self.array[rows])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        self.asked += 1
        return self.array if dtype is None else self.array.astype(dtype)


def compiled() -> mb.Sequential:
    mb.utils.set_random_seed(7)
    model = mb.Sequential([mb.Input((4,)), mb.layers.Dense(3, "softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


CALLS: dict[str, Callable[[Any, Callable[[Any], Any]], Any]] = {
    "fit": lambda m, t: m.fit(t(X), t(Y), verbose=0).history,
    "fit, list of one": lambda m, t: m.fit([t(X)], [t(Y)], verbose=0).history,
    "fit, sample weights": lambda m, t: m.fit(t(X), t(Y), sample_weight=t(W), verbose=0).history,
    "fit, validation": lambda m, t: m.fit(t(X), t(Y), validation_data=(t(X), t(Y)), verbose=0).history,
    "fit, split": lambda m, t: m.fit(t(X), t(Y), validation_split=0.3, sample_weight=t(W), verbose=0).history,
    "fit, generator": lambda m, t: m.fit(iter([(t(X), t(Y))]), verbose=0).history,
    "fit, Batches": lambda m, t: m.fit(mb.Batches(t(X), t(Y), batch_size=5, seed=1), verbose=0).history,
    "evaluate": lambda m, t: m.evaluate(t(X), t(Y), verbose=0),
    "predict": lambda m, t: m.predict(t(X), verbose=0),
    "train_on_batch": lambda m, t: m.train_on_batch(t(X), t(Y)),
    "predict_on_batch": lambda m, t: m.predict_on_batch(t(X)),
    "call": lambda m, t: m(t(X)),
}


@pytest.mark.parametrize("name", CALLS)
def test_tensors_are_data(name: str) -> None:
    found, expected = CALLS[name](compiled(), Tensor), CALLS[name](compiled(), lambda array: array)
    np.testing.assert_equal(found, expected)


def test_several_inputs_of_tensors_can_be_split() -> None:
    a, b = mb.Input((2,)), mb.Input((2,))
    histories = []
    for kind in (Tensor, np.asarray):
        mb.utils.set_random_seed(7)
        model = mb.Model([a, b], mb.layers.Dense(1)(mb.layers.Concatenate()([a, b])))
        model.compile("sgd", "mse")
        model.set_weights([np.ones((4, 1)), np.zeros(1)])
        x = [kind(X[:, :2]), kind(X[:, 2:])]
        histories.append(model.fit(x, kind(Y), validation_split=0.3, verbose=0).history)
    assert histories[0] == histories[1]


@pytest.mark.parametrize("epochs", [1, 3])
def test_a_tensor_is_asked_for_its_array_once(epochs: int) -> None:
    x, y = Tensor(X), Tensor(Y)
    compiled().fit(x, y, batch_size=4, epochs=epochs, verbose=0)
    assert (x.asked, y.asked) == (1, 1)


def test_frames_and_series() -> None:
    found = compiled().fit(pd.DataFrame(X), pd.Series(Y), validation_split=0.3, verbose=0).history
    assert found == compiled().fit(X, Y, validation_split=0.3, verbose=0).history


def test_a_frame_of_numbers_and_truth_values() -> None:
    """What pandas.get_dummies makes: as an array of its own it would hold objects."""
    on = X[:, 1] > 0
    mixed, plain = pd.DataFrame({0: X[:, 0], 1: on, 2: X[:, 2], 3: np.arange(len(X))}), X.astype(np.float64)
    plain[:, 1], plain[:, 3] = on, np.arange(len(X))
    assert mixed.to_numpy().dtype == object
    for call in (
        lambda m, x: m.fit(x, Y, validation_split=0.3, verbose=0).history,
        lambda m, x: m.fit(mb.Batches(x, Y, batch_size=4, seed=1), verbose=0).history,
        lambda m, x: m.evaluate(x, Y, verbose=0),
        lambda m, x: m.predict(x, verbose=0),
    ):
        np.testing.assert_equal(call(compiled(), mixed), call(compiled(), plain))
    for column in (["a"] * len(X), pd.array(on, dtype="boolean")):
        with pytest.raises(ValueError, match="x must be an array of numbers; got dtype object"):
            compiled().predict(mixed.assign(**{"4": column}).drop(columns=3), verbose=0)


def test_what_lies_on_disk_stays_there(tmp_path: Any) -> None:
    import h5py

    with h5py.File(tmp_path / "x.h5", "w") as file:
        x = file.create_dataset("x", data=X)
        assert data.entries("x", x, ["x"])[0] is x
        assert data.as_array(x, "x") is x


def test_a_list_of_numpys_numbers_is_an_array() -> None:
    numbers = [np.float64(0.5), np.float64(1.0), np.float64(2.0), np.float64(3.0)]
    model = mb.Sequential([mb.Input((1,)), mb.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(numbers, numbers, validation_split=0.5, verbose=0)
    assert model.predict(numbers[:1], verbose=0).shape == (1, 1)
