"""Winograd's form of a convolution with a window of 3 x 3 pixels, beside the formula of every convolution."""

from __future__ import annotations

import itertools
import threading
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minibatch import parallel
from minibatch.compiling import PLAIN
from minibatch.layers import correlation, tiles, winograd
from minibatch.layers.correlation import patches_times, transposed_patches_times
from minibatch.layers.window import Window
from minibatch.typing import Array


@st.composite
def windows(draw: st.DrawFn) -> Window:
    image = draw(st.tuples(st.integers(3, 13), st.integers(3, 13)))
    window = Window.over(image, (3, 3), (1, 1), draw(st.sampled_from(["valid", "same", "causal"])))
    return window.backward if draw(st.booleans()) else window


def one_of(dtype: type, N: int, window: Window, C: int, F: int, seed: int) -> tuple[Array, ...]:
    rng = np.random.default_rng(seed)
    x, kernel = rng.normal(size=(N, *window.image, C)), rng.normal(size=(3, 3, C, F))
    bias, dz = rng.normal(size=F), rng.normal(size=(N, *window.positions, F))
    return tuple(array.astype(dtype) for array in (x, kernel, bias, dz))


@settings(max_examples=50, deadline=None)
@given(window=windows(), N=st.integers(0, 3), C=st.integers(1, 5), F=st.integers(1, 5), seed=st.integers(0, 99))
def test_the_formula_is_the_convolution(window: Window, N: int, C: int, F: int, seed: int) -> None:
    x, kernel, _, _ = one_of(np.float64, N, window, C, F, seed)
    z = winograd.transformed_times(x, kernel, window)
    np.testing.assert_allclose(z, patches_times(x, kernel, window), rtol=1e-12, atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(
    window=windows(),
    N=st.integers(0, 5),
    C=st.integers(1, 40),
    F=st.integers(1, 40),
    small=st.booleans(),
    dtype=st.sampled_from([np.float32, np.float64]),
    seed=st.integers(0, 99),
)
def test_the_fast_form_is_the_formula(
    window: Window, N: int, C: int, F: int, small: bool, dtype: type, seed: int
) -> None:
    x, kernel, bias, dz = one_of(dtype, N, window, C, F, seed)
    close: Any = {"rtol": 1e-12, "atol": 1e-12} if dtype == np.float64 else {"rtol": 1e-4, "atol": 1e-4}
    with pytest.MonkeyPatch.context() as patch:
        winograd._room.cache_clear()
        if small:  # an image at a time, and a row of tiles a turn
            patch.setattr(winograd, "PIECES", 100)
            patch.setattr(winograd, "TILES", 1)
            patch.setattr(winograd, "SUMS", seed % 2 << 16)
            patch.setattr(winograd, "TURN", 1)
        z = winograd.transformed_times(x, kernel, window)
        np.testing.assert_allclose(winograd.correlate(x, kernel, window), z, **close)
        above = np.maximum(z + bias, 0.5)
        np.testing.assert_allclose(winograd.correlate(x, kernel, window, bias, least=0.5), above, **close)
        dW = transposed_patches_times(x, dz, window)
        np.testing.assert_allclose(winograd.kernel_gradient(x, dz, window), dW, **close)
        for seen in (dz, np.zeros_like(dz), dz - np.inf):
            where = winograd.correlate_where(x, kernel, window, seen, 0.25)
            np.testing.assert_allclose(where, z * (seen > 0.25), **close)
        db = np.full(F, np.nan, dtype)
        np.testing.assert_array_equal(
            winograd.kernel_gradient(x, dz, window, db), winograd.kernel_gradient(x, dz, window)
        )
        np.testing.assert_allclose(db, dz.sum(axis=(0, 1, 2)), **close)
        strided = np.repeat(x, 2, axis=2)[:, :, ::2]
        np.testing.assert_array_equal(
            winograd.correlate(strided, kernel, window), winograd.correlate(x, kernel, window)
        )
    winograd._room.cache_clear()


@pytest.mark.parametrize("image", [(3, 3), (4, 7), (7, 4), (8, 8)])
@pytest.mark.parametrize(("C", "F"), [(16, 16), (17, 33), (35, 19)])
def test_nothing_is_written_beyond_an_edge(image: tuple[int, int], C: int, F: int) -> None:
    from minibatch import board
    from minibatch.layers import winograd_kernels as kernels

    window = Window.over(image, (3, 3), (1, 1), "same")
    x, kernel, bias, dz = one_of(np.float32, 2, window, C, F, 0)
    alone, every, pads = board.empty(), (2, 2), (1, 1)
    U = np.full((winograd.PLACES + 2, C, F), 7.0, np.float32)
    kernels.transform_kernels(alone, (C * F, 50), kernel, U[1:-1], -1, -1)
    z = np.full((4, *image, F), 7.0, np.float32)
    down, across = (-(-extent // winograd.TILE) for extent in image)
    rows, size = winograd._room(2 * down, across, C, F, 4)
    rooms, taken = np.full((3, size), 7.0, np.float32), np.array([0, 1])
    turn = rows, rooms[1:], taken
    how = bias, np.zeros(F, np.float32), np.float32(-np.inf), z[:0], kernels.runs(C)
    kernels.correlate(alone, (2 * down, down + 1), x, pads, U[1:-1], *how, *turn, None, z[1:-1], -1, -1)
    np.testing.assert_allclose(z[1:-1], patches_times(x, kernel, window) + bias, rtol=1e-4, atol=1e-4)
    parts, totals = np.full((3, winograd.PLACES, C, F), 7.0, np.float32), np.full((3, F), 7.0, np.float32)
    kernels.sums(alone, every, x, pads, dz, winograd.HERE, *turn, parts[1:-1], totals[1:-1], -1, -1)
    np.testing.assert_allclose(totals[1], dz.sum(axis=(0, 1, 2)), rtol=1e-4, atol=1e-4)
    dW = np.full((5, 3, C, F), 7.0, np.float32)
    kernels.kernel_gradient(alone, (C * F, 50), parts[1:-1], dW[1:-1], -1, -1)
    np.testing.assert_allclose(dW[1:-1], transposed_patches_times(x, dz, window), rtol=1e-4, atol=1e-4)
    for guarded in (U, z, parts, totals, dW, rooms):
        assert (guarded[[0, -1]] == 7).all()
    assert taken.tolist() == [0, 1]


def test_the_matrices_are_a_polynomial_at_six_points() -> None:
    """Row by row: the powers of 0, a, -a, b, -b and infinity; and B as the others ask for."""
    D, A_, B_, G_ = winograd._matrices(5 / 8, 3 / 2)
    A, B, G = D @ A_, (D @ B_).T, D @ G_
    points = [0, 5 / 8, -5 / 8, 3 / 2, -3 / 2]
    np.testing.assert_array_equal(A[:5], [[p**k for k in range(4)] for p in points])
    np.testing.assert_allclose(G[:5] / G[:5, :1], [[p**k for k in range(3)] for p in points], rtol=1e-15)
    np.testing.assert_array_equal(A[5], [0, 0, 0, 1])
    np.testing.assert_array_equal(G[5], [0, 0, 1])
    for i, j in itertools.product(range(6), range(3)):  # y[p] = the sum over j of d[p + j] g[j]
        d, g = np.eye(6)[i], np.eye(3)[j]
        y = A.T @ ((G @ g) * (B.T @ d))
        np.testing.assert_allclose(y, [d[p + j] for p in range(4)], atol=1e-15)
    for M in (A_, B_, D):  # these round nothing by themselves
        np.testing.assert_array_equal(M, M.astype(np.float32))


@pytest.mark.skipif(PLAIN, reason="the plain forms leave the order of the sums to NumPy")
def test_how_much_less_exact_it_is_than_the_plain_sums(rng: np.random.Generator) -> None:
    """The root of the mean squared error, of outputs and gradients, with and without negative inputs: twice."""
    window = Window.over((16, 16), (3, 3), (1, 1), "same")
    for positive in (False, True):
        x, kernel = rng.normal(size=(4, 16, 16, 64)).astype("f"), rng.normal(size=(3, 3, 64, 64)).astype("f")
        x, dz = np.maximum(x, 0) if positive else x, rng.normal(size=(4, 16, 16, 64)).astype("f")
        z = patches_times(x.astype(float), kernel.astype(float), window)
        dW = transposed_patches_times(x.astype(float), dz.astype(float), window)
        plain, ours = (
            np.sqrt(np.mean((way(x, kernel, window) - z) ** 2)) for way in (patches_times, winograd.correlate)
        )
        assert ours < 2.5 * plain
        plain, ours = (
            np.sqrt(np.mean((way(x, dz, window) - dW) ** 2))
            for way in (transposed_patches_times, winograd.kernel_gradient)
        )
        assert ours < 2.5 * plain


@settings(max_examples=60, deadline=None)
@given(
    window=windows(),
    C=st.integers(16, 40),
    F=st.integers(16, 20),
    share=st.sampled_from([0.0, 0.02, 0.1, 0.5]),
    dtype=st.sampled_from([np.float32, np.float64]),
    seed=st.integers(0, 99),
)
def test_what_sees_nothing_but_zeros_is_what_the_bias_makes_of_zero(
    window: Window, C: int, F: int, share: float, dtype: type, seed: int
) -> None:
    """To the bit: rounding would put it above or below the corner of a ReLU, which a bias of zero puts there."""
    x, kernel, bias, dz = one_of(dtype, 3, window, C, F, seed)
    rng = np.random.default_rng(seed)
    x *= rng.random((*x.shape[:3], 1)) < share
    x[..., 1:] *= rng.random(x[..., 1:].shape) < 0.5
    x = np.where(x == 0, rng.choice([0.0, -0.0], x.shape), x).astype(dtype)
    blank = ~window.patches(window.pad(x != 0)).any(axis=(3, 4, 5))
    z = winograd.correlate(x, kernel, window)
    assert not z[blank].any()
    above = winograd.correlate(x, kernel, window, bias, least=0.0)
    np.testing.assert_array_equal(above[blank], np.maximum(np.tile(bias, (blank.sum(), 1)), 0))
    assert not winograd.correlate_where(x, kernel, window, dz, 0.0)[blank].any()
    np.testing.assert_allclose(z, patches_times(x, kernel, window), rtol=1e-4, atol=1e-4)


def test_no_bit_depends_on_threads_or_on_the_samples_beside(rng: np.random.Generator) -> None:
    window = Window.over((9, 8), (3, 3), (1, 1), "same")
    x, kernel, _, dz = one_of(np.float32, 40, window, 24, 40, 3)
    before = parallel.threads()
    found = []
    try:
        for count in (1, 3):
            parallel.set_threads(count)
            found.append((winograd.correlate(x, kernel, window), winograd.kernel_gradient(x, dz, window)))
    finally:
        parallel.set_threads(before)
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(winograd.correlate(x[7:8], kernel, window)[0], found[0][0][7])


def test_what_is_no_number_spoils_the_tiles_that_see_it_and_no_more(rng: np.random.Generator) -> None:
    window = Window.over((16, 16), (3, 3), (1, 1), "same")
    x, kernel, _, _ = one_of(np.float32, 2, window, 16, 16, 0)
    whole = winograd.correlate(x, kernel, window)
    x[0, 4, 9, 3] = np.nan
    z = winograd.correlate(x, kernel, window)
    assert np.isnan(z[0, 3:6, 8:11]).all()
    # Pixel 4 is seen, with one pixel around, by the tiles of rows 0 to 3 and 4 to 7; 9 by the one of 8 to 11.
    z[0, 0:8, 8:12] = whole[0, 0:8, 8:12]
    np.testing.assert_array_equal(z, whole)


@pytest.mark.parametrize(
    ("size", "strides", "dilation", "C", "F", "suits"),
    [
        ((3, 3), (1, 1), (1, 1), 16, 16, True),
        ((3, 3), (1, 1), (1, 1), 3, 64, False),
        ((3, 3), (1, 1), (1, 1), 64, 8, False),
        ((3, 3), (2, 2), (1, 1), 16, 16, False),
        ((3, 3), (1, 1), (2, 2), 16, 16, False),
        ((5, 5), (1, 1), (1, 1), 16, 16, False),
        ((1, 3), (1, 1), (1, 1), 16, 16, False),
    ],
)
def test_convolutions_go_this_way_where_it_suits(
    size: tuple[int, int],
    strides: tuple[int, int],
    dilation: tuple[int, int],
    C: int,
    F: int,
    suits: bool,
    monkeypatch: pytest.MonkeyPatch,
    rng: np.random.Generator,
) -> None:
    window = Window.over((9, 9), size, strides, "same", dilation)
    x, kernel = rng.normal(size=(2, 9, 9, C)), rng.normal(size=(*size, C, F))
    dz = rng.normal(size=(2, *window.positions, F))
    seen = []
    for name in ("correlate", "kernel_gradient"):
        form = getattr(winograd, name)
        monkeypatch.setattr(winograd, name, lambda *args, form=form: (seen.append(form), form(*args))[1])
    monkeypatch.setattr(tiles, "at_hand", lambda: True)
    z = correlation.correlate(x, kernel, window)
    dW = correlation.kernel_gradient(x, dz, window)
    assert len(seen) == 2 * suits
    np.testing.assert_allclose(z, patches_times(x, kernel, window), rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(dW, transposed_patches_times(x, dz, window), rtol=1e-10, atol=1e-10)


def test_there_is_a_room_for_each_who_may_come_whatever_others_set(
    monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
) -> None:
    """Another thread may change the number of threads between two looks; and it may be any number."""
    window = Window.over((9, 8), (3, 3), (1, 1), "same")
    x, kernel, _, dz = one_of(np.float32, 40, window, 24, 40, 3)
    expected = winograd.correlate(x, kernel, window), winograd.kernel_gradient(x, dz, window)
    counts = itertools.cycle([1, 2, 100_000])
    monkeypatch.setattr("minibatch.parallel.threads", lambda: next(counts))
    for few in (1, 40):
        for _ in range(3):
            _, rooms, taken = winograd._turn(40, few, 2, 24, 40, np.dtype(np.float32))
            assert len(rooms) == len(taken) <= 40 // few
    for _ in range(6):
        np.testing.assert_array_equal(winograd.correlate(x, kernel, window), expected[0])
        np.testing.assert_array_equal(winograd.kernel_gradient(x, dz, window), expected[1])


def test_kernels_that_stand_still_are_transformed_once(
    monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
) -> None:
    window = Window.over((9, 8), (3, 3), (1, 1), "same")
    x, kernel, _, _ = one_of(np.float32, 3, window, 24, 48, 3)
    halves = kernel[..., :24], kernel[..., 24:]  # of one place and one shape each, as those of groups
    expected = [winograd.correlate(x, half, window) for half in halves]
    jobs: list[str] = []
    together = winograd.together
    monkeypatch.setattr(
        winograd, "together", lambda job, *rest, **more: (jobs.append(job.__name__), together(job, *rest, **more))
    )
    with winograd.standing_kernels({}):
        for _ in range(3):
            for half, z in zip(halves, expected, strict=True):
                np.testing.assert_array_equal(winograd.correlate(x, half, window), z)
        seen_elsewhere: list[Array] = []
        thread = threading.Thread(target=lambda: seen_elsewhere.append(winograd.correlate(x, halves[0], window)))
        thread.start()
        thread.join()
        np.testing.assert_array_equal(seen_elsewhere[0], expected[0])
    assert jobs.count("transform_kernels") == 3  # two here, one in the other thread
    kernel *= 2
    np.testing.assert_allclose(winograd.correlate(x, halves[0], window), 2 * expected[0], rtol=1e-4, atol=1e-4)


def test_a_transform_is_kept_once_it_is_whole(monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator) -> None:
    """Found by two threads that went through one network: the second took what the first was still at."""
    window = Window.over((9, 8), (3, 3), (1, 1), "same")
    x, kernel, _, _ = one_of(np.float32, 3, window, 24, 48, 3)
    expected, together = winograd.correlate(x, kernel, window), winograd.together

    def late(job: Any, *rest: Any, **more: Any) -> None:
        if job.__name__ == "transform_kernels":
            time.sleep(0.05)
        together(job, *rest, **more)

    monkeypatch.setattr(winograd, "together", late)
    transforms: winograd.Transforms = {}
    found: list[Array] = []

    def look() -> None:
        with winograd.standing_kernels(transforms):
            found.append(winograd.correlate(x, kernel, window))

    first, second = (threading.Thread(target=look) for _ in range(2))
    first.start()
    time.sleep(0.01)
    second.start()
    first.join()
    second.join()
    for z in found:
        np.testing.assert_array_equal(z, expected)
