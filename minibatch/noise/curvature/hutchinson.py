"""The trace and the diagonal of a matrix that is known by its products, from random signs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minibatch.typing import Array

#: v (D,) -> H v (D,)
Product = Callable[[Array], Array]


@dataclass(frozen=True)
class Estimate:
    """A number, and how well it is known.

    Attributes
    ----------
    value : float
    standard_error : float
        Over the draws; 0 where the value is exact, NaN for a single draw.
    draws : int
        Random vectors; 0 where the value is exact.
    """

    value: float
    standard_error: float
    draws: int

    def to_dict(self) -> dict[str, Any]:
        """Return the attributes by name."""
        return {"value": self.value, "standard_error": self.standard_error, "draws": self.draws}

    def __str__(self) -> str:
        return f"{self.value:.4g}" + (f" +- {self.standard_error:.2g}" if self.draws else "")


@dataclass(frozen=True)
class Diagonal:
    """The diagonal of a matrix, and its sum.

    Attributes
    ----------
    values : ndarray, shape (D,)
    standard_errors : ndarray, shape (D,)
        Of each entry over the draws; 0 where exact, NaN for a single draw.
    trace : Estimate
        From the same products.
    """

    values: Array = field(repr=False)
    standard_errors: Array = field(repr=False)
    trace: Estimate

    @property
    def draws(self) -> int:
        """Random vectors; 0 where the diagonal is exact."""
        return self.trace.draws


def random_signs(draws: int, size: int, seed: int) -> Iterable[Array]:
    """Return ``draws`` vectors of ``size`` independent signs, -1.0 or 1.0 (Rademacher vectors), one at a time."""
    rng = np.random.default_rng(seed)
    for _ in range(draws):
        yield rng.choice([-1.0, 1.0], size)


def estimate_diagonal(product: Product, signs: Iterable[Array]) -> Diagonal:
    """Return the diagonal and the trace of a matrix, estimated with vectors of random signs.

    E[z z'] = I, so E[z * H z] is the diagonal (Bekas, Kokiopoulou and Saad 2007; their divisor z * z is 1 here)
    and E[z'H z] the trace (Hutchinson 1990). Both are unbiased. The variance of an entry is the sum of squares of
    the rest of its row, that of the trace 2 sum_{i != j} H_ij^2: what lies off the diagonal makes the noise.

    Parameters
    ----------
    product : callable
        v (D,) to H v (D,).
    signs : iterable of ndarray, shape (D,)
        At least one.

    Examples
    --------
    >>> import numpy as np
    >>> H = np.array([[2.0, 1.0], [1.0, 3.0]])
    >>> found = estimate_diagonal(lambda v: H @ v, [np.array([1.0, 1.0]), np.array([1.0, -1.0])])
    >>> found.values, found.trace
    (array([2., 3.]), Estimate(value=5.0, standard_error=2.0, draws=2))
    """
    traces = []
    mean = squares = np.zeros(())
    for count, z in enumerate(signs, 1):
        entries = z * product(z)
        traces.append(float(entries.sum()))
        # Welford 1962: running mean and sum of squared deviations, so that no draw is kept.
        step = entries - mean
        mean = mean + step / count
        squares = squares + step * (entries - mean)
    n = len(traces)
    errors = np.sqrt(squares / (n - 1) / n) if n > 1 else np.full_like(mean, np.nan)
    return Diagonal(mean, errors, mean_of(traces))


def mean_of(draws: list[float]) -> Estimate:
    """Return the mean of draws, with its standard error."""
    n = len(draws)
    return Estimate(float(np.mean(draws)), float(np.std(draws, ddof=1)) / math.sqrt(n) if n > 1 else math.nan, n)


def exact(value: float) -> Estimate:
    """Return a number as one that is known."""
    return Estimate(float(value), 0.0, 0)


def exact_diagonal(columns: Iterable[Array]) -> Diagonal:
    """Return the diagonal and the trace of a matrix from all its columns."""
    values = np.array([column[j] for j, column in enumerate(columns)])
    return Diagonal(values, np.zeros_like(values), exact(values.sum()))


def check_draws(draws: Any) -> int | None:
    """Return ``draws`` as an int, or None; raise a ValueError for anything but a positive integer or None."""
    if draws is None:
        return None
    if isinstance(draws, bool) or not isinstance(draws, int | np.integer) or draws < 1:
        raise ValueError(f"draws must be a positive integer, or None for an exact value; got {draws!r}.")
    return int(draws)
