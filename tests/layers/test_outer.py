"""Gradients in factors answer what the multiplied-out ones would."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minibatch as mb
from minibatch.layers import outer as room
from minibatch.layers.outer import Outer, Rows, outer

sizes = st.integers(1, 5)


def drawn(n: int, p: int, i: int, o: int, seed: int) -> Outer:
    rng = np.random.default_rng(seed)
    return Outer(rng.normal(size=(n, p, i)), rng.normal(size=(n, p, o)))


@given(sizes, sizes, st.integers(1, 4), sizes, sizes, sizes, st.booleans())
@settings(max_examples=60)
def test_every_answer_is_that_of_the_rows(
    n: int, m: int, q: int, p: int, i: int, o: int, written_out: bool
) -> None:
    g, h = drawn(n, p, i, o, seed=1), drawn(m, q, i, o, seed=2)
    G, H = g.rows(), h.rows()
    other = Rows(H) if written_out else h
    rng = np.random.default_rng(3)
    v, c = rng.normal(size=i * o), rng.normal(size=n)
    for mine in (g, Rows(G)):
        assert len(mine) == n
        np.testing.assert_allclose(mine.rows(), G)
        np.testing.assert_allclose(mine.norm2(), (G**2).sum(axis=1))
        np.testing.assert_allclose(mine.products(other), G @ H.T, atol=1e-12)
        np.testing.assert_allclose(mine.times(v), G @ v, atol=1e-12)
        np.testing.assert_allclose(mine.weighted_sum(c), c @ G, atol=1e-12)
        np.testing.assert_allclose(mine.sum_of_squares(), (G**2).sum(axis=0), atol=1e-12)


def test_rows_are_sums_of_outer_products_over_positions() -> None:
    g = drawn(3, 4, 2, 5, seed=0)
    for n in range(3):
        by_hand = sum(np.outer(g.a[n, p], g.d[n, p]) for p in range(4))
        np.testing.assert_allclose(np.asarray(g)[n], by_hand)


def test_few_samples_at_a_time_change_no_sum_of_squares(monkeypatch: pytest.MonkeyPatch) -> None:
    g = drawn(7, 3, 4, 5, seed=0)
    whole = g.sum_of_squares()
    monkeypatch.setattr(room, "BLOCK", 2 * 4 * 5 * 8)
    np.testing.assert_allclose(g.sum_of_squares(), whole)


def test_factors_are_kept_where_they_are_the_smaller() -> None:
    assert isinstance(outer(np.ones((2, 1, 3)), np.ones((2, 1, 4)), (3, 4)), Outer)
    assert isinstance(outer(np.ones((2, 2, 30)), np.ones((2, 2, 40)), (30, 40)), Outer)
    written = outer(np.ones((2, 9, 3)), np.ones((2, 9, 4)), (3, 2, 2))
    assert isinstance(written, np.ndarray)
    assert written.shape == (2, 3, 2, 2)


def test_a_convolution_of_few_positions_and_many_filters_gives_factors(rng: np.random.Generator) -> None:
    x = rng.normal(size=(3, 2, 2, 16)).astype(np.float32)
    for layer, kind in ((mb.layers.Conv2D(64, 3, padding="same"), Outer), (mb.layers.Conv2D(2, 1), np.ndarray)):
        layer(x)
        z, cache = layer.linear(x, training=True)
        dz = rng.normal(size=z.shape).astype(np.float32)
        kernel = layer.per_sample_gradients(dz, cache)[0]
        assert isinstance(kernel, kind)
        for i in range(3):
            _, alone = layer.linear(x[i : i + 1], training=True)
            layer.linear_backward(dz[i : i + 1], alone)
            np.testing.assert_allclose(np.asarray(kernel)[i], layer.kernel.gradient, rtol=1e-5, atol=1e-4)


def test_float_types() -> None:
    g = Outer(np.ones((2, 3), np.float32), np.ones((2, 4), np.float32))
    assert g.dtype == g.rows().dtype == np.float32
    assert g.astype(np.float64).norm2().dtype == np.float64
    assert np.asarray(g, dtype=np.float64).dtype == np.float64
    assert g.nbytes == 2 * 7 * 4
