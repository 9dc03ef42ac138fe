"""The outermost eigenvalues of a symmetric matrix that is known by its products with vectors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from minibatch.typing import Array

#: v (D,) -> H v (D,)
Product = Callable[[Array], Array]
#: Where a new direction is this much shorter than the matrix is large, there is none: it is rounding.
NO_DIRECTION = 1e-10


@dataclass(frozen=True)
class Eigenpairs:
    """What ``eigenpairs`` found.

    Attributes
    ----------
    values : ndarray, shape (k,)
        Eigenvalues, the outermost first.
    vectors : ndarray, shape (k, D)
        Row i is the unit eigenvector of value i; its sign is arbitrary.
    residuals : ndarray, shape (k,)
        |H v - lambda v|, from a product with each vector. Within that distance of lambda lies an eigenvalue of H.
    converged : bool
        Whether every residual is within the tolerance.
    steps : int
        Lanczos steps, a product each; the residuals took k more.
    """

    values: Array
    vectors: Array = field(repr=False)
    residuals: Array
    converged: bool
    steps: int


def eigenpairs(
    product: Product,
    size: int,
    k: int = 1,
    *,
    largest: bool = True,
    tolerance: float = 1e-6,
    max_steps: int = 200,
    seed: int = 0,
    free: Array | None = None,
) -> Eigenpairs:
    """Return the k largest (or smallest) eigenvalues of a symmetric matrix, by Lanczos.

    Parameters
    ----------
    product : callable
        v (D,) to H v (D,).
    size : int
        D.
    k : int, default 1
        How many: 1 to D.
    largest : bool, default True
        The algebraically largest, descending; otherwise the smallest, ascending (the most negative first).
    tolerance : float, default 1e-6
        Of the residuals, as a share of the largest |eigenvalue| found.
    max_steps : int, default 200
        Products at most; at least k, and never more than D. A D x max_steps matrix is kept.
    seed : int, default 0
        Of the random vector that it starts from.
    free : ndarray of bool, shape (D,), optional
        Look only for eigenvectors that are zero elsewhere; for a matrix whose other rows and columns are zero.

    Returns
    -------
    Eigenpairs

    Raises
    ------
    ValueError
        For k out of range, a tolerance that is not positive, and fewer steps than k.

    Notes
    -----
    Lanczos 1950; Golub and Van Loan 2013, section 10.1. In the basis q_1, ..., q_m of the Krylov space of a random
    vector, H is the tridiagonal T; eigenvalues of T approach the outermost ones of H first. Every q is made
    orthogonal to all before it, twice: otherwise rounding brings found directions back, as ghost copies.

    From one vector only one direction of each eigenspace is seen: of an eigenvalue that occurs twice, one copy is
    returned, unless all distinct ones are used up before there are k.

    Examples
    --------
    >>> import numpy as np
    >>> H = np.diag([1.0, -7.0, 3.0, 2.0])
    >>> found = eigenpairs(lambda v: H @ v, 4, k=2)
    >>> found.values.round(9), found.converged
    (array([3., 2.]), True)
    """
    inside = np.ones(size, dtype=bool) if free is None else np.asarray(free, dtype=bool)
    dimension = int(inside.sum())
    if not dimension:
        raise ValueError("there is no free parameter, and so no eigenvalue: no layer has trainable weights.")
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or not 1 <= k <= dimension:
        raise ValueError(f"k must be an integer from 1 to {dimension}, the free parameters; got {k!r}.")
    if not tolerance > 0:
        raise ValueError(f"tolerance must be positive; got {tolerance!r}.")
    if isinstance(max_steps, bool) or not isinstance(max_steps, int | np.integer) or max_steps < k:
        raise ValueError(f"max_steps must be an integer, at least k = {k}; got {max_steps!r}.")
    rng = np.random.default_rng(seed)
    Q = np.empty((min(int(max_steps), dimension), size))
    T = np.zeros((len(Q), len(Q)))
    q = _orthogonal(rng.standard_normal(size) * inside, Q[:0])
    for m in range(1, len(Q) + 1):
        Q[m - 1] = q / np.linalg.norm(q)
        Hq = product(Q[m - 1])
        T[m - 1, m - 1] = Q[m - 1] @ Hq
        q = _orthogonal(Hq * inside, Q[:m])
        beta = float(np.linalg.norm(q))
        values, S = np.linalg.eigh(T[:m, :m])
        scale = float(np.abs(values).max())
        chosen = np.argsort(-values if largest else values)[:k]
        # H y - lambda y = beta s_m q for the Ritz vector y = Q's: its length needs no product.
        if m >= k and (beta * np.abs(S[-1, chosen]) <= tolerance * scale / 2).all():
            break
        if m == len(Q):
            break
        if beta <= NO_DIRECTION * scale:
            # The Krylov space is used up; what lies outside it is another block of the matrix.
            q, beta = _orthogonal(rng.standard_normal(size) * inside, Q[:m]), 0.0
        T[m, m - 1] = T[m - 1, m] = beta
    vectors = S[:, chosen].T @ Q[:m]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    found = values[chosen]
    rests = [product(v) - value * v for v, value in zip(vectors, found, strict=True)]
    residuals = np.linalg.norm(rests, axis=1)
    return Eigenpairs(found, vectors, residuals, bool((residuals <= tolerance * scale).all()), m)


def _orthogonal(q: Array, Q: Array) -> Array:
    """Return q without its parts along the rows of Q."""
    for _ in range(2):  # once leaves rounding behind; twice is enough (Kahan, in Parlett 1998)
        q = q - Q.T @ (Q @ q)
    return q
