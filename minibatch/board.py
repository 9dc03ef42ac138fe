"""A notice board: compiled work, cut in pieces, for threads that stay awake for it.

From one thread of Python to another work goes through Python's lock, and a thread that sleeps takes as long to wake
as a product of a small network takes. So here all is compiled. Who has work writes it on the board and begins with
it; helpers that ``watch`` the board see that 0.2 us later and take pieces, too. Who takes a piece moves a count,
and the processor lets one thread do so after the other (``atomics``).

The owner of the work takes the first pieces, and helpers the last: so in a layer after another each is at about the
same part of a batch, which its processor's own cache still holds. What another one wrote takes longer to read.

A job is a compiled function ``job(board, cut, *arguments, start, stop)``. Asked for the piece from ``start`` to
``stop`` it does that, and writes to a place of its own. Asked for all, with a ``start`` below zero, it shares
itself: ``share(board, cut, this(job, (board, cut, *arguments)))``. A cut is the extent of the work, and that of a
piece. Importing this module imports Numba.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from minibatch.atomics import HERE, add, now, pause, read, sleep, write
from minibatch.compiling import PLAIN, compiled

Board = npt.NDArray[np.int64]
Cut = tuple[int, int]

#: Where on the board what stands. Each group of 16 numbers is for itself in the processor's memory: who writes to
#: one does not disturb those who look at another.
POSTED, OPEN, LEAVE, LATE, FUNCTION, ARGUMENTS, EXTENT, STEP, FAILED = range(9)
TAKEN, BEHIND, INSIDE, LEFT = 16, 17, 32, 48
SIZE = 64

#: So many nanoseconds helpers watch an empty board: longer than what one thread does alone in a step, for to wake
#: them takes some time each time.
PATIENCE = 1_000_000
#: Who was kept from looking for so long, or was waited for, was not running: the processor is wanted by others.
CROWDED = 500_000
#: So long the owner of the work looks whether the last helper is done, before it sleeps between two looks.
AWAITED = 50_000

_I64, _POINTER = ir.IntType(64), ir.PointerType()
_PIECE = ir.FunctionType(_I64, [_POINTER, _I64, _I64])
_emitted: Any = intrinsic


def empty() -> Board:
    """Return a board with nothing on it, that nobody watches yet."""
    return np.zeros(SIZE, np.int64)


@_emitted
def _this(_: Any, function: Any, arguments: Any) -> Any:
    """Return what ``share`` is to have done: the job that asks; and its arguments but the last two."""

    def emit(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        kinds = signature.args[1]
        name = builder.module.get_unique_name("piece")
        piece = ir.Function(builder.module, _PIECE, name)
        piece.linkage = "internal"
        inner = ir.IRBuilder(piece.append_basic_block())
        every = [*cgutils.unpack_tuple(inner, inner.load(piece.args[0], typ=context.get_value_type(kinds)))]
        status, _ = context.call_conv.call_function(
            inner,
            builder.function,
            types.none,
            (*kinds.types, types.intp, types.intp),
            [*every, *piece.args[1:]],
            attrs=("noinline",),
        )
        inner.ret(inner.zext(status.is_error, _I64))
        kept = cgutils.alloca_once_value(builder, given[1])
        both = [builder.ptrtoint(address, _I64) for address in (piece, kept)]
        return context.make_tuple(builder, signature.return_type, both)

    return types.UniTuple(types.int64, 2)(function, arguments), emit


@_emitted
def _do(_: Any, function: Any, arguments: Any, start: Any, stop: Any) -> Any:
    def emit(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        function, arguments, *place = given
        return builder.call(
            builder.inttoptr(function, _PIECE.as_pointer()), [builder.inttoptr(arguments, _POINTER), *place]
        )

    return types.int64(*[types.int64] * 4), emit


@compiled
def _take_pieces(board: Board, helps: bool) -> None:
    """Do pieces of what is posted until all are taken: the owner from the first on, who ``helps`` from the last."""
    function, arguments, extent, step = board[FUNCTION], board[ARGUMENTS], board[EXTENT], board[STEP]
    count, done = (extent + step - 1) // step, 0
    while add(board, TAKEN, 1) < count:
        start = (count - 1 - add(board, BEHIND, 1) if helps else done) * step
        done += 1
        if _do(function, arguments, start, min(start + step, extent)):
            write(board, FAILED, 1)


@compiled
def _share(board: Board, cut: Cut, this: tuple[int, int]) -> None:
    """Have all pieces of ``this`` job done, by the caller or by who watches."""
    board[FUNCTION], board[ARGUMENTS] = this
    board[EXTENT], board[STEP] = cut
    board[FAILED] = 0
    board[BEHIND] = 0
    write(board, TAKEN, 0)
    write(board, OPEN, 1)
    add(board, POSTED, 1)
    _take_pieces(board, False)
    # Who comes now sees that it is over; who was there before is waited for. One of both it is, because all
    # processors see these writes in one order (seq_cst).
    write(board, OPEN, 0)
    if read(board, INSIDE):
        begun = now()
        while read(board, INSIDE):
            if now() - begun < AWAITED:
                pause()
            else:
                sleep()
        if now() - begun > CROWDED:
            write(board, LATE, 1)
    if board[FAILED]:
        raise RuntimeError("a compiled piece of work failed.")


def _plain_this(function: Any, arguments: tuple[Any, ...]) -> tuple[Any, Any]:
    """Return what ``share`` is to have done: a job, by itself; and its arguments but the last two."""
    return function, arguments


def _plain_share(board: Board, cut: Cut, this: tuple[Any, Any]) -> None:
    """Have all pieces of ``this`` job done, by the caller or by who watches."""
    (function, arguments), (extent, step) = this, cut
    for start in range(0, extent, step):
        function(*arguments, start, min(start + step, extent))


this, share = (_plain_this, _plain_share) if PLAIN else (_this, _share)


def _watch(board: Board) -> None:
    """Help with what is posted, until nothing was for some time, or others want the processor."""
    seen = -1
    last = since = now()
    while not read(board, LEAVE) and last - since < PATIENCE:
        posted = read(board, POSTED)
        if posted != seen:
            seen = posted
            add(board, INSIDE, 1)
            if read(board, OPEN):
                _take_pieces(board, True)
            add(board, INSIDE, -1)
            last = since = now()
        else:
            pause()
            before, last = last, now()
            if last - before > CROWDED:
                write(board, LATE, 1)
                break
    add(board, LEFT, 1)


watch: Any = compiled(_watch)

__all__ = ["HERE", "INSIDE", "LATE", "LEAVE", "LEFT", "SIZE", "Board", "Cut", "empty", "share", "this", "watch"]
