"""Files: whole or not at all, and nothing in them is run."""

from __future__ import annotations

import io
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import minibatch as mb
from minibatch.utils.atomic import replacing

L = mb.layers
X, Y = np.random.default_rng(0).normal(size=(20, 4)).astype("float32"), np.arange(20) % 3


def trained(optimizer: Any = "adam") -> mb.Sequential:
    mb.utils.set_random_seed(0)
    model = mb.Sequential([mb.Input((4,)), L.Dense(5, "relu"), L.Dense(3, "softmax")])
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(X, Y, batch_size=8, verbose=0)
    return model


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "m.keras"
    trained().save(path)
    return path


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rewrite(path: Path, **changed: bytes) -> None:
    contents = {**members(path), **{name.replace("__", "."): data for name, data in changed.items()}}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in contents.items():
            archive.writestr(name, data)


def test_a_round_trip_goes_on_bit_for_bit(saved: Path) -> None:
    model, again = trained(), mb.saving.load_model(saved)
    np.testing.assert_array_equal(model.parameters.theta, again.parameters.theta)
    for m in (model, again):
        m.fit(X, Y, batch_size=8, epochs=2, shuffle=False, verbose=0)
    np.testing.assert_array_equal(model.parameters.theta, again.parameters.theta)


def off_by(y_true: Any, y_pred: Any) -> Any:
    return np.abs(y_pred - y_true)


def test_a_metric_that_is_a_function_is_written_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "m.keras"
    model = mb.Sequential([mb.Input((4,)), L.Dense(1)])
    nameless = [off_by, lambda y, p: y * p]
    model.compile("sgd", "mse", metrics=nameless, weighted_metrics=[mb.metrics.binary_accuracy])
    history = model.fit(X, Y, epochs=2, verbose=0, callbacks=[mb.callbacks.ModelCheckpoint(str(path))]).history
    assert len(history["off_by"]) == 2
    with pytest.raises(ValueError, match=r"Unknown metric 'off_by'.*custom_objects=\{'off_by': \.\.\.\}"):
        mb.saving.load_model(path)
    custom = {"off_by": off_by, "<lambda>": nameless[1]}
    again = mb.saving.load_model(path, custom)
    assert again.evaluate(X, Y, verbose=0, return_dict=True) == model.evaluate(X, Y, verbose=0, return_dict=True)
    before = json.loads(members(path)["config.json"])["compile_config"]
    again.save(path)
    after = json.loads(members(path)["config.json"])["compile_config"]
    assert [after[key] == before[key] for key in ("metrics", "weighted_metrics")] == [True, True]
    assert mb.saving.load_model(path, custom).evaluate(X, Y, verbose=0) == again.evaluate(X, Y, verbose=0)
    assert not mb.saving.load_model(path, compile=False).compiled


def test_without_compiling(saved: Path) -> None:
    model = mb.saving.load_model(saved, compile=False)
    assert not model.compiled
    np.testing.assert_array_equal(model.predict(X, verbose=0), trained().predict(X, verbose=0))


class Doubling(L.Layer):
    def __init__(self, by: float = 2.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.by = by

    def forward(self, x: Any, training: bool = False) -> Any:
        return x * self.by, None

    def backward(self, dy: Any, cache: Any) -> Any:
        return dy * self.by


def test_layers_of_ones_own_are_handed_over(tmp_path: Path) -> None:
    model = mb.Sequential([mb.Input((4,)), Doubling(by=3.0), L.Dense(2)])
    model.save(tmp_path / "m.keras")
    with pytest.raises(ValueError, match=r"class 'Doubling'.*custom_objects=\{'Doubling': Doubling\}"):
        mb.saving.load_model(tmp_path / "m.keras")
    again = mb.saving.load_model(tmp_path / "m.keras", custom_objects={"Doubling": Doubling})
    assert again.layers[0].by == 3.0
    np.testing.assert_array_equal(again.predict(X, verbose=0), model.predict(X, verbose=0))


@pytest.mark.parametrize("cut", [0, 1, 100, 1000, -40, -1])
def test_truncated_files(saved: Path, cut: int) -> None:
    whole = saved.read_bytes()
    saved.write_bytes(whole[:cut])
    with pytest.raises(ValueError, match=r"damaged|cannot be|no model"):
        mb.saving.load_model(saved)


@pytest.mark.parametrize("seed", range(30))
def test_damaged_files_are_read_right_or_refused(saved: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    data = bytearray(saved.read_bytes())
    for place in rng.integers(len(data), size=20):
        data[place] = rng.integers(256)
    saved.write_bytes(bytes(data))
    try:
        model = mb.saving.load_model(saved)
    except ValueError as error:
        message = str(error)
    else:
        message = "whole" if model.count_params() == 43 else ""
    assert message


def test_a_file_that_is_no_model(tmp_path: Path) -> None:
    path = tmp_path / "m.keras"
    path.write_bytes(b"not a model")
    with pytest.raises(ValueError, match="is not a model that can be read, or is damaged"):
        mb.saving.load_model(path)
    with pytest.raises(FileNotFoundError, match="there is no file"):
        mb.saving.load_model(tmp_path / "nothing.keras")


@pytest.mark.parametrize(
    "entry",
    [
        {"module": "os", "class_name": "system", "config": "touch owned", "registered_name": None},
        {"module": "keras.layers", "class_name": "Lambda", "config": {"function": "x"}, "registered_name": None},
        {"module": "builtins", "class_name": "eval", "config": {}, "registered_name": None},
        {"module": "minibatch.layers", "class_name": "__class__", "config": {}, "registered_name": None},
    ],
)
def test_nothing_is_imported_or_run(saved: Path, entry: dict[str, Any], tmp_path: Path) -> None:
    config = json.loads(members(saved)["config.json"])
    config["config"]["layers"].insert(1, entry)
    rewrite(saved, config__json=json.dumps(config).encode())
    with pytest.raises(ValueError, match=r"which is not here|this library has not"):
        mb.saving.load_model(saved)
    assert not Path("owned").exists()


def test_an_archive_bomb_is_not_unpacked(saved: Path) -> None:
    contents = members(saved)
    with zipfile.ZipFile(saved, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", b" " * (65 << 20))
        archive.writestr("model.weights.h5", contents["model.weights.h5"])
    with pytest.raises(ValueError, match=r"config.json claims 68,157,440 bytes"):
        mb.saving.load_model(saved)


def test_arrays_are_compared_before_they_are_read(saved: Path) -> None:
    buffer = io.BytesIO(members(saved)["model.weights.h5"])
    with h5py.File(buffer, "a") as file:
        del file["layers/dense/vars/0"]
        # Claims 4 TB, and has no chunk on disk.
        file.create_dataset("layers/dense/vars/0", shape=(1 << 20, 1 << 20), dtype="float32", chunks=(64, 64))
    rewrite(saved, model__weights__h5=buffer.getvalue())
    with pytest.raises(ValueError, match=r"layer 'dense' has weights of shapes .*; the file holds .*1048576"):
        mb.saving.load_model(saved)


def test_links_out_of_the_file_are_not_followed(saved: Path, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["secret"] = np.zeros((4, 5), "float32")
    buffer = io.BytesIO(members(saved)["model.weights.h5"])
    with h5py.File(buffer, "a") as file:
        del file["layers/dense/vars/0"]
        file["layers/dense/vars/0"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "secret")
    rewrite(saved, model__weights__h5=buffer.getvalue())
    with pytest.raises(ValueError, match="has no array"):
        mb.saving.load_model(saved)


def test_weights_that_do_not_fit_change_nothing(tmp_path: Path) -> None:
    trained().save_weights(tmp_path / "m.weights.h5")
    other = mb.Sequential([mb.Input((4,)), L.Dense(5), L.Dense(7)])
    before = other.parameters.theta.copy()
    with pytest.raises(ValueError, match=r"layer 'dense_\d+' has weights of shapes"):
        other.load_weights(tmp_path / "m.weights.h5")
    np.testing.assert_array_equal(other.parameters.theta, before)
    (tmp_path / "bad.weights.h5").write_bytes(b"x" * 99)
    with pytest.raises(ValueError, match=r"holds no weights that can be read|damaged"):
        other.load_weights(tmp_path / "bad.weights.h5")


def test_a_crash_while_writing_leaves_the_old_file(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = saved.read_bytes()

    def crash(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", crash)
    with pytest.raises(KeyboardInterrupt):
        trained().save(saved)
    monkeypatch.undo()
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]


def test_replacing_keeps_the_old_permissions(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    path.chmod(0o640)
    with replacing(path) as temporary:
        temporary.write_text("new")
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o640


def test_names_and_overwriting(saved: Path) -> None:
    model = trained()
    with pytest.raises(ValueError, match=r"saved as a \.keras file; got 'm\.h5'"):
        model.save("m.h5")
    with pytest.raises(ValueError, match=r"saved as a \.weights\.h5 file; got 'm\.h5'"):
        model.save_weights("m.h5")
    with pytest.raises(ValueError, match="exists, and overwrite is False"):
        model.save(saved, overwrite=False)


@pytest.mark.parametrize("change", ["rule", "frozen"])
def test_weights_load_beside_another_optimizers_state(change: str, tmp_path: Path) -> None:
    model, path = trained("adam"), tmp_path / "some.weights.h5"
    model.save_weights(path)
    other = trained("adam" if change == "frozen" else "sgd")
    other.layers[0].trainable = change != "frozen"
    other.compile(other.optimizer if change == "rule" else "adam", "sparse_categorical_crossentropy")
    with pytest.warns(UserWarning, match=r"the optimizer's state is left out: the optimizer '\w+' has weights of"):
        other.load_weights(path)
    for mine, stored in zip(other.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, stored)
