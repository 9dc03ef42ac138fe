"""Cross-correlation of images with a kernel, and its gradients: the maths of every convolution here.

Axes: N samples, H height, W width, C channels in, F filters; h, w the kernel's; OH, OW positions (see ``window``).
x (N, H, W, C), kernel (h, w, C, F), z (N, OH, OW, F). Like every deep-learning library's "convolution" it does not
flip the kernel:

    z[n, p, q, f] = sum over i, j, c of  x[n, p s + i d, q s + j d, c] kernel[i, j, c, f]

with stride s and dilation d, x being padded. The patches that the window sees, as the rows of a matrix, make it a
product of two matrices: ``patches_times`` and the functions beside it are that, for a whole batch, and are what
the others are tested against. The others are the same in less time: by compiled loops that need no patches
(``tiles``), or, on a processor that these do not know, by patches for a few images at a time (``patches``).
"""

from __future__ import annotations

import numpy as np

from minibatch import memory
from minibatch.activations.rectifiers import where_above
from minibatch.layers import patches, tiles, winograd
from minibatch.layers.product import sum_of_rows
from minibatch.layers.window import Window, blocks
from minibatch.parallel import each
from minibatch.typing import Array

# The formulas, as they stand in a textbook -----------------------------------------------------------------------


def patches_times(x: Array, kernel: Array, window: Window) -> Array:
    """Return z = A W, for A the patches as rows (N * OH * OW, h * w * C) and W the kernel (h * w * C, F)."""
    h, w, C, F = kernel.shape
    A = window.patches(window.pad(x)).reshape(-1, h * w * C)
    return (A @ kernel.reshape(-1, F)).reshape(len(x), *window.positions, F)


def transposed_patches_times(x: Array, dz: Array, window: Window) -> Array:
    """Return dW = A' dz, as (h, w, C, F)."""
    (h, w), C, F = window.size, x.shape[-1], dz.shape[-1]
    A = window.patches(window.pad(x)).reshape(-1, h * w * C)
    return (A.T @ dz.reshape(-1, F)).reshape(h, w, C, F)


def scattered_back(dz: Array, kernel: Array, window: Window) -> Array:
    """Return dx: the entries of dA = dz W' go back to the pixels that they were taken from, and add up there."""
    C, F = kernel.shape[2:]
    padded = np.zeros((len(dz), *window.padded, C), dtype=dz.dtype)
    for i, j in window.entries:
        sent = dz.reshape(-1, F) @ kernel[i, j].T
        window.seen_from(padded, i, j)[...] += sent.reshape(*dz.shape[:-1], C)
    return window.crop(padded)


# The same, at the speed of the processor --------------------------------------------------------------------------


def correlate(
    x: Array, kernel: Array, window: Window, bias: Array | None = None, least: float | None = None
) -> Array:
    """Return z (N, OH, OW, F), see ``patches_times``; with the bias (F,) added, and never below ``least``."""
    b = kernel[0, 0, 0] if bias is None else bias
    taken = _fit(x, window) and kernel.shape == (*window.size, x.shape[3], len(b)) and tiles.take(x, kernel, b)
    if taken and winograd.suits(window, *kernel.shape[2:]):
        return winograd.correlate(x, kernel, window, bias, least)
    way = tiles.correlate if taken else patches.correlate
    return way(x, kernel, window, bias, least)


def kernel_gradient(x: Array, dz: Array, window: Window, db: Array | None = None) -> Array:
    """Return dL/dkernel (h, w, C, F) from dz = dL/dz: see ``transposed_patches_times``.

    The gradient of a bias (F,), the sum of dz, is written into ``db``.
    """
    taken = _fit(x, window, dz) and tiles.take(x, dz)
    if taken and winograd.suits(window, x.shape[3], dz.shape[3]):
        return winograd.kernel_gradient(x, dz, window, db)
    if taken:
        return tiles.kernel_gradient(x, dz, window, db)
    if db is not None:
        sum_of_rows(dz.reshape(-1, dz.shape[3]), out=db)
    return patches.kernel_gradient(x, dz, window)


def kernel_gradient_of_each(x: Array, dz: Array, window: Window) -> Array:
    """Return dL/dkernel of each sample alone, (N, h, w, C, F): dW_n = A_n' dz_n."""
    if _fit(x, window, dz) and tiles.take(x, dz):
        return tiles.kernel_gradient_of_each(x, dz, window)
    return patches.kernel_gradient_of_each(x, dz, window)


def _fit(x: Array, window: Window, dz: Array | None = None) -> bool:
    """Return whether images and maps are the window's: the loops look at no shape; NumPy refuses what is not."""
    return x.shape[1:3] == window.image and (dz is None or dz.shape[:3] == (len(x), *window.positions))


def input_gradient(
    dz: Array, kernel: Array, window: Window, seen: Array | None = None, least: float = 0.0
) -> Array:
    """Return dx = dL/dx (N, H, W, C): by ``gather`` where that is the faster one, else by ``scatter``.

    Given a ``seen`` of that shape, it is dx where that is above ``least``, and 0 dx elsewhere. If x = max(u, least)
    is what it is given, that is the gradient by u.
    """
    C, F = kernel.shape[2:]
    # gather makes patches of dz, h w F numbers each; scatter makes none, but passes over dx for each kernel entry.
    gathers = window.strides == (1, 1) and 2 * C >= F
    if seen is not None and gathers and winograd.suits(window, F, C) and tiles.take(dz, kernel, seen):
        return winograd.correlate_where(dz, _in_reverse(kernel), window.backward, seen, least)
    dx = (gather if gathers else scatter)(dz, kernel, window)
    return dx if seen is None else where_above(dx, seen, least, dx)


def scatter(dz: Array, kernel: Array, window: Window) -> Array:
    """Return dx: each kernel entry (i, j) sends dz back to the pixels that it saw. See ``scattered_back``."""
    C, F = kernel.shape[2:]
    dx = memory.empty((len(dz), *window.image, C), dz.dtype)

    def send_back(few: slice) -> None:
        dx[few] = scattered_back(dz[few], kernel, window)

    each(send_back, blocks(len(dz), window.padded[0] * window.padded[1] * max(C, F) * dz.itemsize))
    return dx


def gather(dz: Array, kernel: Array, window: Window) -> Array:
    """Return dx, for stride 1: dz correlated with the kernel in reverse, its channels and filters swapped."""
    return correlate(dz, _in_reverse(kernel), window.backward)


def _in_reverse(kernel: Array) -> Array:
    return kernel[::-1, ::-1].swapaxes(2, 3)
