"""The table that ``model.summary()`` prints, in Keras's shape."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from minibatch.layers import Layer
from minibatch.typing import Array

#: Scalars and bytes of what every optimizer of Keras counts as its own: the step number and the learning rate.
_COUNTERS = (2, 8 + 4)


def summary_table(name: str, layers: Sequence[Layer], slots: Iterable[Array] | None = None) -> list[str]:
    """Return the lines of the table.

    Parameters
    ----------
    name : str
        The model's.
    layers : sequence of Layer
    slots : iterable of ndarray, optional
        What the optimizer keeps, once it has made a step.
    """
    head = ("Layer (type)", "Output Shape", "Param #")
    rows = [
        (
            f"{layer.name} ({type(layer).__name__})",
            f"(None, {', '.join(map(str, layer.output_shape))})" if layer.output_shape is not None else "?",
            f"{layer.count_params():,}" if layer.built else "0 (unbuilt)",
        )
        for layer in layers
    ]
    least = (31, 22, 13)
    widths = [max(least[i], *(len(row[i]) for row in [head, *rows])) for i in range(3)]

    def line(left: str, middle: str, right: str, dash: str) -> str:
        return left + middle.join(dash * (width + 2) for width in widths) + right

    def text(cells: Sequence[str], bar: str) -> str:
        padded = [cells[0].ljust(widths[0]), cells[1].ljust(widths[1]), cells[2].rjust(widths[2])]
        return f"{bar} " + f" {bar} ".join(padded) + f" {bar}"

    body = [text(row, "│") for row in rows]
    between = line("├", "┼", "┤", "─")
    table = [row for pair in zip(body, [between] * len(body), strict=True) for row in pair][:-1]
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
        text(head, "┃"),
        line("┡", "╇", "┩", "━"),
        *table,
        line("└", "┴", "┘", "─"),
        *totals,
    ]


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
