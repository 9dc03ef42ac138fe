"""What a batch's gradients say about the noise, the step and the batch size: formulas of a few sums.

The letters are the room's: g_i one sample's gradient, g_B their mean over a batch of B, Q = |g_B|^2. Two sums over
the batch are all that most quantities ask for: sum_i |g_i|^2, and sum_i (g_i . g_B)^2. The quantities are those of
Cockpit (Schneider, Dangel and Hennig 2021, "Cockpit: A Practical Debugging Tool for the Training of Deep Neural
Networks", arXiv 2102.06604), which takes them from the papers named at each.

A batch of one sample has no spread: what needs one is NaN for it. Where g_B is zero the ratios to it are infinite
(or NaN, where there is no noise either).
"""

from __future__ import annotations

import math


def trace_of_batch(sum_norm2: float, grad_norm2: float, batch_size: int) -> float:
    """Return S = (sum_i |g_i|^2 - B Q) / (B - 1), an unbiased estimate of tr(Sigma) from one batch.

    McCandlish et al. 2018 (arXiv 1812.06162), appendix A.1, with the "small batch" b = 1 inside the batch. For
    batches drawn without replacement from N samples it is unbiased for S2, the variance with divisor N - 1; with
    replacement, for S2 (N - 1)/N.

    Parameters
    ----------
    sum_norm2 : float
        sum_i |g_i|^2.
    grad_norm2 : float
        Q = |g_B|^2.
    batch_size : int
        B; for B = 1 the result is NaN.

    Examples
    --------
    >>> trace_of_batch(10.0, 3.0, 2)  # |g_1|^2 + |g_2|^2 = 10, |g_B|^2 = 3
    4.0
    """
    if batch_size < 2:
        return math.nan
    return (sum_norm2 - batch_size * grad_norm2) / (batch_size - 1)


def signal_of_batch(grad_norm2: float, trace: float, batch_size: int, n_samples: float = math.inf) -> float:
    """Return G2 = Q - S/B + S/N, an unbiased estimate of |G|^2; it can be negative.

    McCandlish et al. 2018, appendix A.1, has Q - S/B, for an infinite population. Of batches drawn without
    replacement from N samples that is the mean of g_i . g_k over i != k, which estimates |G|^2 - S2/N; S/N is what
    is missing to this data set's own |G|^2. With replacement nothing is missing: N is infinite then, too.

    Examples
    --------
    >>> signal_of_batch(3.0, 4.0, 2)
    1.0
    >>> signal_of_batch(3.0, 4.0, 2, n_samples=2)  # the batch is the data set: Q is |G|^2
    3.0
    """
    return grad_norm2 - trace / batch_size + trace / n_samples


def two_batch_estimates(
    small_norm2: float, small: float, large_norm2: float, large: float, n_samples: float = math.inf
) -> tuple[float, float]:
    """Return (S, G2) from the lengths of the gradients of batches of two sizes, b < B.

    S = (|g_b|^2 - |g_B|^2) / (1/b - 1/B) and G2 = (B |g_B|^2 - b |g_b|^2) / (B - b): McCandlish et al. 2018, eq.
    A.2 and A.3; to G2 comes S/N, as in ``signal_of_batch``. Both may be negative.

    Parameters
    ----------
    small_norm2, large_norm2 : float
        |g_b|^2 (or its mean over several batches of this size) and |g_B|^2.
    small, large : int
        b and B.

    Raises
    ------
    ValueError
        If b is not below B.

    Examples
    --------
    >>> two_batch_estimates(5.0, 1, 3.0, 2)
    (4.0, 1.0)
    """
    if not 0 < small < large:
        raise ValueError(f"the two batch sizes must be 0 < b < B; got b = {small} and B = {large}.")
    trace = (small_norm2 - large_norm2) / (1 / small - 1 / large)
    return trace, (large * large_norm2 - small * small_norm2) / (large - small) + trace / n_samples


def ratio_of(trace: float, grad_norm2: float) -> float:
    """Return S / G2, the noise scale, in samples: infinite where G2 is not above zero, NaN where either is.

    McCandlish et al. 2018, eq. 2.9. Of one step's estimates it is very noisy; average S and G2, then divide.
    """
    if math.isnan(trace) or math.isnan(grad_norm2):
        return math.nan
    return trace / grad_norm2 if grad_norm2 > 0 else math.inf


def signal_to_noise(trace: float, grad_norm2: float, batch_size: int, n_samples: float = math.inf) -> float:
    """Return 1/x = |G|^2 / (tr(Sigma) (1/B - 1/N)): how much stronger a batch's signal is than its noise, squared.

    Infinite at B = N, where there is no noise.

    Examples
    --------
    >>> signal_to_noise(trace=100.0, grad_norm2=2.0, batch_size=50)
    1.0
    """
    if math.isnan(trace) or math.isnan(grad_norm2):
        return math.nan
    if grad_norm2 <= 0:
        return 0.0
    noise = trace * (1 / batch_size - 1 / n_samples)
    return grad_norm2 / noise if noise > 0 else math.inf


def norm_test(sum_norm2: float, grad_norm2: float, batch_size: int) -> float:
    """Return sqrt(S / (B Q)), the standard deviation of g_B over its length.

    A batch is large enough where it is at most theta: Byrd, Chin, Nocedal and Wu 2012, "Sample size selection in
    optimization methods for machine learning", eq. 3.9, as Cockpit turns it round: the least theta that passes.
    B times its square is the plug-in noise scale S/Q.

    Examples
    --------
    >>> round(norm_test(10.0, 3.0, 2), 4)  # sqrt(4 / (2 * 3))
    0.8165
    """
    return norm_test_of_trace(trace_of_batch(sum_norm2, grad_norm2, batch_size), grad_norm2, batch_size)


def norm_test_of_trace(trace: float, grad_norm2: float, batch_size: int) -> float:
    """Return sqrt(S / (B Q)), as ``norm_test``, from any estimate S of tr(Sigma)."""
    return _root(trace, batch_size * grad_norm2)


def inner_product_test(sum_along2: float, grad_norm2: float, batch_size: int) -> float:
    """Return sqrt{(sum_i (g_i . g_B)^2 - B Q^2) / [(B - 1) B Q^2]}: the spread along g_B.

    Bollapragada, Byrd and Nocedal 2017, "Adaptive sampling strategies for stochastic optimization" (arXiv
    1710.11258), eq. 2.6, as the least theta that passes.

    Parameters
    ----------
    sum_along2 : float
        sum_i (g_i . g_B)^2.
    grad_norm2, batch_size
        Q and B.
    """
    if batch_size < 2:
        return math.nan
    spread = (sum_along2 - batch_size * grad_norm2**2) / (batch_size - 1)
    return _root(spread, batch_size * grad_norm2**2)


def orthogonality_test(sum_norm2: float, sum_along2: float, grad_norm2: float, batch_size: int) -> float:
    """Return sqrt{(sum_i |g_i|^2 - sum_i (g_i . g_B)^2 / Q) / [(B - 1) B Q]}: the spread across g_B.

    Bollapragada et al. 2017, eq. 3.3, as the least nu that passes. Its square and that of the inner-product test
    add up to that of the norm test.
    """
    if batch_size < 2:
        return math.nan
    if grad_norm2 == 0:
        return math.nan if sum_norm2 == 0 else math.inf
    spread = (sum_norm2 - sum_along2 / grad_norm2) / (batch_size - 1)
    return _root(spread, batch_size * grad_norm2)


def cabs_batch_size(trace: float, batch_size: int, learning_rate: float, loss: float) -> float:
    """Return lr sum_j [(1/B) sum_i g_ij^2 - g_Bj^2] / loss, the batch size that CABS would take.

    Balles, Romero and Hennig 2017, "Coupling adaptive batch sizes with learning rates" (arXiv 1612.05086), eq. 22.
    The sum is (B - 1)/B S, the variance with divisor B, as there and in Cockpit. It supposes plain SGD, and a loss
    whose least value is 0. Deviation from Cockpit: the learning rate is the optimizer's own, not 1.

    Parameters
    ----------
    trace : float
        S.
    batch_size : int
        B.
    learning_rate, loss : float

    Examples
    --------
    >>> cabs_batch_size(trace=4.0, batch_size=2, learning_rate=0.5, loss=0.1)
    10.0
    """
    if batch_size < 2:
        return math.nan
    variance = learning_rate * trace * (batch_size - 1) / batch_size
    if loss == 0:
        return math.nan if variance == 0 else math.inf
    return variance / loss


def batch_size_of_norm_test(trace: float, grad_norm2: float, theta: float) -> float:
    """Return S / (theta^2 Q), the batch size that would just pass the norm test.

    Byrd et al. 2012, eq. 3.12, with Q of the batch at hand for the unknown |G|^2.

    Examples
    --------
    >>> batch_size_of_norm_test(trace=4.0, grad_norm2=1.0, theta=0.5)
    16.0
    """
    if math.isnan(trace) or math.isnan(grad_norm2):
        return math.nan
    return trace / (theta**2 * grad_norm2) if grad_norm2 > 0 else math.inf


def cosine(product: float, norm2: float, other_norm2: float) -> float:
    """Return u . v / (|u| |v|) from u . v, |u|^2 and |v|^2; NaN where one of the vectors is zero."""
    length2 = norm2 * other_norm2
    if not length2 > 0:
        return math.nan
    return max(-1.0, min(1.0, product / math.sqrt(length2)))


def _root(spread: float, signal: float) -> float:
    """Return sqrt(spread / signal); rounding may leave a spread of zero a little below it."""
    if math.isnan(spread) or math.isnan(signal):
        return math.nan
    spread = max(spread, 0.0)
    if signal == 0:
        return math.nan if spread == 0 else math.inf
    return math.sqrt(spread / signal)
