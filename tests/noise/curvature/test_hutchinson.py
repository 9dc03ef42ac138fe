from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minibatch.noise.curvature.hutchinson import estimate_diagonal, exact_diagonal, random_signs


def symmetric(size, seed=0):
    A = np.random.default_rng(seed).standard_normal((size, size))
    return A + A.T


@given(size=st.integers(1, 7), seed=st.integers(0, 1000))
def test_over_all_signs_trace_and_diagonal_are_exact(size, seed):
    H = symmetric(size, seed)
    signs = [np.array(z) for z in itertools.product([-1.0, 1.0], repeat=size)]
    found = estimate_diagonal(lambda v: H @ v, signs)
    np.testing.assert_allclose(found.values, np.diag(H), atol=1e-12)
    assert found.trace.value == pytest.approx(np.trace(H), abs=1e-11)
    assert found.draws == 2**size
    # And the variances are those of the docstring, of a finite population of 2^D.
    n = len(signs)
    off = H**2 - np.diag(np.diag(H) ** 2)
    np.testing.assert_allclose(found.standard_errors**2 * (n - 1), off.sum(axis=1), atol=1e-10)
    assert found.trace.standard_error**2 * (n - 1) == pytest.approx(2 * off.sum(), abs=1e-9)


def test_the_standard_error_is_what_the_estimates_scatter_by():
    H = symmetric(12)
    found = [estimate_diagonal(lambda v: H @ v, random_signs(20, 12, seed)).trace for seed in range(400)]
    values = np.array([one.value for one in found])
    error = np.sqrt(np.mean([one.standard_error**2 for one in found]))
    # The sd of 400 draws is known to 1/sqrt(800) = 3.5 %; the mean of them to error/20.
    assert values.std(ddof=1) == pytest.approx(error, rel=0.15)
    assert abs(values.mean() - np.trace(H)) < 4 * error / 20


def test_a_diagonal_matrix_has_no_noise():
    found = estimate_diagonal(lambda v: np.array([1.0, 2.0, -3.0]) * v, random_signs(5, 3, 0))
    np.testing.assert_array_equal(found.values, [1, 2, -3])
    assert not found.standard_errors.any()
    assert found.trace.value == found.trace.standard_error == 0


def test_one_draw_has_no_standard_error():
    found = estimate_diagonal(lambda v: v, random_signs(1, 3, 0))
    assert found.trace.value == 3
    assert np.isnan(found.trace.standard_error)
    assert np.isnan(found.standard_errors).all()


def test_exactly_from_columns():
    H = symmetric(5)
    found = exact_diagonal(H)
    np.testing.assert_array_equal(found.values, np.diag(H))
    assert found.trace.value == pytest.approx(np.trace(H))
    assert found.draws == found.trace.standard_error == 0


def test_signs_are_signs_and_repeat_under_a_seed():
    first, again, other = (np.array(list(random_signs(50, 40, seed))) for seed in (1, 1, 2))
    assert set(np.unique(first)) == {-1.0, 1.0}
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert abs(first.mean()) < 4 / np.sqrt(first.size)
