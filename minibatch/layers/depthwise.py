"""Convolution with one kernel for each channel, and its gradients: channels never meet.

Axes: N samples, H height, W width, C channels in, M outputs of each; h, w the kernel's; OH, OW positions.
x (N, H, W, C), kernel (h, w, C, M): channel c becomes the M channels c M, ..., c M + M - 1,

    z[n, p, q, c, m] = sum over i, j of  x[n, p s + i d, q s + j d, c] kernel[i, j, c, m].

There is no matrix in this, so it is a sum over the kernel's entries, each over whole images.
"""

from __future__ import annotations

import numpy as np

from minibatch import memory
from minibatch.layers.window import Window, blocks
from minibatch.parallel import each
from minibatch.typing import Array


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
