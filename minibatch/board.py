"""A notice board: compiled work, cut in pieces, for threads that stay awake for it.

From one thread of Python to another work goes through Python's lock, and a thread that sleeps takes as long to wake
as a product of a small network takes. So here all is compiled. Who has work writes it on the board and begins with
it; helpers that ``watch`` the board see that 0.2 us later and take pieces, too. Who takes a piece moves the number
at which the next one starts, and the processor lets one thread do so after the other (``atomics``).

A piece of work is a compiled function of the same ``arguments`` for all pieces, and of where the piece starts and
stops; it must write to a place of its own. A cut is the extent of the work, and that of a piece. Importing this
module imports Numba.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import njit, typeof, types
from numba.core import cgutils
from numba.extending import intrinsic

from minibatch.atomics import HERE, add, now, pause, read, sleep, write
from minibatch.compiling import PLAIN, compiled

Board = npt.NDArray[np.int64]
Cut = tuple[int, int]

#: Where on the board what stands. Each group of 16 numbers is for itself in the processor's memory: who writes to
#: one does not disturb those who look at another.
POSTED, OPEN, LEAVE, LATE, FUNCTION, ARGUMENTS, EXTENT, STEP, FAILED = range(9)
NEXT, INSIDE, LEFT = 16, 32, 48
SIZE = 64

#: So many nanoseconds helpers watch an empty board: longer than between two products of a step, and two steps.
PATIENCE = 200_000
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


def _addresses(piece: Any) -> Any:
    """Return an intrinsic: where a function stands that does one piece, and where its arguments.

    It takes the latter, the piece's start and stop, and returns whether the piece failed.
    """
    kind = typeof(piece)

    @_emitted
    def addresses(_: Any, arguments: Any) -> Any:
        def emit(context: Any, builder: Any, signature: Any, given: Any) -> Any:
            takes = (*signature.args[0].types, types.intp, types.intp)
            called = kind.get_call_type(context.typing_context, takes, {})
            done = piece.overloads[called.args]
            context.active_code_library.add_linking_library(done.library)
            name = builder.module.get_unique_name("piece")
            function = ir.Function(builder.module, _PIECE, name)
            function.linkage = "internal"
            inner = ir.IRBuilder(function.append_basic_block())
            values = inner.load(function.args[0], typ=context.get_value_type(signature.args[0]))
            every = [*cgutils.unpack_tuple(inner, values), *function.args[1:]]
            status, _ = context.call_internal_no_propagate(inner, done.fndesc, called, every)
            inner.ret(inner.zext(status.is_error, _I64))
            kept = cgutils.alloca_once_value(builder, given[0])
            both = [builder.ptrtoint(address, _I64) for address in (function, kept)]
            return context.make_tuple(builder, signature.return_type, both)

        return types.UniTuple(types.int64, 2)(arguments), emit

    return addresses


@_emitted
def _do(_: Any, function: Any, arguments: Any, start: Any, stop: Any) -> Any:
    def emit(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        function, arguments, *place = given
        return builder.call(
            builder.inttoptr(function, _PIECE.as_pointer()), [builder.inttoptr(arguments, _POINTER), *place]
        )

    return types.int64(*[types.int64] * 4), emit


@compiled
def _take_pieces(board: Board) -> None:
    """Do pieces of what is posted until there are none left."""
    function, arguments, extent, step = board[FUNCTION], board[ARGUMENTS], board[EXTENT], board[STEP]
    start = add(board, NEXT, step)
    while start < extent:
        if _do(function, arguments, start, min(start + step, extent)):
            write(board, FAILED, 1)
        start = add(board, NEXT, step)


def sharing(piece: Any) -> Any:
    """Return ``share(board, cut, arguments)``, for compiled functions to call: it has all pieces done.

    ``piece(*arguments, start, stop)``, a compiled function, does one of them, by the caller or by who watches.
    """

    def plain(board: Board, cut: Cut, arguments: tuple[Any, ...]) -> None:
        extent, step = cut
        for start in range(0, extent, step):
            piece(*arguments, start, min(start + step, extent))

    if PLAIN:
        return plain
    addresses = _addresses(piece)

    def share(board: Board, cut: Cut, arguments: tuple[Any, ...]) -> None:
        extent, step = cut
        board[FUNCTION], board[ARGUMENTS] = addresses(arguments)
        board[EXTENT], board[STEP], board[FAILED] = extent, step, 0
        write(board, NEXT, 0)
        write(board, OPEN, 1)
        add(board, POSTED, 1)
        _take_pieces(board)
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

    return njit(nogil=True)(share)


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
                _take_pieces(board)
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

__all__ = ["HERE", "INSIDE", "LATE", "LEAVE", "LEFT", "SIZE", "Board", "Cut", "empty", "sharing", "watch"]
