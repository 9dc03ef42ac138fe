"""The formulas of gradient noise, for a data set of finite size.

McCandlish, Kaplan, Amodei et al. 2018, "An Empirical Model of Large-Batch Training" (arXiv 1812.06162), write
them for an infinite population. Batches drawn without replacement from N samples are less noisy, by the factor
1 - B/N; the forms here hold exactly for them, and become the paper's as N grows. ``n_samples`` may be ``math.inf``:
then they are the paper's; and so, with S2 (N - 1)/N for S2, those of batches drawn with replacement.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from minibatch.batching import Batches
from minibatch.typing import Array


def trace(gradients: Array) -> float:
    """Return S2 = sum_i |g_i - G|^2 / (N - 1), the unbiased trace of the covariance of one sample's gradient.

    Parameters
    ----------
    gradients : ndarray, shape (N, D)
        Per-sample gradients, N at least 2.

    Raises
    ------
    ValueError
        If N is below 2.
    """
    if len(gradients) < 2:
        raise ValueError(f"the spread of gradients needs at least 2 samples; got {len(gradients)}.")
    centred = gradients - gradients.mean(axis=0, dtype=np.float64)
    return float(np.einsum("nd,nd->", centred, centred)) / (len(gradients) - 1)


def noise_scale(trace: float, grad_norm2: float) -> float:
    """Return B_simple = tr(Sigma) / |G|^2, in samples: the batch size whose noise is as large as its signal.

    McCandlish et al. 2018, eq. 2.9, for an infinite population; among N samples that is ``critical_batch_size``.
    Infinite where G is zero, or an estimate of |G|^2 is not above zero.
    """
    return trace / grad_norm2 if grad_norm2 > 0 else math.inf


def noise(trace: float, batch_size: npt.ArrayLike, n_samples: float) -> Array:
    """Return E|g_B|^2 - |G|^2 = S2 (1/B - 1/N), without replacement; 0 at B = N."""
    return trace * (1 / np.asarray(batch_size, dtype=np.float64) - 1 / n_samples)


def expected_norm2(grad_norm2: float, trace: float, batch_size: npt.ArrayLike, n_samples: float) -> Array:
    """Return E|g_B|^2 = |G|^2 + S2 (1/B - 1/N), over batches of B distinct samples.

    McCandlish et al. 2018, eq. 2.7 and appendix A.1, have |G|^2 + tr(Sigma)/B, the limit for N to infinity.

    Parameters
    ----------
    grad_norm2 : float
        |G|^2.
    trace : float
        S2.
    batch_size : array_like of int
        B, from 1 to N.
    n_samples : int or math.inf
        N.

    Examples
    --------
    >>> float(expected_norm2(1.0, 100.0, 50, 100))
    2.0
    """
    return grad_norm2 + noise(trace, batch_size, n_samples)


def noise_ratio(grad_norm2: float, trace: float, batch_size: npt.ArrayLike, n_samples: float) -> Array:
    """Return x = (S2 / |G|^2)(1/B - 1/N): the noise of a batch over its signal, both squared.

    NaN at B = N where G is zero: there is neither.
    """
    with np.errstate(invalid="ignore"):
        return noise_scale(trace, grad_norm2) * (1 / np.asarray(batch_size, dtype=np.float64) - 1 / n_samples)


def critical_batch_size(noise_scale: float, n_samples: float) -> float:
    """Return the batch size at which noise and signal are as large, x = 1, in samples.

    For an infinite population it is the noise scale itself (McCandlish et al. 2018, eq. 2.8: a batch of this size
    makes half the progress of a full one). Among N samples B = 1 / (1 / noise_scale + 1/N), never above N.

    Examples
    --------
    >>> critical_batch_size(100.0, 300)
    75.0
    >>> critical_batch_size(math.inf, 300)
    300.0
    """
    if not math.isfinite(noise_scale + n_samples):
        return min(noise_scale, float(n_samples))
    return noise_scale / (1 + noise_scale / n_samples)


def cosine_theory(ratio: npt.ArrayLike) -> Array:
    """Return (1 + x)^(-1/2), about the mean cosine between g_B and G.

    E[|g_B| cos] / sqrt(E|g_B|^2) equals it exactly; E[cos] only nearly: well early in training, poorly late, when
    a few samples have gradients far larger than the rest.
    """
    return 1 / np.sqrt(1 + np.asarray(ratio, dtype=np.float64))


def epoch_mean_error(trace: float, n_samples: int, batch_size: int) -> float:
    """Return E|mean_k g_k - G|^2 for the unweighted mean of an epoch's K batch gradients, remainder kept.

    S2 [(K - 1)/(K^2 B) + 1/(K^2 R) - 1/N], with R the size of the last batch (B where N is divisible). Weighted by
    B_k/N the mean is G exactly, whatever the remainder; this is what a short last batch that counts as a full one
    costs.

    Examples
    --------
    >>> epoch_mean_error(1.0, 1000, 100)  # no remainder, no error
    0.0
    >>> round(epoch_mean_error(1.0, 1050, 100) * 1e6, 1)
    39.4
    """
    k = -(-n_samples // batch_size)
    last = n_samples - (k - 1) * batch_size
    error = (k - 1) / (k * k * batch_size) + 1 / (k * k * last) - 1 / n_samples
    return trace * error if last != min(batch_size, n_samples) else 0.0


def epoch_shares(n_samples: int, batch_size: int, remainder: str = "keep") -> Array:
    """Return a_i, the share of the i-th sample in the mean of an epoch's batch gradients, (N,).

    The mean over the K batches of (1/B_k) sum g_i, with the samples in the order in which they come. Where the
    remainder policy is "weight" the gradients of the last batch count R/B. Of "carry" it is epoch 0.

    Examples
    --------
    >>> epoch_shares(5, 2).tolist()  # the last batch is the fifth sample alone
    [0.16666666666666666, 0.16666666666666666, 0.16666666666666666, 0.16666666666666666, 0.3333333333333333]
    """
    batches = Batches(np.arange(n_samples), batch_size=batch_size, remainder=remainder, shuffle=False)
    members = batches.epoch_indices(0)
    shares = np.zeros(n_samples)
    for rows in members:
        weight = len(rows) / batch_size if remainder == "weight" else 1.0
        np.add.at(shares, rows, weight / len(rows) / len(members))
    return shares


def epoch_error_of_draws(variance: float, sizes: Array, weights: Array) -> float:
    """Return E|m - E[m]|^2 for m = (1/K) sum_k w_k g_k, whose samples are each drawn anew: v sum_k w_k^2/B_k / K^2.

    Parameters
    ----------
    variance : float
        v, that of one sample drawn from the N: (N - 1)/N S2.
    sizes, weights : ndarray, shape (K,)
        B_k, and what each batch gradient counts for.

    Examples
    --------
    Ten samples in five batches of two, each sample drawn for itself: the variance of a mean of ten.

    >>> round(epoch_error_of_draws(1.0, np.full(5, 2), np.ones(5)), 3)
    0.1
    """
    return variance * float((weights**2 / sizes).sum()) / len(sizes) ** 2


def epoch_error(trace: float, shares: Array) -> float:
    """Return E|m - (sum a) G|^2 for m = sum_i a_i g_i with shares a in a random order: S2 (sum a^2 - (sum a)^2/N).

    For all of the remainder policies; ``epoch_mean_error`` is its form for "keep".

    Examples
    --------
    >>> round(epoch_error(1.0, epoch_shares(1050, 100)) * 1e6, 1)
    39.4
    """
    # As a sum of squares: equal shares have no error at all, not what rounding leaves of one.
    centred = shares - shares.mean()
    return trace * float(centred @ centred) if np.ptp(shares) > 1e-12 * shares.max() else 0.0
