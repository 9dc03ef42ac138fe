"""The paths of gradient descent over the loss, walked as one looks on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from minibatch.plots.axes import plain_number
from minibatch.plots.directions import gradient_directions
from minibatch.plots.style import BatchSize, BatchStyle, finite_vector, house_style, pick_styles

if TYPE_CHECKING:
    from matplotlib.animation import FuncAnimation
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

    from minibatch.plots.series import Floats

# Every frame is a picture, and a file holds them all.
_MOST_FRAMES = 1000
# This share of the frames, at the end, shows the whole paths, for the eye to rest on.
_REST = 0.15


def animate_directions(
    paths: Mapping[BatchSize, ArrayLike],
    *,
    times: Mapping[BatchSize, ArrayLike] | None = None,
    clock: str = "",
    frames: int = 60,
    interval: float = 80.0,
    contours: tuple[ArrayLike, ArrayLike, ArrayLike] | None = None,
    labels: tuple[str, str] | None = None,
    explained: ArrayLike | None = None,
    minimum: ArrayLike | None = None,
    levels: int | ArrayLike = 12,
    n_samples: int | None = None,
    styles: Mapping[BatchSize, BatchStyle] | None = None,
    ax: Axes | None = None,
    title: str | None = None,
) -> FuncAnimation:
    """Each batch size walks its path over the contours of the loss; the last frame is `gradient_directions`.

    Who arrives first depends on what is counted. By epochs, small batches run ahead: they make more updates. By
    updates all make equal strides. By seconds the middle wins.

    Parameters
    ----------
    paths : mapping of batch size to array_like, shape (T, 2)
        Points in the order of the updates, as for `gradient_directions`.
    times : mapping of batch size to array_like, shape (T,), optional
        When each point was reached: epochs, updates, samples or seconds, not decreasing. Between two points a
        walker goes straight. Without, all walk their whole paths in the same time.
    clock : str, optional
        What ``times`` count, such as "epochs": shown with the time in a corner.
    frames : int, default 60
        Pictures in all, from 2 to 1000, the first at the start; the last 15 % rest at the end.
    interval : float, default 80
        Milliseconds from one to the next.
    contours, labels, explained, minimum, levels, n_samples, styles, ax, title
        As for `gradient_directions`.

    Returns
    -------
    FuncAnimation
        Keep a reference to it, or it stops. ``.save("paths.gif", writer="pillow")`` writes a GIF (with Pillow, the
        extra "images"); ``.to_jshtml()`` is a page, or the output of a notebook's cell.

    Raises
    ------
    ValueError
        As `gradient_directions`; if ``times`` lack a path, differ from it in length or decrease; for ``frames``
        outside 2 to 1000 or an ``interval`` that is not positive.

    Examples
    --------
    >>> import os, tempfile
    >>> from matplotlib.figure import Figure
    >>> paths = {1: [[0, 0], [2, 1], [1, 2]], "full": [[0, 0], [1, 1]]}
    >>> times = {1: [0, 1, 2], "full": [0, 2]}
    >>> ax = Figure(figsize=(3, 2)).add_subplot()
    >>> walk = animate_directions(paths, times=times, clock="epochs", frames=4, ax=ax)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     walk.save(os.path.join(folder, "paths.gif"), writer="pillow")
    ...     os.listdir(folder)
    ['paths.gif']
    """
    if isinstance(frames, bool) or not isinstance(frames, int | np.integer) or not 2 <= frames <= _MOST_FRAMES:
        raise ValueError(f"frames must be an integer from 2 to {_MOST_FRAMES}; got {frames!r}.")
    if not 0.0 < interval < np.inf:
        raise ValueError(f"interval must be a positive number of milliseconds; got {interval}.")
    when = _checked_times(paths, times)
    own, already = ax is None, 0 if ax is None else len(ax.lines)
    ax = gradient_directions(
        paths,
        contours=contours,
        labels=labels,
        explained=explained,
        minimum=minimum,
        levels=levels,
        n_samples=n_samples,
        styles=styles,
        ax=ax,
        title=title,
    )
    figure = ax.figure.figure
    if own:
        # Laid out once: nothing moves but the walkers, and a layout for every frame takes longer than the frame.
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
    lines = list(ax.lines)[already:]
    walkers = [
        _Walker(np.asarray(paths[batch_size], dtype=np.float64), when[batch_size], style, lines, ax)
        for batch_size, style in pick_styles(paths, styles, n_samples).items()
    ]
    end = max(float(at[-1]) for at in when.values())
    walking = max(1, round((1.0 - _REST) * (frames - 1)))
    moments = np.minimum(np.arange(frames) / walking, 1.0) * end
    with house_style():
        from matplotlib.animation import FuncAnimation

        counter = ax.text(
            0.985,
            0.02,
            "",
            transform=ax.transAxes,
            ha="right",
            fontsize=9.0,
            bbox={"facecolor": ax.get_facecolor(), "edgecolor": "none", "alpha": 0.8, "pad": 2.0},
            zorder=10.0,
        )

        def show(frame: int) -> Sequence[Any]:
            moment = float(moments[frame])
            if clock:
                time = f"{moment:.1f}" if end < 100.0 else plain_number(round(moment))
                counter.set_text(f"{time} {clock}")
            return [counter, *(line for walker in walkers for line in walker.go_to(moment))]

        show(0)
        return FuncAnimation(
            figure, show, frames=int(frames), interval=interval, repeat_delay=1500.0, cache_frame_data=False
        )


class _Walker:
    """One path, of which the still figure's own lines show as much as has been walked.

    Parameters
    ----------
    path : ndarray, shape (T, 2)
    times : ndarray, shape (T,)
    style : BatchStyle
    lines : list of Line2D
        What `gradient_directions` drew; those that are of this path are taken from the list.
    ax : Axes
    """

    def __init__(self, path: Floats, times: Floats, style: BatchStyle, lines: list[Line2D], ax: Axes) -> None:
        self.path, self.times = path, times

        def taken(color: Any, marker: str, points: NDArray[np.float64]) -> list[Line2D]:
            found = [
                line
                for line in lines
                if line.get_color() == color
                and line.get_marker() == marker
                and np.array_equal(np.asarray(line.get_xydata()), points)
            ][:1]
            for line in found:
                lines.remove(line)
            return found

        # The path's own line, and the paper-coloured edge beneath it.
        self.trails = taken(style.color, "None", path) + taken(ax.get_facecolor(), "None", path)
        self.dots = taken(style.color, ".", path[1:])
        self.head = taken(style.color, style.marker, path[-1:])

    def go_to(self, moment: float) -> list[Line2D]:
        """Show the path up to a moment; return the lines that changed."""
        k = int(np.searchsorted(self.times, moment, side="right")) - 1
        walked = self.path[: k + 1]
        if k + 1 < len(self.path):
            share = (moment - self.times[k]) / (self.times[k + 1] - self.times[k])
            walked = np.vstack([walked, self.path[k] + share * (self.path[k + 1] - self.path[k])])
        for line in self.trails:
            line.set_data(*walked.T)
        for line in self.dots:
            line.set_data(*self.path[1 : k + 1].T)
        for line in self.head:
            line.set_data(*walked[-1:].T)
        return [*self.trails, *self.dots, *self.head]


def _checked_times(
    paths: Mapping[BatchSize, ArrayLike], times: Mapping[BatchSize, ArrayLike] | None
) -> dict[BatchSize, Floats]:
    """When each point is reached, from 0 on; the paths themselves are for `gradient_directions` to check."""
    when: dict[BatchSize, Floats] = {}
    for batch_size, path in paths.items():
        n = len(np.asarray(path))
        if times is None:
            when[batch_size] = np.linspace(0.0, 1.0, n) if n > 1 else np.zeros(n)
            continue
        if batch_size not in times:
            raise ValueError(f"times must have every batch size of paths; {batch_size!r} is missing.")
        at = finite_vector(f"times[{batch_size!r}]", times[batch_size], n)
        if (np.diff(at) < 0.0).any():
            raise ValueError(f"times[{batch_size!r}] must not decrease.")
        when[batch_size] = at
    first = min((float(at[0]) for at in when.values() if at.size), default=0.0)
    return {batch_size: at - first for batch_size, at in when.items()}
