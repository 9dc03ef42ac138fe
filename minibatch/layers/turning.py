"""The transposed of a matrix, a square at a time, of as many rows as a vector register has numbers.

A plain loop reads or writes one number of a line of memory and goes on to the next line, and where the lines lie a
power of two apart they push one another out of the processor's cache. A square is read by rows, turned round in
registers, and written by rows. Importing this module imports Numba.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from minibatch.compiling import PLAIN, compiled
from minibatch.layers.registers import I32, I64, VECTOR, Columns, array, integer, smaller
from minibatch.typing import Array


def _plain_turn_square(
    x: Array, at: int, step: int, rows: int, columns: int, y: Array, to: int, stride: int
) -> None:
    """Write y[to + c stride + r] = x[at + r step + c], for as many of the rows and columns as a square has."""
    side = VECTOR // x.itemsize
    for r in range(min(rows, side)):
        for c in range(min(columns, side)):
            y[to + c * stride + r] = x[at + r * step + c]


@intrinsic
def _compiled_turn_square(
    _: Any, x: Any, at: Any, step: Any, rows: Any, columns: Any, y: Any, to: Any, stride: Any
) -> Any:
    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        here = context, builder, signature, arguments
        at, step, rows, columns, to, stride = (integer(*here, k) for k in (1, 2, 3, 4, 6, 7))
        source, target = (builder.gep(array(*here, k).data, [place]) for k, place in ((0, at), (5, to)))
        reading = Columns(context, builder, x.dtype, 1, I64(0), columns)
        writing = Columns(context, builder, x.dtype, 1, I64(0), rows)
        # In place of rows that there are not the last one is read.
        last = builder.sub(rows, I64(1))
        places = [builder.mul(smaller(builder, I64(r), last), step) for r in range(reading.lanes)]
        square = [reading.load(builder.gep(source, [place]))[0] for place in places]
        for c, column in enumerate(_turned(builder, square)):
            with builder.if_then(builder.icmp_signed("<", I64(c), columns)):
                writing.store([column], builder.gep(target, [builder.mul(stride, I64(c))]))
        return context.get_dummy_value()

    return types.void(x, at, step, rows, columns, y, to, stride), emit


def _turned(builder: Any, rows: list[Any]) -> list[Any]:
    """Return the columns of a square, given its rows.

    Each round shuffles every row of the first half with the same one of the second, as two halves of a pack of
    cards: log2 of the side rounds bring every number of a column side by side, in order.
    """
    side = len(rows)
    both = [[i // 2 + i % 2 * side + half for i in range(side)] for half in (0, side // 2)]
    masks = [ir.Constant(ir.VectorType(I32, side), places) for places in both]
    for _ in range(side.bit_length() - 1):
        pairs = zip(rows[: side // 2], rows[side // 2 :], strict=True)
        rows = [builder.shuffle_vector(one, other, mask) for one, other in pairs for mask in masks]
    return rows


_turn_square: Any = _plain_turn_square if PLAIN else _compiled_turn_square


@compiled
def turn(x: Array, at: int, step: int, rows: int, columns: int, y: Array, to: int, stride: int) -> None:
    """Write y[to + c stride + r] = x[at + r step + c], for r below ``rows`` and c below ``columns``.

    x and y are each one row of numbers, ``step`` and ``stride`` how far a matrix's rows lie apart in them.
    """
    side = VECTOR // x.itemsize
    for c in range(0, columns, side):
        for r in range(0, rows, side):
            _turn_square(x, at + r * step + c, step, rows - r, columns - c, y, to + c * stride + r, stride)


__all__ = ["turn"]
