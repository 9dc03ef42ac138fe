"""Convolution without patches, and products of matrices, as compiled loops (``convolution_kernels``).

Axes as in ``correlation``, whose formulas these are. The loops read the patches where they lie. A batch is cut into
pieces that threads share; the pieces depend on the shapes alone, and each number is summed in the same order on
every processor that has such loops: the entries of a patch one after the other, the positions one after the other,
the pieces one after the other.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from minibatch import memory
from minibatch.layers.window import Window
from minibatch.parallel import PARTS, each, rooms, together
from minibatch.typing import Array

#: The multiplications of a piece, at least: some times what a call takes, and a thread to wake.
WORK = 1 << 22
#: Its positions, at least: enough of them for each time that the kernel, or its gradient, is gone through.
POSITIONS = 1 << 7
#: The bytes of a piece's images, at most, so that they stay in the processor's cache; but at least one image.
BYTES = 1 << 19
#: The bytes of a band of z, or of dz, which is gone through several times.
BAND = 1 << 16
#: A product of so many multiplications takes 20 us, some times what it takes to share it with a thread that is
#: awake: from there on it is cut, into no fewer than ``FEWEST`` pieces, so that a thread that comes late has its
#: share; a very large one, into pieces of so many multiplications.
LARGE, FEWEST, PIECE = 1 << 21, 8, 1 << 24
#: From so many on it takes half a millisecond and longer.
LONG = 1 << 27
#: A kernel of so many bytes is not in the processor's cache any more when it is needed again.
DEEP = 1 << 22
#: The bytes of a block that is turned round, a third of the processor's first cache.
TURNED = 1 << 14
#: The columns of so many samples stay in the processor's cache, those of many more do not.
MANY = 256


@functools.cache
def at_hand() -> bool:
    """Return whether there are such loops for this processor.

    There are for x86 with AVX2 or AVX-512. Elsewhere NumPy's BLAS multiplies patches (``patches``), and so it does
    where Numba's compiler is off (``NUMBA_DISABLE_JIT=1``).
    """
    from minibatch.compiling import PLAIN
    from minibatch.layers import registers

    return registers.HERE and not PLAIN


def take(*arrays: Array) -> bool:
    """Return whether the loops are at hand and take these arrays: of one float type, of four bytes or eight."""
    kind = arrays[0].dtype
    return kind.char in "fd" and kind.isnative and all(array.dtype == kind for array in arrays[1:]) and at_hand()


def correlate(
    x: Array, kernel: Array, window: Window, bias: Array | None = None, least: float | None = None
) -> Array:
    """Return max(z + bias, least), (N, OH, OW, F); for z see ``correlation.patches_times``."""
    from minibatch.layers import band_kernels as kernels

    x, F = np.ascontiguousarray(x), kernel.shape[3]
    z = memory.empty((len(x), *window.positions, F), x.dtype)
    W, b = np.ascontiguousarray(kernel).reshape(-1, F), _zeros(F, x.dtype) if bias is None else bias
    cut, geometry, room = _bands(x, window, F)
    how = *geometry, W, b, _floor(least, x.dtype), *room, memory.streams(z)
    together(kernels.correlate, cut, x, *how, z, long=z.size * len(W) >= LONG)
    return z


def kernel_gradient(x: Array, dz: Array, window: Window, db: Array | None = None) -> Array:
    """Return dL/dkernel (h, w, C, F), see ``correlation.transposed_patches_times``; write dL/dbias into db (F,)."""
    from minibatch.layers import band_kernels as kernels

    x, dz, C, F = np.ascontiguousarray(x), np.ascontiguousarray(dz), x.shape[-1], dz.shape[-1]
    K = math.prod(window.size) * C
    cut, geometry, room = _bands(x, window, F)
    count = -(-cut[0] // cut[1])
    parts, totals = np.empty((count, K, F), x.dtype), np.empty((count, F), x.dtype)
    how = *geometry, dz, *room
    together(kernels.kernel_gradient, cut, x, *how, parts, totals, long=dz.size * K >= LONG)
    if db is not None:
        np.add.reduce(totals, axis=0, out=db)
    dW: Array = np.add.reduce(parts, axis=0)
    return dW.reshape(*window.size, C, F)


def kernel_gradient_of_each(x: Array, dz: Array, window: Window) -> Array:
    """Return dL/dkernel of each sample alone, (N, h, w, C, F)."""
    N, C, F = len(x), x.shape[-1], dz.shape[-1]
    dW = np.empty((N, math.prod(window.size) * C, F), dz.dtype)

    def add_up(few: slice) -> None:
        for n in range(few.start, min(few.stop, N)):
            _multiply_transposed(x[n : n + 1], dz[n : n + 1], window, dW[n])

    each(add_up, pieces(x, window, F))
    return dW.reshape(N, *window.size, C, F)


def _multiply_transposed(x: Array, dz: Array, window: Window, dW: Array) -> None:
    """Write the gradient of a few images into dW (h w C, F)."""
    from minibatch.layers import convolution_kernels as kernels

    rows = np.ascontiguousarray(dz).reshape(-1, dz.shape[-1])
    if rows.nbytes >= BYTES:  # they are gone through several times, and not from the first cache
        kernels.read_ahead(rows.reshape(-1))
    kernels.kernel_gradient(_padded(x, window), *_layout(window, x.shape[-1]), rows, dz.shape[:3], dW, False, None)


def product(x: Array, W: Array, z: Array, bias: Array | None = None, least: float | None = None) -> None:
    """Write z = max(x W + bias, least), of C-contiguous x (N, C) and W (C, F).

    It is a convolution, of N pixels in a row with a window of one. A large product is cut along its rows or its
    columns, whichever are more; but where W is larger than the processor's cache, along the rows of W, which are
    read in one go.
    """
    from minibatch.layers import product_kernels as kernels

    (N, C), F = x.shape, W.shape[1]
    b, floor = _zeros(F, x.dtype) if bias is None else bias, _floor(least, x.dtype)
    across = F > N
    if across and W.nbytes >= DEEP:
        cut = C, -(-C // PARTS)
        count = -(-C // cut[1])
        parts, largest = memory.empty((count, N, F), x.dtype), np.empty(count, x.dtype)
        together(kernels.partial_products, cut, x, W, _zeros(F, x.dtype), kernels.HERE, parts, largest, long=True)
        together(kernels.add_up, (N, -(-N // FEWEST)), parts, b, floor, z)
        return
    cut = _cut(F, N * C * F, 2 * kernels.VECTOR // x.itemsize) if across else _cut(N, N * C * F, kernels.ROWS)
    together(kernels.product, cut, x, W, b, floor, kernels.HERE, across, z, long=N * C * F >= LONG)


def product_with_transposed(dz: Array, W: Array, dx: Array) -> None:
    """Write dx = dz W', of C-contiguous dz (N, F) and W (C, F): as the transposed of W dz'.

    So the numbers that lie side by side in W are the ones that a tile takes one after the other.
    """
    from minibatch.layers import product_kernels as kernels

    (N, C), F, itemsize, work = dx.shape, dz.shape[1], dx.itemsize, dz.size * W.shape[0]
    slab = min(N, int(kernels.SLAB))
    few = max(1, TURNED // (slab * kernels.ROWS * itemsize)) * kernels.ROWS
    across = N < FEWEST * kernels.SLAB
    turned = memory.scratch("turned", (dz.size if across else 0,), dz.dtype)
    if across:
        kernels.turn_slabs(dz, turned)
    cut = _cut(C, work, kernels.ROWS) if across else _cut(N, work, int(kernels.SLAB))
    size = few * int(kernels.SLAB) + (0 if across else F * int(kernels.SLAB))
    how = turned, _zeros(slab, dx.dtype), kernels.HERE, few, *rooms("turning", -(-cut[0] // cut[1]), size, dx.dtype)
    together(kernels.product_with_transposed, cut, dz, W, *how, dx, long=work >= LONG)


def transposed_product(x: Array, dz: Array, dW: Array) -> None:
    """Write dW = x' dz, of C-contiguous x (N, C) and dz (N, F): ``MANY`` samples after another.

    It is cut along the rows of dW; but where so many samples go by that all of dz would be read for each piece
    again, along the samples, and what comes of them is added up in order.
    """
    from minibatch.layers import product_kernels as kernels

    (N, C), work = x.shape, x.size * dz.shape[1]
    if PARTS * dW.size < x.size + dz.size and N >= PARTS * MANY:
        few = max(kernels.ROWS, min(MANY, BYTES // (C * x.itemsize)))
        cut = N, -(-N // PARTS)
        parts = memory.empty((-(-N // cut[1]), *dW.shape), dW.dtype)
        together(kernels.transposed_products, cut, x, dz, kernels.HERE, few, parts, long=work >= LONG)
        nothing, no_floor = _zeros(dW.shape[1], dW.dtype), _floor(None, dW.dtype)
        together(kernels.add_up, (C, -(-C // FEWEST)), parts, nothing, no_floor, dW, long=parts.size >= LONG)
        return
    cut = _cut(C, min(work, PARTS * PIECE), kernels.ROWS)
    together(kernels.transposed_product, cut, x, dz, kernels.HERE, MANY, memory.streams(dW), dW, long=work >= LONG)


def _cut(extent: int, work: int, grain: int) -> tuple[int, int]:
    """Return how to cut so many rows, or columns, of so many multiplications: the extent, and that of a piece."""
    count = 1 if work < LARGE else max(FEWEST, work // PIECE)
    return extent, -(-extent // (count * grain)) * grain


def _bands(x: Array, window: Window, F: int) -> tuple[tuple[int, int], tuple[Any, ...], tuple[Array, Any]]:
    """Return how to cut a batch's rows of positions, what ``band_kernels`` ask of the window, and ``rooms``."""
    cut, geometry, size = _bands_of(len(x), window, x.shape[-1], F, x.itemsize)
    return cut, geometry, rooms("band", -(-cut[0] // cut[1]), size, x.dtype)


@functools.lru_cache(maxsize=256)
def _bands_of(
    N: int, window: Window, C: int, F: int, itemsize: int
) -> tuple[tuple[int, int], tuple[Any, ...], int]:
    OH, OW = window.positions
    extent = N * OH
    work = extent * OW * math.prod(window.size) * C * F
    count = 1 if work < LARGE else max(FEWEST, min(PARTS, work // PIECE))
    few = min(OH, max(1, BAND // (OW * F * itemsize), POSITIONS // OW))
    (top, _), (left, _) = window.pads
    geometry = (top, left), window.padded, window.reach[0], *_layout(window, C), few
    # A band with the padding around it.
    size = ((few - 1) * window.strides[0] + window.reach[0]) * window.padded[1] * C
    return (extent, max(1, -(-extent // count))), geometry, size


def pieces(x: Array, window: Window, F: int) -> list[slice]:
    """Return how to cut a batch into slices of whole images."""
    few = images(x, window, F)
    return [slice(start, start + few) for start in range(0, len(x), few)]


def images(x: Array, window: Window, F: int) -> int:
    """Return how many images a piece has, so that there are at most ``PARTS``, or more where images are large."""
    N, C = len(x), x.shape[-1]
    work = math.prod(window.positions) * math.prod(window.size) * C * F
    count: int = max(1, min(PARTS, N * work // WORK, N * math.prod(window.positions) // POSITIONS))
    most: int = BYTES // (math.prod(window.padded) * C * x.itemsize)
    return max(1, min(-(-N // count), most))


@functools.lru_cache(maxsize=64)
def _zeros(n: int, dtype: np.dtype[Any]) -> Array:
    return np.zeros(n, dtype)


@functools.lru_cache(maxsize=64)
def _floor(least: float | None, dtype: np.dtype[Any]) -> Any:
    return dtype.type(-math.inf if least is None else least)


@functools.cache
def _layout(window: Window, C: int) -> tuple[tuple[int, int, int], npt.NDArray[np.intp], int]:
    """Return (strides, offsets, run) of the window's patches in padded images: see ``convolution_kernels``."""
    (H, W), (h, w), (sy, sx), (dy, dx) = window.padded, window.size, window.strides, window.dilation
    strides = (H * W * C, sy * W * C, sx * C)
    if dx == 1:  # neighbouring entries lie side by side: a run for each row of the window
        return strides, np.arange(h) * dy * W * C, w * C
    return strides, (np.arange(h)[:, None] * dy * W * C + np.arange(w) * dx * C).ravel(), C


def _padded(x: Array, window: Window) -> Array:
    """Return images with the padding around them as one row of numbers, in this thread's scratch memory."""
    if window.padded == window.image:
        return np.ascontiguousarray(x).reshape(-1)
    padded = memory.scratch("padded", (len(x), *window.padded, x.shape[-1]), x.dtype)
    ((top, bottom), (left, right)), (H, W) = window.pads, window.padded
    padded[:, :top], padded[:, H - bottom :] = 0, 0
    padded[:, :, :left], padded[:, :, W - right :] = 0, 0
    window.crop(padded)[...] = x
    return padded.reshape(-1)
