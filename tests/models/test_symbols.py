"""A model's inputs and outputs as symbols, and models that share layers."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import minibatch as mb

L = mb.layers
X = np.random.default_rng(3).normal(size=(50, 4)).astype(np.float32)


def stack() -> Any:
    mb.utils.set_random_seed(0)
    return mb.Sequential([mb.Input((4,)), L.Dense(3, "relu", name="first"), L.Dense(1, name="last")])


def graph() -> Any:
    mb.utils.set_random_seed(0)
    x = mb.Input((4,))
    return mb.Model(x, L.Dense(1, name="last")(L.Add()([x, L.Dense(4, "relu", name="first")(x)])))


@pytest.mark.parametrize("build", [stack, graph])
@pytest.mark.parametrize(
    "again", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))], ids=["copied", "pickled"]
)
def test_a_copy_has_symbols_of_its_own(build: Any, again: Any) -> None:
    model = build()
    twin = again(model)
    assert twin.input is not model.input
    assert twin.output is not model.output
    both = mb.Model(twin.inputs, [twin.get_layer("first").output, twin.output])
    assert len(both.graph.visits) == len(model.graph.visits)  # one chain, not two
    lower, upper = both.predict(X, verbose=0)
    np.testing.assert_array_equal(upper, model.predict(X, verbose=0))
    np.testing.assert_allclose(
        lower, np.maximum(X @ model.get_layer("first").kernel.value, 0), rtol=1e-5, atol=1e-6
    )


def test_a_sequential_s_symbols_grow_and_shrink_with_it() -> None:
    model = mb.Sequential([mb.Input((4,))])
    model.add(L.Dense(3))
    model.add(L.Dense(2))
    assert model.output_shape == model.output.shape == (None, 2)
    last = model.pop()
    assert model.output is last.input
    assert model.output.shape == (None, 3)
    empty = copy.deepcopy(mb.Sequential([mb.Input((4,))]))
    empty.add(L.Dense(3))
    assert mb.Model(empty.inputs, empty.outputs).count_params() == 15


def test_before_the_shape_is_known_there_are_no_symbols() -> None:
    model = mb.Sequential([L.Dense(2)])
    for name in ("inputs", "outputs", "input", "output"):
        with pytest.raises(ValueError, match="the shape of its input is not known"):
            getattr(model, name)
    model.build((None, 3))
    assert model.input.shape == (None, 3)
    assert model.layers[0].output is model.output


@pytest.mark.parametrize("when", ["on_epoch_end", "on_train_batch_end", "on_train_batch_begin"])
@pytest.mark.parametrize("makes", [False, True], ids=["uses", "makes"])
def test_a_callback_that_looks_through_another_model_of_these_layers_changes_nothing(
    when: str, makes: bool
) -> None:
    """Two models of one layer take its weights from each other, each into its own vector."""

    def trained(watching: bool) -> Any:
        model = stack()
        model.compile(mb.optimizers.SGD(0.05, momentum=0.9, use_ema=True), "mse")

        def lower() -> Any:
            return mb.Model(model.inputs, model.get_layer("first").output)

        inner = lower()
        look = {when: lambda *_: (lower() if makes else inner).predict(X, verbose=0)}
        callbacks = [mb.callbacks.LambdaCallback(**look)] if watching else []
        model.fit(X, X[:, :1], epochs=3, batch_size=8, verbose=0, callbacks=callbacks)
        return model.get_weights()

    for alone, watched in zip(trained(False), trained(True), strict=True):
        np.testing.assert_array_equal(alone, watched)


def test_dicts_of_symbols_and_models_as_layers_are_refused_in_words() -> None:
    x = mb.Input((4,), name="a")
    y = L.Dense(1, name="y")(x)
    for inputs, outputs in (({"a": x}, y), (x, {"y": y}), ({"a": x}, {"y": y})):
        with pytest.raises(TypeError, match="takes no dicts: give lists of symbols"):
            mb.Model(inputs, outputs)
    inner = stack()
    with pytest.raises(TypeError, match=r"a model as a layer.*not here.*Sequential\(\[\*inner.layers, ...\]\)"):
        mb.Sequential([inner, L.Dense(2)])
    flat = mb.Sequential([*inner.layers, L.Dense(2)])
    flat.build((None, 4))
    assert flat.layers[0] is inner.layers[0]
    config = stack().get_config()
    config["layers"][1] = {"class_name": "Sequential", "config": {"name": "inner", "layers": []}}
    with pytest.raises(ValueError, match="a Sequential model as a layer, which is not here"):
        mb.Sequential.from_config(config)


def test_a_layer_added_after_a_step_moves_and_a_frozen_one_stays() -> None:
    """Which weights move is settled by the first step after compile; a new layer goes by its flag."""
    model = stack()
    model.layers[0].trainable = False
    model.compile("sgd", "mse")
    model.train_on_batch(X, X[:, :1])
    model.layers[0].trainable = True
    model.add(L.Dense(1, kernel_initializer="ones"))
    model.optimizer = mb.optimizers.SGD()
    before = model.get_weights()
    model.train_on_batch(X, X[:, :1])
    moved = [bool((a != b).any()) for a, b in zip(before, model.get_weights(), strict=True)]
    assert moved == [False, False, True, True, True, True]


def test_the_gradient_goes_by_what_training_moves_not_by_the_flag_since() -> None:
    model = stack()
    model.compile("sgd", "mse")
    _, free = model.loss_and_gradient(X, X[:, :1])
    model.layers[0].trainable = False
    _, frozen = model.loss_and_gradient(X, X[:, :1])  # no step yet: the flag holds
    assert free[:15].any()
    assert not frozen[:15].any()
    np.testing.assert_array_equal(frozen[15:], free[15:])
    model.layers[0].trainable = True
    model.train_on_batch(X, X[:, :1])
    model.layers[0].trainable = False
    assert model.loss_and_gradient(X, X[:, :1])[1][:15].any()
    model.compile("sgd", "mse")
    assert not model.loss_and_gradient(X, X[:, :1])[1][:15].any()


def test_a_model_that_learns_its_shape_from_a_generator_or_after_it_was_saved(tmp_path: Any) -> None:
    def batches() -> Any:
        while True:
            yield X[:8], X[:8, :1]

    model = mb.Sequential([L.Dense(1)])
    model.compile("sgd", "mse")
    with pytest.warns(UserWarning, match="before it is built"):
        model.save(tmp_path / "m.keras")
    assert not model.built
    model.fit(batches(), steps_per_epoch=2, epochs=2, verbose=0)
    assert model.count_params() == 5


@pytest.mark.parametrize(
    "again", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))], ids=["copied", "pickled"]
)
def test_a_copy_of_a_trained_model_trains_on_alike(again: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the count of parameter vectors, which tells a moved weight, happens to be what it was."""
    model = stack()
    model.compile(mb.optimizers.SGD(0.05, momentum=0.9), "mse")
    model.train_on_batch(X, X[:, :1])
    model.layers[0].trainable = False
    made = mb.models.Parameters.made
    twin = again(model)
    monkeypatch.setattr(mb.models.Parameters, "made", made)
    for one in (model, twin):
        one.train_on_batch(X, X[:, :1])
    for a, b in zip(model.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    model.train_on_batch(X, X[:, :1])
    assert (model.get_weights()[0] != twin.get_weights()[0]).any()
