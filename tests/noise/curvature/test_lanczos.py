from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minibatch.noise.curvature.lanczos import eigenpairs


def symmetric(size, seed):
    A = np.random.default_rng(seed).standard_normal((size, size))
    return A + A.T


@given(size=st.integers(1, 30), seed=st.integers(0, 10**6), k=st.integers(1, 30), largest=st.booleans())
@settings(max_examples=60, deadline=None)
def test_the_outermost_of_a_symmetric_matrix(size, seed, k, largest):
    k = min(k, size)
    H = symmetric(size, seed)
    found = eigenpairs(lambda v: H @ v, size, k, largest=largest, tolerance=1e-9)
    exact = np.linalg.eigvalsh(H)
    expected = exact[::-1][:k] if largest else exact[:k]
    scale = np.abs(exact).max()
    np.testing.assert_allclose(found.values, expected, atol=1e-7 * scale)
    assert found.converged
    assert found.residuals.max() <= 1e-9 * scale
    np.testing.assert_allclose(np.linalg.norm(found.vectors, axis=1), 1)
    for value, v in zip(found.values, found.vectors, strict=True):
        np.testing.assert_allclose(H @ v, value * v, atol=1e-8 * scale)


@given(seed=st.integers(0, 10**6), tolerance=st.floats(1e-8, 0.5))
@settings(max_examples=40, deadline=None)
def test_an_eigenvalue_lies_within_the_residual(seed, tolerance):
    H = symmetric(40, seed)
    found = eigenpairs(lambda v: H @ v, 40, 3, tolerance=tolerance, max_steps=12)
    nearest = np.abs(np.linalg.eigvalsh(H)[:, None] - found.values).min(axis=0)
    assert (nearest <= found.residuals + 1e-12).all()


def test_few_steps_suffice_where_the_top_stands_out():
    values = np.concatenate([np.linspace(-1, 1, 498), [10.0, 20.0]])
    H = np.diag(values)
    found = eigenpairs(lambda v: H @ v, 500, 2)
    np.testing.assert_allclose(found.values, [20, 10], rtol=1e-9)
    assert found.steps < 20


def test_no_ghosts():
    # Without reorthogonalisation a top eigenvalue this far out comes back several times within 60 steps.
    values = np.concatenate([np.linspace(0, 1, 199), [1e4]])
    found = eigenpairs(lambda v: values * v, 200, 2, tolerance=1e-14, max_steps=60)
    assert found.values[0] == pytest.approx(1e4)
    assert found.values[1] <= 1 + 1e-6


def test_too_few_steps_are_said_to_be_too_few():
    H = np.diag(np.linspace(0, 1, 200))
    found = eigenpairs(lambda v: H @ v, 200, 2, max_steps=5)
    assert found.steps == 5
    assert not found.converged


@pytest.mark.parametrize("values", [[3.0, 3.0, 3.0, 3.0], [0.0, 0.0, 0.0], [2.0, 2.0, 1.0, 1.0]])
def test_a_space_that_is_used_up_is_left_for_another(values):
    H = np.diag(values)
    found = eigenpairs(lambda v: H @ v, len(values), len(values))
    np.testing.assert_allclose(found.values, values, atol=1e-12)
    assert found.converged
    np.testing.assert_allclose(found.vectors @ found.vectors.T, np.eye(len(values)), atol=1e-9)


def test_only_where_it_is_free():
    # All eigenvalues are negative where it is free; the zeros elsewhere are not its.
    H = np.diag([-1.0, 0.0, -3.0, 0.0])
    free = np.array([True, False, True, False])
    found = eigenpairs(lambda v: H @ v, 4, 2, free=free)
    np.testing.assert_allclose(found.values, [-1, -3])
    assert not found.vectors[:, ~free].any()
    with pytest.raises(ValueError, match="k must be an integer from 1 to 2, the free parameters; got 3"):
        eigenpairs(lambda v: H @ v, 4, 3, free=free)


def test_the_same_seed_gives_the_same_numbers():
    H = symmetric(30, 1)
    first, again, other = (eigenpairs(lambda v: H @ v, 30, seed=seed, max_steps=9) for seed in (3, 3, 4))
    assert first.values == again.values
    assert first.values != other.values


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"k": 0}, "k must be an integer from 1 to 4"),
        ({"k": 5}, "got 5"),
        ({"k": True}, "got True"),
        ({"k": 1.0}, "got 1.0"),
        ({"tolerance": 0}, "tolerance must be positive; got 0"),
        ({"tolerance": float("nan")}, "tolerance must be positive; got nan"),
        ({"k": 3, "max_steps": 2}, "max_steps must be an integer, at least k = 3; got 2"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        eigenpairs(lambda v: v, 4, **arguments)
