"""Convolution a few images at a time, by several threads, beside the formulas that it is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minibatch import parallel
from minibatch.layers import correlation
from minibatch.layers import window as window_module
from minibatch.layers.correlation import (
    correlate,
    input_gradient,
    kernel_gradient,
    patches_times,
    scattered_back,
    transposed_patches_times,
)
from minibatch.layers.product import GRAIN, product
from minibatch.layers.window import Window


@st.composite
def windows(draw: st.DrawFn) -> Window:
    pair = lambda low, high: st.tuples(st.integers(low, high), st.integers(low, high))  # noqa: E731  # a short name
    size, dilation = draw(pair(1, 3)), draw(pair(1, 2))
    image = draw(pair(5, 9))
    return Window.over(image, size, draw(pair(1, 3)), draw(st.sampled_from(["valid", "same"])), dilation)


@settings(max_examples=60, deadline=None)
@given(
    window=windows(),
    N=st.integers(1, 9),
    C=st.integers(1, 5),
    F=st.integers(1, 5),
    block=st.sampled_from([1, 3000, 2**20]),
    seed=st.integers(0, 99),
)
def test_the_fast_forms_are_the_formulas(window: Window, N: int, C: int, F: int, block: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(N, *window.image, C))
    kernel, bias = rng.normal(size=(*window.size, C, F)), rng.normal(size=F)
    dz = rng.normal(size=(N, *window.positions, F))
    close = {"rtol": 1e-12, "atol": 1e-12}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(window_module, "BLOCK", block)
        np.testing.assert_allclose(correlate(x, kernel, window), patches_times(x, kernel, window), **close)
        np.testing.assert_allclose(
            correlate(x, kernel, window, bias), patches_times(x, kernel, window) + bias, **close
        )
        np.testing.assert_allclose(kernel_gradient(x, dz, window), transposed_patches_times(x, dz, window), **close)
        np.testing.assert_allclose(input_gradient(dz, kernel, window), scattered_back(dz, kernel, window), **close)


def test_the_formulas_are_the_sums_that_the_page_says(rng: np.random.Generator) -> None:
    """z[n, p, q, f] = sum over i, j, c of x[n, p s + i d, q s + j d, c] kernel[i, j, c, f], entry by entry."""
    window = Window.over((5, 6), (2, 3), (2, 1), "valid", (1, 2))
    x, kernel = rng.normal(size=(2, 5, 6, 2)), rng.normal(size=(2, 3, 2, 3))
    z = np.zeros((2, *window.positions, 3))
    for n, p, q, f in np.ndindex(z.shape):
        for i, j, c in np.ndindex(2, 3, 2):
            z[n, p, q, f] += x[n, 2 * p + i, q + 2 * j, c] * kernel[i, j, c, f]
    np.testing.assert_allclose(patches_times(x, kernel, window), z, rtol=1e-12)


@pytest.mark.parametrize("threads", [2, 3, 8])
def test_the_number_of_threads_changes_no_bit(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    window = Window.over((9, 9), (3, 3), (1, 1), "same")
    x = rng.normal(size=(40, 9, 9, 3)).astype(np.float32)
    kernel = rng.normal(size=(3, 3, 3, 5)).astype(np.float32)
    dz = rng.normal(size=(40, 9, 9, 5)).astype(np.float32)
    monkeypatch.setattr(window_module, "BLOCK", 9 * 9 * 27 * 4)  # an image at a time

    def everything() -> list[np.ndarray]:
        return [
            correlate(x, kernel, window),
            kernel_gradient(x, dz, window),
            input_gradient(dz, kernel, window),
        ]

    monkeypatch.setattr(parallel, "_threads", 1)
    alone = everything()
    monkeypatch.setattr(parallel, "_threads", threads)
    for _ in range(5):
        for mine, expected in zip(everything(), alone, strict=True):
            np.testing.assert_array_equal(mine, expected)


def test_more_pieces_than_partial_sums(monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator) -> None:
    window = Window.over((4, 4), (2, 2), (1, 1), "valid")
    x, dz = (
        rng.normal(size=(2 * correlation.PARTS + 3, 4, 4, 2)),
        rng.normal(size=(2 * correlation.PARTS + 3, 3, 3, 2)),
    )
    monkeypatch.setattr(window_module, "BLOCK", 1)
    np.testing.assert_allclose(
        kernel_gradient(x, dz, window), transposed_patches_times(x, dz, window), rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize("shape", [(5, 7, 200), (200, 7, 5), (64, 3, 64), (1, 4, 300), (60, 1, 70)])
@pytest.mark.parametrize("given_out", [False, True])
def test_a_product_in_pieces_is_the_product(
    shape: tuple[int, int, int], given_out: bool, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
) -> None:
    N, I, O = shape  # noqa: E741  # the maths' letters
    a, b = rng.normal(size=(N, I)), rng.normal(size=(I, O))
    for threads in (1, 3):
        monkeypatch.setattr(parallel, "_threads", threads)
        for piece in (1, N * I * O // 5):
            monkeypatch.setattr("minibatch.layers.product.PIECE", piece)
            out = np.empty((N, O)) if given_out else None
            z = product(a, b, out)
            np.testing.assert_allclose(z, a @ b, rtol=1e-12)
            assert out is None or z is out
    assert max(N, O) % GRAIN or max(N, O) == 64  # so that a last piece is a short one, too
