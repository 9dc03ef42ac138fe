"""Which arrays the compiled loops take; and those of ReLU's gradient and of Adam beside their formulas."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from passes_on_and_off import assert_same_bits, by_formula, in_one_pass

import minibatch as mb
from minibatch import parallel, passes
from minibatch.compiling import PLAIN

FLOATS = st.sampled_from([np.float32, np.float64])
#: Beside common numbers those at which a formula may behave in its own way.
EDGES = np.array([0.0, -0.0, 1.0, -1.0, 1e-30, -1e30, np.inf, -np.inf, np.nan])


def numbers(rng: np.random.Generator, shape: tuple[int, ...], dtype: type) -> np.ndarray:
    """Return normal numbers, a quarter of them from the edges."""
    x, edges = rng.normal(size=shape), rng.choice(EDGES, size=shape)
    return np.where(rng.random(shape) < 0.25, edges, x).astype(dtype)


@pytest.mark.skipif(PLAIN, reason="with the compiler off none is taken, which the last line would find")
def test_what_is_taken() -> None:
    x = np.zeros((512, 512), np.float32)
    sealed = x.copy()
    sealed.flags.writeable = False
    assert passes.take(x)
    assert passes.take(x, x.copy())
    assert not passes.take(x[:16])
    assert not passes.take(x, x[:, ::2])
    assert not passes.take(x.T)
    assert not passes.take(x, x.astype(np.float64))
    assert not passes.take(sealed)
    for kind in (np.float16, np.int32, ">f4"):
        assert not passes.take(np.zeros((512, 512), kind))


@settings(deadline=None, max_examples=60)
@given(
    shape=st.tuples(st.integers(0, 5), st.integers(1, 40)),
    dtype=FLOATS,
    strided=st.booleans(),
    seed=st.integers(0, 99),
)
def test_the_gradient_of_relu(shape: tuple[int, int], dtype: type, strided: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    dy, z = numbers(rng, shape, dtype), numbers(rng, shape, dtype)
    if strided:
        dy = np.asfortranarray(dy)
    y, relu = np.maximum(z, 0), mb.activations.relu
    with by_formula():
        expected = relu.backward(dy, z, y)
        np.testing.assert_array_equal(expected, dy * (z > 0))
    with in_one_pass(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(mb.memory, "LARGE", 0)
        assert_same_bits(relu.backward(dy, z, y), expected)


@pytest.mark.parametrize("settings_", [{"negative_slope": 0.5}, {"max_value": 1.0}, {"threshold": 0.5}])
def test_a_large_relu_with_settings_keeps_them(settings_: dict[str, float], rng: np.random.Generator) -> None:
    relu = mb.activations.relu.with_settings(**settings_)
    z, dy = (rng.normal(size=(300, 300)).astype(np.float32) for _ in range(2))
    dz = relu.backward(dy, z, relu(z))
    few = relu.backward(dy[:3], z[:3], relu(z[:3]))
    np.testing.assert_array_equal(dz[:3], few)


@settings(deadline=None, max_examples=60)
@given(
    size=st.integers(1, 70),
    dtype=FLOATS,
    options=st.sampled_from([{}, {"beta_1": 0.0, "epsilon": 0.0}, {"amsgrad": True}, {"weight_decay": 0.1}]),
    clipped=st.booleans(),
    seed=st.integers(0, 99),
)
def test_steps_of_adam(size: int, dtype: type, options: dict[str, float], clipped: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    theta = rng.normal(size=size).astype(dtype)
    gradients = [rng.normal(size=size).astype(dtype) for _ in range(3)] + [numbers(rng, (size,), dtype)]
    ways = []
    for way in (by_formula, in_one_pass):
        optimizer, moved = mb.optimizers.Adam(clipvalue=1.0 if clipped else None, **options), theta.copy()
        with way():
            for g in gradients:
                optimizer.apply(g, moved)
        ways.append([moved, *optimizer.state.values()])
    for mine, expected in zip(*reversed(ways), strict=True):
        assert_same_bits(mine, expected)


def test_a_gradient_that_is_too_short_is_refused() -> None:
    """The compiled loops look at no shape: before them somebody must."""
    with in_one_pass(), pytest.raises(ValueError, match="broadcast"):
        mb.optimizers.Adam().apply(np.ones(3, np.float32), np.ones(4, np.float32))


@pytest.mark.skipif(PLAIN, reason="nothing is compiled, so both are the formula")
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_a_large_step_on_several_threads(
    threads: int, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
) -> None:
    theta, g = (rng.normal(size=1_300_007).astype(np.float32) for _ in range(2))
    ways = []
    for way in (by_formula, in_one_pass):
        monkeypatch.setattr(parallel, "_threads", 1 if way is by_formula else threads)
        optimizer, moved = mb.optimizers.AdamW(), theta.copy()
        with way():
            for _ in range(3):
                optimizer.apply(g, moved)
        ways.append(moved)
    assert_same_bits(*ways)
