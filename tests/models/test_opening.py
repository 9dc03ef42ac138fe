"""The first layers of a network, through which a batch goes a few samples at a time in inference."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import minibatch as mb
from minibatch import activations, parallel
from minibatch.layers import tiles
from minibatch.models import opening
from minibatch.models.opening import Opening, is_own

L = mb.layers


def images(activation: Any = "relu", extra: Any = ()) -> mb.Sequential:
    """Return a model of images, 24 x 20 x 3, with filters enough for Winograd's form in its second layer."""
    model = mb.Sequential(
        [
            mb.Input((24, 20, 3)),
            L.Rescaling(1 / 3),
            L.Conv2D(17, 3, padding="same", activation=activation),
            L.Conv2D(16, 3, activation=activation),
            *extra,
            L.MaxPooling2D(),
            L.Dropout(0.5),
            L.BatchNormalization(),
            L.Flatten(),
            L.Dense(4, "softmax"),
        ]
    )
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


@pytest.fixture(params=[1, 24 * 20 * 17 * 4])
def small(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a few samples be very few: one that a thread takes alone, or one for each of the threads."""
    monkeypatch.setattr(opening, "CACHE", request.param)


def batch(n: int, seed: int = 0) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 24, 20, 3)).astype(np.float32), rng.integers(0, 4, n)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("n", [1, 2, 5, 8])
def test_the_outputs_are_those_of_the_whole_batch(n: int, threads: int) -> None:
    model, (x, _) = images(), batch(n)
    model.fit(*batch(8), verbose=0)  # so that the moving averages are numbers like any others
    x[0, 3, 4, 1] = np.nan
    whole = model.forward([x])[0][0]
    parallel.set_threads(threads)
    try:
        assert model.graph.opening.few(x) <= threads
        assert (model.graph.opening.few(x) > 0) == (tiles.at_hand() and n > (1 if opening.CACHE == 1 else threads))
        np.testing.assert_array_equal(model.infer([x])[0], whole)
        with pytest.warns(UserWarning, match="not finite"):
            np.testing.assert_array_equal(model.predict(x, verbose=0), whole)
    finally:
        parallel.set_threads(None)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("name", ["elu", "gelu", "leaky_relu", "linear", "sigmoid", "softmax", "softplus", "tanh"])
def test_every_activation_gives_the_same_bits(name: str) -> None:
    model, (x, _) = images(name), batch(7)
    np.testing.assert_array_equal(model.infer([x])[0], model.forward([x])[0][0])


@pytest.mark.usefixtures("small")
def test_evaluate_is_what_it_is_without(monkeypatch: pytest.MonkeyPatch) -> None:
    model, (x, y) = images(), batch(21)
    few = model.evaluate(x, y, batch_size=8, verbose=0)
    monkeypatch.setattr(opening, "CACHE", 1 << 40)
    assert model.evaluate(x, y, batch_size=8, verbose=0) == few


def test_it_goes_down_to_where_samples_are_narrow() -> None:
    layers = images().layers
    first, widest = Opening.of(layers)
    assert [type(layer).__name__ for layer in first][-2:] == ["BatchNormalization", "Flatten"]
    assert widest == 24 * 20 * 17
    assert Opening.of(layers[:3]).layers == ()  # nothing narrow in it: what it gives would be copied as it is
    assert Opening.of([]) == ((), 0)
    wide = mb.Sequential([mb.Input((3, 3, 64)), L.Conv2D(64, 3, padding="same"), L.MaxPooling2D(3)])
    assert wide.graph.opening.layers == ()  # a kernel of 36,864 numbers, for images of 576


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(n=st.integers(0, 40), threads=st.integers(1, 9), fit=st.integers(0, 9))
def test_a_few_are_what_caches_hold_and_turns_are_about_as_long(n: int, threads: int, fit: int) -> None:
    model, x = images(), np.zeros((n, 24, 20, 3), np.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(opening, "CACHE", fit * 24 * 20 * 17 * 4 + 5)
        patch.setattr(opening, "threads", lambda: threads)
        patch.setattr(tiles, "at_hand", lambda: True)
        few = model.graph.opening.few(x)
    most = max(1, threads * fit)
    if n <= most:
        assert few == 0
    else:
        assert 1 <= few <= most
        assert -(-n // few) == -(-n // most)


@pytest.mark.usefixtures("small")
def test_layers_and_values_that_are_somebody_elses_are_given_whole_batches() -> None:
    class Centred(L.MaxPooling2D):
        """Its samples meet."""

        def forward(self, x: Any, training: bool = False) -> Any:
            return super().forward(x - x.mean(axis=0), training)

    x, _ = batch(6)
    assert images().graph.opening.few(x.astype(np.float64)) == 0  # what comes out is of another type
    derived = images(extra=[Centred(1)])
    function = images(activations.Activation(lambda z: z - z.mean(axis=0)))
    replaced = images()
    forward = replaced.layers[2].forward
    replaced.layers[2].forward = lambda x, training=False: forward(x - x.mean(axis=0), training)  # type: ignore[method-assign]  # as a user would
    wrapped, helped = images(), images()
    pool, conv = wrapped.layers[3], helped.layers[2]
    pooled = pool.forward
    pool.forward = functools.wraps(pooled)(lambda x, training=False: pooled(x - x.mean(axis=0), training))
    as_output = conv.as_output
    conv.as_output = lambda z: as_output(z) - z.mean(axis=0)
    for model in (derived, function, replaced, wrapped, helped):
        assert not all(map(is_own, model.layers))
        assert model.graph.opening.few(x) == 0
        np.testing.assert_array_equal(model.infer([x])[0], model.forward([x])[0][0])


def test_a_forward_of_ones_own_is_heeded_in_inference() -> None:
    class Twice(mb.Sequential):
        def forward(self, inputs: Any, training: bool = False) -> Any:
            return super().forward([2 * x for x in inputs], training)

    model = Twice([mb.Input((2,)), L.Dense(1, use_bias=False)])
    model.compile("sgd", "mse")
    x = np.ones((3, 2), np.float32)
    expected = 2 * x @ model.get_weights()[0]
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, rtol=1e-6)
    np.testing.assert_allclose(model.evaluate(x, expected, verbose=0), 0, atol=1e-12)


@pytest.mark.usefixtures("small")
def test_whole_numbers_are_not_cut_to_whole_numbers() -> None:
    model = mb.Sequential(
        [mb.Input((8, 8, 1)), L.Activation("sigmoid"), L.MaxPooling2D(2), L.Flatten(), L.Dense(2)]
    )
    x = np.arange(6 * 64).reshape(6, 8, 8, 1) % 7
    np.testing.assert_array_equal(model.infer([x])[0], model.forward([x])[0][0])
    assert len(model.graph.opening.layers) == 3


def test_only_the_caches_of_outputs_are_kept() -> None:
    model, (x, _) = images(), batch(3)
    _, caches = model.forward_only([x])
    assert [cache is None for cache in caches] == [True] * (len(caches) - 1) + [False]
    _, everything = model.forward([x])
    np.testing.assert_array_equal(caches[-1][1], everything[-1][1])


@pytest.mark.usefixtures("small")
def test_a_value_that_goes_two_ways_is_not_in_the_opening() -> None:
    inputs = mb.Input((24, 20, 3))
    half = L.MaxPooling2D()(L.Conv2D(16, 3, padding="same")(inputs))
    model = mb.Model(inputs, [half, L.Flatten()(half)])
    x, _ = batch(5)
    for one, other in zip(model.infer([x]), model.forward([x])[0], strict=True):
        np.testing.assert_array_equal(one, other)
    assert len(model.graph.opening.layers) == 0
