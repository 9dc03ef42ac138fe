"""The compiled loops of the update rules, in pieces that threads share (``board``).

Importing this module imports Numba.
"""

from __future__ import annotations

import functools

import numpy as np

from minibatch.board import Board, Cut, share, this
from minibatch.compiling import compiled
from minibatch.typing import Array


# What is divided by zero is infinite, as NumPy's is: Python's error would keep the loop from being vectorized.
@functools.partial(compiled, error_model="numpy")
def adam(
    theta: Array, g: Array, m: Array, v: Array, rest_1: float, rest_2: float, epsilon: float, alpha: float
) -> None:
    """Make Adam's step in place, the operations of ``Adam.update`` in the same order, rounded alike.

    ``rest_1`` is 1 - beta_1, ``rest_2`` 1 - beta_2; all four numbers are of theta's float type.
    """
    for i in range(theta.size):
        g_i = g[i]
        m_i = m[i] + (g_i - m[i]) * rest_1
        v_i = v[i] + (g_i * g_i - v[i]) * rest_2
        m[i], v[i] = m_i, v_i
        theta[i] -= m_i / (np.sqrt(v_i) + epsilon) * alpha


@compiled
def shared_adam(
    board: Board,
    cut: Cut,
    theta: Array,
    g: Array,
    m: Array,
    v: Array,
    rest_1: float,
    rest_2: float,
    epsilon: float,
    alpha: float,
    start: int,
    stop: int,
) -> None:
    """Make Adam's step in place, a piece at a time."""
    if start < 0:
        share(board, cut, this(shared_adam, (board, cut, theta, g, m, v, rest_1, rest_2, epsilon, alpha)))
        return
    adam(theta[start:stop], g[start:stop], m[start:stop], v[start:stop], rest_1, rest_2, epsilon, alpha)


@compiled
def sgd(theta: Array, g: Array, rate: float, start: int, stop: int) -> None:
    """Make plain SGD's step in place, from start to stop; ``rate`` is rounded to theta's float type."""
    t, g, step = theta[start:stop], g[start:stop], theta.dtype.type(rate)
    for i in range(t.size):
        t[i] -= g[i] * step


@compiled
def shared_sgd(board: Board, cut: Cut, theta: Array, g: Array, rate: float, start: int, stop: int) -> None:
    """Make plain SGD's step in place, a piece at a time."""
    if start < 0:
        share(board, cut, this(shared_sgd, (board, cut, theta, g, rate)))
        return
    sgd(theta, g, rate, start, stop)


@compiled
def shared_momentum(
    board: Board,
    cut: Cut,
    theta: Array,
    g: Array,
    m: Array,
    rate: float,
    beta: float,
    nesterov: bool,
    start: int,
    stop: int,
) -> None:
    """Make SGD's step with momentum ``beta`` in place, the operations of ``SGD.update`` in the same order."""
    if start < 0:
        share(board, cut, this(shared_momentum, (board, cut, theta, g, m, rate, beta, nesterov)))
        return
    t, g, m = theta[start:stop], g[start:stop], m[start:stop]
    for i in range(t.size):
        step = g[i] * rate
        m_i = m[i] * beta - step
        m[i] = m_i
        t[i] = t[i] - step + m_i * beta if nesterov else t[i] + m_i
