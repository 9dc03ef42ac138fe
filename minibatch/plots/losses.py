"""Loss against epochs, against updates and against seconds: three panels that tell three stories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from minibatch.plots.style import (
    BatchSize,
    BatchStyle,
    finite_vector,
    house_style,
    pick_styles,
    title_and_key,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

_ALONG = ("epochs", "updates", "seconds")
_Y_LABELS = {
    "loss": "loss (mean per sample)",
    "val_loss": "validation loss (mean per sample)",
    "accuracy": "accuracy (fraction)",
    "val_accuracy": "validation accuracy (fraction)",
}
# Ranges that differ by more than this need a logarithmic axis, or the shortest is a smudge at zero.
_DECADES = 20.0


def loss_curves(
    histories: Mapping[BatchSize, Any],
    *,
    axes: Sequence[Axes] | NDArray[Any] | None = None,
    what: str = "loss",
    n_samples: int | None = None,
    styles: Mapping[BatchSize, BatchStyle] | None = None,
    title: str | None = None,
) -> NDArray[Any]:
    """The loss against epochs, updates and seconds, by batch size; from ``fit``, or from what was timed.

    Against epochs, small batches win: they make more updates. Against updates, large batches win: each
    update is the better informed. Seconds decide.

    Parameters
    ----------
    histories : mapping of batch size to History, mapping or object
        What ``fit`` returns, or its ``.history``: a point at the end of each epoch, which is Keras's running mean
        of that epoch. Or with more than that, sequences of one length (P,), as keys or attributes: ``epochs``,
        ``updates`` and ``seconds`` so far, not decreasing, and ``loss``; perhaps with a starting point before
        training (0, 0, 0, first loss). A loss that is not finite leaves a gap.
    axes : sequence of Axes, optional
        Where to draw, as many as there are panels; those of a new figure if not given.
    what : str, optional
        The name of the sequence to draw: ``"loss"``, ``"val_loss"``, or any other the histories have.
    n_samples : int, optional
        Samples in the data set, for the label and the colour of the full batch.
    styles : mapping of batch size to BatchStyle, optional
        From `batch_styles`; made from the keys of ``histories`` if not given.
    title : str, optional

    Returns
    -------
    ndarray of Axes
        Against epochs, updates and seconds, those that all histories know: what ``fit`` returns knows no seconds,
        a dict alone no updates either. ``[0].figure.savefig(path)`` saves the figure. All are on one and the same
        vertical scale: logarithmic where the values span a decade. Where the batch sizes differ by decades in
        updates or seconds, that axis is logarithmic, with a linear piece around zero for the starting point, and a
        faint line from there to the first epoch. Lines labelled by batch size hold the other points.

    Raises
    ------
    ValueError
        If there is no history, one lacks a sequence, lengths differ, or ``axes`` are not as many as the panels.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> import minibatch as mb
    >>> histories = {}
    >>> for batch_size in (1, 4):
    ...     line = mb.Sequential([mb.Input((1,)), mb.layers.Dense(1)])
    ...     line.compile("sgd", "mse")
    ...     histories[batch_size] = line.fit(
    ...         [[1.0], [2.0], [3.0], [4.0]], [2.0, 4.0, 6.0, 8.0], batch_size=batch_size, epochs=3, verbose=0
    ...     )
    >>> panels = loss_curves(histories, axes=Figure().subplots(1, 2))
    >>> [panel.get_xlabel() for panel in panels]
    ['epochs', 'updates']
    """
    if not histories:
        raise ValueError("histories must map at least one batch size to a history; got none.")
    runs = {batch_size: _checked(batch_size, history, what) for batch_size, history in histories.items()}
    chosen = pick_styles(runs, styles, n_samples)
    panels = None if axes is None else np.asarray(axes, dtype=object).ravel()
    known = [along for along in _ALONG if all(along in run for run in runs.values())]
    clocks = known[0] if len(known) == 1 else f"{', '.join(known[:-1])} and {known[-1]}"
    if panels is not None and panels.size != len(known):
        raise ValueError(f"axes must be {len(known)}, for {clocks}; got {panels.size}.")

    with house_style():
        if panels is None:
            from matplotlib import pyplot as plt

            size = (max(6.4, 1.4 + 3.2 * len(known)), 4.0)
            made = plt.subplots(1, len(known), figsize=size, sharey=True, squeeze=False, layout="constrained")[1]
            panels = np.asarray(made, dtype=object).ravel()

        handles: list[Line2D] = []
        for panel, along in zip(panels, known, strict=True):
            logarithmic = _set_x_scale(panel, [run[along] for run in runs.values()], along)
            _set_y_scale(panel, np.concatenate([run[what] for run in runs.values()]))
            handles = [
                _draw_run(panel, runs[batch_size][along], runs[batch_size][what], style, lead=logarithmic)
                for batch_size, style in chosen.items()
            ]
            panel.set_xlabel(along)
            panel.grid(axis="y", color="#E6E6E6", linewidth=0.7)
            panel.set_axisbelow(True)
        panels[0].set_ylabel(_Y_LABELS.get(what, what.replace("_", " ")))
        across = panels[-1].get_window_extent().x1 - panels[0].get_window_extent().x0
        beside = across > panels[0].get_window_extent().width
        if title is None:
            words = what.replace("val_", "validation ").replace("_", " ").capitalize()
            title = f"{words} by batch size, against {clocks}"
        title_and_key(
            panels[0],
            title,
            handles,
            [style.label for style in chosen.values()],
            width=across if beside else None,
        )
    return panels


def _draw_run(
    panel: Axes, along: NDArray[np.float64], values: NDArray[np.float64], style: BatchStyle, *, lead: bool
) -> Line2D:
    """One run as one line; with ``lead``, its way from a start at zero to the first epoch is only hinted.

    On a logarithmic axis that way is long, and a full line would seem to say what the loss was along it.
    """
    lead = lead and len(along) > 1 and along[0] == 0.0
    first = 1 if lead else 0
    look: dict[str, Any] = {
        "color": style.color,
        "marker": style.marker,
        "markersize": 5.5,
        "markeredgecolor": panel.get_facecolor(),
        "markeredgewidth": 0.7,
        "zorder": style.zorder,
    }
    if lead:
        panel.plot(along[:2], values[:2], color=style.color, linewidth=0.8, alpha=0.35, zorder=1.0)
        panel.plot(along[:1], values[:1], linestyle="none", **look)
    n_points = len(along) - first
    # Every point of a short run is marked; of a long one about a dozen, the last among them.
    step = 1 if n_points <= 24 else -(-n_points // 12)
    (line,) = panel.plot(
        along[first:],
        values[first:],
        linestyle=style.dash,
        linewidth=style.width,
        markevery=((n_points - 1) % step, step),
        label=style.label,
        **look,
    )
    return line


def _checked(batch_size: BatchSize, history: Any, what: str) -> dict[str, NDArray[np.float64]]:
    run: dict[str, NDArray[np.float64]] = {}
    found = _of_fit(history, what)
    for name in (*_ALONG, what):
        value = found.get(name)
        if value is None and name != what:
            continue
        if value is None:
            raise ValueError(f"histories[{batch_size!r}] must have {name!r}, a sequence of numbers; it has none.")
        if name == what:
            run[name] = np.array(value, dtype=np.float64)
            if run[name].ndim != 1 or run[name].size == 0:
                raise ValueError(
                    f"histories[{batch_size!r}].{name} must have shape (P,), P >= 1; got {run[name].shape}."
                )
            run[name][~np.isfinite(run[name])] = np.nan
        else:
            run[name] = finite_vector(f"histories[{batch_size!r}].{name}", value)
            if (np.diff(run[name]) < 0).any() or (run[name] < 0).any():
                raise ValueError(f"histories[{batch_size!r}].{name} must not be negative, nor decrease.")
    lengths = {name: values.size for name, values in run.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"histories[{batch_size!r}] must have sequences of one length; got {lengths}.")
    return run


def _of_fit(history: Any, what: str) -> dict[str, Any]:
    """What there is of clocks and values; what ``fit`` returns counts epochs, and knows the steps of each."""
    logs = getattr(history, "history", history)
    names = (*_ALONG, what)
    found: dict[str, Any] = {
        name: logs.get(name) if isinstance(logs, Mapping) else getattr(logs, name, None) for name in names
    }
    if found["epochs"] is None and found[what] is not None:
        ran = getattr(history, "epoch", None)
        found["epochs"] = np.arange(1, np.size(found[what]) + 1) if ran is None else np.asarray(ran) + 1
        steps = (getattr(history, "params", None) or {}).get("steps")
        if found["updates"] is None and steps is not None:
            found["updates"] = steps * found["epochs"]
    return found


def _set_x_scale(panel: Axes, runs: Sequence[NDArray[np.float64]], along: str) -> bool:
    """Whether the axis is logarithmic (with a linear piece around zero)."""
    from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator

    last = np.array([run.max() for run in runs])
    positive = np.concatenate([run[run > 0] for run in runs])
    if along == "epochs" or positive.size == 0 or last.max() <= _DECADES * max(last.min(), 1e-300):
        panel.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=along != "seconds"))
        return False
    first, high = float(positive.min()), float(positive.max())
    panel.set_xscale("symlog", linthresh=first, linscale=0.5)
    decades = np.arange(np.ceil(np.log10(first) - 1e-9), np.floor(np.log10(high) + 1e-9) + 1)
    decades = decades[:: max(1, -(-len(decades) // 5))]
    has_zero = any((run == 0).any() for run in runs)
    panel.xaxis.set_major_locator(FixedLocator([*([0.0] if has_zero else []), *(10.0**decades)]))
    panel.xaxis.set_minor_locator(NullLocator())
    panel.xaxis.set_major_formatter(lambda value, _: f"{value:,.10g}")
    panel.set_xlim(-0.25 * first if has_zero else 0.7 * first, 1.6 * high)
    return True


def _set_y_scale(panel: Axes, values: NDArray[np.float64]) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter

    finite = values[np.isfinite(values)]
    if finite.size == 0 or finite.min() <= 0 or finite.max() < 10.0 * finite.min():
        return
    low, high = float(finite.min()), float(finite.max())
    decades = np.log10(high / low)
    panel.set_yscale("log")
    margin = 10.0 ** (0.06 * decades)
    panel.set_ylim(low / margin, high * margin)
    panel.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if decades < 2.5 else (1.0,)))
    panel.yaxis.set_major_formatter(lambda value, _: f"{value:.10g}")
    panel.yaxis.set_minor_formatter(NullFormatter())
