from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minibatch.compare.differences import crossover, first_parting, of_steps

losses = st.lists(st.floats(0, 1e6), min_size=1, max_size=20)


@given(losses, st.floats(1e-9, 1e-2))
def test_a_relative_gap_is_found_again(values: list[float], gap: float) -> None:
    theirs = np.array(values) + 1.0  # above 1 the difference is relative
    np.testing.assert_allclose(of_steps(theirs * (1 + gap), theirs), gap, rtol=1e-5)


def test_below_one_the_difference_is_absolute() -> None:
    assert of_steps(np.array([1e-5]), np.array([2e-5]))[0] == pytest.approx(1e-5)


def test_a_loss_that_is_not_finite_on_one_side_only_is_infinitely_far() -> None:
    found = of_steps(np.array([np.nan, 1.0, np.inf, np.nan]), np.array([1.0, np.inf, np.nan, np.nan]))
    assert found.tolist() == [np.inf, np.inf, 0.0, 0.0]
    assert first_parting(found, 1e3) == 1


def test_paths_of_different_lengths() -> None:
    with pytest.raises(ValueError, match=r"one length.*\(3,\) and \(2,\)"):
        of_steps(np.zeros(3), np.zeros(2))


@given(losses, st.floats(0, 1e6))
def test_first_parting_by_brute_force(values: list[float], tolerance: float) -> None:
    expected = next((k for k, value in enumerate(values, 1) if value > tolerance), None)
    assert first_parting(np.array(values), tolerance) == expected


@given(st.floats(10, 1e5), st.floats(1e3, 1e7))
def test_the_crossover_of_two_lines_is_where_they_cross(at: float, rate: float) -> None:
    """A processor of constant rate, and a card whose rate grows with the batch: equal at ``at``."""
    sizes = [1, 10**6]
    card = [rate * size / at for size in sizes]
    assert crossover(sizes, [rate, rate], card) == pytest.approx(at, rel=1e-6)


def test_a_lead_that_is_lost_again_is_no_crossover() -> None:
    assert crossover([8, 32, 128], [1.0, 1.0, 1.0], [2.0, 2.0, 0.5]) is None
    # Lost and won again: the last crossing counts.
    assert 32 < crossover([8, 32, 128], [1.0, 1.0, 1.0], [2.0, 0.5, 2.0]) < 128
    assert crossover([8, 32], [1.0, 1.0], [3.0, 2.0]) == 8.0
    assert crossover([], [], []) is None
