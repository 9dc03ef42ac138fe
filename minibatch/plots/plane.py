"""The plane on which the paths of several runs are drawn: NumPy only, no figure.

Weighted principal component analysis of parameter paths, after Li, Xu, Taylor, Studer and Goldstein
(2018), "Visualizing the Loss Landscape of Neural Nets" (arXiv 1712.09913), section 7.2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from minibatch.plots.style import BatchSize

Floats: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Plane:
    """A plane in parameter space, with the paths projected onto it.

    Attributes
    ----------
    origin : ndarray of float64, shape (D,)
        The point drawn at (0, 0): the mean of the paths' final points.
    axes : ndarray of float64, shape (2, D)
        Orthonormal rows: the two leading principal directions of the paths.
    explained : ndarray of float64, shape (2,)
        Fractions of the (weighted) variance of the paths along each axis, largest first.
    projected : dict of batch size to ndarray of float64, shape (T, 2)
        Each path in the coordinates of the plane.
    """

    origin: Floats
    axes: Floats
    explained: Floats
    projected: dict[BatchSize, Floats]

    def project(self, points: ArrayLike) -> Floats:
        """Coordinates in the plane of the nearest point of the plane.

        Parameters
        ----------
        points : array_like, shape (M, D)
            Parameter vectors.

        Returns
        -------
        ndarray of float64, shape (M, 2)
        """
        rows = np.asarray(points, dtype=np.float64)
        if rows.ndim != 2 or rows.shape[1] != self.origin.size:
            raise ValueError(f"points must have shape (M, {self.origin.size}); got {rows.shape}.")
        coordinates: Floats = (rows - self.origin) @ self.axes.T
        return coordinates

    def lift(self, points: ArrayLike) -> Floats:
        """Parameter vectors of points of the plane: ``origin + a * axes[0] + b * axes[1]``.

        Parameters
        ----------
        points : array_like, shape (M, 2)
            Coordinates in the plane, for example the nodes of a grid on which to evaluate the loss.

        Returns
        -------
        ndarray of float64, shape (M, D)
        """
        coordinates = np.asarray(points, dtype=np.float64)
        if coordinates.ndim != 2 or coordinates.shape[1] != 2:
            raise ValueError(f"points must have shape (M, 2); got {coordinates.shape}.")
        return self.origin + coordinates @ self.axes


def principal_plane(paths: Mapping[BatchSize, ArrayLike]) -> Plane:
    """The two leading principal directions of several paths in parameter space.

    With ``M`` the matrix of rows ``theta_t - theta_end``, Li et al. (2018) take the two leading
    principal components of ``M``; like the code they published, this centres ``M``, so that the
    reference point drops out of the directions and fixes only the origin. Two deviations, because they
    draw one run and this draws several:

    - Each path has an equal say, however many updates it made: its T points weigh 1/T each, and the
      centre is the mean of the paths' means. Unweighted, batch size 1 alone would choose the plane.
    - The origin is the mean of the paths' final points. For one path it is the final point, as there.

    A path's shape *out of* the plane is not seen; ``explained`` says how much is.

    Parameters
    ----------
    paths : mapping of batch size to array_like, shape (T, D)
        The parameters after each recorded update, in order. T may differ from path to path. Work and
        memory grow with the square of min(sum of T, D): for long paths hand in every k-th point.

    Returns
    -------
    Plane
        Signs are fixed by the data: the paths start at the left (first coordinate negative, on average)
        and above (second positive). Where they start on an axis, its largest entry is positive.

    Raises
    ------
    ValueError
        If there is no path, a path is not of shape (T, D) with T >= 1, D differs between paths or is
        below 2, or a point is not finite.

    Examples
    --------
    Two paths in three dimensions, of which the third is never used:

    >>> import numpy as np
    >>> full = np.array([[0.0, 0.0, 1.0], [3.0, 0.0, 1.0], [4.0, 0.0, 1.0]])
    >>> ragged = np.array([[0.0, 0.0, 1.0], [3.0, 1.0, 1.0], [4.0, 0.0, 1.0]])
    >>> plane = principal_plane({"full": full, 1: ragged})
    >>> plane.origin
    array([4., 0., 1.])
    >>> bool(np.isclose(plane.explained.sum(), 1.0))
    True
    >>> bool(np.allclose(plane.lift(plane.projected[1]), ragged))
    True
    """
    points = _checked(paths)
    mean: Floats = np.mean([path.mean(axis=0) for path in points.values()], axis=0)
    # Rows scaled so that M'M is the weighted covariance: 1/T within a path, 1/len(paths) across them.
    M = np.concatenate([(path - mean) / np.sqrt(len(path) * len(points)) for path in points.values()])
    # A run that blew up may hold numbers whose squares do not fit; the directions know no units.
    unit = float(np.abs(M).max()) or 1.0
    M /= unit
    total = float(np.sum(M * M))
    axes = _leading_directions(M, total)
    explained = np.sum((M @ axes.T) ** 2, axis=0) / total if total > 0.0 else np.zeros(2)
    largest_first = np.argsort(-explained, kind="stable")
    axes, explained = axes[largest_first], explained[largest_first]

    origin: Floats = np.mean([path[-1] for path in points.values()], axis=0)
    start: Floats = np.mean([path[0] for path in points.values()], axis=0) - origin
    axes *= _signs(axes, start, scale=unit * np.sqrt(total))[:, None]
    projected = {label: (path - origin) @ axes.T for label, path in points.items()}
    # Rounding can lift the sum of the fractions above one by an ulp.
    explained /= max(1.0, float(explained.sum()))
    return Plane(origin, axes, explained, projected)


def _checked(paths: Mapping[BatchSize, ArrayLike]) -> dict[BatchSize, Floats]:
    if not paths:
        raise ValueError("paths must map at least one batch size to an array of shape (T, D); got none.")
    points: dict[BatchSize, Floats] = {}
    for label, path in paths.items():
        rows = np.asarray(path, dtype=np.float64)
        if rows.ndim != 2 or rows.shape[0] < 1 or rows.shape[1] < 2:
            raise ValueError(f"paths[{label!r}] must have shape (T, D) with T >= 1 and D >= 2; got {rows.shape}.")
        unfinished = ~np.isfinite(rows).all(axis=1)
        if unfinished.any():
            raise ValueError(
                f"paths[{label!r}] must be finite; point {int(np.argmax(unfinished))} of {len(rows)} is not."
            )
        points[label] = rows
    widths = {label: rows.shape[1] for label, rows in points.items()}
    if len(set(widths.values())) > 1:
        raise ValueError(f"all paths must have the same number of parameters D; got {widths}.")
    return points


def _leading_directions(M: Floats, total: float) -> Floats:
    """Two orthonormal right singular vectors of M (n, D), completed where M has rank below two."""
    n, D = M.shape
    if total == 0.0:
        return _orthonormal(np.empty((0, D)))
    # The smaller of M'M and MM' holds the same information, and is far quicker than an SVD of M.
    values, vectors = np.linalg.eigh(M @ M.T if n < D else M.T @ M)
    # A variance at rounding level has no direction worth the name.
    leading = [k for k in range(len(values) - 1, -1, -1)[:2] if values[k] > 1e-12 * total]
    candidates = vectors[:, leading].T
    return _orthonormal(candidates @ M if n < D else candidates)


def _orthonormal(candidates: Floats) -> Floats:
    """Gram-Schmidt, twice for accuracy, then the least covered coordinate axes until there are two."""
    D = candidates.shape[1]
    axes = np.zeros((0, D))
    unused = list(candidates)
    while len(axes) < 2:
        v = unused.pop(0) if unused else np.eye(1, D, int(np.argmin(np.sum(axes**2, axis=0))))[0]
        v = v / np.linalg.norm(v)
        for _ in range(2):
            v = v - (axes @ v) @ axes
        axes = np.vstack([axes, v / np.linalg.norm(v)])
    return axes


def _signs(axes: Floats, start: Floats, scale: float) -> Floats:
    along = axes @ start
    largest = axes[np.arange(2), np.argmax(np.abs(axes), axis=1)]
    wanted = np.where(np.abs(along) > 1e-9 * scale, along * np.array([-1.0, 1.0]), largest)
    return np.where(wanted < 0.0, -1.0, 1.0)
