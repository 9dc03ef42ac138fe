"""A fit that was killed and started again ends with exactly what one that ran through ends with."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minibatch as mb
from minibatch.callbacks import BackupAndRestore

#: Run as a script: a fit with everything that has a state, and its outcome as bytes.
SCRIPT = """
import json, sys
import numpy as np
import minibatch as mb
from minibatch.callbacks import BackupAndRestore, Callback, EarlyStopping, ReduceLROnPlateau

folder, save_freq, pause = sys.argv[1], sys.argv[2], float(sys.argv[3])
mb.utils.set_random_seed(5)
rng = np.random.default_rng(0)
x, y = rng.normal(size=(103, 6)).astype("float32"), rng.integers(3, size=103)
model = mb.Sequential([
    mb.Input((6,)), mb.layers.Dense(8, "relu"), mb.layers.BatchNormalization(), mb.layers.Dropout(0.3),
    mb.layers.Dense(3, "softmax"),
])
model.compile(mb.optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])

class Slow(Callback):
    def on_train_batch_end(self, batch, logs=None):
        import time
        time.sleep(pause)

history = model.fit(
    x, y, batch_size=10, epochs=6, validation_split=0.2, verbose=0,
    callbacks=[
        ReduceLROnPlateau(patience=1, min_delta=0.5),
        EarlyStopping(patience=4, restore_best_weights=True),
        Slow(),
        BackupAndRestore(folder, save_freq=save_freq if save_freq == "epoch" else int(save_freq)),
    ],
)
outcome = {
    "theta": model.parameters.theta.tobytes().hex(),
    "state": model.parameters.state.tobytes().hex(),
    "momentum": model.optimizer.state["momentum"].tobytes().hex(),
    "iterations": int(model.optimizer.iterations),
    "learning_rate": model.optimizer.learning_rate,
    "history": history.history,
    "epoch": history.epoch,
    "dropout": str(model.layers[2].generator.bit_generator.state),
}
print(json.dumps(outcome, sort_keys=True))
"""


def start(folder: Path, save_freq: str, pause: float = 0.0) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", SCRIPT, str(folder), save_freq, str(pause)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def outcome(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> str:
    return outcome(start(tmp_path_factory.mktemp("whole"), "1"))


@pytest.mark.parametrize("save_freq", ["1", "3", "epoch"])
def test_killed_at_random_moments_it_ends_the_same(save_freq: str, uninterrupted: str, tmp_path: Path) -> None:
    moments = random.Random(save_freq)
    kills = 0
    while kills < 3:
        process = start(tmp_path, save_freq, pause=0.01)
        deadline = time.time() + 60
        while not (tmp_path / "backup.npz").exists() and process.poll() is None and time.time() < deadline:
            time.sleep(0.005)
        time.sleep(moments.uniform(0.0, 0.25))
        if process.poll() is not None:
            break  # it came to its end
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        kills += 1
    else:
        assert outcome(start(tmp_path, save_freq)) == uninterrupted
        assert not (tmp_path / "backup.npz").exists()
    assert kills


def model_of(seed: int = 0, units: int = 4) -> mb.Sequential:
    mb.utils.set_random_seed(seed)
    model = mb.Sequential(
        [mb.Input((3,)), mb.layers.Dense(units, "relu"), mb.layers.Dropout(0.5), mb.layers.Dense(1)]
    )
    model.compile(mb.optimizers.SGD(0.05, momentum=0.9), "mse")
    return model


X, Y = np.random.default_rng(1).normal(size=(25, 3)), np.random.default_rng(2).normal(size=25)


class Crash(mb.callbacks.Callback):
    """Raises after so many batches."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.left = after

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.left -= 1
        if self.left == 0:
            raise RuntimeError("crash")


@pytest.mark.filterwarnings("ignore:The data ran out:UserWarning")  # 5 batches in epochs of 3 steps
@pytest.mark.parametrize("after", range(2, 16))
@pytest.mark.parametrize("steps_per_epoch", [None, 3])
def test_after_every_single_step(after: int, steps_per_epoch: int | None, tmp_path: Path) -> None:
    fit: dict[str, Any] = {"batch_size": 5, "epochs": 3, "verbose": 0, "steps_per_epoch": steps_per_epoch}
    if steps_per_epoch and after > 8:  # epochs of 3, 2 and 3 steps
        return
    whole = model_of()
    expected = whole.fit(X, Y, **fit, callbacks=[Crash(99)])
    broken = model_of()
    with pytest.raises(RuntimeError, match="crash"):
        broken.fit(X, Y, **fit, callbacks=[Crash(after), BackupAndRestore(tmp_path, save_freq=1)])
    again = model_of(seed=77)  # another script start: other initial weights, another seed
    history = again.fit(X, Y, **fit, callbacks=[Crash(99), BackupAndRestore(tmp_path, save_freq=1)])
    np.testing.assert_array_equal(again.parameters.theta, whole.parameters.theta)
    assert history.history == expected.history
    assert history.epoch == expected.epoch


def test_backing_up_changes_nothing(tmp_path: Path) -> None:
    plain = model_of()
    plain.fit(X, Y, batch_size=5, epochs=2, verbose=0)
    watched = model_of()
    watched.fit(X, Y, batch_size=5, epochs=2, verbose=0, callbacks=[BackupAndRestore(tmp_path, save_freq=2)])
    np.testing.assert_array_equal(plain.parameters.theta, watched.parameters.theta)
    assert not list(tmp_path.iterdir())


def crashed(folder: Path) -> None:
    with pytest.raises(RuntimeError, match="crash"):
        model_of().fit(
            X, Y, batch_size=5, epochs=2, verbose=0, callbacks=[Crash(3), BackupAndRestore(folder, save_freq=1)]
        )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": model_of(units=5)}, "the backup is of another model"),
        ({"batch_size": 6}, "the backup is of a fit with batch_size = 5, this one has 6"),
        ({"x": X[:20], "y": Y[:20]}, "the backup is of a fit with n_samples = 25, this one has 20"),
        ({"shuffle": False}, "the backup is of a fit with shuffle"),
    ],
    ids=["model", "batch_size", "samples", "shuffle"],
)
def test_a_backup_of_something_else_is_refused(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    crashed(tmp_path)
    arguments = {"x": X, "y": Y, "batch_size": 5, "epochs": 2, "verbose": 0, **change}
    model = arguments.pop("model", None) or model_of()
    with pytest.raises(ValueError, match=message):
        model.fit(**arguments, callbacks=[Crash(9), BackupAndRestore(tmp_path, save_freq=1)])


def test_a_damaged_backup_says_so(tmp_path: Path) -> None:
    crashed(tmp_path)
    file = tmp_path / "backup.npz"
    file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(ValueError, match=r"is damaged.*Delete it to start from the beginning"):
        model_of().fit(X, Y, batch_size=5, verbose=0, callbacks=[BackupAndRestore(tmp_path)])


def test_streams_that_cannot_be_put_back_are_refused(tmp_path: Path) -> None:
    dataset = mb.data.Dataset.from_tensor_slices((X.astype("float32"), Y)).batch(5)
    with pytest.raises(ValueError, match="BackupAndRestore needs arrays or Batches"):
        model_of().fit(dataset, verbose=0, callbacks=[BackupAndRestore(tmp_path)])


@pytest.mark.parametrize("save_freq", [0, -1, 1.5, "batch", True])
def test_save_freq(save_freq: object, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="save_freq must be 'epoch' or a positive integer; got"):
        BackupAndRestore(tmp_path, save_freq=save_freq)  # type: ignore[arg-type]


def test_the_state_is_plain(tmp_path: Path) -> None:
    crashed(tmp_path)
    with np.load(tmp_path / "backup.npz", allow_pickle=False) as file:
        state = json.loads(str(file["meta"]))
    assert state["epoch"] == 0
    assert state["step"] == 2 or state["step"] == 3
