"""The compiled loops of the update rules, in pieces that threads share (``board``).

Importing this module imports Numba.
"""

from __future__ import annotations

import functools

import numpy as np

from minibatch.board import Board, Cut, sharing
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
def _part_of_adam(
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
    adam(theta[start:stop], g[start:stop], m[start:stop], v[start:stop], rest_1, rest_2, epsilon, alpha)


_share_adam = sharing(_part_of_adam)


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
) -> None:
    """Make Adam's step in place."""
    _share_adam(board, cut, (theta, g, m, v, rest_1, rest_2, epsilon, alpha))


@compiled
def _part_of_sgd(theta: Array, g: Array, rate: float, start: int, stop: int) -> None:
    t, g = theta[start:stop], g[start:stop]
    for i in range(t.size):
        t[i] -= g[i] * rate


_share_sgd = sharing(_part_of_sgd)


@compiled
def sgd(board: Board, cut: Cut, theta: Array, g: Array, rate: float) -> None:
    """Make plain SGD's step in place."""
    _share_sgd(board, cut, (theta, g, rate))


@compiled
def _part_of_momentum(
    theta: Array, g: Array, m: Array, rate: float, momentum: float, nesterov: bool, start: int, stop: int
) -> None:
    t, g, m = theta[start:stop], g[start:stop], m[start:stop]
    for i in range(t.size):
        step = g[i] * rate
        m_i = m[i] * momentum - step
        m[i] = m_i
        t[i] = t[i] - step + m_i * momentum if nesterov else t[i] + m_i


_share_momentum = sharing(_part_of_momentum)


@compiled
def momentum(
    board: Board, cut: Cut, theta: Array, g: Array, m: Array, rate: float, momentum: float, nesterov: bool
) -> None:
    """Make SGD's step with momentum in place, the operations of ``SGD.update`` in the same order."""
    _share_momentum(board, cut, (theta, g, m, rate, momentum, nesterov))
