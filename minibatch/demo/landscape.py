"""Paths over a surface of the loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from minibatch.plots import BatchSize
from minibatch.typing import Array


@dataclass(frozen=True)
class Landscape:
    """Paths over a surface of the loss that two coordinates span.

    Attributes
    ----------
    paths : dict of int to ndarray (T, 2)
        By batch size.
    updates : dict of int to list of int
        How many updates had been made at each point of a path.
    xs, ys, loss : ndarray, shapes (X,), (Y,) and (Y, X)
        The loss of all samples on a grid.
    minimum : ndarray (2,) or None
        Where it is smallest, if that is known.
    explained : tuple of float or None
        The share of the paths' variance along each axis.
    """

    paths: dict[BatchSize, Array]
    updates: dict[BatchSize, list[int]]
    xs: Array
    ys: Array
    loss: Array
    minimum: Array | None = None
    explained: tuple[float, float] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists."""
        return {
            "paths": {str(size): path.tolist() for size, path in self.paths.items()},
            "updates": {str(size): updates for size, updates in self.updates.items()},
            "xs": self.xs.tolist(),
            "ys": self.ys.tolist(),
            "loss": self.loss.tolist(),
            "minimum": None if self.minimum is None else self.minimum.tolist(),
            "explained": self.explained,
        }


def grid_around(points: Array, cells: int = 41, margin: float = 0.12) -> tuple[Array, Array]:
    """Return the xs and ys of a grid with room for the points (M, 2)."""
    low, high = points.min(axis=0), points.max(axis=0)
    wide = margin * (high - low) + 1e-6
    xs, ys = np.linspace(low - wide, high + wide, cells).T
    return xs, ys
