"""The identities of gradient noise, by brute force over every batch and every order of a small set."""

from __future__ import annotations

from itertools import combinations, pairwise, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from minibatch.batching import batch_sizes
from minibatch.noise import (
    cosine_theory,
    critical_batch_size,
    epoch_error,
    epoch_mean_error,
    epoch_shares,
    expected_norm2,
    noise_ratio,
    noise_scale,
    trace,
)

gradients = arrays(
    np.float64, st.tuples(st.integers(2, 7), st.integers(1, 3)), elements=st.floats(-10, 10, width=32)
)


def batch_means(g: np.ndarray, batch_size: int) -> np.ndarray:
    """The mean gradient of every batch of distinct samples."""
    return np.array([g[list(members)].mean(axis=0) for members in combinations(range(len(g)), batch_size)])


@given(gradients)
def test_trace_is_the_unbiased_sum_of_variances(g):
    assert trace(g) == pytest.approx(g.var(axis=0, ddof=1).sum(), rel=1e-9, abs=1e-12)


@given(gradients, st.data())
def test_expected_norm2_is_exact_over_all_batches(g, data):
    batch_size = data.draw(st.integers(1, len(g)))
    measured = np.mean(np.sum(batch_means(g, batch_size) ** 2, axis=1))
    G = g.mean(axis=0)
    assert measured == pytest.approx(float(expected_norm2(G @ G, trace(g), batch_size, len(g))), rel=1e-9, abs=1e-9)


@given(gradients, st.data())
def test_mean_inner_product_with_the_full_gradient_is_its_square(g, data):
    batch_size = data.draw(st.integers(1, len(g)))
    G = g.mean(axis=0)
    assert np.mean(batch_means(g, batch_size) @ G) == pytest.approx(G @ G, rel=1e-9, abs=1e-9)


@given(gradients.filter(lambda g: g.mean(axis=0) @ g.mean(axis=0) > 1e-3), st.data())
def test_mean_projection_over_root_mean_square_is_the_theory_exactly(g, data):
    # E[|g_B| cos] / sqrt(E|g_B|^2) = (1 + x)^(-1/2).
    batch_size = data.draw(st.integers(1, len(g)))
    G, means = g.mean(axis=0), batch_means(g, batch_size)
    projection = np.mean(means @ G) / np.sqrt(G @ G)
    ratio = projection / np.sqrt(np.mean(np.sum(means**2, axis=1)))
    x = noise_ratio(G @ G, trace(g), batch_size, len(g))
    assert ratio == pytest.approx(float(cosine_theory(x)), rel=1e-7)


@given(gradients.filter(lambda g: len(g) >= 4))
def test_two_disjoint_batches_of_an_epoch(g):
    # E[g_j . g_k] = |G|^2 - S2/N.
    n, G = len(g), g.mean(axis=0)
    products = [
        g[list(first)].mean(axis=0) @ g[list(second)].mean(axis=0)
        for first in combinations(range(n), 2)
        for second in combinations(sorted(set(range(n)) - set(first)), 2)
    ]
    assert np.mean(products) == pytest.approx(G @ G - trace(g) / n, rel=1e-9, abs=1e-9)


@given(gradients, st.data())
def test_an_epoch_weighted_by_counts_is_the_full_gradient(g, data):
    # sum_k (B_k/N) g_k = G, whatever the remainder.
    batch_size = data.draw(st.integers(1, len(g)))
    order = data.draw(st.permutations(range(len(g))))
    total, start = np.zeros(g.shape[1]), 0
    for size in batch_sizes(len(g), batch_size):
        total += size / len(g) * g[order[start : start + size]].mean(axis=0)
        start += size
    np.testing.assert_allclose(total, g.mean(axis=0), rtol=1e-9, atol=1e-9)


@settings(max_examples=25)
@given(gradients.filter(lambda g: len(g) <= 5), st.data())
def test_unweighted_mean_of_an_epoch_misses_by_the_formula(g, data):
    batch_size = data.draw(st.integers(1, len(g)))
    sizes = batch_sizes(len(g), batch_size)
    edges = np.cumsum([0, *sizes])
    errors = []
    for order in permutations(range(len(g))):
        pieces = [g[list(order[a:b])].mean(axis=0) for a, b in pairwise(edges)]
        errors.append(np.sum((np.mean(pieces, axis=0) - g.mean(axis=0)) ** 2))
    assert np.mean(errors) == pytest.approx(epoch_mean_error(trace(g), len(g), batch_size), rel=1e-8, abs=1e-9)


def test_no_noise_at_the_full_batch():
    assert expected_norm2(2.0, 50.0, 100, 100) == 2.0
    assert noise_ratio(2.0, 50.0, 100, 100) == 0.0
    assert cosine_theory(0.0) == 1.0


def test_expected_norm2_takes_many_batch_sizes():
    np.testing.assert_allclose(expected_norm2(1.0, 100.0, [1, 50, 100], 100), [100.0, 2.0, 1.0])


def test_noise_scale_of_a_zero_gradient_is_infinite():
    assert noise_scale(3.0, 0.0) == np.inf
    assert noise_scale(3.0, 1.5) == 2.0


def test_trace_needs_two_samples():
    with pytest.raises(ValueError, match="at least 2 samples; got 1"):
        trace(np.ones((1, 3)))


@given(st.integers(2, 60), st.data())
def test_the_shares_of_keep_give_its_closed_form(n, data):
    batch_size = data.draw(st.integers(1, n))
    shares = epoch_shares(n, batch_size)
    assert shares.sum() == pytest.approx(1)
    assert epoch_error(2.5, shares) == pytest.approx(epoch_mean_error(2.5, n, batch_size), rel=1e-9, abs=1e-15)


@pytest.mark.parametrize("remainder", ["keep", "drop", "wrap", "merge", "balance", "weight"])
def test_the_error_of_an_epochs_mean_over_all_orders(remainder):
    g = np.random.default_rng(0).normal(size=(6, 2))
    shares = epoch_shares(6, 4, remainder)
    expected = shares.sum() * g.mean(axis=0)
    errors = [((shares @ g[list(order)] - expected) ** 2).sum() for order in permutations(range(6))]
    assert epoch_error(trace(g), shares) == pytest.approx(np.mean(errors), abs=1e-15)


@given(st.floats(1e-3, 1e6), st.integers(2, 10**6))
def test_at_the_critical_batch_size_noise_and_signal_are_equal(scale, n):
    B = critical_batch_size(scale, n)
    assert n >= B
    assert noise_ratio(1.0, scale, B, n) == pytest.approx(1, rel=1e-9)
    assert critical_batch_size(scale, np.inf) == scale
