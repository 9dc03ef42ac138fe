from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib
import pytest
from matplotlib import pyplot as plt

import minibatch as mb
from minibatch.utils import plot_model

L = mb.layers


def residual() -> Any:
    x = mb.Input((4,))
    shared = L.Dense(4, "relu", name="shared")
    h = L.Add()([x, shared(shared(x))])
    return mb.Model(x, L.Dense(2)(L.Dropout(0.5)(h)))


def words(path: Path) -> str:
    return path.read_text()


@pytest.fixture(autouse=True)
def _text_in_svg() -> Any:
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        yield


@pytest.mark.parametrize("rankdir", ["TB", "BT", "LR", "RL"])
@pytest.mark.parametrize("splines", ["ortho", "line"])
def test_every_layer_is_there(tmp_path: Path, rankdir: str, splines: str) -> None:
    path = tmp_path / "model.svg"
    assert plot_model(residual(), path, rankdir=rankdir, splines=splines) is None
    drawn = words(path)
    assert [drawn.count(f">{kind}<") for kind in ("InputLayer", "Dense", "Add", "Dropout")] == [1, 3, 1, 1]
    assert "use 2 of 2" in drawn
    assert "(None, 4)" not in drawn


def test_what_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "model.svg"
    model = residual()
    model.get_layer("shared").trainable = False
    shown = ("show_shapes", "show_dtype", "show_layer_names", "show_layer_activations", "show_trainable")
    plot_model(model, path, **dict.fromkeys(shown, True))
    drawn = words(path)
    for text in ("2 × (None, 4)", "(None, 2)", "float32", "shared", "activation: relu", "not trained", "trainable"):
        assert text in drawn


def test_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    model = mb.Sequential([mb.Input((3,)), L.Dense(1)])
    plot_model(model)
    assert Path("model.png").read_bytes()[:4] == b"\x89PNG"
    plot_model(model, "plain", dpi=50)
    assert Path("plain").read_bytes()[:4] == b"\x89PNG"
    assert Path("plain").stat().st_size < Path("model.png").stat().st_size
    assert not plt.get_fignums()


def test_what_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is not built"):
        plot_model(mb.Sequential([L.Dense(1)]), tmp_path / "a.png")
    with pytest.raises(ValueError, match="unknown rankdir 'TR'"):
        plot_model(residual(), tmp_path / "a.png", rankdir="TR")
    with pytest.raises(ValueError, match="unknown splines"):
        plot_model(residual(), tmp_path / "a.png", splines="wavy")
    with pytest.raises(TypeError, match=r"no argument 'show_shape'.*show_shapes"):
        plot_model(residual(), tmp_path / "a.png", show_shape=True)
    assert not list(tmp_path.iterdir())
