"""The compiled loops of watching: they read the gradient once, and write nothing of its size.

Each is a plain Python function before it is a compiled one, with a NumPy reference elsewhere in this room that the
tests hold it equal to. Importing this module imports Numba, so the room imports it where it first needs it.

Letters: B samples, I inputs, O outputs, D parameters.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, ParamSpec, TypeVar, cast

import numpy as np
from numba import njit

from minibatch.typing import Array

P = ParamSpec("P")
T = TypeVar("T")

# What a compiler must be allowed to add in several lanes: sums in another order, a multiplication and an addition
# in one. Not that there are no NaNs or infinities.
_FAST = {"reassoc", "contract", "nsz", "arcp"}


def compiled(function: Callable[P, T]) -> Callable[P, T]:
    """Compile ``function``, and keep the machine code on disk where there is a place for it."""
    # Divisions as NumPy's: with Python's, each asks first whether it is by zero, and the loop is not vectorized.
    kernel: Any = partial(njit, nogil=True, fastmath=_FAST, error_model="numpy")
    try:
        return cast("Callable[P, T]", kernel(cache=True)(function))
    except RuntimeError:  # there is no place (see batching/kernels.py)
        return cast("Callable[P, T]", kernel()(function))


@compiled
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
def outer_signal_sums(
    a: Array, d2: Array, g: Array, scale: float, bessel: float, epsilon: float, rows: Array
) -> tuple[float, float]:
    """Return ``signal_sums`` for gradients g_i = a_i' d_i, whose sum of squares is (a^2)' d^2.

    a (B, I); d2 (B, O), the squares; g (I, O); rows (8, O), memory. Eight rows of (a^2)' d^2 at a time are made,
    from four samples at a time, and used at once.
    """
    B, I = a.shape  # noqa: E741 - the maths' letters
    r0, r1, r2, r3, r4, r5, r6, r7 = rows[0], rows[1], rows[2], rows[3], rows[4], rows[5], rows[6], rows[7]
    plain, unbiased = 0.0, 0.0
    for i in range(0, I, 8):
        # Beyond the last row, or the last sample, that one stands in: not used, or times zero.
        i1, i2, i3, i4 = min(i + 1, I - 1), min(i + 2, I - 1), min(i + 3, I - 1), min(i + 4, I - 1)
        i5, i6, i7 = min(i + 5, I - 1), min(i + 6, I - 1), min(i + 7, I - 1)
        rows[:] = 0
        for n in range(0, B, 4):
            p, q, r = min(n + 1, B - 1), min(n + 2, B - 1), min(n + 3, B - 1)
            u, v, w = a.dtype.type(n + 1 < B), a.dtype.type(n + 2 < B), a.dtype.type(n + 3 < B)
            a00, a01, a02, a03 = a[n, i] ** 2, a[p, i] ** 2 * u, a[q, i] ** 2 * v, a[r, i] ** 2 * w
            a10, a11, a12, a13 = a[n, i1] ** 2, a[p, i1] ** 2 * u, a[q, i1] ** 2 * v, a[r, i1] ** 2 * w
            a20, a21, a22, a23 = a[n, i2] ** 2, a[p, i2] ** 2 * u, a[q, i2] ** 2 * v, a[r, i2] ** 2 * w
            a30, a31, a32, a33 = a[n, i3] ** 2, a[p, i3] ** 2 * u, a[q, i3] ** 2 * v, a[r, i3] ** 2 * w
            a40, a41, a42, a43 = a[n, i4] ** 2, a[p, i4] ** 2 * u, a[q, i4] ** 2 * v, a[r, i4] ** 2 * w
            a50, a51, a52, a53 = a[n, i5] ** 2, a[p, i5] ** 2 * u, a[q, i5] ** 2 * v, a[r, i5] ** 2 * w
            a60, a61, a62, a63 = a[n, i6] ** 2, a[p, i6] ** 2 * u, a[q, i6] ** 2 * v, a[r, i6] ** 2 * w
            a70, a71, a72, a73 = a[n, i7] ** 2, a[p, i7] ** 2 * u, a[q, i7] ** 2 * v, a[r, i7] ** 2 * w
            e0, e1, e2, e3 = d2[n], d2[p], d2[q], d2[r]
            for c in range(r0.shape[0]):
                x0, x1, x2, x3 = e0[c], e1[c], e2[c], e3[c]
                r0[c] += a00 * x0 + a01 * x1 + a02 * x2 + a03 * x3
                r1[c] += a10 * x0 + a11 * x1 + a12 * x2 + a13 * x3
                r2[c] += a20 * x0 + a21 * x1 + a22 * x2 + a23 * x3
                r3[c] += a30 * x0 + a31 * x1 + a32 * x2 + a33 * x3
                r4[c] += a40 * x0 + a41 * x1 + a42 * x2 + a43 * x3
                r5[c] += a50 * x0 + a51 * x1 + a52 * x2 + a53 * x3
                r6[c] += a60 * x0 + a61 * x1 + a62 * x2 + a63 * x3
                r7[c] += a70 * x0 + a71 * x1 + a72 * x2 + a73 * x3
        for t in range(min(8, I - i)):
            x, y = signal_sums(rows[t], g[i + t], scale, bessel, epsilon)
            plain += x
            unbiased += y
    return plain, unbiased


@compiled
def bias_signal_sums(
    d2: Array, g: Array, scale: float, bessel: float, epsilon: float, row: Array
) -> tuple[float, float]:
    """Return ``signal_sums`` for gradients d_i: d2 (B, O), the squares; g (O,); row (O,), memory."""
    row[:] = 0
    for n in range(d2.shape[0]):
        e = d2[n]
        for c in range(row.shape[0]):
            row[c] += e[c]
    return signal_sums(row, g, scale, bessel, epsilon)


@compiled
def batch_products(a: Array, d: Array, one: float, factor: float, norm2: Array, along: Array) -> None:
    """Add K_ii to ``norm2`` (N,) and the mean over k of K_ik to ``along`` (N,).

    K_ik = factor (a_i.a_k + one)(d_i.d_k), a (N, I), d (N, O); ``one`` is 1 with a bias, 0 without. Half of the
    pairs are enough.
    """
    N = a.shape[0]
    of_a, of_d = np.empty((4, N + 3), a.dtype), np.empty((4, N + 3), a.dtype)
    for i in range(0, N, 4):
        _inner(a, i, a, i, of_a)
        _inner(d, i, d, i, of_d)
        for p in range(min(4, N - i)):
            x, y, total = of_a[p], of_d[p], 0.0
            norm2[i + p] += factor * (x[i + p] + one) * y[i + p]
            for k in range(i, N):
                total += factor * (x[k] + one) * y[k]
            along[i + p] += total / N
            for k in range(i + 4, N):
                along[k] += factor * (x[k] + one) * y[k] / N


@compiled
def products_with(a: Array, d: Array, b: Array, e: Array, one: float, factor: float, along: Array) -> None:
    """Add factor times the mean over k of (a_i.b_k + one)(d_i.e_k) to ``along`` (N,): a (N, I), d (N, O).

    b (M, I), e (M, O).
    """
    N, M = a.shape[0], b.shape[0]
    of_a, of_d = np.empty((4, M + 3), a.dtype), np.empty((4, M + 3), a.dtype)
    for i in range(0, N, 4):
        _inner(a, i, b, 0, of_a)
        _inner(d, i, e, 0, of_d)
        for p in range(min(4, N - i)):
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
def layer_sums(
    a: Array,
    d: Array,
    b: Array,
    e: Array,
    one: float,
    factors: tuple[float, float],
    gradient: Array,
    places: tuple[int, int],
    numbers: tuple[float, float, float],
    squares: Array,
    rows: Array,
    found: Array,
) -> tuple[float, float]:
    """Do all of the above for a layer, in one call: a small layer's arithmetic takes no longer than a few calls.

    Parameters
    ----------
    a, d, b, e, one
        As for ``products_with``; b and e without rows where no gradient was kept.
    factors : (float, float)
        Of ``batch_products`` and ``products_with``.
    gradient : ndarray, shape (D,)
    places : (int, int)
        Where kernel and bias begin in it; -1 without a bias.
    numbers : (float, float, float)
        scale, bessel and epsilon of ``signal_sums``; a negative epsilon leaves these out.
    squares, rows : ndarray, shapes (N, L), (8, L)
        Memory: L is O, or I if the loops are to run along that (see ``Affine.runs_along_inputs``).
    found : ndarray, shape (3, N)
        |g_i|^2, g_i . g and g_i . h are added to its rows.
    """
    batch_products(a, d, one, factors[0], found[0], found[1])
    if b.shape[0]:
        products_with(a, d, b, e, one, factors[1], found[2])
    scale, bessel, epsilon = numbers
    if epsilon < 0:
        return 0.0, 0.0
    (N, I), O = a.shape, d.shape[1]  # noqa: E741 - the maths' letters
    g = gradient[places[0] : places[0] + I * O].reshape(I, O)
    if rows.shape[1] == O:
        _square(d, squares)
        plain, unbiased = outer_signal_sums(a, squares, g, scale, bessel, epsilon, rows)
    else:
        _square(a, squares)
        across = np.ascontiguousarray(g.T)  # so that its divisions run in several lanes
        plain, unbiased = outer_signal_sums(d, squares, across, scale, bessel, epsilon, rows)
    if places[1] >= 0:
        row = rows[0][:O]
        row[:] = 0
        for n in range(N):
            of_one = d[n]
            for c in range(O):
                row[c] += of_one[c] * of_one[c]
        of_bias = gradient[places[1] : places[1] + O]
        x, y = signal_sums(row, of_bias, scale, bessel, epsilon)
        plain, unbiased = plain + x, unbiased + y
    return plain, unbiased


@compiled
def _square(v: Array, out: Array) -> None:
    for n in range(v.shape[0]):
        x, y = v[n], out[n]
        for c in range(x.shape[0]):
            y[c] = x[c] * x[c]


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


def aligned(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Return memory that begins at a cache line, where the processor's widest loads are fast."""
    raw = np.empty(int(np.prod(shape)) * dtype.itemsize + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + int(np.prod(shape)) * dtype.itemsize].view(dtype).reshape(shape)
