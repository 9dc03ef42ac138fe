"""How the entries of single samples' gradients are distributed, alone and against the weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from minibatch.noise.training.samples import Samples
from minibatch.typing import Array


def edges_around_zero(largest: float, bins: int) -> Array:
    """Return ``bins + 1`` edges from -largest to largest; around a largest of 0, from -1e-6 to 1e-6.

    The limits of Cockpit's ``GradAbsMax``.
    """
    reach = max(largest, 1e-6) if np.isfinite(largest) else 1.0
    return np.linspace(-reach, reach, bins + 1)


def places(values: Array, edges: Array) -> Array:
    """Return in which bin each value lies. The bins are equally wide.

    What lies beyond the edges counts in the first or the last, as in Cockpit.
    """
    bins = len(edges) - 1
    low, width = float(edges[0]), float(edges[-1] - edges[0]) / bins
    scaled = (values - values.dtype.type(low)) * values.dtype.type(1 / width)
    np.clip(scaled, 0, bins - 1, out=scaled)
    which: Array = scaled.astype(np.int64)
    return which


def histogram(values: Array, edges: Array) -> Array:
    """Return how many values lie in each bin, (bins,) int64.

    Examples
    --------
    >>> histogram(np.array([-9.0, -0.5, 0.5, 0.6]), np.array([-1.0, 0.0, 1.0])).tolist()
    [2, 2]
    """
    counts: Array = np.bincount(places(values.ravel(), edges), minlength=len(edges) - 1)
    return counts


def histogram_2d(rows: Array, theta: Array, edges: Array, theta_edges: Array) -> Array:
    """Return how many (g_ij, theta_j) lie in each pair of bins, (bins of g, bins of theta) int64.

    Parameters
    ----------
    rows : ndarray, shape (N, D)
        Gradients of single samples.
    theta : ndarray, shape (D,)
    edges, theta_edges : ndarray

    Examples
    --------
    >>> rows, theta = np.array([[-1.0, 1.0], [1.0, 1.0]]), np.array([-1.0, 1.0])
    >>> edges = np.array([-2.0, 0.0, 2.0])
    >>> histogram_2d(rows, theta, edges, edges).tolist()
    [[1, 0], [1, 2]]
    """
    columns = len(theta_edges) - 1
    cells = places(rows, edges) * columns + places(theta, theta_edges)
    counts = np.bincount(cells.ravel(), minlength=(len(edges) - 1) * columns)
    return counts.reshape(len(edges) - 1, columns)


class Histograms:
    """Histograms of a training, one for each step at which they were made, all with the same bins.

    The bins reach as far as the largest entry does when they are first made.

    Parameters
    ----------
    bins : int

    Raises
    ------
    ValueError
        If ``bins`` is not a positive integer.
    """

    def __init__(self, bins: int) -> None:
        if isinstance(bins, bool) or not isinstance(bins, int | np.integer) or bins < 1:
            raise ValueError(f"bins must be a positive integer; got {bins!r}.")
        self.bins = int(bins)
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self.edges: Array | None = None
        self.theta_edges: Array | None = None
        self.steps: list[int] = []
        self.counts: list[Array] = []
        self.steps_2d: list[int] = []
        self.counts_2d: list[Array] = []

    def add(self, step: int, samples: Samples, theta: Array, one: bool, two: bool) -> None:
        """Count the entries of the samples' gradients: into ``counts`` if ``one``, ``counts_2d`` if ``two``."""
        if self.edges is None:
            largest = max((float(np.abs(rows).max(initial=0)) for _, rows in samples.rows()), default=0.0)
            self.edges = edges_around_zero(largest, self.bins)
            self.theta_edges = edges_around_zero(float(np.abs(theta).max(initial=0)), self.bins)
        assert self.theta_edges is not None
        counts = np.zeros(self.bins, dtype=np.int64)
        counts_2d = np.zeros((self.bins, self.bins), dtype=np.int64)
        for place, rows in samples.rows():
            if two:
                counts_2d += histogram_2d(rows.reshape(len(rows), -1), theta[place], self.edges, self.theta_edges)
            else:
                counts += histogram(rows, self.edges)
        if one:
            self.steps.append(step)
            self.counts.append(counts_2d.sum(axis=1) if two else counts)
        if two:
            self.steps_2d.append(step)
            self.counts_2d.append(counts_2d)

    def to_dict(self) -> dict[str, Any]:
        """Return {"steps", "edges", "counts"} in plain numbers."""
        edges = [] if self.edges is None else self.edges.tolist()
        return {"steps": list(self.steps), "edges": edges, "counts": [c.tolist() for c in self.counts]}

    def to_dict_2d(self) -> dict[str, Any]:
        """Return {"steps", "edges", "theta_edges", "counts"} in plain numbers; rows are bins of the gradient."""
        edges, theta_edges = (e.tolist() if e is not None else [] for e in (self.edges, self.theta_edges))
        counts = [c.tolist() for c in self.counts_2d]
        return {"steps": list(self.steps_2d), "edges": edges, "theta_edges": theta_edges, "counts": counts}

    def state_dict(self) -> dict[str, Any]:
        """Return everything."""
        return {
            "edges": self.edges, "theta_edges": self.theta_edges,
            "steps": self.steps, "steps_2d": self.steps_2d,
            "counts": np.array(self.counts, dtype=np.int64), "counts_2d": np.array(self.counts_2d, dtype=np.int64),
        }  # fmt: skip

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up what ``state_dict`` returned."""
        self.edges, self.theta_edges = state["edges"], state["theta_edges"]
        self.steps, self.steps_2d = list(state["steps"]), list(state["steps_2d"])
        self.counts, self.counts_2d = list(state["counts"]), list(state["counts_2d"])
