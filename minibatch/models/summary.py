"""The table that ``model.summary()`` prints, in Keras's shape."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise, zip_longest

from minibatch.layers import Layer
from minibatch.models.graph import Graph
from minibatch.typing import Array

#: Scalars and bytes of what every optimizer of Keras counts as its own: the step number and the learning rate.
_COUNTERS = (2, 8 + 4)


def summary_table(
    name: str,
    layers: Sequence[Layer],
    slots: Iterable[Array] | None = None,
    graph: Graph | None = None,
    line_length: int | None = None,
    show_trainable: bool = False,
) -> list[str]:
    """Return the lines of the table; it is wider than it should be where names are longer.

    Parameters
    ----------
    name : str
        The model's.
    layers : sequence of Layer
    slots : iterable of ndarray, optional
        What the optimizer keeps, once it has made a step.
    graph : Graph, optional
        Where it is more than a chain, a column says what each layer is connected to.
    line_length : int, optional
        How wide the table should be.
    show_trainable : bool, default False
        Whether a column says which layers may move: Y or N, or - without weights.
    """
    rows = {layer.name: _layer_row(layer) for layer in layers}
    head, widths = ["Layer (type)", "Output Shape", "Param #"], [31, 22, 13]
    align = [str.ljust, str.ljust, str.rjust]
    if graph is not None and not graph.is_chain:
        head, widths, align = [*head, "Connected to"], [19, 17, 10, 17], [*align, str.ljust]
        connected = _connections(graph)
        rows = {name: [*row, connected.get(name, "-")] for name, row in rows.items()}
    if show_trainable:
        head, widths, align = [*head, "Trainable"], [*widths, 9], [*align, str.center]
        rows = {layer.name: [*rows[layer.name], _moves(layer)] for layer in layers}
    if line_length is not None:
        inner = line_length - (3 * len(widths) + 1)
        edges = [inner * sum(widths[:i]) // sum(widths) for i in range(len(widths) + 1)]
        widths = [end - start for start, end in pairwise(edges)]
    texts = [[cell.split("\n") for cell in row] for row in [head, *rows.values()]]
    widths = [max(least, *(len(part) for row in texts for part in row[i])) for i, least in enumerate(widths)]

    def line(left: str, middle: str, right: str, dash: str) -> str:
        return left + middle.join(dash * (width + 2) for width in widths) + right

    def text(cells: Sequence[Sequence[str]], bar: str) -> list[str]:
        lines = []
        for parts in zip_longest(*cells, fillvalue=""):
            padded = [put(part, width) for put, part, width in zip(align, parts, widths, strict=True)]
            lines.append(f"{bar} " + f" {bar} ".join(padded) + f" {bar}")
        return lines

    between = line("├", "┼", "┤", "─")
    table = [line for row in texts[1:] for line in (*text(row, "│"), between)][:-1]
    weights = [(weight.value, layer.trainable and weight.trainable) for layer in layers for weight in layer.weights]
    trainable = _sizes(value for value, moves in weights if moves)
    others = _sizes(value for value, moves in weights if not moves)
    kept = _sizes(slots or ())
    optimizer = (kept[0] + _COUNTERS[0], kept[1] + _COUNTERS[1]) if slots is not None else (0, 0)
    totals = [
        f" Total params: {_count(*(sum(counts) for counts in zip(trainable, others, optimizer, strict=True)))}",
        f" Trainable params: {_count(*trainable)}",
        f" Non-trainable params: {_count(*others)}",
    ]
    if slots is not None:
        totals.append(f" Optimizer params: {_count(*optimizer)}")
    return [
        f'Model: "{name}"',
        line("┏", "┳", "┓", "━"),
        *text(texts[0], "┃"),
        line("┡", "╇", "┩", "━"),
        *table,
        line("└", "┴", "┘", "─"),
        *totals,
    ]


def _layer_row(layer: Layer) -> list[str]:
    shape = _batch(layer.output_shape) if layer.output_shape is not None else "?"
    return [
        f"{layer.name} ({type(layer).__name__})",
        shape,
        f"{layer.count_params():,}" if layer.built else "0 (unbuilt)",
    ]


def _moves(layer: Layer) -> str:
    return ("Y" if layer.trainable else "N") if layer.weights else "-"


def _batch(shape: tuple[int, ...]) -> str:
    return f"(None, {', '.join(map(str, shape))})"


def _connections(graph: Graph) -> dict[str, str]:
    """Return for each layer what its calls take: "dense[0][0]" is the output of the first call of dense."""
    of_layer: dict[str, list[str]] = {}
    history = graph.history()
    for visit in graph.visits:
        sources = [f"{name}[{call}][0]" for name, call in (history[source] for source in visit.sources)]
        of_layer.setdefault(visit.layer.name, []).extend(sources)
    return {name: ",\n".join(sources) for name, sources in of_layer.items()}


def _sizes(arrays: Iterable[Array]) -> tuple[int, int]:
    """Return how many scalars and how many bytes the arrays hold."""
    each = [(array.size, array.nbytes) for array in arrays]
    return sum(size for size, _ in each), sum(nbytes for _, nbytes in each)


def _count(scalars: int, nbytes: int) -> str:
    """Return "2,410 (9.41 KB)"."""
    size = float(nbytes)
    for unit in ("B", "KB", "MB", "GB"):
        if size < 1024 or unit == "GB":
            break
        size /= 1024
    return f"{scalars:,} ({size:.2f} {unit})"
