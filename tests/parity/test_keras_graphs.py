"""Functional models, several inputs and outputs, and the arguments of fit that go beyond arrays: as in Keras."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from parity.keras_reference import BOTH, keras, twins

rng = np.random.default_rng(11)
N = 53
X, X2 = rng.normal(size=(N, 6)).astype("float32"), rng.normal(size=(N, 3)).astype("float32")
CLASSES, NUMBERS = rng.integers(3, size=N), rng.normal(size=(N, 1)).astype("float32")
W = rng.uniform(0, 2, N).astype("float32")
CLOSE = {"rel": 2e-5, "abs": 2e-6}


def stack(lib: Any) -> Any:
    L = lib.layers
    return lib.Sequential([lib.Input((6,)), L.Dense(5, "relu"), L.Dense(3, "softmax")])


def residual(lib: Any) -> Any:
    """One layer used twice, a residual sum, and a penalty."""
    L = lib.layers
    x = lib.Input((6,), name="x")
    shared = L.Dense(6, activation="tanh", kernel_regularizer="l2", name="shared")
    h = shared(x)
    h = L.Add(name="sum")([shared(h), x])
    return lib.Model(x, L.Dense(3, activation="softmax", name="class")(h))


def two_by_two(lib: Any) -> Any:
    L = lib.layers
    a, b = lib.Input((6,), name="a"), lib.Input((3,), name="b")
    h = L.Concatenate(name="both")([L.Dense(4, activation="relu", name="left")(a), b])
    h = L.Dense(5, activation="tanh", name="middle")(h)
    return lib.Model([a, b], [L.Dense(3, activation="softmax", name="class")(h), L.Dense(1, name="number")(h)])


def drawn(lib: Any, seed: int) -> Any:
    """A graph that chance draws: a few inputs, in any order, two shared layers, sums, and one or two outputs."""
    draw, L = np.random.default_rng(seed), lib.layers
    inputs = [lib.Input((3,), name=f"input{k}") for k in range(draw.integers(1, 4))]
    values, shared = list(inputs), [L.Dense(3, name=f"shared{k}") for k in range(2)]

    def any_value() -> Any:
        return values[draw.integers(len(values))]

    for k in range(draw.integers(1, 9)):
        kind = draw.integers(4)
        if kind == 0:
            values.append(L.Dense(3, name=f"dense{k}")(any_value()))
        elif kind == 1:
            values.append(shared[draw.integers(2)](any_value()))
        elif kind == 2:
            values.append(L.Add(name=f"sum{k}")([any_value(), any_value()]))
        else:
            values.append(L.Dense(3, name=f"narrow{k}")(L.Concatenate(name=f"both{k}")([any_value(), any_value()])))
    outputs = [values[-1]] + [values[draw.integers(len(inputs), len(values))] for _ in range(draw.integers(2))]
    return lib.Model([inputs[i] for i in draw.permutation(len(inputs))], outputs)


def same_history(theirs: Any, mine: Any) -> None:
    assert list(mine.history) == list(theirs.history)
    for key, values in theirs.history.items():
        assert mine.history[key] == pytest.approx(values, **CLOSE), key


def same_weights(theirs: Any, mine: Any) -> None:
    for a, b in zip(theirs.get_weights(), mine.get_weights(), strict=True):
        np.testing.assert_allclose(b, a, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("build", [residual, two_by_two])
def test_structure(build: Any) -> None:
    theirs, mine = twins(build)
    inputs = len(theirs.inputs)
    assert [layer.name for layer in mine.layers] == [layer.name for layer in theirs.layers]
    assert len(mine.graph.inputs) == inputs
    assert [w.shape for w in mine.weights] == [tuple(w.shape) for w in theirs.weights]
    assert mine.count_params() == theirs.count_params()
    assert mine.output_shape == theirs.output_shape


@pytest.mark.parametrize("seed", range(40))
def test_layers_and_weights_come_in_one_order(seed: int) -> None:
    """Inputs that are used late, or nowhere, and layers that are used at several depths among them."""
    theirs, mine = (drawn(lib, seed) for lib in BOTH)
    names = [layer.name for layer in theirs.layers]
    assert [layer.name for layer in mine.layers] == names
    assert [type(layer).__name__ for layer in mine.layers] == [type(layer).__name__ for layer in theirs.layers]
    assert [w.path.split("/", 1)[1] for w in mine.weights] == [w.path for w in theirs.weights]
    for index, name in enumerate(names):
        assert mine.get_layer(index=index) is mine.get_layer(name) is mine.layers[index]


@pytest.mark.parametrize("build", [residual, two_by_two])
def test_what_a_layer_makes_of_a_batch(build: Any) -> None:
    theirs, mine = twins(build)
    data = [X, X2][: len(theirs.inputs)]
    for layer in mine.layers:
        inner = [
            lib.Model(m.inputs, m.get_layer(layer.name).output) for lib, m in zip(BOTH, (theirs, mine), strict=True)
        ]
        expected, got = (np.asarray(model.predict(data, verbose=0)) for model in inner)
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)
        assert [one.name for one in inner[1].layers] == [one.name for one in inner[0].layers]


def test_a_sequential_cut_in_two() -> None:
    halves = []
    for lib, model in zip(BOTH, twins(stack), strict=True):
        assert len(model.inputs) == len(model.outputs) == 1
        assert model.layers[1].input is model.layers[0].output
        lower = lib.Model(model.inputs, model.layers[0].output)
        upper = lib.Model(model.layers[1].input, model.outputs)
        lower_again = lib.Model(lower.inputs, lower.outputs)
        halves.append([lower.predict(X, verbose=0), lower_again.predict(X, verbose=0)])
        halves[-1].append(upper.predict(halves[-1][0], verbose=0))
        np.testing.assert_allclose(halves[-1][2], model.predict(X, verbose=0), rtol=1e-5, atol=1e-6)
    for theirs, mine in zip(*halves, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-6)


def test_a_layer_that_was_called_twice_has_the_output_of_the_first_call() -> None:
    for lib in BOTH:
        x = lib.Input((3,))
        layer = lib.layers.Dense(3)
        first = layer(x)
        layer(first)
        assert layer.output is first
        assert layer.input is x
        both = lib.layers.Add()
        both([x, first])
        assert all(a is b for a, b in zip(both.input, [x, first], strict=True))
        with pytest.raises(AttributeError, match=r"has no|no defined"):
            _ = lib.layers.Dense(3).output


def test_a_shared_layer_and_a_residual_sum_train_alike() -> None:
    theirs, mine = twins(residual)
    for model in (theirs, mine):
        model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    fits = [m.fit(X, CLASSES, batch_size=10, epochs=3, shuffle=False, verbose=0) for m in (theirs, mine)]
    same_history(*fits)
    same_weights(theirs, mine)
    np.testing.assert_allclose(mine.predict(X, verbose=0), theirs.predict(X, verbose=0), rtol=1e-5, atol=1e-6)


COMPILES: dict[str, dict[str, Any]] = {
    "lists": {"loss": ["sparse_categorical_crossentropy", "mse"], "metrics": [["accuracy"], ["mae"]]},
    "dicts": {
        "loss": {"class": "sparse_categorical_crossentropy", "number": "mse"},
        "metrics": {"number": ["mae"]},
    },
    "loss_weights": {
        "loss": ["sparse_categorical_crossentropy", "mse"],
        "loss_weights": [0.3, 2.0],
        "weighted_metrics": [["accuracy"], []],
    },
    "loss_weights, a dict": {
        "loss": ["sparse_categorical_crossentropy", "mse"],
        "loss_weights": {"class": 0.3, "number": 2.0},
    },
}


@pytest.mark.parametrize("name", COMPILES)
def test_several_inputs_and_outputs(name: str) -> None:
    theirs, mine = twins(two_by_two)
    for model in (theirs, mine):
        model.compile("sgd", **COMPILES[name])
    # 50 samples in batches of 10: Keras takes the mean of each output's own loss over batches, not over samples.
    data = ([X[:50], X2[:50]], [CLASSES[:50], NUMBERS[:50]])
    fits = [m.fit(*data, batch_size=10, epochs=2, shuffle=False, verbose=0) for m in (theirs, mine)]
    same_history(*fits)
    same_weights(theirs, mine)
    # evaluate: what the names say, in the same order.
    values, expected = (m.evaluate(*data, batch_size=10, verbose=0) for m in (mine, theirs))
    assert values == pytest.approx(expected, **CLOSE)
    assert mine.evaluate(*data, batch_size=10, verbose=0, return_dict=True) == pytest.approx(
        theirs.evaluate(*data, batch_size=10, verbose=0, return_dict=True), **CLOSE
    )
    for ours, keras_ in zip(mine.predict(data[0], verbose=0), theirs.predict(data[0], verbose=0), strict=True):
        np.testing.assert_allclose(ours, keras_, rtol=1e-5, atol=1e-6)


def test_targets_and_inputs_by_name() -> None:
    theirs, mine = twins(two_by_two)
    for model in (theirs, mine):
        model.compile("sgd", ["sparse_categorical_crossentropy", "mse"])
    x, y = {"a": X, "b": X2}, {"class": CLASSES, "number": NUMBERS}
    for model in (theirs, mine):
        model.fit(x, y, batch_size=53, epochs=2, shuffle=False, verbose=0)
    same_weights(theirs, mine)


FITS: dict[str, dict[str, Any]] = {
    "class_weight": {"class_weight": {0: 0.5, 2: 3.0}},
    "class_weight and validation": {"class_weight": {1: 2.0}, "validation_split": 0.2},
    "steps_per_epoch": {"steps_per_epoch": 3, "batch_size": None},
    "fewer steps than batches": {"steps_per_epoch": 2},
    "as many steps as batches": {"steps_per_epoch": 6},
    "validation_steps": {"validation_data": (X2.repeat(2, axis=1), CLASSES), "validation_steps": 2},
}


@pytest.mark.parametrize("name", FITS)
def test_arguments_of_fit(name: str) -> None:
    theirs, mine = twins(stack)
    for model in (theirs, mine):
        model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"], weighted_metrics=["accuracy"])
    arguments = {"batch_size": 10, "epochs": 4, "shuffle": False, "verbose": 0, **FITS[name]}
    fits = [model.fit(X, CLASSES, **arguments) for model in (theirs, mine)]
    same_history(*fits)
    same_weights(theirs, mine)
    assert fits[1].params == fits[0].params


def test_more_steps_than_batches_warns_in_both_and_goes_on() -> None:
    theirs, mine = twins(stack)
    histories = []
    for model in (theirs, mine):
        model.compile("sgd", "sparse_categorical_crossentropy")
        with pytest.warns(UserWarning, match="ran out"):
            histories.append(
                model.fit(X, CLASSES, batch_size=10, steps_per_epoch=8, epochs=3, shuffle=False, verbose=0)
            )
    same_history(*histories)
    same_weights(theirs, mine)


def test_generators() -> None:
    def batches() -> Iterator[Any]:
        while True:
            for low in range(0, 50, 10):
                yield X[low : low + 10], CLASSES[low : low + 10], W[low : low + 10]

    theirs, mine = twins(stack)
    fits = []
    for model in (theirs, mine):
        model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
        fits.append(model.fit(batches(), steps_per_epoch=3, epochs=4, shuffle=False, verbose=0))
    same_history(*fits)
    same_weights(theirs, mine)


def test_py_datasets() -> None:
    def dataset(base: type) -> Any:
        class Tens(base):  # type: ignore[misc]
            def __len__(self) -> int:
                return 6

            def __getitem__(self, i: int) -> Any:
                return X[10 * i : 10 * i + 10], CLASSES[10 * i : 10 * i + 10]

        return Tens()

    theirs, mine = twins(stack)
    fits = []
    for model, base in ((theirs, keras.utils.PyDataset), (mine, object)):
        model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
        fits.append(model.fit(dataset(base), epochs=2, shuffle=False, verbose=0))
    same_history(*fits)
    same_weights(theirs, mine)
    assert mine.evaluate(dataset(object), verbose=0) == pytest.approx(
        theirs.evaluate(dataset(keras.utils.PyDataset), verbose=0), **CLOSE
    )


def test_one_batch_at_a_time() -> None:
    theirs, mine = twins(stack)
    for model in (theirs, mine):
        model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    for low in (0, 20, 40):
        x, y, w = X[low : low + 20], CLASSES[low : low + 20], W[low : low + 20]
        assert mine.train_on_batch(x, y) == pytest.approx(theirs.train_on_batch(x, y), **CLOSE)
        assert mine.train_on_batch(x, y, sample_weight=w, return_dict=True) == pytest.approx(
            theirs.train_on_batch(x, y, sample_weight=w, return_dict=True), **CLOSE
        )
        if low == 20:
            theirs.reset_metrics()
            mine.reset_metrics()
        assert mine.train_on_batch(x, y, class_weight={0: 2.0}) == pytest.approx(
            theirs.train_on_batch(x, y, class_weight={0: 2.0}), **CLOSE
        )
        assert mine.test_on_batch(x, y) == pytest.approx(theirs.test_on_batch(x, y), **CLOSE)
        np.testing.assert_allclose(mine.predict_on_batch(x), theirs.predict_on_batch(x), rtol=1e-5, atol=1e-6)
    same_weights(theirs, mine)


def test_a_frozen_layer_stays() -> None:
    theirs, mine = twins(stack)
    for model in (theirs, mine):
        model.layers[0].trainable = False
        model.compile("adam", "sparse_categorical_crossentropy")
        model.fit(X, CLASSES, batch_size=10, epochs=2, shuffle=False, verbose=0)
        assert len(model.trainable_weights) == len(model.non_trainable_weights) == 2
    same_weights(theirs, mine)


@pytest.mark.parametrize("train", ["fit", "train_on_batch"])
@pytest.mark.parametrize(
    "optimizer", [("SGD", {}), ("SGD", {"momentum": 0.9}), ("Adam", {}), ("AdamW", {"weight_decay": 0.1})]
)
def test_the_flag_of_a_layer_is_heeded_from_the_next_compile_on(optimizer: Any, train: str) -> None:
    """Until then the layer moves on as before: by its gradients, not by what its momentum keeps of older ones."""

    def build(lib: Any) -> Any:
        L = lib.layers
        return lib.Sequential([lib.Input((6,)), L.Dense(5, "tanh"), L.BatchNormalization(), L.Dense(3, "softmax")])

    theirs, mine = twins(build)
    kind, arguments = optimizer
    frozen: list[bool] = []
    for lib, model in zip(BOTH, (theirs, mine), strict=True):

        def compile(lib: Any = lib, model: Any = model) -> None:
            made = getattr(lib.optimizers, kind)(0.05, **arguments)
            model.compile(made, "sparse_categorical_crossentropy")

        def moves(model: Any = model) -> bool:
            before = model.layers[0].get_weights()[0]
            for low in (0, 20):
                x, y = X[low : low + 20], CLASSES[low : low + 20]
                if train == "fit":
                    model.fit(x, y, batch_size=20, shuffle=False, verbose=0)
                else:
                    model.train_on_batch(x, y)
            return bool((model.layers[0].get_weights()[0] != before).any())

        compile()
        frozen.append(moves())
        model.layers[0].trainable = False
        frozen.append(moves())
        compile()
        frozen.append(moves())
        model.layers[0].trainable = True
        frozen.append(moves())
    assert frozen == [True, True, False, False] * 2
    same_weights(theirs, mine)


def test_a_flag_that_is_set_before_the_first_step_is_heeded() -> None:
    theirs, mine = twins(stack)
    for model in (theirs, mine):
        model.compile("adam", "sparse_categorical_crossentropy")
        model.layers[0].trainable = False
        model.fit(X[:50], CLASSES[:50], batch_size=10, shuffle=False, verbose=0)
    same_weights(theirs, mine)


def test_both_kinds_of_weights_together_are_refused() -> None:
    for model in twins(stack):
        model.compile("sgd", "sparse_categorical_crossentropy")
        with pytest.raises(ValueError, match="at the same time"):
            model.fit(X, CLASSES, class_weight={0: 1.0}, sample_weight=W, verbose=0)


def test_a_model_called_on_symbols_shares_its_layers() -> None:
    def build(lib: Any) -> Any:
        inner = stack(lib)
        x = lib.Input((6,))
        return lib.Model(x, inner(x))

    theirs, mine = (build(lib) for lib in BOTH)
    mine.set_weights(theirs.get_weights())
    np.testing.assert_allclose(mine.predict(X, verbose=0), theirs.predict(X, verbose=0), rtol=1e-5, atol=1e-6)
