"""The curvature of a model's loss: eigenvalues, trace and diagonal of its Hessian.

Each function makes a ``Hessian`` of the model and asks it one thing; ``loss_curvature`` makes one and asks it all.
"""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

from minibatch.models import Model
from minibatch.noise.curvature.hessian import MAX_DENSE, Hessian
from minibatch.noise.curvature.hutchinson import (
    Diagonal,
    Estimate,
    check_draws,
    estimate_diagonal,
    exact_diagonal,
    random_signs,
)
from minibatch.noise.curvature.lanczos import Eigenpairs, eigenpairs
from minibatch.typing import Array


def hessian_vector_product(model: Model, x: Any, y: Any, v: npt.ArrayLike) -> Array:
    """Return H v, H being the Hessian of the mean loss of (x, y) at the model's present weights.

    Parameters
    ----------
    model : Model
        Compiled; not changed.
    x, y : array_like, shapes (N, ...)
    v : array_like, shape (D,)
        Laid out like ``model.parameters.theta``.

    Returns
    -------
    ndarray of float64, shape (D,)

    Raises
    ------
    ValueError
        If v has not D finite entries, and as ``Hessian``, which says how it is computed and how exact it is.

    Examples
    --------
    >>> import minibatch as mb
    >>> line = mb.Sequential([mb.Input((1,)), mb.layers.Dense(1)])
    >>> line.compile("sgd", "mse")
    >>> mb.noise.curvature.hessian_vector_product(line, [[1.0], [3.0]], [2.0, 5.0], [0.0, 1.0]).round(6)
    array([4., 2.])
    """
    return Hessian(model, x, y) @ v


def dense_hessian(model: Model, x: Any, y: Any) -> Array:
    """Return H written out, (D, D) in float64, for D up to 4,000; see ``Hessian.dense``."""
    return Hessian(model, x, y).dense()


def top_eigenvalues(
    model: Model,
    x: Any,
    y: Any,
    k: int = 1,
    *,
    largest: bool = True,
    tolerance: float = 1e-6,
    max_steps: int = 200,
    seed: int = 0,
) -> Eigenpairs:
    """Return the k largest eigenvalues of the Hessian, by Lanczos; frozen weights are left out.

    Gradient descent with learning rate eps is stable on a parabola while the largest is below 2/eps (LeCun et al.
    1998, "Efficient BackProp", section 5).

    Parameters
    ----------
    model, x, y
        As for ``hessian_vector_product``.
    k : int, default 1
    largest : bool, default True
        False for the smallest: below zero where the loss curves down in some direction.
    tolerance, max_steps, seed
        See ``lanczos.eigenpairs``.

    Returns
    -------
    Eigenpairs
        With a residual for each value; ``converged`` says whether all are within the tolerance.

    Examples
    --------
    >>> import minibatch as mb
    >>> line = mb.Sequential([mb.Input((1,)), mb.layers.Dense(1)])
    >>> line.compile("sgd", "mse")
    >>> mb.noise.curvature.top_eigenvalues(line, [[1.0], [3.0]], [2.0, 5.0], k=2).values.round(4)  # 6 +- sqrt(32)
    array([11.6569,  0.3431])
    """
    H = Hessian(model, x, y)
    return top_of(H, k, largest=largest, tolerance=tolerance, max_steps=max_steps, seed=seed)


def hessian_trace(model: Model, x: Any, y: Any, *, draws: int | None = 100, seed: int = 0) -> Estimate:
    """Return the trace of the Hessian, the sum of its eigenvalues.

    Parameters
    ----------
    model, x, y
        As for ``hessian_vector_product``.
    draws : int or None, default 100
        Random vectors, each a product (see ``hutchinson.estimate_diagonal``). None for the exact value from D
        products; it is exact as well where D is no more than draws.
    seed : int, default 0

    Returns
    -------
    Estimate
        A value with its standard error, 0 where exact.

    Raises
    ------
    ValueError
        For draws below 1, and as ``Hessian``.

    Examples
    --------
    >>> import minibatch as mb
    >>> line = mb.Sequential([mb.Input((1,)), mb.layers.Dense(1)])
    >>> line.compile("sgd", "mse")
    >>> print(mb.noise.curvature.hessian_trace(line, [[1.0], [3.0]], [2.0, 5.0]))
    12
    """
    return hessian_diagonal(model, x, y, draws=draws, seed=seed).trace


def hessian_diagonal(model: Model, x: Any, y: Any, *, draws: int | None = None, seed: int = 0) -> Diagonal:
    """Return the diagonal of the Hessian, exactly by default; arguments and errors as for ``hessian_trace``."""
    draws = check_draws(draws)
    return diagonal_of(Hessian(model, x, y), draws, seed)


def top_of(H: Hessian, k: int, **settings: Any) -> Eigenpairs:
    """Return what ``top_eigenvalues`` does, of a Hessian that is there already."""
    return eigenpairs(H.__matmul__, H.size, k, free=H.free, **settings)


def diagonal_of(H: Hessian, draws: int | None, seed: int) -> Diagonal:
    """Return what ``hessian_diagonal`` does, of a Hessian that is there already."""
    if draws is not None and draws < H.size:
        return estimate_diagonal(H.__matmul__, random_signs(draws, H.size, seed))
    # Written out once, it also serves what asks for it next.
    return exact_diagonal(H.dense() if H.size <= MAX_DENSE else H.columns())
