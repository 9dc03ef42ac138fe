"""A tile of a matrix product, added up in the processor's registers: what no compiler makes of a plain loop.

A tile is ``ROWS`` rows of as many numbers as fill ``VECTORS`` of the processor's widest registers. All its sums
stay in registers while the samples go by, so that nothing but the multiplications takes time.
"""

from __future__ import annotations

from typing import Any

from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload

from minibatch.typing import Array

#: With AVX-512 there are 32 registers of 64 bytes, without 16 of 32: the sums fit, and what is added to them.
WIDE = bool(binding.get_host_cpu_features().get("avx512f"))
ROWS, VECTORS, BYTES = 6, 4 if WIDE else 2, 64 if WIDE else 32

# (Numba says nothing of their types.)
_variable: Any = cgutils.alloca_once
_pointer: Any = cgutils.get_item_pointer


def width(itemsize: int) -> int:
    """Return how many numbers of so many bytes a row of a tile has.

    Examples
    --------
    >>> width(4) == 2 * width(8)
    True
    """
    return VECTORS * BYTES // itemsize


def tile_product(u: Array, i: int, v: Array, t: int, out: Array) -> None:
    """Write ``u[:, i : i + ROWS].T @ v[t]`` into ``out[:, t * L : t * L + L]``, L the width of a tile.

    u (N, i + ROWS or more); v (T, N, L); out (ROWS, T L); all of one float type.
    """
    L = v.shape[2]
    out[:, t * L : t * L + L] = u[:, i : i + ROWS].T @ v[t]


def _emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    """Write the instructions of ``tile_product``."""
    kinds = signature.args
    i, t = (context.cast(builder, arguments[k], kinds[k], types.intp) for k in (1, 3))
    u, v, out = ((kinds[k], context.make_array(kinds[k])(context, builder, arguments[k])) for k in (0, 2, 4))
    real, size = context.get_value_type(u[0].dtype), u[0].dtype.bitwidth // 8
    lanes = BYTES // size
    vector, lane = ir.VectorType(real, lanes), ir.IntType(32)
    nothing, firsts = ir.Constant(vector, ir.Undefined), ir.Constant(ir.VectorType(lane, lanes), [0] * lanes)

    def number(x: int) -> Any:
        return context.get_constant(types.intp, x)

    def at(array: Any, *place: Any) -> Any:
        return _pointer(context, builder, *array, place)

    def vector_at(array: Any, *place: Any) -> Any:
        return builder.bitcast(at(array, *place), vector.as_pointer())

    # Variables become registers, where nothing takes their address.
    sums = [[_variable(builder, vector) for _ in range(VECTORS)] for _ in range(ROWS)]
    for variable in (variable for row in sums for variable in row):
        builder.store(ir.Constant(vector, None), variable)
    samples = builder.extract_value(u[1].shape, 0)
    allowed = ("reassoc", "contract", "nsz")  # so that a multiplication and an addition become one instruction
    with cgutils.for_range(builder, samples) as loop:
        ys = [builder.load(vector_at(v, t, loop.index, number(q * lanes)), align=size) for q in range(VECTORS)]
        for r, row in enumerate(sums):
            x = builder.load(at(u, loop.index, builder.add(i, number(r))))
            xs = builder.shuffle_vector(builder.insert_element(nothing, x, lane(0)), nothing, firsts)
            for y, variable in zip(ys, row, strict=True):
                product = builder.fmul(xs, y, flags=allowed)
                builder.store(builder.fadd(builder.load(variable), product, flags=allowed), variable)
    first = builder.mul(t, number(VECTORS * lanes))
    for r, row in enumerate(sums):
        for q, variable in enumerate(row):
            place = vector_at(out, number(r), builder.add(first, number(q * lanes)))
            builder.store(builder.load(variable), place, align=size)
    return context.get_dummy_value()


def _typed(typing_context: Any, u: Any, i: Any, v: Any, t: Any, out: Any) -> Any:
    return types.void(u, i, v, t, out), _emit


_in_registers: Any = intrinsic(_typed)


@overload(tile_product)
def _when_compiled(u: Any, i: Any, v: Any, t: Any, out: Any) -> Any:
    L = width(u.dtype.bitwidth // 8)

    def call(u: Any, i: Any, v: Any, t: Any, out: Any) -> Any:
        # Machine code is kept on disk: that of another processor must not write beyond this one's tiles.
        if v.shape[2] != L:
            raise ValueError("tile_product: v is not of the width that this was compiled for.")
        _in_registers(u, i, v, t, out)

    return call
