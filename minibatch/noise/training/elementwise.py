"""Signal against noise, parameter by parameter: the mean GSNR, and the criterion for early stopping.

Both are a mean over all parameters j of a ratio that asks for sum_i g_ij^2, a vector as long as the gradient. The
NumPy form here is the reference; ``sums_kernels`` has the loops that never write that vector down.
"""

from __future__ import annotations

import math

import numpy as np

from minibatch.typing import Array

#: Keeps both divisions away from zero, as in Cockpit.
EPSILON = 1e-5


def signal_sums(
    second_moment: Array, gradient: Array, batch_size: int, epsilon: float = EPSILON
) -> tuple[float, float]:
    """Return (sum_j g_Bj^2 / (v_j + epsilon), sum_j g_Bj^2 / (S_j + epsilon)), v and S the variances.

    v_j = (1/B) sum_i g_ij^2 - g_Bj^2 and S_j = v_j B/(B - 1). Where rounding leaves v_j below zero it counts as 0.

    Parameters
    ----------
    second_moment : ndarray, shape (D,)
        (1/B) sum_i g_ij^2.
    gradient : ndarray, shape (D,)
        g_B.
    batch_size : int
        B, at least 2.
    """
    g2 = np.square(gradient)
    variance = np.maximum(second_moment - g2, 0)
    epsilon = gradient.dtype.type(epsilon)
    plain = g2 / (variance + epsilon)
    variance *= gradient.dtype.type(batch_size / (batch_size - 1))
    variance += epsilon
    g2 /= variance
    return float(plain.sum(dtype=np.float64)), float(g2.sum(dtype=np.float64))


def mean_gsnr(second_moment: Array, gradient: Array, batch_size: int, epsilon: float = EPSILON) -> float:
    """Return mean_j g_Bj^2 / (v_j + epsilon), the mean gradient signal-to-noise ratio.

    Liu, Jiang, Bai, Chen and Wang 2020, "Understanding why neural networks generalize well through GSNR of
    parameters" (arXiv 2001.07384), eq. 25, and the epsilon of Cockpit. NaN for a batch of one sample.

    Parameters
    ----------
    second_moment, gradient, batch_size, epsilon
        As for ``signal_sums``.

    Examples
    --------
    >>> g = np.array([[1.0, 2.0], [3.0, 2.0]])  # two samples, two parameters
    >>> mean_gsnr((g**2).mean(axis=0), g.mean(axis=0), 2, epsilon=1.0)  # (4/(1 + 1) + 4/(0 + 1)) / 2
    3.0
    """
    if batch_size < 2:
        return math.nan
    return signal_sums(second_moment, gradient, batch_size, epsilon)[0] / gradient.size


def eb_criterion(second_moment: Array, gradient: Array, batch_size: int, epsilon: float = EPSILON) -> float:
    """Return 1 - B mean_j [g_Bj^2 / (S_j + epsilon)]: above zero the gradient is no larger than its noise.

    The evidence-based criterion for early stopping of Mahsereci, Balles, Lassner and Hennig 2017, "Early stopping
    without a validation set" (arXiv 1703.09580), eq. 7, with the epsilon of Cockpit. NaN for a batch of one sample.

    Parameters
    ----------
    second_moment, gradient, batch_size, epsilon
        As for ``signal_sums``.

    Examples
    --------
    >>> g = np.array([[1.0, 2.0], [3.0, 2.0]])
    >>> eb_criterion((g**2).mean(axis=0), g.mean(axis=0), 2, epsilon=1.0)  # 1 - 2 (4/(2 + 1) + 4/(0 + 1)) / 2
    -4.333...
    """
    if batch_size < 2:
        return math.nan
    return 1 - batch_size * signal_sums(second_moment, gradient, batch_size, epsilon)[1] / gradient.size
