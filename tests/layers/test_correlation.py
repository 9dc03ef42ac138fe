"""Convolution in compiled tiles, and by patches of a few images at a time, beside the formulas that it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from minibatch import memory, parallel
from minibatch.compiling import PLAIN
from minibatch.layers import convolution_kernels as kernels
from minibatch.layers import patches, tiles
from minibatch.layers import window as window_module
from minibatch.layers.correlation import (
    correlate,
    input_gradient,
    kernel_gradient,
    kernel_gradient_of_each,
    patches_times,
    scattered_back,
    transposed_patches_times,
)
from minibatch.layers.window import Window


@st.composite
def windows(draw: st.DrawFn) -> Window:
    pair = lambda low, high: st.tuples(st.integers(low, high), st.integers(low, high))  # noqa: E731  # a short name
    size, dilation = draw(pair(1, 3)), draw(pair(1, 2))
    image = draw(pair(5, 9))
    return Window.over(image, size, draw(pair(1, 3)), draw(st.sampled_from(["valid", "same"])), dilation)


@pytest.fixture(params=["tiles", "patches"])
def way(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Let convolutions go this way and no other, whatever the processor. Return the module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiles, "at_hand", lambda: request.param == "tiles")
        yield {"tiles": tiles, "patches": patches}[request.param]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    window=windows(),
    N=st.integers(1, 9),
    C=st.integers(1, 9),
    F=st.integers(1, 40),
    small=st.booleans(),
    dtype=st.sampled_from([np.float32, np.float64]),
    seed=st.integers(0, 99),
)
def test_the_fast_forms_are_the_formulas(
    way: Any, window: Window, N: int, C: int, F: int, small: bool, dtype: type, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(N, *window.image, C)).astype(dtype)
    kernel, bias = rng.normal(size=(*window.size, C, F)).astype(dtype), rng.normal(size=F).astype(dtype)
    dz = rng.normal(size=(N, *window.positions, F)).astype(dtype)
    close: Any = {"rtol": 1e-12, "atol": 1e-12} if dtype == np.float64 else {"rtol": 1e-4, "atol": 1e-4}
    with pytest.MonkeyPatch.context() as patch:
        if small:  # an image at a time, and rows of one
            patch.setattr(tiles, "WORK", 1)
            patch.setattr(tiles, "BYTES", 1)
            patch.setattr(patches, "BLOCK", 3000)
            patch.setattr(window_module, "BLOCK", 1)
        z = patches_times(x, kernel, window)
        np.testing.assert_allclose(correlate(x, kernel, window), z, **close)
        np.testing.assert_allclose(correlate(x, kernel, window, bias), z + bias, **close)
        above = np.maximum(z + bias, 0.5)
        np.testing.assert_allclose(correlate(x, kernel, window, bias, least=0.5), above, **close)
        dW = transposed_patches_times(x, dz, window)
        np.testing.assert_allclose(kernel_gradient(x, dz, window), dW, **close)
        of_each = kernel_gradient_of_each(x, dz, window)
        for n in range(N):
            alone = transposed_patches_times(x[n : n + 1], dz[n : n + 1], window)
            np.testing.assert_allclose(of_each[n], alone, **close)
        np.testing.assert_allclose(input_gradient(dz, kernel, window), scattered_back(dz, kernel, window), **close)


@pytest.mark.parametrize("kinds", ["fd", "df", "ee", "ff", (">f4", ">f4")])
def test_arrays_of_other_types_are_convolved_too(kinds: Sequence[str], rng: np.random.Generator) -> None:
    window = Window.over((5, 5), (3, 3), (1, 1), "same")
    x, kernel = rng.normal(size=(2, 5, 5, 3)).astype(kinds[0]), rng.normal(size=(3, 3, 3, 4)).astype(kinds[1])
    dz, loose = rng.normal(size=(2, 5, 5, 4)).astype(kinds[1]), {"rtol": 0.02, "atol": 0.05}
    np.testing.assert_allclose(correlate(x, kernel, window), patches_times(x, kernel, window), **loose)
    np.testing.assert_allclose(
        correlate(x, kernel, window, np.ones(4)), patches_times(x, kernel, window) + 1, **loose
    )
    np.testing.assert_allclose(kernel_gradient(x, dz, window), transposed_patches_times(x, dz, window), **loose)


def test_what_does_not_fit_is_refused() -> None:
    """The compiled loops look at no shape: before them somebody must."""
    window = Window.over((6, 6), (3, 3), (1, 1), "valid")
    x, kernel, dz = np.ones((4, 6, 6, 3)), np.ones((3, 3, 8, 5)), np.ones((4, 4, 4, 5))
    for call in (
        lambda: correlate(x, kernel, window),
        lambda: correlate(x, kernel[:, :, :3], window, np.ones(4)),
        lambda: kernel_gradient(x, dz[:3], window),
        lambda: kernel_gradient(x[:3], dz, window),
    ):
        with pytest.raises((ValueError, IndexError)):
            call()


def test_a_batch_of_no_images_has_a_gradient_of_zero(way: Any) -> None:
    window = Window.over((6, 6), (3, 3), (1, 1), "valid")
    dW = way.kernel_gradient(np.ones((0, 6, 6, 2)), np.ones((0, 4, 4, 5)), window)
    np.testing.assert_array_equal(dW, np.zeros((3, 3, 2, 5)))


def test_what_is_no_number_stays_so_above_a_least(way: Any) -> None:
    x, kernel = (
        np.array([np.nan, -1.0, np.inf, 2.0], np.float32).reshape(1, 1, 4, 1),
        np.ones((1, 1, 1, 1), np.float32),
    )
    z = way.correlate(x, kernel, Window.over((1, 4), (1, 1), (1, 1), "valid"), least=0.0)
    np.testing.assert_array_equal(z.ravel(), [np.nan, 0, np.inf, 2])


@pytest.mark.parametrize("OW", [1, 3, 4, 7, 8, 9, 12, 13, 17])
@pytest.mark.parametrize("F", [1, 7, 8, 9, 16, 17, 32, 33])
def test_tiles_that_reach_beyond_an_edge_write_nothing_there(OW: int, F: int, rng: np.random.Generator) -> None:
    window = Window.over((2, OW + 2), (1, 3), (1, 1), "valid")
    for dtype in (np.float32, np.float64):
        x, W = rng.normal(size=(3, 2, OW + 2, 5)).astype(dtype), rng.normal(size=(15, F)).astype(dtype)
        dz = rng.normal(size=(3 * 2 * OW, F)).astype(dtype)
        guarded = np.full((2 + 3 * 2 * OW, F), 7.0, dtype)
        layout, positions = tiles._layout(window, 5), (3, 2, OW)
        kernels.correlate(
            x.reshape(-1),
            *layout,
            W,
            np.zeros(F, dtype),
            dtype(-np.inf),
            positions,
            (0, F),
            guarded[1:-1],
            False,
            None,
        )
        assert (guarded[[0, -1]] == 7).all()
        A = window.patches(x).reshape(-1, 15)
        np.testing.assert_allclose(guarded[1:-1], A @ W, rtol=1e-4, atol=1e-4)
        guarded = np.full((17, F), 7.0, dtype)
        kernels.kernel_gradient(x.reshape(-1), *layout, dz, positions, guarded[1:-1], False, None)
        assert (guarded[[0, -1]] == 7).all()
        np.testing.assert_allclose(guarded[1:-1], A.T @ dz, rtol=1e-4, atol=1e-4)


@pytest.mark.skipif(PLAIN, reason="the plain forms of the tiles leave the order to BLAS")
def test_an_output_is_summed_in_one_order_wherever_it_lies(rng: np.random.Generator) -> None:
    """A pixel's output has the same bits alone, in a row of seventeen, and beside other filters."""
    x, kernel = (rng.normal(size=shape).astype(np.float32) for shape in ((4, 5, 19, 6), (3, 3, 6, 37)))
    window = Window.over((5, 19), (3, 3), (1, 1), "valid")
    whole = tiles.correlate(x, kernel, window)
    alone = Window.over((3, 3), (3, 3), (1, 1), "valid")
    for q in (0, 3, 8, 15, 16):
        for f in (0, 16, 36):
            one = tiles.correlate(x[2:3, 1:4, q : q + 3], kernel[..., f : f + 1], alone)
            assert one.item() == whole[2, 1, q, f]


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
def test_the_number_of_threads_changes_no_bit(way: Any, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    window = Window.over((9, 9), (3, 3), (1, 1), "same")
    x = rng.normal(size=(40, 9, 9, 3)).astype(np.float32)
    kernel = rng.normal(size=(3, 3, 3, 5)).astype(np.float32)
    dz = rng.normal(size=(40, 9, 9, 5)).astype(np.float32)
    # An image at a time.
    monkeypatch.setattr(patches, "BLOCK", 9 * 9 * 27 * 4)
    monkeypatch.setattr(tiles, "BYTES", 1)

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


def test_more_pieces_than_partial_sums(way: Any, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator) -> None:
    window = Window.over((4, 4), (2, 2), (1, 1), "valid")
    N = 2 * parallel.PARTS + 3
    x, dz = rng.normal(size=(N, 4, 4, 2)), rng.normal(size=(N, 3, 3, 2))
    monkeypatch.setattr(patches, "BLOCK", 1)
    monkeypatch.setattr(tiles, "BYTES", 1)
    np.testing.assert_allclose(
        kernel_gradient(x, dz, window), transposed_patches_times(x, dz, window), rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("C", "F"), [(3, 32), (20, 48), (3, 33), (32, 16)])
def test_what_is_written_past_the_cache_is_the_same(
    C: int, F: int, dtype: Any, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
) -> None:
    window = Window.over((21, 42), (3, 3), (1, 1), "same")
    x, kernel = rng.normal(size=(6, 21, 42, C)).astype(dtype), rng.normal(size=(3, 3, C, F)).astype(dtype)
    dz, bias = rng.normal(size=(6, 21, 42, F)).astype(dtype), rng.normal(size=F).astype(dtype)

    def passes() -> list[Any]:
        return [
            correlate(x, kernel, window, bias, 0.0),
            input_gradient(dz, kernel, window, x, 0.5),
            input_gradient(dz, kernel, window),
        ]

    monkeypatch.setattr(memory, "STREAM", 1 << 60)
    expected = passes()
    monkeypatch.setattr(memory, "STREAM", 1)
    for array, other in zip(passes(), expected, strict=True):
        np.testing.assert_array_equal(array, other)


@pytest.mark.parametrize("extent", [(64, 64), (1, 4000)])
def test_a_biass_gradient_is_a_sum_of_short_sums(extent: tuple[int, int], rng: np.random.Generator) -> None:
    """One long sum of a tenth, some hundred thousand times, is wrong in the fourth digit."""
    window = Window.over(extent, (1, 3), (1, 1), "same")
    x = rng.normal(size=(64, *extent, 2)).astype(np.float32)
    dz, db = np.full((64, *extent, 8), 0.1, np.float32), np.empty(8, np.float32)
    kernel_gradient(x, dz, window, db)
    np.testing.assert_allclose(db, dz.sum(axis=(0, 1, 2), dtype=np.float64), rtol=1e-5)
