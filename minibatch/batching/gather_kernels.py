"""The compiled loops that gather rows, and gather and scale them. Importing this module imports Numba.

Each is a plain Python function before it is a compiled one. NumPy's indexing is the reference that the tests hold
them equal to.

Letters: N samples, W values (or words) per row, B rows to gather.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from minibatch.compiling import PLAIN, compiled


def _byte_pointer(context: Any, builder: Any, kind: Any, array: Any, place: Any) -> Any:
    """Return the address of ``array[place]``, as LLVM's pointer to a byte."""
    array = context.make_array(kind)(context, builder, array)
    address = cgutils.get_item_pointer(context, builder, kind, array, place)
    return builder.bitcast(address, ir.IntType(8).as_pointer())


@intrinsic
def _prefetch(typing_context: Any, x: Any, i: Any, w: Any) -> Any:
    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = [context.cast(builder, arguments[k], signature.args[k], types.intp) for k in (1, 2)]
        address = _byte_pointer(context, builder, signature.args[0], arguments[0], place)
        i32 = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [address.type, i32, i32, i32])
        function = builder.module.declare_intrinsic("llvm.prefetch", [address.type], kind)
        # For reading (0), to be kept in every cache (3), data not instructions (1).
        builder.call(function, [address, i32(0), i32(3), i32(1)])
        return context.get_dummy_value()

    return types.void(x, i, w), emit


def _no_prefetch(x: NDArray[Any], i: int, w: int) -> None:
    """Do nothing: plain Python has no say in the cache."""


def _copier(past_cache: bool) -> Any:
    @intrinsic
    def copy(typing_context: Any, x: Any, i: Any, out: Any, b: Any, w: Any) -> Any:
        def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            i, b, w = (context.cast(builder, arguments[k], signature.args[k], types.intp) for k in (1, 3, 4))
            vector = ir.VectorType(ir.IntType(64), 4).as_pointer()
            source = _byte_pointer(context, builder, signature.args[0], arguments[0], [i, w])
            target = _byte_pointer(context, builder, signature.args[2], arguments[2], [b, w])
            words = builder.load(builder.bitcast(source, vector), align=8)
            store = builder.store(words, builder.bitcast(target, vector), align=32 if past_cache else 8)
            if past_cache:
                store.set_metadata("nontemporal", builder.module.add_metadata([ir.IntType(32)(1)]))
            return context.get_dummy_value()

        return types.void(x, i, out, b, w), emit

    return copy


def _copy(x: NDArray[np.uint64], i: int, out: NDArray[np.uint64], b: int, w: int) -> None:
    """Copy four words, as the compiled ones do: plain Python has no say in the cache."""
    out[b, w : w + 4] = x[i, w : w + 4]


@intrinsic
def _scale(typing_context: Any, x: Any, i: Any, scale: Any, out: Any, b: Any, w: Any) -> Any:
    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        i, b, w = (context.cast(builder, arguments[k], signature.args[k], types.intp) for k in (1, 4, 5))
        source = _byte_pointer(context, builder, signature.args[0], arguments[0], [i, w])
        target = _byte_pointer(context, builder, signature.args[3], arguments[3], [b, w])
        pixels, floats = ir.VectorType(ir.IntType(8), 8), ir.VectorType(ir.FloatType(), 8)
        factors = ir.Constant(floats, ir.Undefined)
        for k in range(8):
            factors = builder.insert_element(factors, arguments[2], ir.IntType(32)(k))
        values = builder.uitofp(builder.load(builder.bitcast(source, pixels.as_pointer()), align=1), floats)
        builder.store(builder.fmul(values, factors), builder.bitcast(target, floats.as_pointer()), align=4)
        return context.get_dummy_value()

    return types.void(x, i, scale, out, b, w), emit


def _scale_plainly(
    x: NDArray[np.uint8], i: int, scale: np.float32, out: NDArray[np.float32], b: int, w: int
) -> None:
    """Convert and scale eight values, as the compiled one does."""
    out[b, w : w + 8] = x[i, w : w + 8] * scale


@intrinsic
def _fence(typing_context: Any) -> Any:
    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.fence("seq_cst")
        return context.get_dummy_value()

    return types.void(), emit


def _no_fence() -> None:
    """Do nothing: plain Python writes in order."""


# prefetch(x, i, w) asks for the cache line of x[i, w] without waiting for it. Rows in random order
# defeat the processor's own prefetching; asking for them ahead makes a gather half as fast again.
prefetch: Any = _no_prefetch if PLAIN else _prefetch

# copy_four(x, i, out, b, w) copies x[i, w : w+4] to out[b, w : w+4] as one vector, which Numba's compiler
# makes of no loop that also prefetches. stream_four writes past the cache: an ordinary store first reads the
# line that it changes, which is a third more traffic where that line has left the cache. It needs an address
# that is a multiple of 32, and a fence() at the end, before which another thread may not see what it wrote.
copy_four: Any = _copy if PLAIN else _copier(past_cache=False)
stream_four: Any = _copy if PLAIN else _copier(past_cache=True)
fence: Any = _no_fence if PLAIN else _fence

# scale_eight(x, i, scale, out, b, w) writes float32(x[i, w : w+8]) * scale to out[b, w : w+8] as one vector of
# 32 bytes. The compiler, left to itself, takes 64 where the processor has them, which writes a fifth slower.
scale_eight: Any = _scale_plainly if PLAIN else _scale


@compiled
def copy_part(
    x: NDArray[np.uint64], i: int, low: int, high: int, later: int, on: int, out: NDArray[np.uint64], b: int
) -> None:
    """Copy ``x[i, low:high]`` to ``out[b]``, line by line, and ask for ``x[later]`` from ``low + on`` on."""
    for w in range(low, high, 8):
        prefetch(x, later, w + on)
        copy_four(x, i, out, b, w)
        copy_four(x, i, out, b, w + 4)


@compiled
def stream_part(
    x: NDArray[np.uint64], i: int, low: int, high: int, later: int, on: int, out: NDArray[np.uint64], b: int
) -> None:
    """Do as `copy_part`, past the cache."""
    for w in range(low, high, 8):
        prefetch(x, later, w + on)
        stream_four(x, i, out, b, w)
        stream_four(x, i, out, b, w + 4)


@compiled
def gather_rows(
    x: NDArray[np.uint64],
    rows: NDArray[np.intp],
    ahead: int,
    far: int,
    past_cache: bool,
    out: NDArray[np.uint64],
) -> int:
    """Copy ``x[rows[:B]]`` into ``out``: x (N, W), rows (B or more,), out (B, W), C-contiguous 8-byte words.

    While it copies, it asks for what comes ``ahead`` words later; and for both ends of the row that comes ``far``
    rows later, so that the page that it lies in has been looked up by then. Any rows after the first B are there
    only to be asked for. ``past_cache`` is for an ``out`` that the cache cannot hold, and that is 8-byte aligned.
    Returns B, or the place of the first index outside 0..N-1, where it stopped.
    """
    N, W = x.shape
    B, last = len(out), len(rows) - 1
    rows_on, words_on = ahead // max(W, 1), ahead % max(W, 1) // 8 * 8
    to_line = -(np.intp(out.ctypes.data) // 8)  # how many words, modulo 8, before out comes to a cache line
    for b in range(B):
        i = rows[b]
        if i < 0 or i >= N:
            return b
        near, after = rows[min(b + rows_on, last)], rows[min(b + rows_on + 1, last)]
        if far:
            prefetch(x, rows[min(b + far, last)], 0)
            prefetch(x, rows[min(b + far, last)], W - 1)
        low = min((to_line - b * W) % 8, W) if past_cache else 0
        high = low + (W - low) // 8 * 8
        turn = max(low, high - words_on)  # from here on, what comes ``ahead`` words later is in row ``after``
        for w in range(low):
            out[b, w] = x[i, w]
        if past_cache:
            stream_part(x, i, low, turn, near, words_on, out, b)
            stream_part(x, i, turn, high, after, -turn, out, b)
        else:
            copy_part(x, i, low, turn, near, words_on, out, b)
            copy_part(x, i, turn, high, after, -turn, out, b)
        for w in range(high, W):
            out[b, w] = x[i, w]
    if past_cache:
        fence()
    return B


@compiled
def gather_scaled(
    x: NDArray[np.uint8], rows: NDArray[np.intp], ahead: int, scale: np.float32, out: NDArray[np.float32]
) -> int:
    """Write ``float32(x[rows[:B]]) * scale`` into ``out`` (B, W) in one pass; ``ahead`` is in rows."""
    N, W = x.shape
    B, last = len(out), len(rows) - 1
    whole_lines, whole_eights = W // 64 * 64, W // 8 * 8
    for b in range(B):
        i = rows[b]
        if i < 0 or i >= N:
            return b
        later = rows[min(b + ahead, last)]
        prefetch(x, later, W - 1)  # rows that begin within a line touch one line more than they fill
        for low in range(0, whole_lines, 64):
            prefetch(x, later, low)
            for w in range(low, low + 64, 8):
                scale_eight(x, i, scale, out, b, w)
        for w in range(whole_lines, whole_eights, 8):
            scale_eight(x, i, scale, out, b, w)
        for w in range(whole_eights, W):
            out[b, w] = np.float32(x[i, w]) * scale
    return B
