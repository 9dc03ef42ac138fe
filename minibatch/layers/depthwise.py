"""Convolution with one kernel for each channel, and its gradients: channels never meet.

Axes: N samples, H height, W width, C channels in, M outputs of each; h, w the kernel's; OH, OW positions.
x (N, H, W, C), kernel (h, w, C, M): channel c becomes the M channels c M, ..., c M + M - 1,

    z[n, p, q, c, m] = sum over i, j of  x[n, p s + i d, q s + j d, c] kernel[i, j, c, m].

There is no matrix in this, so it is a sum over the kernel's entries, each over whole images.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minibatch import memory, passes
from minibatch.layers.window import Window, blocks
from minibatch.parallel import PARTS, each, together
from minibatch.typing import Array

#: Numbers of an image's row, times the kernel's entries, that take half a millisecond.
MANY = 1 << 22
#: So few channels are no work for a loop along them.
FEW = 16


def _in_loops(M: int, window: Window, *maps: Array) -> bool:
    """Return whether the compiled loops (``depthwise_kernels``) take these maps, large ones with M = 1.

    They leave out the zeros around an image, which the formulas multiply: infinity times 0 is no number there.
    """
    # With strides a loop is only as long as there are channels.
    return M == 1 and (window.strides[1] == 1 or maps[0].shape[-1] >= FEW) and passes.take(*maps)


def _share(name: str, cut: tuple[int, int], source: Array, window: Window, *others: Any) -> None:
    """Run one of the compiled jobs."""
    from minibatch.layers import depthwise_kernels as jobs

    (top, _), (left, _) = window.pads
    geometry = (top, left), window.strides, window.dilation, window.size
    work = source.size * window.size[0] * window.size[1]
    together(getattr(jobs, name), cut, source, *geometry, *others, long=work >= MANY)


def repeated(kernel: Array) -> Array:
    """Return a kernel (h, w, C, 1) as (h w, L), each entry's channels repeated: L is a multiple of C."""
    h, w, C, _ = kernel.shape
    return np.tile(kernel.reshape(h * w, C), passes.row_length(C) // C)


def _rows(maps: Array) -> tuple[int, int]:
    """Return how to cut the rows of all images."""
    rows = maps.shape[0] * maps.shape[1]
    return rows, max(1, -(-rows // PARTS))


def depthwise(x: Array, kernel: Array, window: Window) -> Array:
    """Return z (N, OH, OW, C * M)."""
    C, M = kernel.shape[2:]
    if _in_loops(M, window, x):
        y = memory.empty((len(x), *window.positions, C), x.dtype)
        _share("add_up", _rows(y), x, window, repeated(kernel), y)
        return y
    z = memory.empty((len(x), *window.positions, C, M), x.dtype)

    def add_up(few: slice) -> None:
        padded, total = window.pad(x[few]), z[few]
        total.fill(0)
        product = memory.scratch("product", total.shape, x.dtype)
        for i, j in window.entries:
            total += np.multiply(window.seen_from(padded, i, j)[..., None], kernel[i, j], out=product)

    each(add_up, blocks(len(z), z[:1].nbytes))
    return z.reshape(*z.shape[:3], C * M)


def depthwise_input_gradient(dz: Array, kernel: Array, window: Window) -> Array:
    """Return dx (N, H, W, C) from dz (N, OH, OW, C * M)."""
    C, M = kernel.shape[2:]
    dx = memory.empty((len(dz), *window.image, C), dz.dtype)
    if _in_loops(M, window, dz):
        _share("send_back", _rows(dx), dz, window, repeated(kernel), dx)
        return dx

    def send_back(few: slice) -> None:
        d = dz[few].reshape(-1, *window.positions, C, M)
        padded = np.zeros((len(d), *window.padded, C), dtype=dz.dtype)
        for i, j in window.entries:
            window.seen_from(padded, i, j)[...] += np.einsum("npqcm,cm->npqc", d, kernel[i, j])
        dx[few] = window.crop(padded)

    each(send_back, blocks(len(dz), dz[:1].nbytes))
    return dx


def depthwise_kernel_gradient_of_each(x: Array, dz: Array, window: Window) -> Array:
    """Return dL/dkernel of each sample alone, (N, h, w, C, M); the batch's is their sum."""
    N, C = len(x), x.shape[-1]
    M = dz.shape[-1] // C
    dW = np.empty((N, *window.size, C, M), dtype=dz.dtype)

    def add_up(few: slice) -> None:
        padded = window.pad(x[few])
        d = dz[few].reshape(-1, *window.positions, C, M)
        for i, j in window.entries:
            dW[few, i, j] = np.einsum("npqc,npqcm->ncm", window.seen_from(padded, i, j), d)

    each(add_up, blocks(N, dz[:1].nbytes))
    return dW


def depthwise_kernel_gradient(x: Array, dz: Array, window: Window) -> Array:
    """Return dL/dkernel (h, w, C, M), the sum over the samples."""
    C = x.shape[-1]
    if _in_loops(dz.shape[-1] // C, window, x, dz):
        cut = _rows(dz)
        parts = np.empty((-(-cut[0] // cut[1]), window.size[0] * window.size[1], C))
        _share("kernel_gradient", cut, x, window, dz, passes.row_length(C), parts)
        of_batch: Array = parts.sum(axis=0).astype(x.dtype).reshape(*window.size, C, 1)
        return of_batch
    dW: Array = depthwise_kernel_gradient_of_each(x, dz, window).sum(axis=0)
    return dW
