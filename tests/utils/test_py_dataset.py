from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minibatch as mb
from minibatch.utils import PyDataset


class Blocks(PyDataset):
    """Six batches of two samples; it writes down what is asked of it."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.calls: list[Any] = []

    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> Any:
        self.calls.append(index)
        x = np.full((2, 1), float(index))
        return [x, 2 * x]

    def on_epoch_begin(self) -> None:
        self.calls.append("begin")

    def on_epoch_end(self) -> None:
        self.calls.append("end")


def model() -> Any:
    made = mb.Sequential([mb.Input((1,)), mb.layers.Dense(1)])
    made.compile(mb.optimizers.SGD(0.001), "mse")
    return made


def test_epochs_are_announced() -> None:
    data = Blocks()
    model().fit(data, epochs=2, shuffle=False, verbose=0)
    assert data.calls == ["begin", 0, 1, 2, 3, 4, 5, "end"] * 2


def test_epochs_of_some_steps() -> None:
    data = Blocks()
    model().fit(data, epochs=2, steps_per_epoch=3, shuffle=False, verbose=0)
    assert data.calls == ["begin", 0, 1, 2, "end", "begin", 3, 4, 5, "end"]


def test_fit_shuffles_the_batches_unless_told_not_to() -> None:
    data = Blocks()
    mb.utils.set_random_seed(0)
    model().fit(data, epochs=2, verbose=0)
    first, second = data.calls[1:7], data.calls[9:15]
    assert sorted(first) == sorted(second) == list(range(6))
    assert first != second
    assert first != list(range(6))


def test_evaluation_and_prediction_keep_the_order() -> None:
    data = Blocks()
    fitted = model()
    fitted.evaluate(data, verbose=0)
    fitted.evaluate(data, steps=2, verbose=0)
    assert data.calls == ["begin", 0, 1, 2, 3, 4, 5, "end", "begin", 0, 1, "end"]
    assert fitted.predict(Blocks(), verbose=0).shape == (12, 1)


def test_threads_keep_the_order() -> None:
    losses = [model_loss(Blocks(workers=n)) for n in (1, 3)]
    assert losses[0] == losses[1]


def model_loss(data: PyDataset) -> Any:
    fitted = model()
    fitted.set_weights([np.ones((1, 1)), np.zeros(1)])
    return fitted.fit(data, epochs=2, shuffle=False, verbose=0).history["loss"]


class Endless(PyDataset):
    @property
    def num_batches(self) -> None:
        return None

    def __getitem__(self, index: int) -> Any:
        return np.ones((2, 1)), np.ones((2, 1))


def test_batches_without_end() -> None:
    history = model().fit(Endless(), steps_per_epoch=4, epochs=2, verbose=0)
    assert history.params["steps"] == 4
    with pytest.raises(ValueError, match="never ends"):
        model().fit(Endless(), verbose=0)


def test_what_a_subclass_must_have() -> None:
    with pytest.raises(NotImplementedError, match="PyDataset needs a __len__"):
        list(PyDataset())

    class Half(PyDataset):
        def __len__(self) -> int:
            return 1

    with pytest.raises(NotImplementedError, match="Half needs a __getitem__"):
        list(Half())
    with pytest.raises(ValueError, match="workers=n"):
        Half(use_multiprocessing=True)


def test_a_subclass_may_forget_super() -> None:
    class Own(Blocks):
        def __init__(self) -> None:
            self.calls = []

    model().fit(Own(), verbose=0)
