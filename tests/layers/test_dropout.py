from __future__ import annotations

import math

import numpy as np
import pytest
from gradient_check import check_layer
from hypothesis import given, settings
from hypothesis import strategies as st
from passes_on_and_off import assert_same_bits, by_formula, in_one_pass

import minibatch as mb


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("rate", [0, 0.3, 0.9, 1])
def test_gradients_with_the_same_mask_each_time(rate: float, rng: np.random.Generator) -> None:
    layer = mb.layers.Dropout(rate, seed=3)

    def same_mask() -> None:
        layer.generator = np.random.default_rng(3)

    check_layer(layer, rng.normal(size=(3, 4, 2)), training=True, before=same_mask)


def test_inference_is_the_identity() -> None:
    x = np.ones((4, 5), np.float32)
    layer = mb.layers.Dropout(0.5)
    np.testing.assert_array_equal(layer(x), x)
    y, cache = layer.forward(x, training=False)
    np.testing.assert_array_equal(layer.backward(y, cache), y)


@pytest.mark.parametrize("rate", [0.1, 0.25, 0.5, 0.8])
def test_the_fraction_and_the_mean(rate: float) -> None:
    y, _ = mb.layers.Dropout(rate, seed=0).forward(np.ones((400, 500), np.float32), training=True)
    assert set(np.unique(y)) == {np.float32(0), np.float32(1 / (1 - rate))}
    # 200,000 coins: the fraction's standard error is at most 0.0011, the mean's at most 0.0045 (rate 0.8).
    assert np.mean(y == 0) == pytest.approx(rate, abs=0.005)
    assert y.mean(dtype=np.float64) == pytest.approx(1, abs=0.02)


def test_every_pass_has_a_mask_of_its_own_and_a_seed_repeats_them() -> None:
    x = np.ones((10, 10), np.float32)
    one, two = mb.layers.Dropout(0.5, seed=1), mb.layers.Dropout(0.5, seed=1)
    first, second = (one.forward(x, training=True)[0] for _ in range(2))
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(two.forward(x, training=True)[0], first)


@pytest.mark.parametrize("rate", [-0.1, 1.5, "0.5", None, True, float("nan")])
def test_rate_must_be_a_fraction(rate: object) -> None:
    with pytest.raises(ValueError, match="Dropout: rate must be a number from 0 to 1; got "):
        mb.layers.Dropout(rate)


@pytest.mark.parametrize("rate", [np.float32(0.5), np.float64(0.5), np.int64(0)])
def test_rate_may_be_a_numpy_number(rate: object) -> None:
    assert mb.layers.Dropout(rate).rate == float(rate)


RATES = st.sampled_from([1e-9, 0.1, 0.25, 1 / 3, 0.5, 0.8, 1 - 2**-24, 1.0]) | st.floats(0, 1)


@settings(deadline=None, max_examples=100)
@given(
    shape=st.tuples(st.integers(1, 6), st.integers(1, 300)),
    rate=RATES,
    dtype=st.sampled_from([np.float32, np.float64]),
    strided=st.booleans(),
    seed=st.integers(0, 2**63),
)
def test_one_pass_gives_the_same_bits(
    shape: tuple[int, int], rate: float, dtype: type, strided: bool, seed: int
) -> None:
    layers = [mb.layers.Dropout(rate, seed=seed) for _ in range(2)]
    rng = np.random.default_rng(seed)
    x, dy = (rng.normal(size=shape).astype(dtype) for _ in range(2))
    x[0, 0], dy[0, 0] = np.nan, np.inf
    if strided:
        x = np.asfortranarray(x)
    for _ in range(3):
        passed = []
        for layer, way in zip(layers, (by_formula, in_one_pass), strict=True):
            with way():
                y, kept = layer.forward(x, training=True)
                passed.append((y, layer.backward(dy, kept)))
        for mine, expected in zip(*reversed(passed), strict=True):
            assert_same_bits(mine, expected)
    draws = [layer.generator.random(3, dtype=np.float32) for layer in layers]
    np.testing.assert_array_equal(*draws)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_a_large_batch_on_several_threads(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mb.parallel, "_threads", threads)
    x = np.random.default_rng(0).normal(size=(9, 150_002)).astype(np.float32)
    layers = [mb.layers.Dropout(0.3, seed=5) for _ in range(2)]
    with by_formula():
        expected, _ = layers[0].forward(x, training=True)
    y, kept = layers[1].forward(x, training=True)
    assert_same_bits(y, expected)
    assert_same_bits(layers[1].backward(np.ones_like(x), kept), kept * np.float32(1 / 0.7))


class EachNumberOnce:
    """A generator whose draws of 16 bits, or of 8, are all there are, and whose other draws are one number."""

    def __init__(self, other: float, kind: type) -> None:
        self.other, self.kind = other, kind

    def integers(self, low: int, high: int, size: int, dtype: type) -> np.ndarray:
        assert (low, high, dtype) == (0, 1 << 64, np.uint64)
        return np.arange(1 << 16).astype(self.kind).view(np.uint64)[:size]

    def random(self, size: int) -> np.ndarray:
        return np.full(size, self.other)


@given(rate=RATES | st.integers(0, 256).map(lambda part: part / 256))
def test_a_coin_falls_as_often_as_the_rate_says(rate: float) -> None:
    """The number of coins that fall, of all there are, is 65,536 rate: rounded up or down by a second draw."""
    layer = mb.layers.Dropout(rate)
    place = rate * (1 << 16)
    for other in (0.0, math.nextafter(place % 1, 0), place % 1, math.nextafter(1, 0)):
        layer.generator = EachNumberOnce(other, np.uint8 if rate * 256 % 1 == 0 else np.uint16)
        dropped = (1 << 16) - int(layer._toss(1 << 16).sum())
        assert dropped == math.floor(place) + (other < place % 1)


@pytest.mark.parametrize("n", [1, 3, 4, 7, 1000])
def test_any_number_of_coins(n: int) -> None:
    layer = mb.layers.Dropout(0.5, seed=0)
    assert layer._toss(n).shape == (n,)
