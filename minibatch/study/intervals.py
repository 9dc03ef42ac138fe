"""Means with intervals, from a few seeds each; and two models on the same test samples."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from minibatch.typing import Array

#: Degrees of freedom beyond which the quantile is that of so many: by then within 0.03% of the normal's.
MOST_FREEDOM = 10_000


@dataclass(frozen=True)
class Interval:
    """A mean, or a difference of two, with its interval, of 95% if nothing else is said.

    Attributes
    ----------
    n : int
        How many numbers it is of (of the smaller side, for a difference).
    mean, low, high : float
        The bounds are NaN for fewer than two numbers, and for two equal ones.
    sd : float
        Standard deviation of one number.
    """

    n: int
    mean: float
    low: float
    high: float
    sd: float

    @property
    def holds_zero(self) -> bool:
        """Whether zero is inside: nothing is shown to differ."""
        return not (self.low > 0 or self.high < 0)


@functools.lru_cache(maxsize=1000)
def t_quantile(freedom: float, confidence: float = 0.95) -> float:
    """Return Student's t quantile for a two-sided interval; between two whole degrees of freedom the wider.

    Examples
    --------
    >>> [round(t_quantile(freedom), 3) for freedom in (1, 4, 4.9, 1e6)]
    [12.706, 2.776, 2.776, 1.96]
    >>> round(t_quantile(7, confidence=0.99), 3)
    3.499
    """
    if math.isnan(freedom) or freedom < 1:
        return math.nan
    whole = int(min(freedom + 1e-9, MOST_FREEDOM))  # of a whole number that was rounded down a little, that one
    low, high = 0.0, 1.0
    while _share_within(high, whole) < confidence:
        low, high = high, 2 * high
    while high - low > 1e-12 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if _share_within(middle, whole) < confidence else (low, middle)
    return high


def _share_within(t: float, freedom: int) -> float:
    """Return the share of Student's t within -t and t: Abramowitz and Stegun, 26.7.3 and 26.7.4."""
    theta = math.atan(t / math.sqrt(freedom))
    odd, squared = freedom % 2, math.cos(theta) ** 2
    term = math.cos(theta) if odd else 1.0
    total = 0.0 if freedom == 1 else term
    for k in range(2 + odd, freedom - 1, 2):
        term *= (k - 1) / k * squared
        total += term
    total *= math.sin(theta)
    return 2 / math.pi * (theta + total) if odd else total


def mean_interval(values: Sequence[float], confidence: float = 0.95) -> Interval:
    """Return the mean and its interval (Student's t).

    Two numbers that are equal say nothing of their spread: they have none.

    Examples
    --------
    >>> found = mean_interval([1.0, 2.0, 3.0])
    >>> found.mean, round(found.low, 3), round(found.high, 3)
    (2.0, -0.484, 4.484)
    """
    a = np.asarray(values, np.float64)
    if len(a) < 2:
        return Interval(len(a), float(a.mean()) if len(a) else math.nan, math.nan, math.nan, math.nan)
    with np.errstate(invalid="ignore"):  # infinities of both signs have no mean
        mean = float(a.mean())
    sd = _sd(a)
    half = t_quantile(len(a) - 1, confidence) * sd / math.sqrt(len(a))
    if len(a) == 2 and sd == 0:
        half = math.nan
    return Interval(len(a), mean, mean - half, mean + half, sd)


def _sd(a: Array) -> float:
    """Return the standard deviation; 0 where only rounding tells the numbers apart, NaN where one is not finite."""
    if not np.isfinite(a).all():
        return math.nan
    sd = float(a.std(ddof=1))
    return sd if sd > 1e-9 * float(np.abs(a).max()) else 0.0


def difference_interval(first: Sequence[float], second: Sequence[float]) -> Interval:
    """Return mean(first) - mean(second) and its 95% interval, without assuming equal spreads.

    Welch 1947, "The generalization of Student's problem when several different population variances are involved";
    degrees of freedom after Satterthwaite.

    Examples
    --------
    >>> difference_interval([1.0, 2.0, 3.0], [1.0, 2.0, 3.0]).holds_zero
    True
    """
    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    n = min(len(a), len(b))
    if n < 2:
        return Interval(n, float(a.mean() - b.mean()) if n else math.nan, math.nan, math.nan, math.nan)
    va, vb = _sd(a) ** 2 / len(a), _sd(b) ** 2 / len(b)
    mean = float(a.mean() - b.mean())
    if va + vb == 0:
        half = math.nan if n == 2 else 0.0  # as in mean_interval
        return Interval(n, mean, mean - half, mean + half, 0.0)
    freedom = (va + vb) ** 2 / (va**2 / (len(a) - 1) + vb**2 / (len(b) - 1))
    half = t_quantile(float(freedom)) * math.sqrt(va + vb)
    return Interval(n, mean, mean - half, mean + half, math.sqrt((_sd(a) ** 2 + _sd(b) ** 2) / 2))


def mcnemar(only_first: int, only_second: int) -> float:
    """Return the p-value for two models that are right on different ones of the same test samples.

    Samples on which both are right, or both wrong, say nothing of the difference. Were the models equally good,
    each of the others would be as likely the first's as the second's: p is the chance of a split so uneven.
    McNemar 1947, "Note on the sampling error of the difference between correlated proportions or percentages";
    here with the exact binomial distribution, two-sided, which holds for small counts too.

    Parameters
    ----------
    only_first, only_second : int
        How many samples only this one of the two has right.

    Examples
    --------
    Five against none is 2/2^5:

    >>> mcnemar(5, 0), mcnemar(3, 3)
    (0.0625, 1.0)
    """
    n, most = only_first + only_second, max(only_first, only_second)
    as_uneven = sum(math.comb(n, k) for k in range(most, n + 1))
    return min(1.0, float(2 * as_uneven / 2**n))
