from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from callbacks.fakes import FakeModel, play, started

import minibatch as mb
from minibatch.callbacks import ModelCheckpoint


def saved(path: Path, losses: list[Any], name: str = "m-{epoch}.keras", **arguments: Any) -> list[str]:
    model = FakeModel()
    play(started(ModelCheckpoint(path / name, **arguments), model), model, [{"val_loss": v} for v in losses])
    return model.saved


def test_every_epoch_or_only_the_best(tmp_path: Path) -> None:
    assert saved(tmp_path, [3.0, 1.0, 2.0]) == ["m-1.keras", "m-2.keras", "m-3.keras"]
    assert saved(tmp_path, [3.0, 1.0, 2.0], save_best_only=True) == ["m-1.keras", "m-2.keras"]
    assert saved(tmp_path, [3.0, 1.0, 4.0], save_best_only=True, mode="max") == ["m-1.keras", "m-3.keras"]
    assert saved(tmp_path, [3.0, 1.0], save_best_only=True, initial_value_threshold=2.0) == ["m-2.keras"]
    assert saved(tmp_path, [2.0, 2.0], save_best_only=True) == ["m-1.keras"]  # better is strictly better


def test_fields_and_folders(tmp_path: Path) -> None:
    saved(tmp_path, [0.5], "{epoch:03d}/{val_loss:.2f}.keras")
    assert (tmp_path / "001" / "0.50.keras").read_text() == "0"
    with pytest.raises(KeyError, match="has the field 'acc'; there is epoch, val_loss"):
        saved(tmp_path, [0.5], "{acc}.keras")


def batches(callback: ModelCheckpoint, epochs: int, steps: int) -> None:
    for epoch in range(epochs):
        callback.on_epoch_begin(epoch)
        for batch in range(steps):
            callback.on_train_batch_end(batch, {"loss": 1.0 / (1 + epoch)})
        callback.on_epoch_end(epoch, {"loss": 1.0})


def test_an_integer_save_freq_counts_batches_across_epochs(tmp_path: Path) -> None:
    model = FakeModel()
    callback = started(ModelCheckpoint(tmp_path / "{epoch}-{batch}.keras", save_freq=4), model)
    batches(callback, epochs=4, steps=3)
    # Steps 1-3 | 4 5 6 | 7 8 9 | 10 11 12: every fourth.
    assert model.saved == ["2-1.keras", "3-2.keras", "4-3.keras"]


def test_the_best_of_batches_from_the_first_epoch_on(tmp_path: Path) -> None:
    """Keras knows which way is better only after the first epoch, and fails at the second batch."""
    model = FakeModel()
    path = tmp_path / "{epoch}-{batch}.keras"
    callback = started(ModelCheckpoint(path, monitor="loss", save_freq=1, save_best_only=True), model)
    batches(callback, epochs=2, steps=3)
    assert model.saved == ["1-1.keras", "2-1.keras"]


def test_the_best_is_kept_over_fits(tmp_path: Path) -> None:
    model = FakeModel()
    callback = ModelCheckpoint(tmp_path / "m.keras", save_best_only=True)
    for values in ([2.0, 1.0], [1.5, 0.5]):
        play(started(callback, model), model, [{"val_loss": v} for v in values])
    assert len(model.saved) == 3
    assert callback.best == 0.5


def test_what_it_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    saved(tmp_path, [2.0, 3.0, 1.0], "m.keras", save_best_only=True, verbose=1)
    path = tmp_path / "m.keras"
    assert capsys.readouterr().out == (
        f"\nEpoch 1: val_loss improved from None to 2.00000, saving model to {path}\n"
        f"\nEpoch 1: finished saving model to {path}\n"
        "\nEpoch 2: val_loss did not improve from 2.00000\n"
        f"\nEpoch 3: val_loss improved from 2.00000 to 1.00000, saving model to {path}\n"
        f"\nEpoch 3: finished saving model to {path}\n"
    )


def test_without_the_number_or_with_several_it_is_saved_every_time(tmp_path: Path) -> None:
    with pytest.warns(
        UserWarning, match="ModelCheckpoint: the monitored 'loss' is not in the logs; they hold val_loss"
    ):
        assert len(saved(tmp_path, [1.0, 2.0], save_best_only=True, monitor="loss")) == 2
    with pytest.warns(UserWarning, match="'val_loss' is not one number but 2"):
        assert len(saved(tmp_path, [np.zeros(2), np.ones(2)], save_best_only=True)) == 2


@pytest.mark.parametrize("save_freq", [0, -1, 1.5, True, "batch", None])
def test_bad_save_freq(save_freq: Any) -> None:
    with pytest.raises(ValueError, match="save_freq must be 'epoch' or a positive integer; got "):
        ModelCheckpoint("m.keras", save_freq=save_freq)


@pytest.mark.parametrize(
    ("path", "weights_only", "ending"),
    [("m.keras", True, ".weights.h5"), ("m.h5", False, ".keras"), ("m", False, ".keras"), ("", False, ".keras")],
)
def test_bad_endings(path: str, weights_only: bool, ending: str) -> None:
    with pytest.raises(ValueError, match=f"save_weights_only={weights_only} filepath must end in '{ending}'; got "):
        ModelCheckpoint(path, save_weights_only=weights_only)
    with pytest.raises(TypeError):
        ModelCheckpoint(None)


def test_a_folder_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "m.keras").mkdir()
    with pytest.raises(OSError, match=r"filepath must name a file; '.*m.keras' is a folder"):
        saved(tmp_path, [1.0], "m.keras")


def test_a_real_model_is_saved_and_its_best_weights_come_back(tmp_path: Path) -> None:
    """A learning rate that makes the loss grow: the first epoch is the best."""
    model = mb.Sequential([mb.Input((1,)), mb.layers.Dense(1)])
    model.compile(mb.optimizers.SGD(2.5), "mse")
    x = np.linspace(-1, 1, 8)[:, None]
    first: list[Any] = []
    keep = mb.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: first.append(model.get_weights()))
    path = tmp_path / "best.weights.h5"
    save = ModelCheckpoint(path, monitor="loss", save_best_only=True, save_weights_only=True)
    losses = model.fit(x, 2 * x, epochs=3, verbose=0, callbacks=[keep, save]).history["loss"]
    assert losses == sorted(losses)
    model.load_weights(path)
    for now, best in zip(model.get_weights(), first[0], strict=True):
        np.testing.assert_array_equal(now, best)
