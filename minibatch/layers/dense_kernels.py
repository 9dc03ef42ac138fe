"""The compiled loops of a dense layer: what stands around its products, in one pass.

For a batch of 24 and 32 outputs a call of a NumPy function takes ten times as long as its arithmetic, and a sum or
a maximum along rows of a few numbers longer still. The formulas are those of ``product.affine``, ``softmax`` and
``relu`` in ``activations``, and ``product.sum_of_rows``; the tests hold them equal. Importing this module imports
Numba.

Letters: N samples, O outputs.
"""

from __future__ import annotations

import math

from minibatch.compiling import compiled
from minibatch.typing import Array


@compiled
def add_bias(z: Array, bias: Array, least: float) -> None:
    """Write max(z + bias, least) over z (N, O), for bias (O,)."""
    N, O = z.shape  # noqa: E741  # the maths' letters
    floor = z.dtype.type(least)
    for n in range(N):
        for o in range(O):
            sum_ = z[n, o] + bias[o]
            z[n, o] = floor if sum_ < floor else sum_  # what is no number stays so, as in np.maximum


@compiled
def add_bias_softmax(z: Array, bias: Array, y: Array) -> None:
    """Write z + bias over z (N, O), and softmax of that into y, for bias (O,)."""
    N, O = z.shape  # noqa: E741  # the maths' letters
    for n in range(N):
        most = z[n, 0] + bias[0]
        for o in range(O):
            z[n, o] += bias[o]
            most = max(most, z[n, o])
        total = z.dtype.type(0)
        for o in range(O):
            y[n, o] = math.exp(z[n, o] - most)
            total += y[n, o]
        for o in range(O):
            y[n, o] /= total


@compiled
def above(dy: Array, y: Array, least: float, dz: Array) -> None:
    """Write dy where y > least, and 0 dy elsewhere, into dz; all (N, O)."""
    N, O = y.shape  # noqa: E741  # the maths' letters
    floor = y.dtype.type(least)
    for n in range(N):
        for o in range(O):
            dz[n, o] = dy[n, o] * (y[n, o] > floor)


@compiled
def sum_of_rows(x: Array, out: Array) -> None:
    """Write the sum of the rows of x (N, O) into out (O,)."""
    N, O = x.shape  # noqa: E741  # the maths' letters
    out[:] = 0
    for n in range(N):
        for o in range(O):
            out[o] += x[n, o]
