"""Drawn batches from inner products: the kernel against its plain form, both against the gradients."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minibatch.batching import order
from minibatch.noise.draws import drawn_sums, orders, prefix_sums, prefix_sums_reference


def gradients(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return (g, G, products of the centred, their products with G)."""
    g = np.random.default_rng(seed).normal(size=(n, 3)) + 1
    G = g.mean(axis=0)
    c = g - G
    return g, G, c @ c.T, c @ G


def test_draw_d_is_the_order_of_epoch_d():
    rows = orders(12, 3, seed=5)
    for d in range(3):
        np.testing.assert_array_equal(rows[d], order.permutation(12, 5, d))
    np.testing.assert_array_equal(orders(12, 2, seed=5, first=1), rows[1:])
    with_replacement = orders(200, 2, seed=5, replacement=True)
    np.testing.assert_array_equal(with_replacement[1], order.drawn(200, 5, 1))
    assert len(set(with_replacement[0])) < 200


@given(st.integers(2, 12), st.integers(1, 5), st.booleans(), st.integers(0, 99), st.data())
@settings(max_examples=60, deadline=None)
def test_kernel_and_plain_form_agree(n, draws, replacement, seed, data):
    _, _, centred, along = gradients(n, seed)
    counts = np.array(sorted(data.draw(st.sets(st.integers(1, n), min_size=1))))
    members = orders(n, draws, seed, replacement)
    for fast, plain in zip(
        prefix_sums(centred, along, members, counts),
        prefix_sums_reference(centred, along, members, counts),
        strict=True,
    ):
        assert fast.shape == (len(counts), draws)
        np.testing.assert_allclose(fast, plain, atol=1e-10)


@given(st.integers(2, 12), st.booleans(), st.integers(0, 99), st.data())
@settings(max_examples=60, deadline=None)
def test_sums_are_those_of_the_batches_gradients(n, replacement, seed, data):
    g, G, centred, along = gradients(n, seed)
    sizes = data.draw(st.lists(st.integers(1, n), min_size=1, max_size=4))  # in any order, some twice
    members = orders(n, 3, seed, replacement)
    spread, projected = drawn_sums(centred, along, members, sizes, replacement)
    for k, B in enumerate(sizes):
        for d in range(3):
            c_B = g[members[d, :B]].mean(axis=0) - G
            assert spread[k, d] == pytest.approx(c_B @ c_B, abs=1e-10)
            assert projected[k, d] == pytest.approx(c_B @ G, abs=1e-10)
