"""A model drawn as boxes and arrows, with Matplotlib; neither pydot nor Graphviz is needed."""

from __future__ import annotations

import importlib
import os
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minibatch import config
from minibatch.plots.style import BLUE, GREENS, INK, MUTED, RED, house_style
from minibatch.utils.layout import layered
from minibatch.utils.names import near_misses

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from minibatch.models import Model

RANKDIRS = ("TB", "BT", "LR", "RL")
SPLINES = ("ortho", "curved", "spline", "polyline", "line")

# In points, of 1/72 inch.
_TITLE, _TEXT = 11.0, 9.0
_LINE, _BAND, _PAD = 15.0, 22.0, 9.0
_GAP, _BETWEEN, _MARGIN, _PASSING = 22.0, 30.0, 14.0, 16.0


@dataclass(frozen=True)
class _Box:
    """A layer at one place of the graph."""

    title: str
    note: str
    lines: tuple[str, ...]
    color: str
    width: float
    height: float


def plot_model(
    model: Model,
    to_file: str | os.PathLike[str] = "model.png",
    show_shapes: bool = False,
    show_dtype: bool = False,
    show_layer_names: bool = False,
    rankdir: str = "TB",
    expand_nested: bool = False,
    dpi: int = 200,
    show_layer_activations: bool = False,
    show_trainable: bool = False,
    splines: str = "ortho",
    **kwargs: Any,
) -> Any:
    """Draw a model's layers and what leads where, into a file.

    Layers with weights are blue, layers that join several values green, inputs grey, others dark. A layer used
    twice has a box for each use, with a note.

    Parameters
    ----------
    model : Model or Sequential
        Built: it knows its shapes.
    to_file : path, default "model.png"
        Its ending is the format: png, svg, pdf and whatever else Matplotlib writes; without one, png.
    show_shapes, show_dtype, show_layer_names : bool, default False
        What to write into the boxes, besides the kind of layer.
    rankdir : "TB", "BT", "LR" or "RL"
        Which way it reads: from top to bottom, ..., from right to left.
    expand_nested : bool, default False
        Accepted for Keras's sake: there are no models within models here.
    dpi : int, default 200
        Pixels per inch.
    show_layer_activations, show_trainable : bool, default False
        As above: the activation, where a layer has one; whether it is trained, where it has weights.
    splines : str, default "ortho"
        "line" and "polyline" draw straight lines; all else, curves.

    Returns
    -------
    IPython.display.Image or None
        In a notebook, the picture, to be shown.

    Raises
    ------
    ValueError
        If the model is not built, or an argument is not one of the words above.

    Examples
    --------
    >>> import minibatch as mb, tempfile
    >>> model = mb.Sequential([mb.Input((4,)), mb.layers.Dense(2)])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     mb.utils.plot_model(model, f"{folder}/model.svg", show_shapes=True)
    """
    if not model.built:
        raise ValueError(
            f"plot_model: the model {model.name!r} is not built; give it an Input, or build(input_shape)."
        )
    for name, value, known in (("rankdir", rankdir, RANKDIRS), ("splines", splines, SPLINES)):
        if value not in known:
            raise ValueError(f"plot_model: unknown {name} {value!r}.{near_misses(value, known)}")
    if kwargs:
        known = ("show_shapes", "show_dtype", "show_layer_names", "show_layer_activations", "show_trainable")
        raise TypeError(
            f"plot_model() has no argument {next(iter(kwargs))!r}.{near_misses(next(iter(kwargs)), known)}"
        )
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shown = {
        "shapes": show_shapes,
        "dtype": show_dtype,
        "names": show_layer_names,
        "activations": show_layer_activations,
        "trainable": show_trainable,
    }
    with house_style():
        boxes, edges = _graph(model, shown)
        figure = Figure()
        FigureCanvasAgg(figure)
        axes = figure.add_axes((0, 0, 1, 1))
        width, height = _draw(axes, boxes, edges, rankdir, straight=splines in ("line", "polyline"))
        figure.set_size_inches(width / 72, height / 72)
        path = Path(to_file)
        figure.savefig(path, dpi=dpi, format=path.suffix[1:] or "png")
    if "ipykernel" in sys.modules and path.suffix in ("", ".png"):
        return importlib.import_module("IPython.display").Image(filename=str(path))
    return None


def _graph(model: Model, shown: dict[str, bool]) -> tuple[list[_Box], list[tuple[int, int]]]:
    """Return a box for each input and each visit of a layer, and the edges between them."""
    graph = model.graph
    boxes = [
        _box("InputLayer", name, "", [f"({', '.join(map(str, (None, *shape)))})"], {}, MUTED, shown)
        for name, shape in zip(graph.input_names, model.input_shapes, strict=True)
    ]
    made_by = {value: i for i, value in enumerate(graph.inputs)}
    edges = []
    uses = Counter(visit.layer.name for visit in graph.visits)
    use: Counter[str] = Counter()
    for visit in graph.visits:
        layer = visit.layer
        use[layer.name] += 1
        note = f"use {use[layer.name]} of {uses[layer.name]}" if uses[layer.name] > 1 else ""
        color = GREENS[2] if visit.takes_list else BLUE if layer.weights else INK
        into = [_words(shape) for shape in (layer.input_shape if visit.takes_list else [layer.input_shape])]
        activation: Any = getattr(layer, "activation", None)
        facts = {
            "activations": f"activation: {activation.name}" if hasattr(activation, "name") else "",
            "trainable": ("trainable" if layer.trainable else "not trained") if layer.weights else "",
        }
        alike = len(into) > 1 and len(set(into)) == 1
        lines = [f"{len(into)} × {into[0]}" if alike else ", ".join(into), _words(layer.output_shape)]
        boxes.append(_box(type(layer).__name__, layer.name, note, lines, facts, color, shown))
        made_by[visit.target] = len(boxes) - 1
        edges += [(made_by[source], len(boxes) - 1) for source in visit.sources]
    return boxes, edges


def _words(shape: Any) -> str:
    return "?" if shape is None else f"({', '.join(map(str, (None, *shape)))})"


def _box(
    kind: str,
    name: str,
    note: str,
    shapes: Sequence[str],
    facts: dict[str, str],
    color: str,
    shown: dict[str, bool],
) -> _Box:
    lines = [text for fact, text in facts.items() if shown[fact] and text]
    if shown["shapes"]:
        # A layer that changes no shape says so in one line.
        lines.insert(0, shapes[0] if len(set(shapes)) == 1 else "  →  ".join(shapes))
    if shown["dtype"]:
        lines.append(config.floatx())
    notes = "  ".join(text for text in (name if shown["names"] else "", note) if text)
    head = _length(kind, _TITLE, "bold") + (_length(notes, _TEXT) + 10 if notes else 0)
    width = max([96.0, head + 2 * _PAD + 4, *(_length(line, _TEXT) + 2 * _PAD + 4 for line in lines)])
    height = _BAND + (len(lines) * _LINE + 8 if lines else 0)
    return _Box(kind, notes, tuple(lines), color, width, height)


def _length(text: str, size: float, weight: Any = "normal") -> float:
    """Return how wide a text is, in points."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    if not text.strip():
        return 0.0
    return float(TextPath((0, 0), text, size=size, prop=FontProperties(weight=weight)).get_extents().width)


def _draw(
    axes: Axes, boxes: Sequence[_Box], edges: Sequence[tuple[int, int]], rankdir: str, straight: bool
) -> tuple[float, float]:
    """Draw into axes whose unit is the point; return their width and height."""
    upright = rankdir in ("TB", "BT")
    plan = layered([b.width if upright else b.height for b in boxes], edges, _GAP, _PASSING)
    along = [b.height if upright else b.width for b in boxes]
    deep = [max(along[i] for i, r in enumerate(plan.rank) if r == rank) for rank in range(max(plan.rank) + 1)]
    # Where each rank begins, and its middle, along the direction of reading.
    begin = [sum(deep[:rank]) + _BETWEEN * rank for rank in range(len(deep))]
    middle = [b + d / 2 for b, d in zip(begin, deep, strict=True)]

    def at(across: float, down: float) -> tuple[float, float]:
        down = down if rankdir in ("TB", "RL") else -down
        return (across, -down) if upright else (-down, -across)

    lows, highs = [], []
    for box, across, rank in zip(boxes, plan.across, plan.rank, strict=True):
        x, y = at(across, middle[rank])
        _draw_box(axes, box, x, y)
        lows.append((x - box.width / 2, y - box.height / 2))
        highs.append((x + box.width / 2, y + box.height / 2))
    for (a, b), way in zip(edges, plan.ways, strict=True):
        size = [boxes[i].width if upright else boxes[i].height for i in (a, b)]
        leave = [w[1][0] - plan.across[a] for w, (u, _) in zip(plan.ways, edges, strict=True) if u == a]
        enter = [w[-2][0] - plan.across[b] for w, (_, v) in zip(plan.ways, edges, strict=True) if v == b]
        start = plan.across[a] + _port(way[1][0] - plan.across[a], leave, size[0])
        end = plan.across[b] + _port(way[-2][0] - plan.across[b], enter, size[1])
        # Past a rank it goes straight, from where the rank begins to where it ends.
        stops = [(start, middle[plan.rank[a]] + along[a] / 2)]
        for across, rank in way[1:-1]:
            stops += [(across, begin[rank]), (across, begin[rank] + deep[rank])]
        stops.append((end, middle[plan.rank[b]] - along[b] / 2))
        _draw_edge(axes, [at(*stop) for stop in stops], upright, straight)
        for across, _ in way[1:-1]:
            lows.append(at(across - _PASSING / 2, 0) if upright else at(across + _PASSING / 2, 0))
            highs.append(at(across + _PASSING / 2, 0) if upright else at(across - _PASSING / 2, 0))
    left, bottom = (min(low[i] for low in lows) - _MARGIN for i in (0, 1))
    right, top = (max(high[i] for high in highs) + _MARGIN for i in (0, 1))
    axes.set(xlim=(left, right), ylim=(bottom, top))
    axes.set_axis_off()
    return right - left, top - bottom


def _port(toward: float, all_of_them: Sequence[float], size: float) -> float:
    """Return how far from a side's middle a connection meets it: the ones that come from afar, near the corners."""
    far = max(abs(distance) for distance in all_of_them)
    return toward * min(1.0, 0.36 * size / far) if len(all_of_them) > 1 and far > 1 else 0.0


def _draw_box(axes: Axes, box: _Box, x: float, y: float) -> None:
    from matplotlib.patches import FancyBboxPatch, Rectangle

    left, bottom, top = x - box.width / 2, y - box.height / 2, y + box.height / 2

    def frame(face: str, edge: str, zorder: float) -> FancyBboxPatch:
        style = "round,pad=0,rounding_size=4"
        size = (box.width, box.height)
        return FancyBboxPatch((left, bottom), *size, style, fc=face, ec=edge, lw=1.0, zorder=zorder)

    axes.add_patch(body := frame("white", "none", 2.0))
    band = Rectangle((left, top - _BAND), box.width, _BAND, fc=box.color, ec="none", zorder=2.1)
    axes.add_patch(band)
    band.set_clip_path(body)
    axes.add_patch(frame("none", box.color, 2.2))
    heading = top - _BAND / 2 - 0.5
    title: dict[str, Any] = {
        "color": "white",
        "fontsize": _TITLE,
        "fontweight": "bold",
        "va": "center_baseline",
        "zorder": 3,
    }
    if box.note:
        axes.text(left + _PAD, heading, box.title, ha="left", **title)
        title |= {"fontsize": _TEXT, "fontweight": "normal"}
        axes.text(left + box.width - _PAD, heading, box.note, ha="right", alpha=0.9, **title)
    else:
        axes.text(x, heading, box.title, ha="center", **title)
    for i, line in enumerate(box.lines):
        color = RED if line == "not trained" else INK
        place = top - _BAND - 4 - (i + 0.5) * _LINE
        axes.text(x, place, line, ha="center", va="center_baseline", fontsize=_TEXT, color=color, zorder=3)


def _draw_edge(axes: Axes, stops: Sequence[tuple[float, float]], upright: bool, straight: bool) -> None:
    """Draw an arrow through the stops: every second stretch a curve, which begins and ends in reading direction."""
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path as Outline

    points, codes = [stops[0]], [Outline.MOVETO]
    for k, ((x0, y0), (x1, y1)) in enumerate(pairwise(stops)):
        if straight or k % 2 or (x0 == x1 if upright else y0 == y1):
            points.append((x1, y1))
            codes.append(Outline.LINETO)
            continue
        half = ((x0, (y0 + y1) / 2), (x1, (y0 + y1) / 2)) if upright else (((x0 + x1) / 2, y0), ((x0 + x1) / 2, y1))
        points += [*half, (x1, y1)]
        codes += [Outline.CURVE4] * 3
    arrow = FancyArrowPatch(
        path=Outline(points, codes),
        arrowstyle="-|>,head_length=5,head_width=2.6",
        mutation_scale=1.0,
        shrinkA=0,
        shrinkB=0,
    )
    arrow.set(lw=1.1, ec=MUTED, fc=MUTED, zorder=1, joinstyle="round")
    axes.add_patch(arrow)
