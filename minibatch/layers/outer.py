"""The gradients of single samples by a kernel, as products that are not multiplied out.

Axes: N samples, P positions (one for a dense layer of flat samples), I inputs, O outputs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from minibatch.typing import Array

#: Bytes of gradients that are multiplied out at a time, where their squares are wanted: about a cache.
BLOCK = 1 << 20


class Outer:
    """g_i = a_i' d_i for each sample i: sums, over the positions, of outer products.

    A dense layer's input a_i and output gradient d_i hold I + O numbers for a sample, their product I O. What a
    statistic asks of the products (lengths, inner products, sums of squares) follows from the factors. As an array
    (``numpy.asarray``) it is multiplied out.

    Parameters
    ----------
    a : ndarray, shape (N, P, I) or (N, I)
    d : ndarray, shape (N, P, O) or (N, O)
    shape : tuple of int, optional
        Of the weight, which has I O entries; default (I, O).

    Examples
    --------
    >>> import numpy as np
    >>> g = Outer(np.array([[1.0, 2.0]]), np.array([[3.0, 4.0]]))
    >>> np.asarray(g)
    array([[[3., 4.],
            [6., 8.]]])
    >>> g.norm2()
    array([125.])
    """

    def __init__(self, a: Array, d: Array, shape: tuple[int, ...] | None = None) -> None:
        self.a = a if a.ndim == 3 else a[:, None]
        self.d = d if d.ndim == 3 else d[:, None]
        self.shape: tuple[int, ...] = (len(a), *(shape or (self.a.shape[2], self.d.shape[2])))

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> Array:
        return self.rows().reshape(self.shape).astype(dtype or self.d.dtype, copy=False)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The float type."""
        return self.d.dtype

    @property
    def nbytes(self) -> int:
        """Bytes of the factors."""
        return self.a.nbytes + self.d.nbytes

    def astype(self, dtype: npt.DTypeLike) -> Outer:
        """Return the same in another float type."""
        return Outer(self.a.astype(dtype, copy=False), self.d.astype(dtype, copy=False), self.shape[1:])

    @classmethod
    def joined(cls, several: Sequence[Outer]) -> Outer:
        """Return groups of samples, one after the other, as one."""
        a, d = (np.concatenate([getattr(group, name) for group in several]) for name in ("a", "d"))
        return cls(a, d, several[0].shape[1:])

    def rows(self) -> Array:
        """Return the gradients multiplied out, (N, I O)."""
        return (self.a.transpose(0, 2, 1) @ self.d).reshape(len(self), -1)

    def norm2(self) -> Array:
        """Return |g_i|^2, (N,): the sum over positions p, q of (a_ip . a_iq)(d_ip . d_iq)."""
        a, d = self.a, self.d
        if a.shape[1] == 1:
            norm2: Array = np.einsum("npi,npi->n", a, a) * np.einsum("npo,npo->n", d, d)
        else:
            norm2 = np.einsum("npq,npq->n", a @ a.transpose(0, 2, 1), d @ d.transpose(0, 2, 1))
        return norm2

    def products(self, other: Outer | Rows) -> Array:
        """Return g_i . h_k, (N, M), with M other samples' gradients by the same weight."""
        if isinstance(other, Rows):
            return self.rows() @ other.values.T
        if self.a.shape[1] == other.a.shape[1] == 1:
            product: Array = _flat(self.a) @ _flat(other.a).T
            product *= _flat(self.d) @ _flat(other.d).T
            return product
        (N, P, _), (M, Q, _) = self.a.shape, other.a.shape
        product = np.empty((N, M), dtype=self.dtype)
        # All pairs of positions, for a few of these samples at a time.
        few = max(1, BLOCK // (P * M * Q * product.itemsize))
        for start in range(0, N, few):
            mine = slice(start, start + few)
            pairs = _flat(self.a[mine]) @ _flat(other.a).T
            pairs *= _flat(self.d[mine]) @ _flat(other.d).T
            product[mine] = pairs.reshape(-1, P, M, Q).sum(axis=(1, 3))
        return product

    def times(self, v: Array) -> Array:
        """Return g_i . v, (N,), for a vector v of I O entries."""
        V = v.reshape(self.a.shape[2], self.d.shape[2])
        along: Array = np.einsum("npo,npo->n", self.a @ V, self.d)
        return along

    def weighted_sum(self, c: Array) -> Array:
        """Return sum_i c_i g_i, (I O,)."""
        return (_flat(self.a * c[:, None, None]).T @ _flat(self.d)).reshape(-1)

    def sum_of_squares(self) -> Array:
        """Return sum_i g_ij^2 for each entry j of the weight, (I O,)."""
        if self.a.shape[1] == 1:
            return (np.square(_flat(self.a)).T @ np.square(_flat(self.d))).reshape(-1)
        total = np.zeros(math.prod(self.shape[1:]), dtype=self.d.dtype)
        few = max(1, BLOCK // total.nbytes)
        for start in range(0, len(self), few):
            g = self[start : start + few].rows()
            total += np.einsum("nj,nj->j", g, g)
        return total

    def __getitem__(self, samples: slice) -> Outer:
        return Outer(self.a[samples], self.d[samples], self.shape[1:])


class Rows:
    """Gradients of single samples, written out: what ``Outer`` answers, for a plain array.

    Parameters
    ----------
    values : ndarray, shape (N, ...)
    """

    def __init__(self, values: Array) -> None:
        self.values = values.reshape(len(values), -1)

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, samples: slice) -> Rows:
        return Rows(self.values[samples])

    @property
    def dtype(self) -> np.dtype[Any]:
        """The float type."""
        return self.values.dtype

    @property
    def nbytes(self) -> int:
        """Bytes of the gradients."""
        return self.values.nbytes

    def astype(self, dtype: npt.DTypeLike) -> Rows:
        """Return the same in another float type."""
        return Rows(self.values.astype(dtype, copy=False))

    @classmethod
    def joined(cls, several: Sequence[Rows]) -> Rows:
        """Return groups of samples, one after the other, as one."""
        return cls(np.concatenate([group.values for group in several]))

    def rows(self) -> Array:
        """Return the gradients, (N, D)."""
        return self.values

    def norm2(self) -> Array:
        """Return |g_i|^2, (N,)."""
        norm2: Array = np.einsum("nj,nj->n", self.values, self.values)
        return norm2

    def products(self, other: Outer | Rows) -> Array:
        """Return g_i . h_k, (N, M), with M other samples' gradients by the same weight."""
        product: Array = self.values @ other.rows().T
        return product

    def times(self, v: Array) -> Array:
        """Return g_i . v, (N,), for a vector v (D,)."""
        product: Array = self.values @ v
        return product

    def weighted_sum(self, c: Array) -> Array:
        """Return sum_i c_i g_i, (D,)."""
        total: Array = c @ self.values
        return total

    def sum_of_squares(self) -> Array:
        """Return sum_i g_ij^2 for each entry j, (D,)."""
        total: Array = np.einsum("nj,nj->j", self.values, self.values)
        return total


def outer(a: Array, d: Array, shape: tuple[int, ...]) -> Outer | Array:
    """Return a_i' d_i for each sample: as factors, or multiplied out where that is the smaller.

    Parameters
    ----------
    a : ndarray, shape (N, P, I)
    d : ndarray, shape (N, P, O)
    shape : tuple of int
        Of the weight, which has I O entries.
    """
    P, I, O = *a.shape[1:], d.shape[2]  # noqa: E741 - the maths' letters
    factors = Outer(a, d, shape)
    return factors if P * (I + O) < I * O or P == 1 else factors.rows().reshape(factors.shape)


def _flat(factor: Array) -> Array:
    """Return (N, P, I) as (N P, I)."""
    return factor.reshape(-1, factor.shape[2])
