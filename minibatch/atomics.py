"""What threads tell one another without Python's lock, for compiled functions: numbers, and time.

Numba has no words for this, so it is said in LLVM's. Each function reads or writes one number of an array of int64,
which all threads see at once and in the same order. Importing this module imports Numba.
"""

from __future__ import annotations

import platform
import time
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from minibatch.compiling import PLAIN

#: Whether they are at hand.
HERE = hasattr(time, "CLOCK_MONOTONIC") and not PLAIN
_CLOCK = int(getattr(time, "CLOCK_MONOTONIC", 0))
#: How a processor is told that a loop only waits.
_PAUSE = {"x86_64": "llvm.x86.sse2.pause", "AMD64": "llvm.x86.sse2.pause"}.get(platform.machine())
#: How it is told to settle what it writes past its cache; where this is unknown, nothing is written so.
_SETTLE = {"x86_64": "llvm.x86.sse.sfence", "AMD64": "llvm.x86.sse.sfence"}.get(platform.machine())
_I32, _I64, _POINTER = ir.IntType(32), ir.IntType(64), ir.PointerType()
_TIME = ir.ArrayType(_I64, 2)  # seconds and nanoseconds
_emitted: Any = intrinsic


@_emitted
def read(_: Any, numbers: Any, at: Any) -> Any:
    """Return the number there."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load_atomic(_place(context, builder, signature, arguments), "seq_cst", 8, typ=_I64)

    return types.int64(numbers, at), emit


@_emitted
def write(_: Any, numbers: Any, at: Any, value: Any) -> Any:
    """Write a number there."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        value = context.cast(builder, arguments[2], signature.args[2], types.int64)
        builder.store_atomic(value, _place(context, builder, signature, arguments), "seq_cst", 8)
        return context.get_dummy_value()

    return types.void(numbers, at, value), emit


@_emitted
def add(_: Any, numbers: Any, at: Any, more: Any) -> Any:
    """Return the number there, and add to it; no other thread comes in between."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        more = context.cast(builder, arguments[2], signature.args[2], types.int64)
        return builder.atomic_rmw("add", _place(context, builder, signature, arguments), more, "seq_cst")

    return types.int64(numbers, at, more), emit


def _place(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    numbers = context.make_array(signature.args[0])(context, builder, arguments[0])
    return builder.gep(numbers.data, [context.cast(builder, arguments[1], signature.args[1], types.intp)])


@_emitted
def pause(_: Any) -> Any:
    """Wait a moment, and leave the processor to a thread that it may be doing beside this one."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if _PAUSE:
            nothing = ir.FunctionType(ir.VoidType(), [])
            builder.call(cgutils.get_or_insert_function(builder.module, nothing, _PAUSE), [])
        return context.get_dummy_value()

    return types.void(), emit


@_emitted
def _settle(_: Any) -> Any:
    """Let what was written past the cache (``registers``) be in memory before what is written from now on."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if _SETTLE:
            nothing = ir.FunctionType(ir.VoidType(), [])
            builder.call(cgutils.get_or_insert_function(builder.module, nothing, _SETTLE), [])
        return context.get_dummy_value()

    return types.void(), emit


def _plain_settle() -> None:
    """Nothing goes past the cache where nothing is compiled."""


settle = _plain_settle if PLAIN else _settle


@_emitted
def now(_: Any) -> Any:
    """Return the nanoseconds of a clock that goes on evenly."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        found = cgutils.alloca_once(builder, _TIME)
        ask = ir.FunctionType(_I32, [_I32, _POINTER])
        builder.call(cgutils.get_or_insert_function(builder.module, ask, "clock_gettime"), [_I32(_CLOCK), found])
        seconds, rest = (builder.load(builder.gep(found, [_I64(0), _I64(i)])) for i in range(2))
        return builder.add(builder.mul(seconds, _I64(10**9)), rest)

    return types.int64(), emit


@_emitted
def sleep(_: Any) -> Any:
    """Let others have the processor, for about a tenth of a millisecond."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        span = cgutils.alloca_once_value(builder, ir.Constant(_TIME, [0, 50_000]))
        ask = ir.FunctionType(_I32, [_POINTER, _POINTER])
        sleep = cgutils.get_or_insert_function(builder.module, ask, "nanosleep")
        builder.call(sleep, [span, ir.Constant(_POINTER, None)])
        return context.get_dummy_value()

    return types.void(), emit


__all__ = ["HERE", "add", "now", "pause", "read", "settle", "sleep", "write"]
