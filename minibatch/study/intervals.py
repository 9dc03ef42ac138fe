"""Means with intervals, from a few seeds each; and two models on the same test samples."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

#: Student's t, the 97.5% quantile, for 1 to 30 degrees of freedom (then every tenth, and the normal's).
_T = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
    2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)  # fmt: skip


@dataclass(frozen=True)
class Interval:
    """A mean, or a difference of two, with its 95% interval.

    Attributes
    ----------
    n : int
        How many numbers it is of (of the smaller side, for a difference).
    mean, low, high : float
        The bounds are NaN for fewer than two numbers.
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


def t_quantile(freedom: float) -> float:
    """Return Student's t quantile for a two-sided 95% interval; between the tabled ones, the wider.

    Examples
    --------
    >>> t_quantile(4), t_quantile(4.9), t_quantile(33), t_quantile(1e6)
    (2.776, 2.776, 2.042, 1.96)
    """
    if math.isnan(freedom) or freedom < 1:
        return math.nan
    if freedom <= 40:
        return _T[min(int(freedom), 30) - 1]
    return next(t for least, t in ((1000, 1.96), (120, 1.98), (60, 2.0), (40, 2.021)) if freedom >= least)


def mean_interval(values: Sequence[float]) -> Interval:
    """Return the mean and its 95% interval (Student's t).

    Examples
    --------
    >>> found = mean_interval([1.0, 2.0, 3.0])
    >>> found.mean, round(found.low, 3), round(found.high, 3)
    (2.0, -0.484, 4.484)
    """
    a = np.asarray(values, np.float64)
    if len(a) < 2:
        return Interval(len(a), float(a.mean()) if len(a) else math.nan, math.nan, math.nan, math.nan)
    sd = float(a.std(ddof=1))
    half = t_quantile(len(a) - 1) * sd / math.sqrt(len(a))
    return Interval(len(a), float(a.mean()), float(a.mean()) - half, float(a.mean()) + half, sd)


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
    va, vb = a.var(ddof=1) / len(a), b.var(ddof=1) / len(b)
    mean = float(a.mean() - b.mean())
    if va + vb == 0:
        return Interval(n, mean, mean, mean, 0.0)
    freedom = (va + vb) ** 2 / (va**2 / (len(a) - 1) + vb**2 / (len(b) - 1))
    half = t_quantile(float(freedom)) * math.sqrt(va + vb)
    return Interval(n, mean, mean - half, mean + half, math.sqrt((a.var(ddof=1) + b.var(ddof=1)) / 2))


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
