"""Convolution without patches: compiled loops that read them where they lie (``kernels``).

Axes as in ``correlation``, whose formulas these are. A batch is cut into pieces that threads share; the pieces
depend on the shapes alone, and each number is summed in the same order on every processor that has such loops: the
entries of a patch one after the other, the positions one after the other, the pieces one after the other.
"""

from __future__ import annotations

import functools
import math

import numpy as np
import numpy.typing as npt

from minibatch import memory
from minibatch.layers.window import Window
from minibatch.parallel import each
from minibatch.typing import Array

#: The multiplications of a piece, at least: some times what a call takes, and a thread to wake.
WORK = 1 << 22
#: The bytes of a piece's images, at most, so that they stay in the processor's cache; but at least one image.
BYTES = 1 << 19
#: A kernel's gradient is made of so many partial sums, or fewer: each is one thread's at a time.
PARTS = 16


@functools.cache
def at_hand() -> bool:
    """Return whether there are such loops for this processor.

    There are for x86 with AVX2 or AVX-512. Elsewhere NumPy's BLAS multiplies patches (``patches``), and so it does
    where Numba's compiler is off (``NUMBA_DISABLE_JIT=1``).
    """
    from minibatch.compiling import PLAIN
    from minibatch.layers import kernels

    return kernels.HERE and not PLAIN


def correlate(x: Array, kernel: Array, window: Window, bias: Array | None = None) -> Array:
    """Return z (N, OH, OW, F), see ``correlation.patches_times``; with the bias (F,) added."""
    from minibatch.layers import kernels

    C, F = kernel.shape[2:]
    W = np.ascontiguousarray(kernel).reshape(-1, F)
    b = np.zeros(F, x.dtype) if bias is None else bias
    z = memory.empty((len(x), *window.positions, F), x.dtype)
    layout = _layout(window, C)

    def multiply(few: slice) -> None:
        some = z[few]
        kernels.correlate(_padded(x[few], window), *layout, W, b, some.shape[:3], some.reshape(-1, F))

    each(multiply, pieces(x, window, F))
    return z


def kernel_gradient(x: Array, dz: Array, window: Window) -> Array:
    """Return dL/dkernel (h, w, C, F), see ``correlation.transposed_patches_times``."""
    C, F = x.shape[-1], dz.shape[-1]
    whole = pieces(x, window, F)
    each_takes = -(-len(whole) // PARTS)
    parts = [whole[i : i + each_takes] for i in range(0, len(whole), each_takes)]
    totals = memory.empty((len(parts), math.prod(window.size) * C, F), dz.dtype)

    def add_up(part: int) -> None:
        product = memory.scratch("product", totals.shape[1:], dz.dtype)
        for k, few in enumerate(parts[part]):
            _multiply_transposed(x[few], dz[few], window, product if k else totals[part])
            if k:
                totals[part] += product

    each(add_up, range(len(parts)))
    dW: Array = totals[0] if len(parts) == 1 else totals.sum(axis=0)
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
    from minibatch.layers import kernels

    rows = np.ascontiguousarray(dz).reshape(-1, dz.shape[-1])
    kernels.kernel_gradient(_padded(x, window), *_layout(window, x.shape[-1]), rows, dz.shape[:3], dW)


def pieces(x: Array, window: Window, F: int) -> list[slice]:
    """Return how to cut a batch into slices of whole images: at most ``PARTS``, or more where they are large."""
    N, C = len(x), x.shape[-1]
    work = math.prod(window.positions) * math.prod(window.size) * C * F
    count = max(1, min(PARTS, N * work // WORK))
    few = max(1, min(-(-N // count), BYTES // (math.prod(window.padded) * C * x.itemsize)))
    return [slice(start, start + few) for start in range(0, N, few)]


@functools.cache
def _layout(window: Window, C: int) -> tuple[tuple[int, int, int], npt.NDArray[np.intp], int]:
    """Return (strides, offsets, run) of the window's patches in padded images, as ``kernels`` has them."""
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
