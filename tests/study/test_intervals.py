from __future__ import annotations

import math

import numpy as np
import pytest

from minibatch.study.intervals import difference_interval, mcnemar, mean_interval, t_quantile


def t_density(t: np.ndarray, freedom: int) -> np.ndarray:
    log = math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2) - 0.5 * math.log(freedom * math.pi)
    return np.exp(log - (freedom + 1) / 2 * np.log1p(t * t / freedom))


@pytest.mark.parametrize("freedom", [*range(1, 31), 99, 1000])
@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.999])
def test_t_against_its_density(freedom: int, confidence: float) -> None:
    """The integral of the density from 0 to the quantile is half of the share between."""
    t = np.sinh(np.linspace(0, np.arcsinh(t_quantile(freedom, confidence)), 200_001))
    assert np.trapezoid(t_density(t, freedom), t) == pytest.approx(confidence / 2, abs=1e-8)


def test_t_between_whole_numbers_is_never_too_small() -> None:
    quantiles = [t_quantile(f) for f in (1, 1.9, 2, 29.5, 30, 35, 40, 59, 60, 500, 1e9)]
    assert quantiles == sorted(quantiles, reverse=True)
    assert quantiles[-1] == pytest.approx(1.95996, rel=3e-4)
    assert t_quantile(7 - 1e-12) == t_quantile(7)  # a sum that was rounded
    assert math.isnan(t_quantile(0.5))


def test_an_interval_covers_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    found = [mean_interval(rng.normal(3.0, 2.0, size=6)) for _ in range(2000)]
    covered = np.mean([one.low <= 3.0 <= one.high for one in found])
    assert covered == pytest.approx(0.95, abs=0.015)  # three standard errors


def test_a_difference_of_unequal_spreads_covers_too() -> None:
    rng = np.random.default_rng(2)
    found = [difference_interval(rng.normal(1, 5, size=5), rng.normal(1, 0.5, size=12)) for _ in range(2000)]
    # The degrees of freedom are rounded down: it may cover a little more often.
    assert 0.935 <= np.mean([one.holds_zero for one in found]) <= 0.98


def test_one_number_has_no_interval() -> None:
    for one in (mean_interval([2.0]), difference_interval([2.0], [1.0, 3.0])):
        assert math.isnan(one.low)
        assert one.holds_zero


@pytest.mark.parametrize("k", range(1, 60))
def test_equal_differences_are_equal_whatever_rounding_makes_of_them(k: int) -> None:
    differences = [(350 - k) / 360 - 350 / 360, (341 - k) / 360 - 341 / 360]
    assert math.isnan(mean_interval(differences).low)
    three = mean_interval([*differences, (300 - k) / 360 - 300 / 360])
    assert three.low == three.high == three.mean


def test_what_is_not_finite_has_no_interval() -> None:
    for values in ([math.inf, 1.0, 2.0], [math.nan, 1.0], [math.inf, -math.inf]):
        assert math.isnan(mean_interval(values).low)
    assert t_quantile(math.inf) == t_quantile(1e9)


def test_no_spread_at_all() -> None:
    assert difference_interval([1.0] * 3, [1.0] * 3).holds_zero
    assert not difference_interval([2.0] * 3, [1.0] * 3).holds_zero
    for two in (mean_interval([2.0, 2.0]), difference_interval([2.0, 2.0], [1.0, 1.0])):
        assert math.isnan(two.low)  # chance makes two equal too often


@pytest.mark.parametrize(("first", "second"), [(0, 0), (1, 0), (5, 0), (4, 2), (3, 3), (7, 12)])
def test_mcnemar_against_all_splits(first: int, second: int) -> None:
    """Every way in which the samples could have fallen, one by one."""
    n, uneven = first + second, abs(first - second)
    as_uneven = sum(abs(2 * fallen.bit_count() - n) >= uneven for fallen in range(2**n))
    assert mcnemar(first, second) == pytest.approx(as_uneven / 2**n)
    assert mcnemar(second, first) == mcnemar(first, second)


def test_mcnemar_of_many_samples_is_the_normal_distribution_s() -> None:
    z = (560 - 480 - 1) / math.sqrt(560 + 480)  # with the correction for continuity
    assert mcnemar(560, 480) == pytest.approx(math.erfc(z / math.sqrt(2)), rel=0.01)
