"""Files go both ways: what Keras saved loads here, what is saved here loads in Keras, and goes on alike."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from parity.keras_reference import BOTH, keras, twins

import minibatch as mb

rng = np.random.default_rng(3)
N = 40
IMAGES, VECTORS = rng.normal(size=(N, 8, 8, 1)).astype("float32"), rng.normal(size=(N, 6)).astype("float32")
Y = rng.integers(3, size=N)


def mlp(lib: Any) -> Any:
    L = lib.layers
    return lib.Sequential(
        [
            lib.Input((6,)),
            L.Dense(5, "relu", kernel_regularizer="l2", kernel_initializer="he_normal"),
            L.BatchNormalization(),
            L.Dropout(0.0),
            L.Dense(3, "softmax", use_bias=False),
        ],
        name="stack",
    )


def cnn(lib: Any) -> Any:
    L = lib.layers
    return lib.Sequential(
        [
            lib.Input((8, 8, 1)),
            L.Conv2D(4, 3, padding="same", activation="relu"),
            L.MaxPooling2D(),
            L.Conv2D(3, (2, 3), strides=2),
            L.LeakyReLU(negative_slope=0.1),
            L.GlobalAveragePooling2D(),
            L.Dense(3),
            L.Softmax(),
        ]
    )


def graph(lib: Any) -> Any:
    L = lib.layers
    x = lib.Input((6,), name="x")
    shared = L.Dense(6, activation="tanh", name="shared")
    h = L.Add(name="sum")([shared(shared(x)), x])
    return lib.Model(x, L.Dense(3, activation="softmax", name="class")(h), name="residual")


BUILDS = {"mlp": (mlp, VECTORS), "cnn": (cnn, IMAGES), "graph": (graph, VECTORS)}
OPTIMIZERS: dict[str, Any] = {
    "sgd": lambda lib: lib.optimizers.SGD(0.05),
    "momentum": lambda lib: lib.optimizers.SGD(0.05, momentum=0.9, nesterov=True),
    "adam": lambda lib: lib.optimizers.Adam(0.01),
    "amsgrad": lambda lib: lib.optimizers.Adam(0.01, amsgrad=True),
    "adamw": lambda lib: lib.optimizers.AdamW(0.01, weight_decay=0.02),
    "rmsprop": lambda lib: lib.optimizers.RMSprop(0.01, momentum=0.5, centered=True),
    "adagrad": lambda lib: lib.optimizers.Adagrad(0.05),
    "schedule": lambda lib: lib.optimizers.SGD(
        lib.optimizers.schedules.ExponentialDecay(0.1, 2, 0.5), momentum=0.5
    ),
    "ema": lambda lib: lib.optimizers.Adam(0.01, use_ema=True),
}


def trained(lib: Any, model: Any, optimizer: Any, x: Any) -> Any:
    model.compile(optimizer(lib), lib.losses.SparseCategoricalCrossentropy(), metrics=["accuracy"])
    model.fit(x, Y, batch_size=10, epochs=1, shuffle=False, verbose=0)
    return model


def same(theirs: Any, mine: Any, x: Any, tolerance: float = 2e-5) -> None:
    for a, b in zip(theirs.get_weights(), mine.get_weights(), strict=True):
        np.testing.assert_allclose(b, a, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(mine.predict(x, verbose=0), theirs.predict(x, verbose=0), rtol=1e-4, atol=1e-5)


def go_on(*models: Any, x: Any) -> None:
    for model in models:
        model.fit(x[:20], Y[:20], batch_size=10, epochs=1, shuffle=False, verbose=0)


@pytest.mark.parametrize("name", BUILDS)
@pytest.mark.parametrize("writer", [0, 1], ids=["keras to here", "here to keras"])
def test_whole_models(name: str, writer: int, tmp_path: Path) -> None:
    build, x = BUILDS[name]
    path = tmp_path / "m.keras"
    source, reader = BOTH[writer], BOTH[1 - writer]
    written = trained(source, build(source), OPTIMIZERS["adam"], x)
    written.save(path)
    read = reader.saving.load_model(path)
    theirs, mine = (written, read) if writer == 0 else (read, written)
    same(theirs, mine, x)
    assert [layer.name for layer in mine.layers] == [layer.name for layer in theirs.layers]
    assert mine.evaluate(x, Y, verbose=0) == pytest.approx(theirs.evaluate(x, Y, verbose=0), rel=1e-4)
    go_on(theirs, mine, x=x)
    same(theirs, mine, x, 1e-4)


def off_by(y_true: Any, y_pred: Any) -> Any:
    return abs(y_pred - y_true)


@pytest.mark.parametrize("writer", [0, 1], ids=["keras to here", "here to keras"])
def test_metrics_that_are_functions(writer: int, tmp_path: Path) -> None:
    """The libraries' own by their names alone, somebody's own by custom_objects."""
    path, targets = tmp_path / "m.keras", np.float32(Y % 2)[:, None]
    entries: list[Any] = []
    for lib in BOTH:
        L, m = lib.layers, lib.metrics
        model = lib.Sequential([lib.Input((6,)), L.Dense(1, "sigmoid", kernel_initializer="ones")])
        functions = {"metrics": [off_by, m.binary_accuracy], "weighted_metrics": [m.mean_squared_error, "mae"]}
        model.compile("sgd", "mse", **functions)
        model.fit(VECTORS, targets, verbose=0, batch_size=N)
        model.save(path.with_stem(lib.__name__))
        with zipfile.ZipFile(path.with_stem(lib.__name__)) as archive:
            written = json.loads(archive.read("config.json"))["compile_config"]
            entries.append([written["metrics"], written["weighted_metrics"]])
    assert entries[0] == entries[1]
    read = [
        lib.saving.load_model(path.with_stem(BOTH[writer].__name__), custom_objects={"off_by": off_by})
        for lib in BOTH
    ]
    theirs, mine = (m.evaluate(VECTORS, targets, batch_size=N, verbose=0, return_dict=True) for m in read)
    assert mine == pytest.approx(theirs, rel=1e-5)
    assert sorted(mine) == ["binary_accuracy", "loss", "mae", "mean_squared_error", "off_by"]


@pytest.mark.parametrize("name", BUILDS)
def test_weights_files_have_the_same_groups(name: str, tmp_path: Path) -> None:
    """A layer without weights has its group, too, and so has an input of a graph."""
    build, _ = BUILDS[name]
    found: list[list[str]] = []
    for lib, model in zip(BOTH, twins(build), strict=True):
        path = tmp_path / f"{lib.__name__}.weights.h5"
        model.save_weights(path)
        found.append([])
        with h5py.File(path) as file:
            file.visit(found[-1].append)
    assert found[1] == found[0]


def test_a_model_inside_a_model_is_refused_in_words(tmp_path: Path) -> None:
    L = keras.layers
    inner = keras.Sequential([keras.Input((6,)), L.Dense(3)])
    x = keras.Input((6,))
    for outer in (keras.Sequential([inner, L.Dense(2)]), keras.Model(x, L.Dense(2)(inner(x)))):
        outer.save(path := tmp_path / "nested.keras")
        with pytest.raises(ValueError, match="a Sequential model as a layer, which is not here"):
            mb.saving.load_model(path)


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("writer", [0, 1], ids=["keras to here", "here to keras"])
def test_the_next_step_is_the_same(name: str, writer: int, tmp_path: Path) -> None:
    path = tmp_path / "m.keras"
    source, reader = BOTH[writer], BOTH[1 - writer]
    written = trained(source, graph(source), OPTIMIZERS[name], VECTORS)
    written.save(path)
    read = reader.saving.load_model(path)
    theirs, mine = (written, read) if writer == 0 else (read, written)
    assert int(theirs.optimizer.iterations) == int(mine.optimizer.iterations)
    go_on(theirs, mine, x=VECTORS)
    same(theirs, mine, VECTORS, 1e-4)


@pytest.mark.parametrize("name", BUILDS)
@pytest.mark.parametrize("writer", [0, 1], ids=["keras to here", "here to keras"])
def test_weights_alone(name: str, writer: int, tmp_path: Path) -> None:
    build, x = BUILDS[name]
    path = tmp_path / "m.weights.h5"
    models = [build(lib) for lib in BOTH]
    trained(BOTH[writer], models[writer], OPTIMIZERS["adam"], x)
    models[writer].save_weights(path)
    models[1 - writer].load_weights(path)
    same(*models, x)


@pytest.mark.parametrize("name", BUILDS)
def test_legacy_files_of_keras(name: str, tmp_path: Path) -> None:
    build, x = BUILDS[name]
    theirs = trained(keras, build(keras), OPTIMIZERS["adam"], x)
    with pytest.warns(match=".*") if False else _quiet():
        theirs.save(tmp_path / "m.h5")
        theirs.save_weights(tmp_path / "m.weights.h5")
    mine = mb.saving.load_model(tmp_path / "m.h5")
    same(theirs, mine, x)
    fresh = build(mb)
    fresh.load_weights(tmp_path / "m.h5")
    same(theirs, fresh, x)


def _quiet() -> Any:
    import contextlib

    return contextlib.nullcontext()


@pytest.mark.parametrize("name", BUILDS)
def test_descriptions(name: str) -> None:
    build, x = BUILDS[name]
    theirs, mine = twins(build)
    from_theirs = mb.models.model_from_json(theirs.to_json())
    from_theirs.set_weights(theirs.get_weights())
    same(theirs, from_theirs, x)
    from_mine = keras.models.model_from_json(mine.to_json())
    from_mine.set_weights(mine.get_weights())
    same(from_mine, mine, x)
    clone = mb.models.clone_model(mine)
    assert not np.array_equal(clone.get_weights()[0], mine.get_weights()[0])
    clone.set_weights(mine.get_weights())
    np.testing.assert_array_equal(clone.predict(x, verbose=0), mine.predict(x, verbose=0))
