"""A callback that takes up a state goes on as one that was never interrupted."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from callbacks.fakes import FakeModel, play, started
from hypothesis import given, settings
from hypothesis import strategies as st

from minibatch.callbacks import Callback, EarlyStopping, History, ModelCheckpoint, ReduceLROnPlateau, TerminateOnNaN

MAKERS: dict[str, Any] = {
    "stop": lambda: EarlyStopping("loss", patience=2, restore_best_weights=True),
    "reduce": lambda: ReduceLROnPlateau("loss", factor=0.5, patience=2, cooldown=1),
    "history": History,
}


@settings(max_examples=80, deadline=None)
@given(
    values=st.lists(st.integers(0, 8).map(float), min_size=1, max_size=10),
    cut=st.integers(0, 10),
    name=st.sampled_from(sorted(MAKERS)),
)
def test_cut_anywhere(values: list[float], cut: int, name: str) -> None:
    epochs = [{"loss": value} for value in values]
    whole_model, model = FakeModel(), FakeModel()
    whole = started(MAKERS[name](), whole_model)
    ran = play(whole, whole_model, [dict(e) for e in epochs])

    killed = started(MAKERS[name](), model)
    done = play(killed, model, [dict(e) for e in epochs[:cut]])
    state = json.loads(json.dumps(killed.state_dict()))
    again = started(MAKERS[name](), model)
    again.load_state_dict(state)
    if not model.stop_training:
        done = play(again, model, [dict(e) for e in epochs], first=min(cut, len(epochs)))
    assert done == ran
    assert again.state_dict() == whole.state_dict()
    assert model.optimizer.learning_rate == whole_model.optimizer.learning_rate
    whole.on_train_end({})
    again.on_train_end({})
    assert model.get_weights() == whole_model.get_weights()


@pytest.mark.parametrize("cut", range(13))
@pytest.mark.parametrize("save_freq", [1, 2, 5])
def test_a_checkpoint_cut_at_any_batch(cut: int, save_freq: int, tmp_path: Any) -> None:
    def make() -> tuple[ModelCheckpoint, FakeModel]:
        model = FakeModel()
        path = tmp_path / "{epoch}-{batch}.keras"
        return started(ModelCheckpoint(path, "loss", save_best_only=True, save_freq=save_freq), model), model

    def run(callback: ModelCheckpoint, steps: range) -> None:
        for step in steps:
            epoch, batch = divmod(step, 4)
            if batch == 0:
                callback.on_epoch_begin(epoch, {})
            callback.on_train_batch_end(batch, {"loss": [3.0, 1.0, 2.0, 0.5, 0.5][step % 5] / (1 + epoch)})
            if batch == 3:
                callback.on_epoch_end(epoch, {"loss": 1.0})

    whole, whole_model = make()
    run(whole, range(12))
    killed, model = make()
    run(killed, range(cut))
    again, after = make()
    again.load_state_dict(json.loads(json.dumps(killed.state_dict())))
    run(again, range(cut, 12))
    assert model.saved + after.saved == whole_model.saved
    assert again.state_dict() == whole.state_dict()


def test_a_state_is_a_copy_in_plain_python() -> None:
    class Mine(Callback):
        state_names = ("numbers", "array")

        def __init__(self) -> None:
            super().__init__()
            self.numbers: Any = {"a": [np.float32(0.5), (np.int64(2), None)]}
            self.array = np.zeros(2)

    mine = Mine()
    state = mine.state_dict()
    assert state["numbers"] == {"a": [0.5, [2, None]]}
    assert type(state["numbers"]["a"][0]) is float
    mine.array += 1
    mine.numbers["a"].append(3)
    assert state["array"].tolist() == [0, 0]
    other = Mine()
    other.load_state_dict(state)
    state["numbers"]["a"].clear()
    assert other.numbers == {"a": [0.5, [2, None]]}


def test_the_best_weights_are_arrays() -> None:
    stop = EarlyStopping("loss", restore_best_weights=True)
    stop.best_weights = [np.ones(3)]
    state = stop.state_dict()
    np.testing.assert_array_equal(state["best_weights"][0], np.ones(3))
    assert state["best_weights"][0] is not stop.best_weights[0]


def test_the_state_of_something_else() -> None:
    with pytest.raises(ValueError, match="TerminateOnNaN: a state holds nothing; got one of wait"):
        TerminateOnNaN().load_state_dict({"wait": 1})
    with pytest.raises(ValueError, match="History: a state holds epoch, history; got one of nothing"):
        History().load_state_dict({})
    TerminateOnNaN().load_state_dict(TerminateOnNaN().state_dict())
