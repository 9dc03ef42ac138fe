"""Takeuchi's information criterion: the noise of the gradients, weighed by the curvature."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from minibatch.models import Model
from minibatch.noise.curvature.hessian import Hessian
from minibatch.noise.curvature.hutchinson import Diagonal, check_draws
from minibatch.noise.curvature.measures import diagonal_of

#: Keeps the divisions away from zero, as Cockpit does it.
EPSILON = 1e-7


@dataclass(frozen=True)
class TIC:
    """Takeuchi's information criterion, tr(C H^-1) for the second moment C of the gradients, approximated.

    Takeuchi 1976; Thomas et al. 2019 (arXiv 1906.07774): near a minimum it estimates N times the gap between test
    loss and training loss. Away from one H has eigenvalues that are zero or negative, and the numbers mean little.

    Attributes
    ----------
    by_diagonal : float or None
        sum_j C_jj/(h_j + 1e-7), C_jj = (1/N) sum_i g_ij^2, h_j the diagonal of H: Cockpit's TICDiag. None where
        the diagonal is an estimate: the quotients of noisy h_j near zero say nothing.
    by_trace : float
        tr(C)/(tr(H) + 1e-7): Cockpit's TICTrace. Where C and H are multiples of the identity it is 1/D of the
        first.
    not_positive : int or None
        How many h_j are zero or below though C_jj is not zero. If there are any, distrust ``by_diagonal``.
    """

    by_diagonal: float | None
    by_trace: float
    not_positive: int | None

    def to_dict(self) -> dict[str, Any]:
        """Return the attributes by name."""
        return dict(self.__dict__)


def tic(model: Model, x: Any, y: Any, *, draws: int | None = None, seed: int = 0) -> TIC:
    """Return Takeuchi's information criterion, by the diagonal and by the traces.

    Parameters
    ----------
    model, x, y
        As for ``hessian_trace``.
    draws : int or None
        By default, None, D products give the exact diagonal. A number of draws that is below D gives an estimate
        of the trace, and leaves ``by_diagonal`` out.
    seed : int, default 0

    Returns
    -------
    TIC

    Raises
    ------
    ValueError
        As ``hessian_trace``.
    TypeError
        If a layer with weights has no rule for single samples.

    Examples
    --------
    A line for (1, 2) and (2, 4), at zero weights: g = (-4, -4) and (-16, -8), h = (5, 2). So C_11 = (16 + 256)/2
    and C_22 = (16 + 64)/2; by the diagonal 136/5 + 40/2 = 47.2, by the traces 176/7.

    >>> import minibatch as mb
    >>> line = mb.Sequential([mb.Input((1,)), mb.layers.Dense(1, kernel_initializer="zeros")])
    >>> line.compile("sgd", "mse")
    >>> found = mb.noise.curvature.tic(line, [[1.0], [2.0]], [2.0, 4.0])
    >>> round(found.by_diagonal, 3), round(found.by_trace, 3), found.not_positive
    (47.2, 25.143, 0)
    """
    draws = check_draws(draws)
    H = Hessian(model, x, y)
    return tic_of(H, diagonal_of(H, draws, seed))


def tic_of(H: Hessian, diagonal: Diagonal) -> TIC:
    """Return what ``tic`` does, of a Hessian and its diagonal that are there already."""
    second_moments = np.zeros(H.size)
    for rows in H.sample_gradients():
        second_moments += np.einsum("nd,nd->d", rows, rows)
    second_moments /= H.n_samples
    by_trace = float(second_moments.sum() / (diagonal.trace.value + EPSILON))
    if diagonal.draws:
        return TIC(None, by_trace, None)
    by_diagonal = float((second_moments / (diagonal.values + EPSILON)).sum())
    return TIC(by_diagonal, by_trace, int(((diagonal.values <= 0) & (second_moments > 0)).sum()))
