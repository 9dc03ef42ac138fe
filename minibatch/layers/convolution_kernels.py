"""The compiled loops of a convolution: products of its patches, which nobody has to make.

Each loop hands small pieces, tiles, to a function that keeps a tile's sums in the processor's registers from the
first product to the last. A tile reads the patches where they lie in the padded images. What a tile computes stands
here as a plain function (``_plain_...``), which takes its place where Numba's compiler is off; the formulas for a
whole batch are in ``correlation``, and the tests hold all of them equal. Importing this module imports Numba.

Letters: N samples, OH x OW positions, C channels in, F filters; K = h w C entries of a patch, k = (i, j, c) one of
them. x is one row of numbers, the padded images one after the other; a patch is ``len(offsets)`` runs of ``run``
numbers (the last one may have fewer) that lie side by side in it, each so far (``offsets``) from the patch's first
number. The products of a run are added up apart, and then to the others: a long sum rounds more than short ones.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from minibatch.compiling import PLAIN, compiled
from minibatch.layers.registers import I64, ROWS, VECTOR, Tile, array, integer, is_given, smaller
from minibatch.typing import Array

Offsets = npt.NDArray[np.intp]

#: So many positions are added up apart, and then to the others.
RUN: Any = np.intp(16)


# Tiles: what they compute ----------------------------------------------------------------------------------------


def _plain_products(positions: int, vectors: int) -> Any:
    def products(
        x: Array,
        start: int,
        step: int,
        offsets: Offsets,
        run: int,
        W: Array,
        bias: Array,
        least: float,
        f: int,
        z: Array,
        m: int,
        more: bool,
        stream: int | None,
    ) -> None:
        """Write z[m + t, f : f + width] = max(A W + bias, least), for A the patch at start + t step.

        With ``more`` it is added to what is there, in place of the bias; with ``stream`` it goes past the cache.
        """
        columns = slice(f, min(f + vectors * (VECTOR // x.itemsize), W.shape[1]))
        for t in range(positions):
            total = z[m + t, columns] if more else bias[columns]
            for offset, W_run in zip(offsets, np.split(W[:, columns], range(run, len(W), run)), strict=True):
                total = total + x[start + t * step + offset :][: len(W_run)] @ W_run
            z[m + t, columns] = np.maximum(total, least)

    return products


def _plain_sums(entries: int, vectors: int) -> Any:
    def sums(
        x: Array,
        start: int,
        strides: tuple[int, int, int],
        positions: tuple[int, int, int],
        dz: Array,
        f: int,
        dW: Array,
        k: int,
        more: bool,
        stream: int | None,
    ) -> None:
        """Write dW[k + t, f : f + width] = the sum over positions of x[that + start + t] dz, t < entries.

        With ``more`` it is added to what is there; with ``stream`` it goes past the cache.
        """
        columns = slice(f, f + vectors * (VECTOR // x.itemsize))
        if not more:
            dW[k : k + entries, columns] = 0
        for m, position in enumerate(np.ndindex(*positions)):
            at = start + sum(place * stride for place, stride in zip(position, strides, strict=True))
            dW[k : k + entries, columns] += x[at : at + entries, None] * dz[m, columns]

    return sums


# Tiles: how they are compiled ------------------------------------------------------------------------------------


def _compiled_products(positions: int, vectors: int) -> Any:
    @intrinsic
    def products(
        _: Any,
        x: Any,
        start: Any,
        step: Any,
        offsets: Any,
        run: Any,
        W: Any,
        bias: Any,
        least: Any,
        f: Any,
        z: Any,
        m: Any,
        more: Any,
        stream: Any,
    ) -> Any:
        def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            here = context, builder, signature, arguments
            x_, offsets_, W_, bias_, z_ = (array(*here, k) for k in (0, 3, 5, 6, 9))
            start, step, run, f, m = (integer(*here, k) for k in (1, 2, 4, 8, 10))
            floor = context.cast(builder, arguments[7], signature.args[7], x.dtype)
            F = builder.extract_value(W_.shape, 1)
            add, times, at = builder.add, builder.mul, lambda base, place: builder.gep(base, [place])
            tile = Tile(context, builder, x.dtype, positions, vectors, f, F)
            to = [at(z_.data, add(times(add(m, I64(t)), F), f)) for t in tile.rows]
            with builder.if_else(arguments[11]) as (then, otherwise):
                with then:
                    for t in tile.rows:
                        tile.begin(t, tile.load(to[t]))
                with otherwise:
                    before = tile.load(at(bias_.data, f))
                    for t in tile.rows:
                        tile.begin(t, before)
            K = builder.extract_value(W_.shape, 0)
            tile.begin_run()
            with cgutils.for_range(builder, builder.extract_value(offsets_.shape, 0)) as outer:
                first = add(start, builder.load(at(offsets_.data, outer.index)))
                k = times(outer.index, run)
                with cgutils.for_range(builder, smaller(builder, run, builder.sub(K, k))) as inner:
                    W_k = tile.load(at(W_.data, add(times(add(k, inner.index), F), f)))
                    number = at(x_.data, add(first, inner.index))
                    for t in tile.rows:
                        tile.add(t, at(number, times(step, I64(t))), W_k)
                with builder.if_then(builder.icmp_signed(">=", run, I64(int(RUN)))):
                    tile.end_run()
                    tile.begin_run()
            tile.end_run()
            for t in tile.rows:
                tile.write(t, to[t], floor, stream=is_given(stream))
            return context.get_dummy_value()

        return types.void(x, start, step, offsets, run, W, bias, least, f, z, m, more, stream), emit

    return products


def _compiled_sums(entries: int, vectors: int) -> Any:
    @intrinsic
    def sums(
        _: Any,
        x: Any,
        start: Any,
        strides: Any,
        positions: Any,
        dz: Any,
        f: Any,
        dW: Any,
        k: Any,
        more: Any,
        stream: Any,
    ) -> Any:
        def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            here = context, builder, signature, arguments
            x_, dz_, dW_ = (array(*here, k) for k in (0, 4, 6))
            start, f, k = (integer(*here, k) for k in (1, 5, 7))
            image, row, step = cgutils.unpack_tuple(builder, arguments[2])
            N, OH, OW = cgutils.unpack_tuple(builder, arguments[3])
            F = builder.extract_value(dz_.shape, 1)
            add, times, at = builder.add, builder.mul, lambda base, place: builder.gep(base, [place])
            tile = Tile(context, builder, x.dtype, entries, vectors, f, F)
            to = [at(dW_.data, add(times(add(k, I64(t)), F), f)) for t in tile.rows]
            with builder.if_else(arguments[8]) as (then, otherwise):
                with then:
                    for t in tile.rows:
                        tile.begin(t, tile.load(to[t]))
                with otherwise:
                    for t in tile.rows:
                        tile.begin(t)
            with cgutils.for_range(builder, N) as of_n, cgutils.for_range(builder, OH) as of_p:
                first = add(start, add(times(of_n.index, image), times(of_p.index, row)))
                m = times(add(times(of_n.index, OH), of_p.index), OW)
                with cgutils.for_range_slice(builder, I64(0), OW, I64(int(RUN)), inc=True) as (begun, _):
                    tile.begin_run()
                    with cgutils.for_range(
                        builder, smaller(builder, I64(int(RUN)), builder.sub(OW, begun))
                    ) as inner:
                        q = add(begun, inner.index)
                        dz_m = tile.load(at(dz_.data, add(times(add(m, q), F), f)))
                        number = at(x_.data, add(first, times(q, step)))
                        for t in tile.rows:
                            tile.add(t, at(number, I64(t)), dz_m)
                    tile.end_run()
            for t in tile.rows:
                tile.write(t, to[t], stream=is_given(stream))
            return context.get_dummy_value()

        return types.void(x, start, strides, positions, dz, f, dW, k, more, stream), emit

    return sums


# Two vectors of filters wide; the narrow ones, and those of fewer rows, are for what is left at an edge.
_products, _sums = (_plain_products, _plain_sums) if PLAIN else (_compiled_products, _compiled_sums)
products_most, products_4, products_1 = _products(ROWS, 2), _products(4, 2), _products(1, 2)
narrow_products_most, narrow_products_4, narrow_products_1 = _products(ROWS, 1), _products(4, 1), _products(1, 1)
sums_most, sums_4, sums_1 = _sums(ROWS, 2), _sums(4, 2), _sums(1, 2)
narrow_sums_most, narrow_sums_4, narrow_sums_1 = _sums(ROWS, 1), _sums(4, 1), _sums(1, 1)


# The loops -------------------------------------------------------------------------------------------------------

#: For who calls them from compiled functions: for plain numbers Numba would compile the loops once more.
NIL: Any = np.intp(0)
ONE: Any = np.intp(1)
NO: Any = np.bool_(False)


@compiled
def read_ahead(numbers: Array) -> float:
    """Read a row of numbers once, one in each line of the cache; return the largest of these.

    In the order in which they lie the processor fetches numbers from memory ahead of who reads them; in a product's
    order, a few of a row after another, or with others between them, it does not.
    """
    most: float = numbers[0]
    for i in range(0, len(numbers), 64 // numbers.itemsize):
        most = max(most, numbers[i])
    return most


@compiled
def rows_of_tile(extent: int, begun: int) -> int:
    """Return how many rows the next tile of ``extent`` rows has. One that would reach too far begins earlier."""
    if extent >= ROWS and extent - begun > 4:
        return ROWS
    return 4 if extent >= 4 else 1


@compiled
def correlate(
    x: Array,
    strides: tuple[int, int, int],
    offsets: Offsets,
    run: int,
    W: Array,
    bias: Array,
    least: float,
    positions: tuple[int, int, int],
    filters: tuple[int, int],
    z: Array,
    more: bool,
    stream: int | None,
) -> None:
    """Write z (N OH OW, F): the patches of x, times W (K, F), plus the bias (F,); and ``least`` where that is more.

    Position (n, p, q) of ``positions`` (N, OH, OW) is at n, p, q times the three ``strides`` in x. Where OW is no
    multiple of a tile's rows, some positions are written twice. ``filters`` are the first to be written and the
    one after the last, both multiples of a tile's width unless they are F. With ``more`` the products are added to
    what is there, in place of the bias. With a ``stream``, 1 or None, z is written past
    the cache (``memory.streams``).
    """
    (N, OH, OW), (image, row, step) = positions, strides
    lanes = VECTOR // x.itemsize
    for n in range(N):
        for p in range(OH):
            m = (n * OH + p) * OW
            for f in range(filters[0], filters[1], 2 * lanes):
                wide, begun = filters[1] - f > lanes, 0
                while begun < OW:
                    rows = rows_of_tile(OW, begun)
                    if more and begun + rows > OW:  # positions are written twice, but must not be added twice
                        rows = 4 if OW - begun >= 4 else 1
                    q = min(begun, OW - rows)
                    start = n * image + p * row + q * step
                    if rows == ROWS and wide:
                        products_most(x, start, step, offsets, run, W, bias, least, f, z, m + q, more, stream)
                    elif rows == ROWS:
                        narrow_products_most(
                            x, start, step, offsets, run, W, bias, least, f, z, m + q, more, stream
                        )
                    elif rows == 4 and wide:
                        products_4(x, start, step, offsets, run, W, bias, least, f, z, m + q, more, stream)
                    elif rows == 4:
                        narrow_products_4(x, start, step, offsets, run, W, bias, least, f, z, m + q, more, stream)
                    elif wide:
                        products_1(x, start, step, offsets, run, W, bias, least, f, z, m + q, more, stream)
                    else:
                        narrow_products_1(x, start, step, offsets, run, W, bias, least, f, z, m + q, more, stream)
                    begun = q + rows


@compiled
def kernel_gradient(
    x: Array,
    strides: tuple[int, int, int],
    offsets: Offsets,
    run: int,
    dz: Array,
    positions: tuple[int, int, int],
    dW: Array,
    more: bool,
    stream: int | None,
) -> None:
    """Write dW (K, F): the patches of x, transposed, times dz (N OH OW, F). Letters as for ``correlate``.

    ``RUN`` positions in a row are added up apart. With ``more`` it is added to what is there. With a
    ``stream``, 1 or None, dW is written past the cache (``memory.streams``).
    """
    F = dz.shape[1]
    lanes = VECTOR // x.itemsize
    for i in range(offsets.shape[0]):
        for f in range(0, F, 2 * lanes):
            wide, begun = F - f > lanes, 0
            while begun < run:
                rows = rows_of_tile(run, begun)
                if more and begun + rows > run:  # entries are written twice, but must not be added twice
                    rows = 4 if run - begun >= 4 else 1
                c = min(begun, run - rows)
                start, k = offsets[i] + c, i * run + c
                if rows == ROWS and wide:
                    sums_most(x, start, strides, positions, dz, f, dW, k, more, stream)
                elif rows == ROWS:
                    narrow_sums_most(x, start, strides, positions, dz, f, dW, k, more, stream)
                elif rows == 4 and wide:
                    sums_4(x, start, strides, positions, dz, f, dW, k, more, stream)
                elif rows == 4:
                    narrow_sums_4(x, start, strides, positions, dz, f, dW, k, more, stream)
                elif wide:
                    sums_1(x, start, strides, positions, dz, f, dW, k, more, stream)
                else:
                    narrow_sums_1(x, start, strides, positions, dz, f, dW, k, more, stream)
                begun = c + rows
