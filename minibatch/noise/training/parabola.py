"""Alpha: where a step ended, on a parabola fitted to the loss along it."""

from __future__ import annotations

import math
from typing import NamedTuple

#: Stands for a variance of zero, as in Cockpit: what was measured without noise is met almost exactly.
SMALLEST_VARIANCE = 1e-10


class Slope(NamedTuple):
    """The loss at one end of a step, seen along the step, by the samples of a batch.

    Attributes
    ----------
    value : float
        The mean loss of the batch.
    variance : float
        Of the samples' losses, with divisor B - 1.
    slope : float
        g_B . d / |d|, d the step.
    slope_variance : float
        Of the samples' g_i . d / |d|, with divisor B - 1.
    """

    value: float
    variance: float
    slope: float
    slope_variance: float


def parabola(length: float, start: Slope, end: Slope) -> tuple[float, float, float]:
    """Return (w0, w1, w2) of f(t) = w0 + w1 t + w2 t^2, fitted to both ends of a step; NaN where there is no fit.

    The maximum-likelihood fit to f(0), f(|d|), f'(0) and f'(|d|), each with independent Gaussian noise of the
    variance that was measured: Schneider et al. 2021 (Cockpit), section 2.2 and appendix C.1, after Mahsereci and
    Hennig 2017. Weighted least squares with four equations and three unknowns. Deviation: t is counted in step
    lengths while the equations are solved, which changes nothing but the rounding.

    Parameters
    ----------
    length : float
        |d|.
    start, end : Slope
        At the weights before and after the step; in training the latter is seen by the next step's batch.

    Examples
    --------
    A noiseless parabola, (t - 1)^2, walked from 0 to 3:

    >>> start, end = Slope(1.0, 0.0, -2.0, 0.0), Slope(4.0, 0.0, 4.0, 0.0)
    >>> [round(float(w), 6) for w in parabola(3.0, start, end)]
    [1.0, -2.0, 1.0]
    """
    f0, f1, d0, d1 = start.value, end.value, length * start.slope, length * end.slope
    v0, v1, u0, u1 = (
        variance or SMALLEST_VARIANCE
        for variance in (start.variance, end.variance, start.slope_variance, end.slope_variance)
    )
    u0, u1 = length**2 * u0, length**2 * u1
    if not (length > 0 and all(map(math.isfinite, (f0, f1, d0, d1, v0, v1, u0, u1)))):
        return math.nan, math.nan, math.nan
    # w0 = f0, w0 + w1 + w2 = f1, w1 = d0, w1 + 2 w2 = d1: four equations for three unknowns, which fit together
    # where n . (f0, f1, d0, d1) = 0 for n = (2, -2, 1, 1). The most likely mend of what was seen is along V n.
    mend = (2 * f0 - 2 * f1 + d0 + d1) / (4 * v0 + 4 * v1 + u0 + u1)
    w0, w1 = f0 - 2 * v0 * mend, d0 - u0 * mend
    w2 = (d1 - u1 * mend - w1) / 2
    return w0, w1 / length, w2 / length**2


def alpha(length: float, start: Slope, end: Slope) -> float:
    """Return t/t* - 1, t the length of the step and t* that of the step to the parabola's minimum.

    -1 is no step, 0 the step to the minimum, 1 the step to the point as high on the other side: Schneider et al.
    2021, section 2.2. As in Cockpit it is -1 where the parabola opens downwards (the loss still falls where the
    step ended), and where there was no step. NaN where there is no fit: a batch of one sample has no variances.

    Examples
    --------
    >>> start, end = Slope(1.0, 0.0, -2.0, 0.0), Slope(4.0, 0.0, 4.0, 0.0)
    >>> round(alpha(3.0, start, end), 6)  # the minimum lies at 1, the step went to 3
    2.0
    """
    if length == 0:
        return -1.0
    _, w1, w2 = parabola(length, start, end)
    if w2 < 0:
        return -1.0
    if w1 == 0:
        return math.inf  # the step began at the minimum
    # t* = -w1 / (2 w2)
    return length * 2 * w2 / -w1 - 1
