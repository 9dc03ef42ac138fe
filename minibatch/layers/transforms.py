"""The transforms of Winograd's convolution (``winograd``), compiled so that their numbers stay in registers.

A transform is X -> M X M', for a small matrix M that is known beforehand and the X of many channels, which lie side
by side: so its entries stay in the processor's registers, a vector of channels each, and M's zeros and ones are
known to the compiler. The plain form of each stands first. It takes its place where Numba's compiler is off, and
the tests hold them equal. Importing this module imports Numba.

X[i, j] of channel c is at x[at + i steps[0] + j steps[1] + c], and Y[i, j] goes to y likewise.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from minibatch.compiling import PLAIN
from minibatch.layers.registers import I64, VECTOR, Columns, array, integer, is_given
from minibatch.layers.winograd import A_, B_, G_, D, Matrix
from minibatch.typing import Array

Steps = tuple[int, int]
#: What an intrinsic is emitted with: the context, the builder, the signature and the arguments.
Here = tuple[Any, Any, Any, Any]
#: What is done to the vectors of X before, from channel c on; and what writes those of Y to their addresses.
Look = Callable[[Columns, Any, list[list[Any]]], None]
Write = Callable[[Columns, Any, list[list[Any]], list[list[Any]]], None]

# What they compute -----------------------------------------------------------------------------------------------


def _cells(x: Array, at: int, steps: Steps, C: int, size: int) -> list[list[Array]]:
    return [[x[at + i * steps[0] + j * steps[1] :][:C] for j in range(size)] for i in range(size)]


def _plain_transform(*factors: Matrix) -> Any:
    M: Matrix = functools.reduce(np.matmul, factors)
    m, n = M.shape

    def transform(x: Array, at: int, steps: Steps, C: int, y: Array, to: int, strides: Steps) -> None:
        """Write Y = M X M' for C channels, M being the product of the factors."""
        X: Array = np.array(_cells(x, at, steps, C, n))
        Y = np.einsum("ai,bj,ijc->abc", M.astype(x.dtype), M.astype(x.dtype), X)
        for row, cells in zip(Y, _cells(y, to, strides, C, m), strict=True):
            for numbers, cell in zip(row, cells, strict=True):
                cell[...] = numbers

    return transform


def _plain_transform_and_sum(*factors: Matrix) -> Any:
    transform, n = _plain_transform(*factors), factors[-1].shape[1]

    def transform_and_sum(
        x: Array, at: int, steps: Steps, C: int, y: Array, to: int, strides: Steps, total: Array
    ) -> None:
        """Write Y = M X M', and add the entries of X to ``total`` (C,)."""
        transform(x, at, steps, C, y, to, strides)
        total += np.array(_cells(x, at, steps, C, n)).sum(axis=(0, 1))

    return transform_and_sum


def _plain_transform_and_look(*factors: Matrix) -> Any:
    transform, n = _plain_transform(*factors), factors[-1].shape[1]
    middle = slice(n // 2 - 1, n // 2 + 1)

    def transform_and_look(x: Array, at: int, steps: Steps, C: int, y: Array, to: int, strides: Steps) -> int:
        """Write Y = M X M'; return which of the four X in the middle are zero in all channels, a bit for each."""
        transform(x, at, steps, C, y, to, strides)
        X: Array = np.array(_cells(x, at, steps, C, n))
        blank = (X[middle, middle] == 0).all(axis=2).ravel()
        return sum(1 << k for k in range(4) if blank[k])

    return transform_and_look


def _plain_transform_above(*factors: Matrix) -> Any:
    transform, m = _plain_transform(*factors), len(factors[0])

    def transform_above(
        x: Array,
        at: int,
        steps: Steps,
        C: int,
        y: Array,
        to: int,
        strides: Steps,
        bias: Array,
        seen: Array,
        look: bool,
        least: float,
        stream: int | None,
    ) -> None:
        """Write Y = max(M X M' + bias, least).

        Or, to ``look``, M X M' where ``seen``, which lies as y does, is above ``least``; elsewhere 0 times that.
        """
        transform(x, at, steps, C, y, to, strides)
        for i, row in enumerate(_cells(y, to, strides, C, m)):
            for j, cell in enumerate(row):
                if look:
                    cell *= _cells(seen, to, strides, C, m)[i][j] > least
                else:
                    np.maximum(cell + bias, least, out=cell)

    return transform_above


# How they are compiled -------------------------------------------------------------------------------------------


def _compiled_transform(*factors: Matrix) -> Any:
    @intrinsic
    def transform(_: Any, x: Any, at: Any, steps: Any, C: Any, y: Any, to: Any, strides: Any) -> Any:
        def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            _emit((context, builder, signature, arguments), factors)
            return context.get_dummy_value()

        return types.void(x, at, steps, C, y, to, strides), emit

    return transform


def _compiled_transform_and_sum(*factors: Matrix) -> Any:
    @intrinsic
    def transform_and_sum(
        _: Any, x: Any, at: Any, steps: Any, C: Any, y: Any, to: Any, strides: Any, total: Any
    ) -> Any:
        def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            here = context, builder, signature, arguments
            total_ = array(*here, 7)

            def add_up(channels: Columns, c: Any, X: list[list[Any]]) -> None:
                address = builder.gep(total_.data, [c])
                terms = [vector for row in X for vector in row]
                while len(terms) > 1:  # in pairs: it rounds less, and they need not wait for each other
                    terms = [builder.fadd(*terms[k : k + 2]) for k in range(0, len(terms), 2)]
                channels.store([builder.fadd(channels.load(address)[0], terms[0])], address)

            _emit(here, factors, look=add_up)
            return context.get_dummy_value()

        return types.void(x, at, steps, C, y, to, strides, total), emit

    return transform_and_sum


def _compiled_transform_and_look(*factors: Matrix) -> Any:
    @intrinsic
    def transform_and_look(_: Any, x: Any, at: Any, steps: Any, C: Any, y: Any, to: Any, strides: Any) -> Any:
        def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            half = factors[-1].shape[1] // 2
            flags = ir.VectorType(ir.IntType(1), VECTOR // (x.dtype.bitwidth // 8))
            found = [cgutils.alloca_once_value(builder, ir.Constant(flags, None)) for _ in range(4)]

            def note(channels: Columns, c: Any, X: list[list[Any]]) -> None:
                for k, variable in enumerate(found):
                    here = channels.is_not_zero(X[half - 1 + k // 2][half - 1 + k % 2])
                    builder.store(builder.or_(builder.load(variable), here), variable)

            _emit((context, builder, signature, arguments), factors, look=note)
            blank = I64(0)
            for k, variable in enumerate(found):
                bits = builder.bitcast(builder.load(variable), ir.IntType(flags.count))
                none = builder.icmp_unsigned("==", bits, ir.Constant(bits.type, 0))
                blank = builder.or_(blank, builder.shl(builder.zext(none, I64), I64(k)))
            return blank

        return types.int64(x, at, steps, C, y, to, strides), emit

    return transform_and_look


def _compiled_transform_above(*factors: Matrix) -> Any:
    @intrinsic
    def transform_above(
        _: Any,
        x: Any,
        at: Any,
        steps: Any,
        C: Any,
        y: Any,
        to: Any,
        strides: Any,
        bias: Any,
        seen: Any,
        look: Any,
        least: Any,
        stream: Any,
    ) -> Any:
        def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            here = context, builder, signature, arguments
            bias_, floor = array(*here, 7), context.cast(builder, arguments[10], signature.args[10], x.dtype)
            seen_ = _places(here, array(*here, 8).data, 5, 6, len(factors[0]))

            def write(channels: Columns, c: Any, Y: list[list[Any]], Y_: list[list[Any]]) -> None:
                store = channels.stream if is_given(stream) else channels.store
                with builder.if_else(arguments[9]) as (then, otherwise):
                    with then:
                        for i, j in np.ndindex(len(Y), len(Y)):
                            other = channels.load(builder.gep(seen_[i][j], [c]))[0]
                            store([channels.where_above(Y[i][j], other, floor)], Y_[i][j])
                    with otherwise:
                        more = channels.load(builder.gep(bias_.data, [c]))[0]
                        for i, j in np.ndindex(len(Y), len(Y)):
                            store([channels.at_least(builder.fadd(Y[i][j], more), floor)], Y_[i][j])

            _emit(here, factors, write=write)
            return context.get_dummy_value()

        return types.void(x, at, steps, C, y, to, strides, bias, seen, look, least, stream), emit

    return transform_above


def _as_it_is(channels: Columns, c: Any, Y: list[list[Any]], Y_: list[list[Any]]) -> None:
    for i, j in np.ndindex(len(Y), len(Y)):
        channels.store([Y[i][j]], Y_[i][j])


def _emit(here: Here, factors: tuple[Matrix, ...], look: Look | None = None, write: Write = _as_it_is) -> None:
    """Transform a vector of channels after another."""
    context, builder, signature, _ = here
    element, C = signature.args[0].dtype, integer(*here, 3)
    X_ = _places(here, array(*here, 0).data, 1, 2, factors[-1].shape[1])
    Y_ = _places(here, array(*here, 4).data, 5, 6, len(factors[0]))
    with cgutils.for_range_slice(builder, I64(0), C, I64(VECTOR // (element.bitwidth // 8)), inc=True) as (c, _):
        channels = Columns(context, builder, element, 1, c, C)
        X = [[channels.load(builder.gep(address, [c]))[0] for address in row] for row in X_]
        if look is not None:
            look(channels, c, X)
        half = [_times(channels, factors, column) for column in zip(*X, strict=True)]  # M X, column by column
        Y = [_times(channels, factors, row) for row in zip(*half, strict=True)]
        write(channels, c, Y, [[builder.gep(address, [c]) for address in row] for row in Y_])


def _places(here: Here, data: Any, first: int, strides: int, size: int) -> list[list[Any]]:
    """Return where the entries of X or Y are; two of the arguments say where the first is, and the others."""
    builder, start = here[1], integer(*here, first)

    def place(i: int, j: int) -> Any:
        rows, columns = (
            builder.mul(builder.extract_value(here[3][strides], k), I64(count)) for k, count in enumerate((i, j))
        )
        return builder.gep(data, [builder.add(start, builder.add(rows, columns))])

    return [[place(i, j) for j in range(size)] for i in range(size)]


def _times(channels: Columns, factors: tuple[Matrix, ...], vectors: Iterable[Any]) -> list[Any]:
    """Return the product of the factors, times a column of vectors."""
    column = list(vectors)
    for factor in reversed(factors):
        column = [channels.combined(row, column) for row in factor.tolist()]
    return column


# The transforms --------------------------------------------------------------------------------------------------

_transform = _plain_transform if PLAIN else _compiled_transform
_transform_and_sum = _plain_transform_and_sum if PLAIN else _compiled_transform_and_sum
_transform_and_look = _plain_transform_and_look if PLAIN else _compiled_transform_and_look
_transform_above = _plain_transform_above if PLAIN else _compiled_transform_above

#: G g G', B' d B (which looks for zeros) and A dz A' (which adds up dz); A' P A, for outputs or a gradient by the
#: input; and G' S G.
transform_kernel = _transform(D, G_)
transform_patch, transform_error = _transform_and_look(D, B_), _transform_and_sum(D, A_)
finish_products, finish_sums = _transform_above(A_.T, D), _transform(G_.T, D)
