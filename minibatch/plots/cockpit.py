"""One page that gathers the monitors of one run.

After Cockpit (Schneider, Dangel and Hennig 2021, "Cockpit: A Practical Debugging Tool for the Training of Deep
Neural Networks", arXiv 2102.06604), with the noise scale and the batch size in its middle.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from minibatch.plots.axes import plain_number
from minibatch.plots.histograms import checked_histograms
from minibatch.plots.panels import PANELS, Run
from minibatch.plots.scale import check_decay, checked_batch_sizes
from minibatch.plots.series import Entry, checked_series, without_dips
from minibatch.plots.style import house_style, title_and_key

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

    from minibatch.plots.series import Floats

# Smaller than in a figure of its own: a page has twelve.
_SMALL: Any = {
    "axes.titlesize": 10.5,
    "axes.labelsize": 9.0,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "legend.fontsize": 8.0,
}


def cockpit(
    record: Any,
    *,
    figure: Figure | SubFigure | None = None,
    n_samples: int | None = None,
    decay: float | None = None,
    title: str | None = None,
) -> dict[str, Axes]:
    """Draw what was measured during one run on one page, a panel for each kind of number.

    There are panels only for what was measured. Light lines are the values, strong ones their running median where
    there are more than 200 of them. What has no place on an axis is marked at its edge and counted in the key.

    Parameters
    ----------
    record : GradientNoise or mapping
        A monitor, or what its ``to_dict()`` returns. "steps" and "values" each map names to sequences of one
        length: numbers of training steps, increasing, and what was measured there (NaN and infinities may be among
        it). The names: loss, grad_norm, update_size, noise_scale, trace, grad_norm2, norm_test, inner_product_test,
        orthogonality_test, cosine_to_previous, cosine_to_full, signal_to_noise, gsnr, cabs, eb, alpha, distance;
        others are left out. Optional: "decay"; "batch_sizes", with "steps" and "values"; "histograms", with
        "steps", "edges" and "counts", as in `gradient_histograms` with ``share`` and ``clipped``. If all batches
        were of one sample, what needs two of them is left out, and the heading says so.
    figure : Figure or SubFigure, optional
        Where to draw, best with ``layout="constrained"``; for all twelve panels at least 16 x 11 inches. A new one
        of fitting size if not given.
    n_samples : int, optional
        N; marked beside the noise scale.
    decay : float, optional
        Of the running means of tr(Sigma) and |G|^2 that the noise scale is the ratio of; by default the record's.
        Where that has none either, the two are drawn as they are.
    title : str, optional

    Returns
    -------
    dict of str to Axes
        From "loss", "norms", "noise_scale", "parts", "tests", "cosines", "signal", "cabs", "eb", "alpha",
        "distance" and "histograms", those that there are. ``panels["loss"].figure.savefig(path)`` saves the page.

    Raises
    ------
    ValueError
        If the record lacks "steps" or "values", lengths differ, steps do not increase, nothing in it has a panel,
        or ``decay`` is not from 0 to below 1.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> record = {
    ...     "steps": {"loss": [1, 2, 3], "noise_scale": [1, 3]},
    ...     "values": {"loss": [2.3, 1.9, 1.2], "noise_scale": [20.0, 55.0]},
    ... }
    >>> list(cockpit(record, figure=Figure(figsize=(8, 4), layout="constrained")))
    ['loss', 'noise_scale']
    """
    if not isinstance(record, Mapping):
        if not hasattr(record, "to_dict"):
            raise TypeError(f"a record must be a GradientNoise, or what its to_dict() returns; got {record!r}.")
        record = record.to_dict()
    run = _checked(record, record.get("decay") if decay is None else decay)
    wanted = {name: draw for name, (needs, draw) in PANELS.items() if needs(run)}
    if not wanted:
        raise ValueError(f"the record has nothing to draw: it has values of {list(record['values'])}.")
    columns = {1: 1, 2: 2, 3: 3, 4: 2, 5: 3, 6: 3}.get(len(wanted), 4)
    rows = -(-len(wanted) // columns)

    with house_style():
        from matplotlib import rc_context

        with rc_context(_SMALL):
            if figure is None:
                from matplotlib import pyplot as plt

                size = (max(4.0 * columns, 5.0), 0.5 + 3.5 * rows)
                figure = plt.figure(figsize=size, layout="constrained")
            made = figure.subplots(rows, columns, squeeze=False).ravel()
            for unused in made[len(wanted) :]:
                unused.remove()
            panels = dict(zip(wanted, made, strict=False))
            keys = {name: draw(panels[name], run, n_samples) for name, draw in wanted.items()}
            figure.suptitle(_heading(run) if title is None else title, x=0.01, ha="left", weight="bold", size=13.0)
            # The layout once, for all keys: each asking for its own takes twelve times as long.
            engine = figure.get_layout_engine()
            if engine is not None:
                engine.execute(figure.figure)
            for name, (heading, entries) in keys.items():
                _finish(panels[name], heading, entries)
    return panels


def _checked(record: Mapping[str, Any], decay: float | None) -> Run:
    check_decay(decay)
    missing = [name for name in ("steps", "values") if name not in record]
    if missing:
        raise ValueError(f"a record must have 'steps' and 'values', by name; {missing} missing.")
    series = {}
    for name, values in record["values"].items():
        if name not in record["steps"]:
            raise ValueError(f"the record's steps must have every name of its values; {name!r} is missing.")
        if len(values):
            series[name] = checked_series(name, record["steps"][name], values)
    sizes, histograms = record.get("batch_sizes"), record.get("histograms")
    used = None
    if sizes is not None and len(sizes["steps"]):
        used = checked_batch_sizes(*checked_series("batch_sizes", sizes["steps"], sizes["values"]))
    if _of_single_samples(used):
        series = {name: (steps, v) for name, (steps, v) in series.items() if not np.isnan(v).all()}
    counted = histograms is not None and len(histograms.get("steps", [0])) > 0
    return Run(series, used, checked_histograms(histograms) if counted else None, decay)


def _of_single_samples(batch_sizes: tuple[Floats, Floats] | None) -> bool:
    """Whether every batch was of one sample: there is no spread in one, and many quantities are of that."""
    return batch_sizes is not None and bool((batch_sizes[1] == 1).all())


def _heading(run: Run) -> str:
    lasts = [steps[-1] for steps, _ in run.series.values()] + ([run.histograms[0][-1]] if run.histograms else [])
    words = f"One run, {plain_number(max(lasts))} {'step' if max(lasts) == 1 else 'steps'}"
    if run.batch_sizes is None:
        return words
    # A short batch at the end of an epoch is not what a run is known by.
    _, sizes = without_dips(*run.batch_sizes)
    low, high = plain_number(sizes.min()), plain_number(sizes.max())
    if _of_single_samples(run.batch_sizes):
        return f"{words}, batch size 1 (without what needs two samples of a batch)"
    return f"{words}, batch size {low}" if low == high else f"{words}, batch sizes {low} to {high}"


def _finish(ax: Axes, heading: str, entries: list[Entry]) -> None:
    if not entries:
        ax.set_title(heading, loc="left", pad=8.0)
        return
    handles, names = [handle for handle, _ in entries], [name for _, name in entries]
    title_and_key(ax, heading, handles, names, width=float(ax.get_window_extent().width))
