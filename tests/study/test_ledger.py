"""What a study keeps in a file: nothing is run twice, nothing of another study is taken for its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minibatch as mb
from minibatch.study import batch_size_study

X = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)
Y = (X @ [1.0, -1.0, 0.5, 2.0]).astype(np.float32)


def build(units: int = 8, activation: str = "relu", rate: float = 0.05, loss: Any = "mse") -> mb.Sequential:
    layers = [mb.layers.Dense(units, activation), mb.layers.Dropout(0.1), mb.layers.Dense(1)]
    model = mb.Sequential([mb.Input((4,)), *layers])
    model.compile(mb.optimizers.SGD(rate), loss, metrics=["mae"])
    return model


class StoppedError(Exception):
    """What stops a study in a test."""


def study(path: Path | None, make: Any = build, runs: list[str] | None = None, **changes: Any) -> Any:
    """Run a small study; ``runs`` is told of every run that is made."""
    told: list[str] = [] if runs is None else runs
    given: dict[str, Any] = {"batch_sizes": [8, 40], "epochs": 2, "seeds": 2, "metric": "loss"} | changes
    return batch_size_study(
        make, X, Y, runs_file=path, progress=lambda what, *_: told.append(what) if what else None, **given
    )


def test_a_study_that_was_stopped_goes_on(tmp_path: Path) -> None:
    path, calls = tmp_path / "study.json", iter(range(9))

    def stops() -> mb.Sequential:
        if next(calls) == 3:  # the first is built to look at, and one for each run
            raise StoppedError
        return build()

    with pytest.raises(StoppedError):
        study(path, stops)
    runs: list[str] = []
    found = study(path, runs=runs)
    assert runs == ["seed 1, batch size 8", "seed 1, batch size 40"]
    assert found == study(None)


def test_more_seeds_and_sizes_are_added_to_what_is_there(tmp_path: Path) -> None:
    path, runs = tmp_path / "study.json", []
    study(path)
    more: dict[str, Any] = {"seeds": [5, 1, 0], "batch_sizes": [8, 16]}
    assert study(path, runs=runs, **more) == study(None, **more)
    assert runs == [
        "seed 5, batch size 8",
        "seed 5, batch size 16",
        "seed 1, batch size 16",
        "seed 0, batch size 16",
    ]
    runs.clear()
    study(path, runs=runs, seeds=3, batch_sizes=[40], metric="mae")
    assert runs == ["seed 2, batch size 40"]


def test_learning_rates_are_runs_of_their_own(tmp_path: Path) -> None:
    path, runs = tmp_path / "study.json", []
    study(path, learning_rates=[0.1], seeds=1)
    with pytest.raises(
        ValueError, match="other optimizer"
    ):  # there the rate was the study's, here it is the model's
        study(path)
    # A model whose own rate differs is no other: it is never trained with it.
    study(path, lambda: build(rate=0.3), runs=runs, learning_rates=[0.1, 0.2], seeds=1)
    assert runs == ["seed 0, batch size 8, learning rate 0.2", "seed 0, batch size 40, learning rate 0.2"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 3}, r"of another study \(epochs: 2 there, 3 here\)"),
        ({"validation_data": (X, Y)}, "other validation data"),
        ({"make": lambda: build(units=4)}, "other layers"),
        ({"make": lambda: build(activation="tanh")}, "other layers"),
        ({"make": lambda: build(rate=0.1)}, "other optimizer"),
        ({"make": lambda: build(loss="mae")}, "other loss"),
        ({"make": lambda: build(loss=mb.losses.Huber(2.0))}, "other loss"),
    ],
    ids=["epochs", "validation", "units", "activation", "rate", "loss", "loss object"],
)
def test_the_runs_of_another_study_are_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    path = tmp_path / "study.json"
    study(path, seeds=1, batch_sizes=[40])
    before = path.read_bytes()
    with pytest.raises(ValueError, match=message):
        study(path, **{"make": build, **changes})
    assert path.read_bytes() == before


@pytest.mark.parametrize("loss", ["mse", mb.losses.Huber(2.0), mb.losses.mean_absolute_error])
def test_names_that_count_up_make_no_other_study(tmp_path: Path, loss: Any) -> None:
    path = tmp_path / "study.json"
    study(path, lambda: build(loss=loss), seeds=1, batch_sizes=[40])
    build()  # dense_7, where the last was called dense_5
    runs: list[str] = []
    study(path, lambda: build(loss=loss), runs=runs, seeds=1, batch_sizes=[40])
    assert not runs


def test_other_initial_weights_are_found_out(tmp_path: Path) -> None:
    path = tmp_path / "study.json"
    study(path, seeds=1, batch_sizes=[40])

    def other() -> mb.Sequential:
        model = build()
        model.parameters.theta[0] += 1
        return model

    with pytest.raises(
        RuntimeError, match=r"same initial weights after the same seed \(or .*study.json is of another"
    ):
        study(path, other)


def test_a_whole_study_from_its_file_knows_which_way_its_metric_is_better(tmp_path: Path) -> None:
    path, runs = tmp_path / "study.json", []
    first = study(path, metric="mae")
    assert study(path, metric="mae", runs=runs) == first  # "mae" says so itself, once a model has seen data
    assert not runs


def wired(first: bool) -> mb.Model:
    inputs = mb.Input((4,))
    a = mb.layers.Dense(4)(inputs)
    c = mb.layers.Dense(4)(a)
    model = mb.Model(inputs, mb.layers.Dense(1)(mb.layers.Add()([c, a if first else inputs])))
    model.compile("sgd", "mse")
    return model


def adapted(scale: float) -> mb.Sequential:
    normalization = mb.layers.Normalization()
    normalization.adapt(X * scale)
    model = mb.Sequential([mb.Input((4,)), normalization, mb.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


def started(value: float) -> mb.Sequential:
    filled = mb.layers.Dense(1, kernel_initializer=lambda shape, dtype=None: np.full(shape, value))
    model = mb.Sequential([mb.Input((4,)), filled])
    model.compile("sgd", "mse")
    return model


@pytest.mark.parametrize(
    ("one", "other", "error"),
    [
        (lambda: wired(True), lambda: wired(False), "other layers"),
        (lambda: adapted(1.0), lambda: adapted(9.0), "same initial weights"),
        (lambda: started(0.0), lambda: started(50.0), "same initial weights"),
        (
            lambda: build(loss=mb.losses.Huber(np.float32(0.1))),
            lambda: build(loss=mb.losses.Huber(np.float32(5.0))),
            "other loss",
        ),
    ],
    ids=["wiring", "statistics", "initializer", "NumPy scalar"],
)
def test_models_that_differ_in_little_are_told_apart(tmp_path: Path, one: Any, other: Any, error: str) -> None:
    path = tmp_path / "study.json"
    study(path, one, seeds=[3])
    for seeds in ([3], [4]):
        with pytest.raises((ValueError, RuntimeError), match=error):
            study(path, other, seeds=seeds)


def test_another_float_type_is_another_study(tmp_path: Path) -> None:
    path = tmp_path / "study.json"
    study(path, seeds=1)
    mb.config.set_floatx("float64")
    try:
        with pytest.raises(ValueError, match="float type: float32 there, float64 here"):
            study(path, seeds=1)
    finally:
        mb.config.set_floatx("float32")


def test_two_studies_may_write_to_one_file(tmp_path: Path) -> None:
    path = tmp_path / "study.json"
    calls = iter(range(9))

    def meanwhile() -> mb.Sequential:
        if next(calls) == 2:
            study(path, seeds=[7])
        return build()

    study(path, meanwhile, seeds=[0, 1])
    kept = json.loads(path.read_text())["runs"]
    assert sorted({run["seed"] for run in kept}) == [0, 1, 7]
    assert len(kept) == 6


def test_a_link_to_a_file_stays_one(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    link = tmp_path / "study.json"
    link.symlink_to(tmp_path / "there" / "study.json")
    study(link, seeds=1)
    assert link.is_symlink()
    assert json.loads((tmp_path / "there" / "study.json").read_text())["runs"]


@pytest.mark.parametrize(
    "damage",
    [
        {"runs": 5},
        {"runs": [{"seed": 0}]},
        {"runs": [{"seed": 0, "batch_size": 8, "learning_rate": None, "start": "a", "end": None}]},
        {"about": None},
        {"kind": "another"},
    ],
    ids=str,
)
def test_a_damaged_file_is_left_alone(tmp_path: Path, damage: dict[str, Any]) -> None:
    path = tmp_path / "study.json"
    study(path, seeds=1)
    path.write_text(json.dumps(json.loads(path.read_text()) | damage))
    before = path.read_bytes()
    with pytest.raises(ValueError, match="is no file of a study: it would be written over"):
        study(path, seeds=1)
    assert path.read_bytes() == before
    with pytest.raises(ValueError, match="is no file of a study"):
        study(tmp_path, seeds=1)


@pytest.mark.parametrize("text", ["", "hello", "[1, 2]", '{"kind": "something", "about": {}}'])
def test_a_file_that_is_no_studys_is_left_alone(tmp_path: Path, text: str) -> None:
    path = tmp_path / "notes.json"
    path.write_text(text)
    with pytest.raises(ValueError, match="is no file of a study: it would be written over"):
        study(path)
    assert path.read_text() == text
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        study(tmp_path / "nowhere" / "study.json")


def test_a_run_that_diverged_is_kept_as_it_ended(tmp_path: Path) -> None:
    path = tmp_path / "study.json"
    with np.errstate(all="ignore"), pytest.warns(UserWarning, match="NaN"):
        first = study(path, lambda: build(rate=1e30), seeds=1, epochs=4)
    again = study(path, lambda: build(rate=1e30), seeds=1, epochs=4)
    np.testing.assert_equal(again.settings[0].ends, first.settings[0].ends)
    assert not np.isfinite(first.settings[0].ends["loss"][0])
    assert len(json.loads(path.read_text())["runs"]) == 2
    assert "NaN" not in path.read_text()  # which JSON has not
