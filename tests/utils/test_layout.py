from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from minibatch.utils.layout import layered


def test_a_chain_is_straight_and_what_passes_it_goes_to_the_right_in_one_line() -> None:
    plan = layered([60, 90, 40, 60], [(0, 1), (1, 2), (2, 3), (0, 3)], gap=10, passing=10)
    assert plan.rank == [0, 1, 2, 3]
    np.testing.assert_allclose(plan.across, plan.across[0], atol=1)
    between = [across for across, _ in plan.ways[3][1:-1]]
    assert between[0] == pytest.approx(between[1])
    assert between[0] >= plan.across[1] + 45 + 10 + 5 - 1e-6


def test_branches_are_even_about_their_fork() -> None:
    plan = layered([30] * 5, [(0, 1), (0, 2), (0, 3), (1, 4), (2, 4), (3, 4)], gap=10, passing=5)
    assert plan.across[0] == pytest.approx(plan.across[2]) == pytest.approx(plan.across[4])
    assert np.diff(plan.across[1:4]) == pytest.approx([40, 40])


def test_crossings_are_undone() -> None:
    plan = layered([10] * 4, [(0, 3), (1, 2)], gap=5, passing=5)
    assert (plan.across[0] - plan.across[1]) * (plan.across[3] - plan.across[2]) > 0


@pytest.mark.parametrize("seed", range(5))
def test_nothing_overlaps(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = 14
    sizes = rng.uniform(10, 80, n).tolist()
    edges = [(int(rng.integers(0, b)), b) for b in range(1, n) for _ in range(2)]
    plan = layered(sizes, sorted(set(edges)), gap=6, passing=4)
    assert all(plan.rank[a] < plan.rank[b] for a, b in edges)
    for a, b in combinations(range(n), 2):
        if plan.rank[a] == plan.rank[b]:
            assert abs(plan.across[a] - plan.across[b]) >= (sizes[a] + sizes[b]) / 2 + 6 - 1e-6


def test_an_input_used_late_stands_near_its_use() -> None:
    plan = layered([10] * 5, [(0, 2), (2, 3), (3, 4), (1, 4)], gap=5, passing=5)
    assert plan.rank[1] == plan.rank[4] - 1
