"""The compiled loops of watching: they read the gradient once, and write nothing of its size.

Each is a plain Python function before it is a compiled one, with a NumPy reference elsewhere in this room that the
tests hold it equal to. Importing this module imports Numba, so the room imports it where it first needs it.

Letters: B or N samples, I inputs, O outputs, D parameters.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from minibatch import compiling
from minibatch.compiling import P, T
from minibatch.memory import aligned
from minibatch.noise.training.tiles import ROWS, tile_product, width
from minibatch.typing import Array

# What a compiler must be allowed to add in several lanes: sums in another order, a multiplication and an addition
# in one. Not that there are no NaNs or infinities.
_FAST = {"reassoc", "contract", "nsz", "arcp"}


def compiled(function: Callable[P, T], **options: Any) -> Callable[P, T]:
    """Compile ``function``, as ``compiling.compiled`` does, for loops in several lanes."""
    # Divisions as NumPy's: with Python's, each asks first whether it is by zero, and the loop is not vectorized.
    return compiling.compiled(function, fastmath=_FAST, error_model="numpy", **options)


# As a part of its callers: a call for each row counts references to the rows' arrays, which threads do in turns.
@functools.partial(compiled, inline="always")
def signal_sums(moment: Array, g: Array, scale: float, bessel: float, epsilon: float) -> tuple[float, float]:
    """Return what ``elementwise.signal_sums`` does, of (D,) vectors: moment * scale is the second moment.

    ``scale``, ``bessel`` (B/(B - 1)) and ``epsilon`` are of the vectors' float type.
    """
    zero = epsilon - epsilon
    plain, unbiased = zero, zero
    for j in range(g.shape[0]):
        g2 = g[j] * g[j]
        variance = max(moment[j] * scale - g2, zero)
        plain += g2 / (variance + epsilon)
        unbiased += g2 / (variance * bessel + epsilon)
    return plain, unbiased


@compiled
def squared_tiles(v: Array, tiles: Array) -> None:
    """Write the squares of v (N, V) into ``tiles`` (T, N, L): L columns after another; T L is V or more."""
    for t in range(tiles.shape[0]):
        whole = min(tiles.shape[2], v.shape[1] - t * tiles.shape[2])
        for n in range(v.shape[0]):
            x, y = v[n, t * tiles.shape[2] : t * tiles.shape[2] + whole], tiles[t, n]
            for c in range(whole):
                y[c] = x[c] * x[c]
            y[whole:] = 0


@compiled
def outer_signal_sums(
    u: Array, first: int, last: int, tiles: Array, g: Array, numbers: tuple[float, float, float]
) -> tuple[float, float]:
    """Return ``signal_sums`` for gradients g_i = u_i' v_i, whose sum of squares is (u^2)' v^2: of some of its rows.

    u (N, U); the rows are those from ``first`` to ``last``, of U; tiles (T, N, L), v's squares; g (U, V); numbers,
    (scale, bessel, epsilon). A few rows at a time are made, and used at once.
    """
    scale, bessel, epsilon = numbers
    squares = np.empty((u.shape[0], (last - first + ROWS - 1) // ROWS * ROWS), u.dtype)
    rows = np.empty((ROWS, tiles.shape[0] * tiles.shape[2]), u.dtype)
    for n in range(u.shape[0]):
        x, y = u[n, first:last], squares[n]
        for c in range(x.shape[0]):
            y[c] = x[c] * x[c]
        y[x.shape[0] :] = 0
    plain, unbiased = 0.0, 0.0
    for i in range(first, last, ROWS):
        for t in range(tiles.shape[0]):
            tile_product(squares, i - first, tiles, t, rows)
        for r in range(min(ROWS, last - i)):
            of_row = signal_sums(rows[r], g[i + r], scale, bessel, epsilon)
            plain, unbiased = plain + of_row[0], unbiased + of_row[1]
    return plain, unbiased


@compiled
def bias_signal_sums(d: Array, g: Array, numbers: tuple[float, float, float]) -> tuple[float, float]:
    """Return ``signal_sums`` for gradients d_i: d (B, O); g (O,)."""
    row = np.zeros(d.shape[1], d.dtype)
    for n in range(d.shape[0]):
        e = d[n]
        for c in range(row.shape[0]):
            row[c] += e[c] * e[c]
    scale, bessel, epsilon = numbers
    return signal_sums(row, g, scale, bessel, epsilon)


@compiled
def batch_products(
    a: Array, d: Array, one: float, factor: float, first: int, last: int, norm2: Array, along: Array
) -> None:
    """Add K_ii to ``norm2`` (N,) and the mean over k of K_ik to ``along`` (N,), as far as some rows go.

    K_ik = factor (a_i.a_k + one)(d_i.d_k), a (N, I), d (N, O); ``one`` is 1 with a bias, 0 without. Half of the
    pairs are enough: those with i from ``first`` to ``last``, and k from i on.
    """
    N = a.shape[0]
    of_a, of_d = np.empty((4, N + 3), a.dtype), np.empty((4, N + 3), a.dtype)
    for i in range(first, last, 4):
        _inner(a, i, a, i, of_a)
        _inner(d, i, d, i, of_d)
        for p in range(min(4, last - i)):
            x, y, total = of_a[p], of_d[p], 0.0
            norm2[i + p] += factor * (x[i + p] + one) * y[i + p]
            for k in range(i, N):
                total += factor * (x[k] + one) * y[k]
            along[i + p] += total / N
            for k in range(min(i + 4, last), N):
                along[k] += factor * (x[k] + one) * y[k] / N


@compiled
def products_with(
    a: Array, d: Array, b: Array, e: Array, one: float, factor: float, first: int, last: int, along: Array
) -> None:
    """Add factor times the mean over k of (a_i.b_k + one)(d_i.e_k) to ``along`` (N,), i from ``first`` to ``last``.

    a (N, I), d (N, O), b (M, I), e (M, O).
    """
    M = b.shape[0]
    of_a, of_d = np.empty((4, M + 3), a.dtype), np.empty((4, M + 3), a.dtype)
    for i in range(first, last, 4):
        _inner(a, i, b, 0, of_a)
        _inner(d, i, e, 0, of_d)
        for p in range(min(4, last - i)):
            x, y, total = of_a[p], of_d[p], 0.0
            for k in range(M):
                total += factor * (x[k] + one) * y[k]
            along[i + p] += total / M


@compiled
def _inner(a: Array, i: int, b: Array, first: int, out: Array) -> None:
    """Write a[i + p] . b[k] into out[p, k], p from 0 to 3 and k from ``first`` on, four times four at a time."""
    N, M = a.shape[0] - 1, b.shape[0] - 1  # beyond the last row that one stands in
    a0, a1, a2, a3 = a[i], a[min(i + 1, N)], a[min(i + 2, N)], a[min(i + 3, N)]
    for k in range(first, M + 1, 4):
        b0, b1, b2, b3 = b[k], b[min(k + 1, M)], b[min(k + 2, M)], b[min(k + 3, M)]
        s00 = s01 = s02 = s03 = s10 = s11 = s12 = s13 = a0[0] - a0[0]
        s20 = s21 = s22 = s23 = s30 = s31 = s32 = s33 = a0[0] - a0[0]
        for c in range(a0.shape[0]):
            x0, x1, x2, x3, y0, y1, y2, y3 = a0[c], a1[c], a2[c], a3[c], b0[c], b1[c], b2[c], b3[c]
            s00, s01, s02, s03 = s00 + x0 * y0, s01 + x0 * y1, s02 + x0 * y2, s03 + x0 * y3
            s10, s11, s12, s13 = s10 + x1 * y0, s11 + x1 * y1, s12 + x1 * y2, s13 + x1 * y3
            s20, s21, s22, s23 = s20 + x2 * y0, s21 + x2 * y1, s22 + x2 * y2, s23 + x2 * y3
            s30, s31, s32, s33 = s30 + x3 * y0, s31 + x3 * y1, s32 + x3 * y2, s33 + x3 * y3
        out[0, k], out[0, k + 1], out[0, k + 2], out[0, k + 3] = s00, s01, s02, s03
        out[1, k], out[1, k + 1], out[1, k + 2], out[1, k + 3] = s10, s11, s12, s13
        out[2, k], out[2, k + 1], out[2, k + 2], out[2, k + 3] = s20, s21, s22, s23
        out[3, k], out[3, k + 1], out[3, k + 2], out[3, k + 3] = s30, s31, s32, s33


@compiled
def sample_products(a: Array, d: Array, v: Array, bias: Array, factor: float, along: Array) -> None:
    """Add factor (a_i' d_i) . v' and factor d_i . bias to ``along`` (N,): a (N, I), d (N, O), v (O, I), bias (O,).

    For few outputs: v is the kernel's transpose, so that the loops run along I.
    """
    N, O = d.shape  # noqa: E741 - the maths' letters
    products = np.empty((4, O + 3), a.dtype)
    for i in range(0, N, 4):
        _inner(a, i, v, 0, products)
        for p in range(min(4, N - i)):
            x, e, total = products[p], d[i + p], 0.0
            for o in range(O):
                total += (x[o] + bias[o]) * e[o]
            along[i + p] += factor * total


@compiled
def sample_lengths(a: Array, d: Array, one: float, factor: float, norm2: Array) -> None:
    """Add K_ii, as in ``batch_products``, to ``norm2`` (N,)."""
    for n in range(a.shape[0]):
        x, y = a[n], d[n]
        of_a, of_d = one, one - one
        for c in range(x.shape[0]):
            of_a += x[c] * x[c]
        for c in range(y.shape[0]):
            of_d += y[c] * y[c]
        norm2[n] += factor * of_a * of_d


@compiled
def distances2(theta: Array, first: Array, before: Array) -> tuple[float, float]:
    """Return (|theta - first|^2, |theta - before|^2), of (D,) vectors, in one pass over them."""
    to_first, to_before = 0.0, 0.0
    for start in range(0, theta.shape[0], 4096):  # summed in their own float type, then in float64
        few, a, b = (
            theta[start : start + 4096],
            first[start : start + 4096],
            before[start : start + 4096],
        )
        x, y = few[0] - few[0], few[0] - few[0]
        for j in range(few.shape[0]):
            x += (few[j] - a[j]) * (few[j] - a[j])
            y += (few[j] - b[j]) * (few[j] - b[j])
        to_first += x
        to_before += y
    return to_first, to_before


@compiled
def distance2(theta: Array, first: Array) -> float:
    """Return |theta - first|^2, of (D,) vectors."""
    total = 0.0
    for start in range(0, theta.shape[0], 4096):
        few, a = theta[start : start + 4096], first[start : start + 4096]
        x = few[0] - few[0]
        for j in range(few.shape[0]):
            x += (few[j] - a[j]) * (few[j] - a[j])
        total += x
    return total


@compiled
def mean_and_variance(values: Array) -> tuple[float, float]:
    """Return the mean of (N,) values, and their variance with divisor N - 1: NaN for one value."""
    mean, variance = 0.0, 0.0
    for value in values:
        mean += value
    mean /= values.shape[0]
    for value in values:
        variance += (value - mean) * (value - mean)
    return mean, variance / (values.shape[0] - 1) if values.shape[0] > 1 else np.nan


@compiled
def statistics(total: Array) -> tuple[float, float, float, float, float, float]:
    """Return what is asked of |g_i|^2, g_i . g and g_i . h, the rows of ``total`` (3, N).

    The sums of the first, of the second, and of its squares; the variance of the second; mean and variance of the
    third.
    """
    norm2 = along = along2 = 0.0
    for i in range(total.shape[1]):
        norm2 += total[0, i]
        along += total[1, i]
        along2 += total[1, i] * total[1, i]
    mean_kept, variance_kept = mean_and_variance(total[2])
    return norm2, along, along2, mean_and_variance(total[1])[1], mean_kept, variance_kept


def tiles_of(N: int, V: int, dtype: np.dtype[Any]) -> Array:
    """Return memory for the ``squared_tiles`` of N rows of V numbers."""
    L = width(dtype.itemsize)
    return aligned((-(-V // L), N, L), dtype)
