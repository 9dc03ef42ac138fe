"""The angle between batch gradient and full gradient as polar roses, for the eye that reads directions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from minibatch.plots.style import (
    INK,
    MUTED,
    BatchSize,
    BatchStyle,
    finite_vector,
    house_style,
    new_axes,
    pick_styles,
    title_and_key,
)

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

# Corners of an arc, for each sector of a rose.
_ARC = 12
# Angles (degrees) closer together than this are one direction on any screen, not a distribution.
_ONE_ANGLE = 0.05
# Shares of the draws that may be named on the rings.
_SHARES = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0)
_AREA = "angle to the full gradient G; area: share of the draws, in sectors of {:.3g}°"
_TITLE = "Direction of batch gradients, from the full gradient"


def direction_rose(
    angles: Mapping[BatchSize, ArrayLike],
    *,
    theory: Mapping[BatchSize, float] | None = None,
    n_samples: int | None = None,
    bins: int = 36,
    styles: Mapping[BatchSize, BatchStyle] | None = None,
    ax: Axes | None = None,
    title: str | None = None,
) -> Axes:
    """The angle between batch gradient and full gradient as a rose, one over the other by batch size.

    The full gradient G points to the right, at 0 degrees. A sector's *area* is proportional to the share of the
    draws in it, so its radius is the square root of the share; every rose has the same area, whatever the number
    of draws. Draws that all have one angle (the full batch's) have no area: they are a ray to the rim. Many batch
    sizes are easier to tell apart side by side: `direction_roses`.

    Parameters
    ----------
    angles : mapping of batch size to array_like, shape (draws,)
        In degrees, from 0 to 180. NaN, where a batch gradient is zero and has no direction, is left out; the key
        says how many.
    theory : mapping of batch size to float, optional
        The angle expected, in degrees: arccos (1 + x)^(-1/2) with x = (S2/|G|^2)(1/B - 1/N), an approximation.
        Marked at the rim. Batch sizes without an entry get no mark.
    n_samples : int, optional
        Samples in the data set, for the label and the colour of the full batch.
    bins : int, default 36
        Sectors from 0 to 180 degrees, of equal width.
    styles : mapping of batch size to BatchStyle, optional
        From `batch_styles`; made from the keys of ``angles`` if not given.
    ax : Axes, optional
        Where to draw: ordinary axes, not polar ones, which leave half their room empty below a half circle. The
        axes of a new figure if not given.
    title : str, optional

    Returns
    -------
    Axes
        A wedge for each sector that has draws, of radius ``share ** 0.5``, around (0, 0).

    Raises
    ------
    ValueError
        If there is no batch size, a batch size has no angle, an angle is not from 0 to 180, ``theory`` has a batch
        size without angles, ``bins`` is below 1, or ``ax`` is polar.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> ax = direction_rose({32: [41.0, 42.0, 43.0, 51.0]}, ax=Figure().add_subplot())
    >>> [(int(sector.theta1), round(float(sector.r) ** 2, 3)) for sector in ax.patches]  # 3/4 of the draws, and 1/4
    [(40, 0.75), (50, 0.25)]
    """
    draws, expected = _checked(angles, theory, bins)
    chosen = pick_styles(draws, styles, n_samples)
    _refuse_polar([] if ax is None else [ax])
    with house_style():
        ax = new_axes(ax, (6.4, 4.4))
        rim = _rim(draws, bins)
        _draw_board(ax, rim, bins, small=False)
        entries: list[tuple[Artist, str]] = []
        for batch_size, style in chosen.items():
            # Many on one another would be mud: there the outlines tell them apart.
            rose = _draw_rose(ax, draws[batch_size], bins, rim, style, alpha=0.3 if len(chosen) <= 3 else 0.06)
            entries.append((rose, _label(style, draws[batch_size])))
            _mark_expected(ax, expected.get(batch_size), rim, style)
        if expected:
            entries.append(_expected_key())
        handles, names = [handle for handle, _ in entries], [name for _, name in entries]
        title_and_key(ax, _TITLE if title is None else title, handles, names)
    return ax


def direction_roses(
    angles: Mapping[BatchSize, ArrayLike],
    *,
    theory: Mapping[BatchSize, float] | None = None,
    n_samples: int | None = None,
    bins: int = 36,
    styles: Mapping[BatchSize, BatchStyle] | None = None,
    axes: Sequence[Axes] | NDArray[Any] | None = None,
    title: str | None = None,
) -> NDArray[Any]:
    """As `direction_rose`, each batch size in axes of its own, all on one scale.

    Parameters
    ----------
    angles, theory, n_samples, bins, styles
        As for `direction_rose`.
    axes : sequence of Axes, optional
        As many as batch sizes; those of a new figure, in rows, if not given.
    title : str, optional
        Over a new figure; over axes handed in there is only each batch size.

    Returns
    -------
    ndarray of Axes
        From the smallest batch size to the largest.

    Raises
    ------
    ValueError
        As `direction_rose`, and if there are not as many ``axes`` as batch sizes.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> axes = direction_roses({"full": [0.0], 1: [80.0, 95.0]}, axes=Figure().subplots(1, 2))
    >>> [ax.get_title(loc="left") for ax in axes]
    ['1 (stochastic)', 'full']
    """
    draws, expected = _checked(angles, theory, bins)
    chosen = pick_styles(draws, styles, n_samples)
    panels = None if axes is None else np.asarray(axes, dtype=object).ravel()
    if panels is not None and panels.size != len(chosen):
        raise ValueError(f"axes must be as many as batch sizes, {len(chosen)}; got {panels.size}.")
    _refuse_polar([] if panels is None else list(panels))
    with house_style():
        if panels is None:
            from matplotlib import pyplot as plt

            columns = min(4, len(chosen))
            rows = -(-len(chosen) // columns)
            size = (max(3.1 * columns, 5.0), 0.6 + 2.15 * rows)
            figure, made = plt.subplots(rows, columns, figsize=size, layout="constrained", squeeze=False)
            figure.suptitle(_TITLE if title is None else title, x=0.02, ha="left", weight="bold", size=12.0)
            figure.supxlabel(_AREA.format(180.0 / bins), size=9.0)
            if expected:
                handle, name = _expected_key()
                figure.legend([handle], [name], loc="upper right", frameon=False)
            for unused in made.ravel()[len(chosen) :]:
                unused.remove()
            panels = np.asarray(made.ravel()[: len(chosen)], dtype=object)
        rim = _rim(draws, bins)
        for ax, (batch_size, style) in zip(panels, chosen.items(), strict=True):
            _draw_board(ax, rim, bins, small=True)
            _draw_rose(ax, draws[batch_size], bins, rim, style)
            _mark_expected(ax, expected.get(batch_size), rim, style)
            ax.set_title(_label(style, draws[batch_size]), loc="left", fontsize=10.0, pad=2.0)
    return panels


def _checked(
    angles: Mapping[BatchSize, ArrayLike], theory: Mapping[BatchSize, float] | None, bins: int
) -> tuple[dict[BatchSize, NDArray[np.float64]], dict[BatchSize, float]]:
    if not angles:
        raise ValueError("angles must map at least one batch size to an array of shape (draws,); got none.")
    if isinstance(bins, bool) or not isinstance(bins, int | np.integer) or bins < 1:
        raise ValueError(f"bins must be a positive integer; got {bins!r}.")
    draws: dict[BatchSize, NDArray[np.float64]] = {}
    for batch_size, values in angles.items():
        vector = np.asarray(values, dtype=np.float64)
        if vector.ndim != 1:
            raise ValueError(f"angles[{batch_size!r}] must have shape (draws,); got {vector.shape}.")
        if np.isnan(vector).all():
            raise ValueError(f"angles[{batch_size!r}] must have at least one angle; got {vector.size}, all NaN.")
        beyond = vector[(vector < 0.0) | (vector > 180.0)]
        if beyond.size:
            raise ValueError(f"angles[{batch_size!r}] must be in degrees, from 0 to 180; got {beyond[0]}.")
        draws[batch_size] = vector
    expected = {b: float(finite_vector(f"theory[{b!r}]", [v], 1)[0]) for b, v in (theory or {}).items()}
    stray = [b for b in expected if b not in draws]
    if stray:
        raise ValueError(f"theory must be of batch sizes in angles, {list(draws)}; got {stray} besides.")
    return draws, expected


def _refuse_polar(axes: Sequence[Axes]) -> None:
    for ax in axes:
        if getattr(ax, "name", None) == "polar":
            raise ValueError("a rose draws its own circle: ax must be ordinary axes; got polar ones.")


def _shares(values: NDArray[np.float64], bins: int) -> NDArray[np.float64]:
    """The share of the draws in each sector; of draws with one angle, none has an area."""
    if np.nanmax(values) - np.nanmin(values) < _ONE_ANGLE:
        return np.zeros(bins)
    finite = values[~np.isnan(values)]
    shares: NDArray[np.float64] = np.histogram(finite, bins=bins, range=(0.0, 180.0))[0] / finite.size
    return shares


def _rim(draws: Mapping[BatchSize, NDArray[np.float64]], bins: int) -> float:
    """The radius of the figure: a little more than that of the tallest sector."""
    return 1.08 * (max(float(_shares(values, bins).max()) for values in draws.values()) ** 0.5 or 1.0)


def _label(style: BatchStyle, values: NDArray[np.float64]) -> str:
    without = int(np.isnan(values).sum())
    return f"{style.label}, {without} without direction" if without else style.label


def _draw_rose(
    ax: Axes, values: NDArray[np.float64], bins: int, rim: float, style: BatchStyle, alpha: float = 0.3
) -> Artist:
    from matplotlib.patches import Wedge

    shares = _shares(values, bins)
    if not shares.any():
        at = np.radians(np.nanmedian(values))
        (ray,) = ax.plot(
            [0.0, rim * np.cos(at)], [0.0, rim * np.sin(at)], color=style.color, linewidth=3.0, zorder=style.zorder
        )
        return ray
    radii = np.sqrt(shares)
    width = 180.0 / bins
    for k in np.flatnonzero(shares):
        # No edges: with one around each sector, a few roses would be a grid.
        look: dict[str, Any] = {"facecolor": style.color, "alpha": alpha, "linewidth": 0.0, "zorder": style.zorder}
        ax.add_patch(Wedge((0.0, 0.0), radii[k], k * width, (k + 1) * width, **look))
    edges = np.linspace(0.0, np.pi, bins + 1)
    around = np.linspace(edges[:-1], edges[1:], _ARC).T.ravel()
    out = np.repeat(radii, _ARC)
    (outline,) = ax.plot(
        out * np.cos(around),
        out * np.sin(around),
        color=style.color,
        linewidth=1.5,
        zorder=style.zorder + 0.5,
        solid_joinstyle="miter",
    )
    return outline


def _mark_expected(ax: Axes, angle: float | None, rim: float, style: BatchStyle) -> None:
    """The angle expected: a ray, and on the rim a triangle that points to the centre."""
    if angle is None:
        return
    x, y = rim * np.cos(np.radians(angle)), rim * np.sin(np.radians(angle))
    ax.plot([0.0, x], [0.0, y], color=style.color, linewidth=1.0, linestyle=(0, (3, 2)), zorder=6.0)
    ax.plot(
        [x],
        [y],
        linestyle="none",
        marker=(3, 0, angle + 90.0),
        markersize=8.5,
        markerfacecolor=style.color,
        markeredgecolor=INK,
        markeredgewidth=0.9,
        clip_on=False,
        zorder=7.0,
    )


def _expected_key() -> tuple[Artist, str]:
    from matplotlib.lines import Line2D

    look: Any = {"marker": (3, 0, 180.0), "markersize": 8.0, "markeredgecolor": INK, "markeredgewidth": 0.9}
    return Line2D([], [], color=MUTED, linewidth=1.0, linestyle=(0, (3, 2)), **look), "expected"


def _draw_board(ax: Axes, rim: float, bins: int, *, small: bool) -> None:
    """The half circle, its rings and its rays, and what they say."""
    size = 7.5 if small else 8.5
    around = np.linspace(0.0, np.pi, 181)
    ax.plot(rim * np.cos(around), rim * np.sin(around), color="#BBBBBB", linewidth=0.9, zorder=0.5)
    ax.plot([-rim, rim], [0.0, 0.0], color="#BBBBBB", linewidth=0.9, zorder=0.5)
    for angle in range(0, 181, 45 if small else 30):
        x, y = np.cos(np.radians(angle)), np.sin(np.radians(angle))
        ax.plot([0.0, rim * x], [0.0, rim * y], color="#E2E2E2", linewidth=0.7, zorder=0.4)
        side = "center" if abs(x) < 0.1 else "left" if x > 0 else "right"
        ax.text(1.06 * rim * x, 1.06 * rim * y, f"{angle}°", ha=side, va="bottom", fontsize=size)
    # Rings that part by what their names need; they stand where a batch gradient hardly ever points.
    rings: list[float] = []
    for share in _SHARES[::-1]:
        if share**0.5 <= 0.97 * rim and (
            not rings or rings[-1] ** 0.5 - share**0.5 > (0.3 if small else 0.2) * rim
        ):
            rings.append(share)
    for share in rings[:2]:
        r = share**0.5
        ax.plot(r * np.cos(around), r * np.sin(around), color="#E2E2E2", linewidth=0.7, zorder=0.4)
        ax.text(-r, -0.03 * rim, f"{100.0 * share:g} %", ha="center", va="top", fontsize=size, color=MUTED)
    ax.text(rim, -0.03 * rim, "along G", ha="right", va="top", fontsize=size, color=MUTED)
    ax.set_aspect("equal", adjustable="box")
    ax.set_xlim(-1.2 * rim, 1.2 * rim)
    ax.set_ylim(-0.14 * rim, 1.16 * rim)
    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set_visible(False)
    if not small:
        ax.set_xlabel(_AREA.format(180.0 / bins))
