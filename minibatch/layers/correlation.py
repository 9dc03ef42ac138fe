"""Cross-correlation of images with a kernel, and its gradients: the maths of every convolution here.

Axes: N samples, H height, W width, C channels in, F filters; h, w the kernel's; OH, OW positions (see ``window``).
x (N, H, W, C), kernel (h, w, C, F), z (N, OH, OW, F). Like every deep-learning library's "convolution" it does not
flip the kernel:

    z[n, p, q, f] = sum over i, j, c of  x[n, p s + i d, q s + j d, c] kernel[i, j, c, f]

with stride s and dilation d, x being padded. The patches that the window sees, as the rows of a matrix, make it a
product of two matrices. They are h w times the size of x, so they are made for a few images at a time, and made
again where the gradient needs them: that costs less than keeping them.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from minibatch.layers.window import Window, blocks
from minibatch.typing import Array


def rows_of_patches(x: Array, window: Window) -> Iterator[tuple[slice, Array]]:
    """Return, for a few samples at a time, (which, their patches (n * OH * OW, h * w * C))."""
    row = window.size[0] * window.size[1] * x.shape[-1]
    for few in blocks(len(x), window.positions[0] * window.positions[1] * row * x.itemsize):
        yield few, window.patches(window.pad(x[few])).reshape(-1, row)


def correlate(x: Array, kernel: Array, window: Window) -> Array:
    """Return z (N, OH, OW, F): z = A W, A the patches as rows, W (h * w * C, F) the kernel."""
    F = kernel.shape[-1]
    W = kernel.reshape(-1, F)
    z = np.empty((len(x), *window.positions, F), dtype=x.dtype)
    for few, A in rows_of_patches(x, window):
        np.matmul(A, W, out=z[few].reshape(-1, F))
    return z


def kernel_gradient(x: Array, dz: Array, window: Window) -> Array:
    """Return dL/dkernel (h, w, C, F) from dz = dL/dz: dW = A' dz."""
    C, F = x.shape[-1], dz.shape[-1]
    dW = np.zeros((window.size[0] * window.size[1] * C, F), dtype=dz.dtype)
    for few, A in rows_of_patches(x, window):
        dW += A.T @ dz[few].reshape(-1, F)
    return dW.reshape(*window.size, C, F)


def kernel_gradient_of_each(x: Array, dz: Array, window: Window) -> Array:
    """Return dL/dkernel of each sample alone, (N, h, w, C, F): dW_n = A_n' dz_n."""
    N, C, F = len(x), x.shape[-1], dz.shape[-1]
    D = dz.reshape(N, -1, F)
    dW = np.empty((N, window.size[0] * window.size[1] * C, F), dtype=dz.dtype)
    for few, A in rows_of_patches(x, window):
        A_n = A.reshape(len(D[few]), -1, A.shape[-1])
        np.matmul(A_n.transpose(0, 2, 1), D[few], out=dW[few])
    return dW.reshape(N, *window.size, C, F)


def input_gradient(dz: Array, kernel: Array, window: Window) -> Array:
    """Return dx = dL/dx (N, H, W, C): by ``gather`` where that is the faster one, else by ``scatter``."""
    C, F = kernel.shape[2:]
    # gather makes patches of dz, h w F numbers each; scatter makes none, but passes over dx for each kernel entry.
    if window.strides == (1, 1) and 2 * C >= F:
        return gather(dz, kernel, window)
    return scatter(dz, kernel, window)


def scatter(dz: Array, kernel: Array, window: Window) -> Array:
    """Return dx: each kernel entry (i, j) sends dz back to the pixels that it saw."""
    C, F = kernel.shape[2:]
    dx = np.empty((len(dz), *window.image, C), dtype=dz.dtype)
    for few in blocks(len(dz), window.padded[0] * window.padded[1] * max(C, F) * dz.itemsize):
        d = dz[few]
        padded = np.zeros((len(d), *window.padded, C), dtype=dz.dtype)
        for i, j in window.entries:
            sent = d.reshape(-1, F) @ kernel[i, j].T
            window.seen_from(padded, i, j)[...] += sent.reshape(*d.shape[:-1], C)
        dx[few] = window.crop(padded)
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
    z = np.zeros((len(x), *window.positions, C, M), dtype=x.dtype)
    for few in blocks(len(z), z[:1].nbytes):
        padded = window.pad(x[few])
        for i, j in window.entries:
            z[few] += window.seen_from(padded, i, j)[..., None] * kernel[i, j]
    return z.reshape(*z.shape[:3], C * M)


def depthwise_input_gradient(dz: Array, kernel: Array, window: Window) -> Array:
    """Return dx (N, H, W, C) from dz (N, OH, OW, C * M)."""
    C, M = kernel.shape[2:]
    dx = np.empty((len(dz), *window.image, C), dtype=dz.dtype)
    for few in blocks(len(dz), dz[:1].nbytes):
        d = dz[few].reshape(-1, *window.positions, C, M)
        padded = np.zeros((len(d), *window.padded, C), dtype=dz.dtype)
        for i, j in window.entries:
            window.seen_from(padded, i, j)[...] += np.einsum("npqcm,cm->npqc", d, kernel[i, j])
        dx[few] = window.crop(padded)
    return dx


def depthwise_kernel_gradient_of_each(x: Array, dz: Array, window: Window) -> Array:
    """Return dL/dkernel of each sample alone, (N, h, w, C, M); the batch's is their sum."""
    N, C = len(x), x.shape[-1]
    M = dz.shape[-1] // C
    dW = np.empty((N, *window.size, C, M), dtype=dz.dtype)
    for few in blocks(N, dz[:1].nbytes):
        padded = window.pad(x[few])
        d = dz[few].reshape(-1, *window.positions, C, M)
        for i, j in window.entries:
            dW[few, i, j] = np.einsum("npqc,npqcm->ncm", window.seen_from(padded, i, j), d)
    return dW


def depthwise_kernel_gradient(x: Array, dz: Array, window: Window) -> Array:
    """Return dL/dkernel (h, w, C, M), the sum over the samples."""
    dW: Array = depthwise_kernel_gradient_of_each(x, dz, window).sum(axis=0)
    return dW
