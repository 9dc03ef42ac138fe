"""The compiled loops of activations. Importing this module imports Numba."""

from __future__ import annotations

from minibatch.compiling import compiled
from minibatch.typing import Array


@compiled
def relu_gradient(dy: Array, z: Array, dz: Array) -> None:
    """Write dz = dy (z > 0), of three rows of numbers."""
    one, zero = dy.dtype.type(1), dy.dtype.type(0)
    for i in range(dy.size):
        # A product, as in the formula: what is no number in dy, or infinite, is to be seen in dz everywhere.
        dz[i] = dy[i] * (one if z[i] > 0 else zero)
