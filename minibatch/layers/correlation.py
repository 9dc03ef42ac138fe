"""Cross-correlation of images with a kernel, and its gradients: the maths of every convolution here.

Axes: N samples, H height, W width, C channels in, F filters; h, w the kernel's; OH, OW positions (see ``window``).
x (N, H, W, C), kernel (h, w, C, F), z (N, OH, OW, F). Like every deep-learning library's "convolution" it does not
flip the kernel:

    z[n, p, q, f] = sum over i, j, c of  x[n, p s + i d, q s + j d, c] kernel[i, j, c, f]

with stride s and dilation d, x being padded. The patches that the window sees, as the rows of a matrix, make it a
product of two matrices: ``patches_times`` and the functions beside it are that, for a whole batch, and are what
the others are tested against. But the patches are h w times the size of x; so they are made for a few images at a
time, in memory that is kept, and made again where the gradient needs them: that costs less than keeping them.
"""

from __future__ import annotations

import numpy as np

from minibatch import memory
from minibatch.layers.window import Window, blocks
from minibatch.parallel import each
from minibatch.typing import Array

#: A sum over samples is made of so many partial sums, or fewer: each is one thread's at a time, and they are added
#: up in order, so that the sum does not depend on how many threads there are.
PARTS = 16


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


# The same, a few images at a time, or a band of rows of a large one -----------------------------------------------

#: Which images, and which rows of positions in them.
Piece = tuple[slice, slice]


def pieces(x: Array, window: Window) -> list[Piece]:
    """Return how to cut a batch, so that the patches of a piece stay in the processor's cache: see ``blocks``."""
    OH, OW = window.positions
    row = OW * window.size[0] * window.size[1] * x.shape[-1] * x.itemsize
    bands = [slice(band.start, min(band.stop, OH)) for band in blocks(OH, row)]
    images = blocks(len(x), OH * row)
    return [(few, band) for few in images for band in bands]


def rows_of_patches(x: Array, window: Window, piece: Piece) -> Array:
    """Return the patches of a piece as rows, (n * rows * OW, h * w * C), in this thread's scratch memory."""
    few, band = piece
    seen = window.rows_seen(x[few], band)
    patches = window.patches(seen, band.stop - band.start)
    A = memory.scratch("patches", patches.shape, x.dtype)
    np.copyto(A, patches)
    return A.reshape(-1, window.size[0] * window.size[1] * x.shape[-1])


def correlate(x: Array, kernel: Array, window: Window, bias: Array | None = None) -> Array:
    """Return z (N, OH, OW, F), see ``patches_times``; with the bias (F,) added."""
    F = kernel.shape[-1]
    W = kernel.reshape(-1, F)
    z = memory.empty((len(x), *window.positions, F), x.dtype)

    def multiply(piece: Piece) -> None:
        rows = z[piece].reshape(-1, F)  # a view: several images are taken whole, and bands from one
        np.matmul(rows_of_patches(x, window, piece), W, out=rows)
        if bias is not None:
            rows += bias

    each(multiply, pieces(x, window))
    return z


def kernel_gradient(x: Array, dz: Array, window: Window) -> Array:
    """Return dL/dkernel (h, w, C, F) from dz = dL/dz: see ``transposed_patches_times``."""
    C, F = x.shape[-1], dz.shape[-1]
    shape = (window.size[0] * window.size[1] * C, F)

    whole = pieces(x, window)
    each_takes = -(-len(whole) // PARTS)
    parts = [whole[i : i + each_takes] for i in range(0, len(whole), each_takes)]
    totals = memory.empty((len(parts), *shape), dz.dtype)

    def add_up(part: int) -> None:
        product = memory.scratch("product", shape, dz.dtype)
        for k, piece in enumerate(parts[part]):
            A = rows_of_patches(x, window, piece)
            np.matmul(A.T, dz[piece].reshape(-1, F), out=product if k else totals[part])
            if k:
                totals[part] += product

    each(add_up, range(len(parts)))
    dW: Array = totals[0] if len(parts) == 1 else totals.sum(axis=0)
    return dW.reshape(*window.size, C, F)


def kernel_gradient_of_each(x: Array, dz: Array, window: Window) -> Array:
    """Return dL/dkernel of each sample alone, (N, h, w, C, F): dW_n = A_n' dz_n."""
    N, C, F = len(x), x.shape[-1], dz.shape[-1]
    dW = np.empty((N, window.size[0] * window.size[1] * C, F), dtype=dz.dtype)

    whole = pieces(x, window)
    bands = sum(few.start == 0 for few, _ in whole)

    def add_up(first: int) -> None:
        for few, band in whole[first : first + bands]:
            D = dz[few, band].reshape(len(x[few]), -1, F)
            A = rows_of_patches(x, window, (few, band)).reshape(*D.shape[:2], -1)
            product = A.transpose(0, 2, 1) @ D
            if band.start:
                dW[few] += product
            else:
                dW[few] = product

    each(add_up, range(0, len(whole), bands))
    return dW.reshape(N, *window.size, C, F)


def input_gradient(dz: Array, kernel: Array, window: Window) -> Array:
    """Return dx = dL/dx (N, H, W, C): by ``gather`` where that is the faster one, else by ``scatter``."""
    C, F = kernel.shape[2:]
    # gather makes patches of dz, h w F numbers each; scatter makes none, but passes over dx for each kernel entry.
    if window.strides == (1, 1) and 2 * C >= F:
        return gather(dz, kernel, window)
    return scatter(dz, kernel, window)


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
    return correlate(dz, kernel[::-1, ::-1].swapaxes(2, 3), window.backward)


# One kernel for each channel --------------------------------------------------------------------------------------
#
# kernel (h, w, C, M): channel c becomes the M channels c M, ..., c M + M - 1, and channels never meet:
# z[n, p, q, c, m] = sum over i, j of  x[n, p s + i d, q s + j d, c] kernel[i, j, c, m].
# There is no matrix in this, so it is a sum over the kernel's entries, each over whole images.


def depthwise(x: Array, kernel: Array, window: Window) -> Array:
    """Return z (N, OH, OW, C * M)."""
    C, M = kernel.shape[2:]
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
    dW: Array = depthwise_kernel_gradient_of_each(x, dz, window).sum(axis=0)
    return dW
