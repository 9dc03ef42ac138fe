from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gradient_check import check_layer, check_model, check_per_sample_gradients
from hypothesis import given, settings
from hypothesis import strategies as st

import minibatch as mb
from minibatch import parallel, passes
from minibatch.compiling import PLAIN
from minibatch.layers import channels
from minibatch.layers.normalization import moments

SWITCHES = [{}, {"center": False}, {"scale": False}, {"center": False, "scale": False}, {"epsilon": 0.5}]


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("arguments", SWITCHES, ids=str)
@pytest.mark.parametrize("shape", [(5, 3), (4, 2, 3), (2, 3, 2, 1)], ids=str)
@pytest.mark.parametrize("mode", ["training", "inference", "frozen"])
def test_gradients_of_batch_normalization(
    arguments: dict[str, Any], shape: tuple[int, ...], mode: str, rng: np.random.Generator
) -> None:
    layer = mb.layers.BatchNormalization(trainable=mode != "frozen", **arguments)
    check_layer(layer, rng.normal(2, 3, shape), training=mode != "inference")


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("arguments", SWITCHES, ids=str)
@pytest.mark.parametrize("shape", [(5, 3), (4, 2, 3), (2, 3, 2, 1)], ids=str)
def test_gradients_of_batch_normalization_in_passes(
    arguments: dict[str, Any], shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
) -> None:
    monkeypatch.setattr(passes, "LARGE", 1)
    check_layer(mb.layers.BatchNormalization(**arguments), rng.normal(2, 3, shape), training=True)


@pytest.mark.skipif(PLAIN, reason="without Numba's compiler there are no passes")
@pytest.mark.parametrize("arguments", SWITCHES, ids=str)
@pytest.mark.parametrize("shape", [(9000, 16), (700, 9, 7, 5), (70000, 1), (40, 1200), (33, 40, 33)], ids=str)
@pytest.mark.parametrize("training", [True, False])
def test_passes_over_a_large_batch_are_the_formulas(
    arguments: dict[str, Any],
    shape: tuple[int, ...],
    training: bool,
    monkeypatch: pytest.MonkeyPatch,
    rng: np.random.Generator,
) -> None:
    x = (rng.normal(2, 3, shape) * rng.uniform(0.1, 4, shape[-1])).astype(np.float32)
    dy = rng.normal(size=shape).astype(np.float32)
    layer = mb.layers.BatchNormalization(
        gamma_initializer="random_normal", beta_initializer="random_normal", **arguments
    )
    layer.ensure_built(shape[1:])
    calls: list[str] = []
    job = channels._job
    monkeypatch.setattr(channels, "_job", lambda name, *how: calls.append(name) or job(name, *how))

    def run(large: int, threads: int) -> list[np.ndarray]:
        monkeypatch.setattr(passes, "LARGE", large)
        monkeypatch.setattr(parallel, "_threads", threads)
        layer.moving_mean.value[...], layer.moving_variance.value[...] = 0.5, 2
        y, cache = layer.forward(x, training)
        dx = layer.backward(dy, cache)
        of_weights = [weight.gradient.copy() for weight in layer.weights if weight.trainable]
        return [y, dx, *of_weights, layer.moving_mean.numpy(), layer.moving_variance.numpy()]

    formulas = run(1 << 60, 1)
    assert not calls
    in_passes = run(1, 1)
    assert set(calls) == ({"moments", "normalize", "gradients", "backward"} if training else {"normalize"})
    for one, other in zip(in_passes, formulas, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=2e-5 * np.abs(other).max())
    for one, other in zip(run(1, 3), in_passes, strict=True):
        np.testing.assert_array_equal(one, other)
    if not training:  # no sums: a few samples at a time, in formulas or passes, are what all of them are
        np.testing.assert_array_equal(in_passes[0], formulas[0])


@pytest.mark.skipif(PLAIN, reason="NumPy's sums, which take the passes' place, round more")
def test_the_variance_of_numbers_far_from_zero_is_not_lost(rng: np.random.Generator) -> None:
    x = (10_000 + rng.normal(size=(50_000, 8)) + 100 * np.arange(50_000)[:, None] / 50_000).astype(np.float32)
    mean, variance = moments(x, (0,))
    np.testing.assert_allclose(mean[0], x.mean(axis=0, dtype=np.float64), rtol=1e-6)
    np.testing.assert_allclose(variance[0], x.var(axis=0, dtype=np.float64), rtol=1e-5)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("arguments", SWITCHES, ids=str)
@pytest.mark.parametrize(
    ("shape", "axis"),
    [((5, 3), -1), ((4, 2, 3), 2), ((4, 2, 3), 1), ((4, 2, 3), [-1, 1]), ((2, 3, 2, 3), (1, -1)), ((3, 1, 4), [1])],
    ids=str,
)
def test_gradients_of_layer_normalization(
    arguments: dict[str, Any], shape: tuple[int, ...], axis: Any, rng: np.random.Generator
) -> None:
    layer = mb.layers.LayerNormalization(axis, **arguments)
    check_layer(layer, rng.normal(2, 3, shape))
    check_per_sample_gradients(layer, rng.normal(2, 3, shape))


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("arguments", SWITCHES[:3], ids=str)
@pytest.mark.parametrize("shape", [(5, 3), (2, 3, 2, 3)], ids=str)
def test_outside_training_samples_do_not_meet(
    arguments: dict[str, Any], shape: tuple[int, ...], rng: np.random.Generator
) -> None:
    check_per_sample_gradients(mb.layers.BatchNormalization(**arguments), rng.normal(size=shape))
    check_per_sample_gradients(
        mb.layers.BatchNormalization(trainable=False, **arguments), rng.normal(size=shape), training=True
    )


def test_in_training_no_sample_has_a_gradient_of_its_own(rng: np.random.Generator) -> None:
    layer = mb.layers.BatchNormalization(name="bn")
    layer.ensure_built((3,))
    y, cache = layer.forward(rng.normal(size=(4, 3)), training=True)
    with pytest.raises(TypeError, match=r"layer 'bn' .*: in training its samples meet"):
        layer.per_sample_gradients(y, cache)


def test_the_moving_averages_by_hand() -> None:
    """Batch 1 has mean 2 and variance 1, batch 2 mean 6 and variance 4; momentum 1/2 from (0, 1)."""
    layer = mb.layers.BatchNormalization(momentum=0.5)
    layer([[1.0], [3.0]], training=True)
    assert [w.name for w in layer.weights] == ["gamma", "beta", "moving_mean", "moving_variance"]
    assert (layer.moving_mean.value.item(), layer.moving_variance.value.item()) == (1.0, 1.0)
    layer([[4.0], [8.0]], training=True)
    # (1 + 6) / 2 and (1 + 4) / 2
    assert (layer.moving_mean.value.item(), layer.moving_variance.value.item()) == (3.5, 2.5)
    layer([[100.0]])
    layer.trainable = False
    layer([[100.0]], training=True)
    assert (layer.moving_mean.value.item(), layer.moving_variance.value.item()) == (3.5, 2.5)
    assert layer([[3.5]]).item() == 0


def test_a_batch_of_one_comes_out_as_beta_and_sends_no_gradient_back() -> None:
    layer = mb.layers.BatchNormalization(beta_initializer="ones")
    layer.ensure_built((3,))
    y, cache = layer.forward(np.array([[5.0, -1, 7]], np.float32), training=True)
    np.testing.assert_array_equal(y, [[1, 1, 1]])
    np.testing.assert_array_equal(layer.backward(np.array([[1.0, 2, 3]], np.float32), cache), [[0, 0, 0]])
    np.testing.assert_array_equal(layer.beta.gradient, [1, 2, 3])
    np.testing.assert_array_equal(layer.gamma.gradient, [0, 0, 0])


def test_an_epoch_whose_last_batch_holds_one_sample(rng: np.random.Generator) -> None:
    """9 samples in batches of 4: 4, 4, 1."""
    layers = [mb.layers.Dense(4), mb.layers.BatchNormalization(), mb.layers.Dense(1)]
    model = mb.Sequential([mb.Input((3,)), *layers])
    model.compile("sgd", "mse")
    history = model.fit(rng.normal(size=(9, 3)), rng.normal(size=9), batch_size=4, epochs=2, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    assert all(np.isfinite(w).all() for w in model.get_weights())
    assert (layers[1].moving_mean.value != 0).any()


@pytest.mark.usefixtures("float64")
def test_gradients_of_a_model_in_inference_mode(rng: np.random.Generator) -> None:
    layers = [
        mb.layers.Dense(4),
        mb.layers.BatchNormalization(gamma_regularizer="l2"),
        mb.layers.Dense(2, "softmax"),
    ]
    model = mb.Sequential([mb.Input((3,)), *layers])
    model.compile("sgd", "sparse_categorical_crossentropy")
    check_model(model, rng.normal(size=(5, 3)), rng.integers(2, size=5))


@given(
    st.integers(1, 40),
    st.integers(1, 5),
    st.floats(-100, 100),
    st.floats(0.1, 10),
    st.booleans(),
)
@settings(max_examples=40, deadline=None)
def test_what_comes_out_has_mean_0_and_variance_1(n: int, c: int, mean: float, std: float, of_batch: bool) -> None:
    x = np.random.default_rng(n).normal(mean, std, (n + 1, c + 1))
    layer = mb.layers.BatchNormalization(epsilon=0) if of_batch else mb.layers.LayerNormalization(epsilon=0)
    layer.ensure_built(x.shape[1:])
    y, cache = layer.forward(x, training=True)
    axis = 0 if of_batch else 1
    np.testing.assert_allclose(y.mean(axis), 0, atol=1e-7)
    np.testing.assert_allclose(y.var(axis), 1, atol=1e-7)
    # The output does not change when x is moved or stretched, so dx is orthogonal to both.
    dy = np.random.default_rng(0).normal(size=y.shape)
    dx = layer.backward(dy, cache)
    size = np.abs(dy).max() * cache[1].max() * x.shape[axis] * max(np.abs(x).max(), 1)
    np.testing.assert_allclose(dx.sum(axis) / size, 0, atol=1e-9)
    np.testing.assert_allclose((dx * x).sum(axis) / size, 0, atol=1e-9)


def test_moments_of_many_rows_round_little(rng: np.random.Generator) -> None:
    x = rng.normal(5, 1, (200, 8, 8, 3)).astype(np.float32)
    mean, variance = moments(x, (0, 1, 2))
    assert mean.dtype == variance.dtype == np.float32
    np.testing.assert_allclose(mean.ravel(), x.mean((0, 1, 2), dtype=np.float64), rtol=1e-5)
    np.testing.assert_allclose(variance.ravel(), x.var((0, 1, 2), dtype=np.float64), rtol=1e-5)


@pytest.mark.parametrize(("axis", "shape"), [(1, (2, 3)), (0, (3,)), (-2, (2, 3)), (-1, ())])
def test_batch_normalization_of_another_axis_is_refused(axis: int, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=rf"normalizes the last axis, axis=-1, .* got axis={axis}"):
        mb.layers.BatchNormalization(axis).ensure_built(shape)


def test_the_last_axis_may_be_counted_from_the_front() -> None:
    assert mb.layers.BatchNormalization(axis=3).ensure_built((4, 4, 2)) == (4, 4, 2)


@pytest.mark.parametrize("axis", [0, 3, -3, [1, 1], [1, -2]])
def test_layer_normalization_of_an_axis_that_samples_have_not(axis: Any) -> None:
    with pytest.raises(ValueError, match="axis must name axes of a sample, once each"):
        mb.layers.LayerNormalization(axis).ensure_built((4, 2))


@pytest.mark.parametrize("axis", [None, "last", 1.0, True, []])
def test_layer_normalization_needs_integers(axis: Any) -> None:
    with pytest.raises(TypeError, match="LayerNormalization: axis must be an integer or a list of them"):
        mb.layers.LayerNormalization(axis)


@pytest.mark.parametrize(
    ("kind", "argument", "value"),
    [
        ("BatchNormalization", "renorm", True),
        ("BatchNormalization", "synchronized", True),
        ("BatchNormalization", "gamma_constraint", "non_neg"),
        ("LayerNormalization", "rms_scaling", True),
        ("LayerNormalization", "beta_constraint", "non_neg"),
    ],
)
def test_what_keras_has_besides(kind: str, argument: str, value: Any) -> None:
    with pytest.raises(TypeError, match=rf"{kind}\(\): the argument '{argument}' of Keras is not here"):
        getattr(mb.layers, kind)(**{argument: value})
