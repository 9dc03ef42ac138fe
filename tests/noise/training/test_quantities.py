"""The formulas of a batch's gradients, against plain NumPy over the rows, all subsets, and their identities."""

from __future__ import annotations

import itertools
import math
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from minibatch import parallel
from minibatch.compiling import PLAIN
from minibatch.noise.training import elementwise, pieces, quantities, shares, tiles
from minibatch.noise.training import sums as summing
from minibatch.noise.training import sums_kernels as kernels
from minibatch.noise.training.affine import Affine
from minibatch.noise.training.histograms import edges_around_zero, histogram, histogram_2d
from minibatch.noise.training.kept import Kept
from minibatch.noise.training.parabola import SMALLEST_VARIANCE, Slope, alpha, parabola
from minibatch.noise.training.plan import Plan
from minibatch.parallel import together


def rows(n: int, d: int = 5, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, d)) + 0.3


def sums(g: np.ndarray) -> tuple[float, float, float, int]:
    """Return (sum |g_i|^2, sum (g_i . g_B)^2, Q, B)."""
    mean = g.mean(axis=0)
    return float((g**2).sum()), float(((g @ mean) ** 2).sum()), float(mean @ mean), len(g)


# --- against the definitions --------------------------------------------------------------------------------


@given(st.integers(2, 9), st.integers(1, 6), st.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_the_three_tests_are_the_spreads_that_the_papers_define(n: int, d: int, seed: int) -> None:
    g = rows(n, d, seed)
    norm2, along2, Q, B = sums(g)
    mean = g.mean(axis=0)
    unit = mean / np.linalg.norm(mean)
    # Byrd 2012, eq. 3.9: the l1 norm of the sample variance, over B |g_B|^2.
    norm = math.sqrt(g.var(axis=0, ddof=1).sum() / (B * Q))
    # Bollapragada 2017, eq. 2.6: the variance of g_i . g_B over B |g_B|^4.
    inner = math.sqrt((g @ mean).var(ddof=1) / (B * Q**2))
    # Eq. 3.3: the part of g_i across g_B.
    across = g - (g @ unit)[:, None] * unit
    orthogonal = math.sqrt((across**2).sum() / ((B - 1) * B * Q))
    assert quantities.norm_test(norm2, Q, B) == pytest.approx(norm, rel=1e-9)
    assert quantities.inner_product_test(along2, Q, B) == pytest.approx(inner, rel=1e-7, abs=1e-7)
    # The root of a difference of squares: what is lost is half the digits of the larger one.
    assert quantities.orthogonality_test(norm2, along2, Q, B) == pytest.approx(
        orthogonal, rel=1e-6, abs=1e-5 * norm
    )


@given(st.integers(2, 9), st.integers(1, 6), st.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_pythagoras_of_the_tests_and_the_plug_in_noise_scale(n: int, d: int, seed: int) -> None:
    norm2, along2, Q, B = sums(rows(n, d, seed))
    norm = quantities.norm_test(norm2, Q, B)
    inner = quantities.inner_product_test(along2, Q, B)
    orthogonal = quantities.orthogonality_test(norm2, along2, Q, B)
    assert norm**2 == pytest.approx(inner**2 + orthogonal**2, rel=1e-9)
    S = quantities.trace_of_batch(norm2, Q, B)
    assert B * norm**2 == pytest.approx(quantities.ratio_of(S, Q), rel=1e-9)
    assert quantities.batch_size_of_norm_test(S, Q, theta=norm) == pytest.approx(B, rel=1e-9)


def test_cockpits_own_arithmetic() -> None:
    """As Cockpit writes them, from BackPACK's gradients divided by B."""
    g, lr, loss, eps = rows(8), 0.3, 0.7, 1e-5
    B, scaled, grad = len(g), g / len(g), g.mean(axis=0)
    norm2, along2, Q, _ = sums(g)
    var_l1 = (B**2 * (scaled**2).sum() - B * Q) / (B - 1)
    assert quantities.norm_test(norm2, Q, B) == pytest.approx(math.sqrt(var_l1 / B / Q))
    projections2 = (B * scaled @ grad) ** 2
    inner = math.sqrt((projections2.sum() / Q**2 - B) / (B * (B - 1)))
    assert quantities.inner_product_test(along2, Q, B) == pytest.approx(inner)
    orthogonal = math.sqrt((B**2 * (scaled**2).sum() / Q - projections2.sum() / Q**2) / (B * (B - 1)))
    assert quantities.orthogonality_test(norm2, along2, Q, B) == pytest.approx(orthogonal)
    sgs = (scaled**2).sum(axis=0)
    cabs = lr * (B**2 * sgs - B * grad**2).sum() / (B * loss)
    S = quantities.trace_of_batch(norm2, Q, B)
    assert quantities.cabs_batch_size(S, B, lr, loss) == pytest.approx(cabs)
    gsnr = (grad**2 / (B * sgs - grad**2 + eps)).mean()
    moment = (g**2).mean(axis=0)
    assert elementwise.mean_gsnr(moment, grad, B) == pytest.approx(gsnr)
    diag = (B**2 * sgs - B * grad**2) / (B - 1)
    assert elementwise.eb_criterion(moment, grad, B) == pytest.approx(1 - B * (grad**2 / (diag + eps)).mean())


# --- unbiased, over all batches -----------------------------------------------------------------------------


@pytest.mark.parametrize("b", [2, 3, 5])
def test_the_estimates_of_one_batch_are_unbiased_over_all_subsets(b: int) -> None:
    g = rows(6)
    N, G = len(g), g.mean(axis=0)
    S2, G2 = g.var(axis=0, ddof=1).sum(), G @ G
    estimates = []
    for members in itertools.combinations(range(N), b):
        norm2, _, Q, B = sums(g[list(members)])
        S = quantities.trace_of_batch(norm2, Q, B)
        estimates.append((S, quantities.signal_of_batch(Q, S, B, N), quantities.signal_of_batch(Q, S, B)))
    S, finite, infinite = np.mean(estimates, axis=0)
    assert pytest.approx(S2, rel=1e-12) == S
    assert finite == pytest.approx(G2, rel=1e-11)
    assert infinite == pytest.approx(G2 - S2 / N, rel=1e-11)  # what a population's form says of these samples


@pytest.mark.parametrize("b", [2, 3])
def test_with_replacement_no_correction_is_due(b: int) -> None:
    g = rows(4)
    N, G = len(g), g.mean(axis=0)
    S, signal = np.mean(
        [
            (s := quantities.trace_of_batch(n2, Q, B), quantities.signal_of_batch(Q, s, B))
            for members in itertools.product(range(N), repeat=b)
            for n2, _, Q, B in [sums(g[list(members)])]
        ],
        axis=0,
    )
    assert pytest.approx(g.var(axis=0).sum(), rel=1e-12) == S
    assert signal == pytest.approx(G @ G, rel=1e-11)


@pytest.mark.parametrize(("b", "B"), [(1, 2), (1, 4), (2, 4), (2, 5)])
def test_the_two_batch_estimates_are_unbiased_over_all_subsets(b: int, B: int) -> None:
    g = rows(6)
    N, G = len(g), g.mean(axis=0)
    estimates = []
    for members in itertools.combinations(range(N), B):
        large = g[list(members)].mean(axis=0)
        halves = [g[list(few)].mean(axis=0) for few in itertools.combinations(members, b)]
        small2 = float(np.mean([h @ h for h in halves]))
        estimates.append(quantities.two_batch_estimates(small2, b, float(large @ large), B, N))
    S, signal = np.mean(estimates, axis=0)
    assert pytest.approx(g.var(axis=0, ddof=1).sum(), rel=1e-11) == S
    assert signal == pytest.approx(G @ G, rel=1e-10)


def test_two_batches_with_b_of_one_are_the_estimates_of_one_batch() -> None:
    g = rows(5)
    norm2, _, Q, B = sums(g)
    S, signal = quantities.two_batch_estimates(norm2 / B, 1, Q, B, 20)
    assert quantities.trace_of_batch(norm2, Q, B) == pytest.approx(S)
    assert quantities.signal_of_batch(Q, S, B, 20) == pytest.approx(signal)


def test_two_batches_must_differ_in_size() -> None:
    with pytest.raises(ValueError, match="0 < b < B; got b = 4 and B = 4"):
        quantities.two_batch_estimates(1.0, 4, 1.0, 4)


# --- where there is nothing to divide by --------------------------------------------------------------------


def test_a_batch_of_one_sample_has_no_spread() -> None:
    norm2, along2, Q, B = sums(rows(1))
    assert math.isnan(quantities.trace_of_batch(norm2, Q, B))
    assert math.isnan(quantities.norm_test(norm2, Q, B))
    assert math.isnan(quantities.inner_product_test(along2, Q, B))
    assert math.isnan(quantities.orthogonality_test(norm2, along2, Q, B))
    assert math.isnan(quantities.cabs_batch_size(1.0, 1, 0.1, 1.0))
    assert math.isnan(elementwise.mean_gsnr(np.ones(3), np.ones(3), 1))
    assert math.isnan(elementwise.eb_criterion(np.ones(3), np.ones(3), 1))


def test_a_zero_gradient_has_an_infinite_noise_scale() -> None:
    g = np.array([[1.0, -2.0], [-1.0, 2.0]])
    norm2, along2, Q, B = sums(g)
    S = quantities.trace_of_batch(norm2, Q, B)
    assert (S, Q) == (10.0, 0.0)
    assert quantities.ratio_of(S, Q) == math.inf
    assert quantities.norm_test(norm2, Q, B) == math.inf
    assert quantities.orthogonality_test(norm2, along2, Q, B) == math.inf
    assert quantities.signal_to_noise(S, Q, B) == 0
    assert quantities.batch_size_of_norm_test(S, Q, 1.0) == math.inf
    assert math.isnan(quantities.norm_test(0.0, 0.0, 3))
    assert math.isnan(quantities.cosine(0.0, 0.0, 1.0))
    assert quantities.cabs_batch_size(1.0, 2, 0.1, 0.0) == math.inf


def test_nan_stays_nan() -> None:
    nan = math.nan
    assert math.isnan(quantities.ratio_of(nan, 1.0))
    assert math.isnan(quantities.ratio_of(1.0, nan))
    assert math.isnan(quantities.signal_to_noise(nan, 1.0, 2))
    assert math.isnan(quantities.norm_test(nan, 1.0, 2))
    assert math.isnan(quantities.batch_size_of_norm_test(nan, 1.0, 0.5))


# --- parameter by parameter ---------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [2, 3, 4, 7, 8, 33])
@pytest.mark.parametrize(("inputs", "outputs"), [(1, 1), (5, 66), (8, 130), (13, 7)])
def test_the_compiled_loops_are_the_reference(n: int, inputs: int, outputs: int, dtype: type) -> None:
    rng = np.random.default_rng(n)
    a, d = rng.normal(size=(n, inputs)).astype(dtype), rng.normal(size=(n, outputs)).astype(dtype)
    g = a.T @ d / n
    moment = np.square(a).T @ np.square(d) / n
    numbers = dtype(n / (n - 1)), dtype(elementwise.EPSILON)
    expected = exactly(moment, g, n)
    of_vector = kernels.signal_sums(moment.ravel(), g.ravel(), dtype(1), *numbers)
    np.testing.assert_allclose(of_vector, expected[0], rtol=expected[1])
    everything = (dtype(1 / n), *numbers)
    expected = exactly(np.square(wide(a)).T @ np.square(wide(d)) / n, g, n, moment)
    for u, v, of_uv in ((a, d, g), (d, a, np.ascontiguousarray(g.T))):
        of_v = kernels.tiles_of(n, v.shape[1], np.dtype(dtype))
        kernels.squared_tiles(v, of_v)
        half = u.shape[1] // 2 // kernels.ROWS * kernels.ROWS  # in two parts
        found = [
            kernels.outer_signal_sums(u, first, last, of_v, of_uv, everything)
            for first, last in ((0, half), (half, u.shape[1]))
        ]
        np.testing.assert_allclose(np.sum(found, axis=0), expected[0], rtol=expected[1])
    expected = exactly(np.square(wide(d)).mean(0), d.mean(0), n, np.square(d).mean(0))
    of_bias = kernels.bias_signal_sums(d, d.mean(0), everything)
    np.testing.assert_allclose(of_bias, expected[0], rtol=expected[1])


def wide(x: np.ndarray) -> np.ndarray:
    return x.astype(np.float64)


def exactly(moment: np.ndarray, g: np.ndarray, n: int, rounded: np.ndarray | None = None) -> tuple[Any, float]:
    """Return the signal sums in float64, and how far off they may be: by 1e-5, or twice what NumPy is in float32.

    A variance that is a small difference of large numbers is off by far more than the numbers are.
    """
    exact = np.array(elementwise.signal_sums(wide(moment).ravel(), wide(g).ravel(), n))
    if g.dtype == np.float64:
        return exact, 1e-9
    rounded = moment if rounded is None else rounded
    by_numpy = np.array(elementwise.signal_sums(rounded.ravel(), g.ravel(), n))
    return exact, max(1e-5, 2 * float(np.abs(by_numpy / exact - 1).max()))


def uncompiled(kernel: Any) -> Any:
    """Return the Python function that a kernel is made of: itself, where Numba's compiler is off."""
    return getattr(kernel, "py_func", kernel)


def test_the_plain_functions_of_the_loops_are_right_too() -> None:
    """The loops before compilation: what a reader, and a debugger, sees."""
    a, d = rows(5, 6, 1), rows(5, 3, 2)
    g, moment = a.T @ d / 5, np.square(a).T @ np.square(d) / 5
    expected = elementwise.signal_sums(moment.ravel(), g.ravel(), 5)
    of_v = kernels.tiles_of(5, 3, a.dtype)
    uncompiled(kernels.squared_tiles)(d, of_v)
    plain = uncompiled(kernels.outer_signal_sums)
    found = plain(a, 0, 6, of_v, g, (0.2, 1.25, 1e-5))
    np.testing.assert_allclose(found, expected)
    theta, start, before = rows(3, 5000, 3)
    expected = ((theta - start) ** 2).sum(), ((theta - before) ** 2).sum()
    for f in (kernels.distances2, uncompiled(kernels.distances2)):
        np.testing.assert_allclose(f(theta, start, before), expected)
    for f in (kernels.distance2, uncompiled(kernels.distance2)):
        np.testing.assert_allclose(f(theta, start), expected[0])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [0, 1, 5, 40])
def test_a_tile_of_a_product(n: int, dtype: type) -> None:
    L = tiles.width(np.dtype(dtype).itemsize)
    u, v = rows(n, 2 * tiles.ROWS + 1, 1).astype(dtype), rows(3 * n, L, 2).astype(dtype).reshape(3, n, L)
    found, plain = np.full((2, tiles.ROWS, 3 * L), 7, dtype)
    compiled = njit(lambda u, i, v, t, out: tiles.tile_product(u, i, v, t, out))
    for t in (0, 2):
        compiled(u, tiles.ROWS, v, t, found)
        tiles.tile_product(u, tiles.ROWS, v, t, plain)
    np.testing.assert_allclose(found, plain, rtol=1e-5, atol=1e-5 if dtype is np.float32 else 1e-12)
    np.testing.assert_array_equal(found[:, L : 2 * L], 7)  # nothing is written beside it
    expected = u[:, tiles.ROWS : 2 * tiles.ROWS].T @ v[2]
    np.testing.assert_allclose(found[:, 2 * L :], expected, rtol=1e-5, atol=1e-5 if dtype is np.float32 else 1e-12)
    if not PLAIN:
        with pytest.raises(ValueError, match="v is not of the width that this was compiled for"):
            compiled(u, 0, np.zeros((3, n, L // 2), dtype), 0, found)


@pytest.mark.parametrize("one", [0.0, 1.0])
@pytest.mark.parametrize(("n", "outputs"), [(1, 1), (6, 3), (9, 8)])
def test_lengths_and_products_with_a_vector(n: int, outputs: int, one: float) -> None:
    a, d, kernel, bias = rows(n, 21, 1), rows(n, outputs, 2), rows(21, outputs, 3), one * rows(1, outputs, 4)[0]
    g = a[:, :, None] * d[:, None]
    for lengths in (kernels.sample_lengths, uncompiled(kernels.sample_lengths)):
        norm2 = np.ones(n)  # what is there is added to
        lengths(a, d, one, 2.0, norm2)
        np.testing.assert_allclose(norm2, 1 + 2 * ((g**2).sum((1, 2)) + one * (d**2).sum(1)), rtol=1e-12)
    for products in (kernels.sample_products, uncompiled(kernels.sample_products)):
        along = np.ones(n)
        products(a, d, np.ascontiguousarray(kernel.T), bias, 2.0, along)
        np.testing.assert_allclose(along, 1 + 2 * ((g * kernel).sum((1, 2)) + d @ bias), rtol=1e-11)


@pytest.mark.parametrize("cuts", [[0, 13], [0, 4, 8, 13], [0, 5, 6, 13]])
def test_inner_products_of_pairs_some_rows_at_a_time(cuts: list[int]) -> None:
    a, d, b, e = rows(13, 7, 1), rows(13, 3, 2), rows(6, 7, 3), rows(6, 3, 4)
    K, C = (a @ a.T + 1) * (d @ d.T), (a @ b.T + 1) * (d @ e.T)
    norm2, along, with_b = np.zeros((3, 13))
    for first, last in pairwise(cuts):
        kernels.batch_products(a, d, 1.0, 1.0, first, last, norm2, along)
        kernels.products_with(a, d, b, e, 1.0, 1.0, first, last, with_b)
    np.testing.assert_allclose(norm2, K.diagonal(), rtol=1e-12)
    np.testing.assert_allclose(along, K.mean(axis=1), rtol=1e-12)
    np.testing.assert_allclose(with_b, C.mean(axis=1), rtol=1e-12)


@pytest.mark.parametrize("one", [0.0, 1.0])
@pytest.mark.parametrize(("n", "m"), [(1, 1), (4, 4), (5, 9), (8, 3), (13, 16)])
def test_inner_products_of_pairs_in_tiles(n: int, m: int, one: float) -> None:
    a, d, b, e = rows(n, 7, 1), rows(n, 3, 2), rows(m, 7, 3), rows(m, 3, 4)
    K, C = (a @ a.T + one) * (d @ d.T), (a @ b.T + one) * (d @ e.T)
    for batch_products in (kernels.batch_products, uncompiled(kernels.batch_products)):
        norm2, along = np.ones(n), np.ones(n)  # what is there is added to
        batch_products(a, d, one, 2.0, 0, n, norm2, along)
        np.testing.assert_allclose(norm2, 1 + 2 * K.diagonal(), rtol=1e-12)
        np.testing.assert_allclose(along, 1 + 2 * K.mean(axis=1), rtol=1e-12)
    for products_with in (kernels.products_with, uncompiled(kernels.products_with)):
        along = np.ones(n)
        products_with(a, d, b, e, one, 2.0, 0, n, along)
        np.testing.assert_allclose(along, 1 + 2 * C.mean(axis=1), rtol=1e-12)


@pytest.mark.parametrize("n", [1, 2, 33])
def test_what_is_asked_of_the_sums_over_samples(n: int) -> None:
    total = rows(3, n, 1)
    norm2, along, kept = total
    wanted = [norm2.sum(), along.sum(), (along**2).sum(), math.nan, kept.mean(), math.nan]
    if n > 1:
        wanted[3], wanted[5] = along.var(ddof=1), kept.var(ddof=1)
    for f in (kernels.statistics, uncompiled(kernels.statistics)):
        np.testing.assert_allclose(f(total), wanted, rtol=1e-12)


def layers(N: int, *shapes: tuple[int, int, bool]) -> tuple[Any, np.ndarray, np.ndarray]:
    """Return dense layers' gradients of N samples, as they are met, these multiplied out (N, D), and their mean."""
    parts, written, at = [], [], 0
    for k, (I, O, with_bias) in enumerate(shapes):  # noqa: E741 - the maths' letters
        a, d = rows(N, I, k), rows(N, O, k + 10)
        kernel = slice(at, at + I * O)
        bias = slice(kernel.stop, kernel.stop + O) if with_bias else None
        at = kernel.stop + (O if with_bias else 0)
        parts.append(Affine(a, d / N, float(N), kernel, bias))
        written += [g.reshape(N, -1) for _, g in parts[-1].rows()]
    g_i = np.hstack(written)
    nothing = SimpleNamespace(shares={})
    return SimpleNamespace(affine=parts, others=nothing, batch_size=N), g_i, g_i.mean(axis=0)


PAIRS, LONE, SHORT, WIDE = (30, 70, True), (40, 90, False), (90, 3, True), (70, 80, True)


@pytest.mark.parametrize(("piece", "small"), [(1 << 8, 0), (1 << 8, 1 << 30), (1 << 22, 0)])
@pytest.mark.parametrize(
    ("N", "shapes"),
    [
        (7, [PAIRS]),
        (7, [PAIRS, SHORT]),
        (40, [SHORT, PAIRS, LONE]),
        (200, [WIDE]),
        (200, [WIDE, SHORT]),
        (1, [PAIRS]),
    ],
)
def test_the_sums_of_layers_are_those_of_rows(
    N: int, shapes: list[Any], piece: int, small: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever way is least work: by all pairs, by one vector along I, or by a product of matrices."""
    monkeypatch.setattr(shares, "PIECE", piece)
    monkeypatch.setattr(summing, "SMALL", small)
    seen, g_i, g = layers(N, *shapes)
    before, _, h = layers(N + 3, *shapes)
    kept = Kept()
    kept.keep(1, h, float(h @ h), before)
    memory: dict[Any, Any] = {}
    for _ in range(2):  # the second time in memory that is there
        found = summing.sums(seen, g, epsilon=1e-5, kept=kept, memory=memory)
        np.testing.assert_allclose(found.each, [(g_i**2).sum(1), g_i @ g, g_i @ h], rtol=1e-9, atol=1e-9)
        if N > 1:
            expected = elementwise.signal_sums((g_i**2).mean(axis=0), g, N)
            np.testing.assert_allclose(found.signal, expected, rtol=1e-9)
    alone = summing.sums(seen, g)
    np.testing.assert_allclose(alone.each[:2], found.each[:2], rtol=1e-12)
    assert alone.signal is None
    assert alone.kept is None
    try:
        parallel.set_threads(1)
        again = summing.sums(seen, g, epsilon=1e-5, kept=kept)
    finally:
        parallel.set_threads(None)
    np.testing.assert_array_equal(again.each, found.each)  # whoever does which piece
    assert again.signal == found.signal


def test_what_is_kept_outlives_the_copies_of_the_step_after() -> None:
    """Two places take turns: of the step that is kept, and of the one that will be."""
    kept, made = Kept(), []
    for step in range(4):
        seen, _, g = layers(5, PAIRS)
        given = seen.affine[0]
        given.a[...], given.d[...] = step, -step
        own = kept.copied(given)
        assert own.a is not given.a
        if step:
            np.testing.assert_array_equal(kept.factors_of(given).a, step - 1)
            np.testing.assert_array_equal(kept.factors_of(given).d, 1 - step)
        seen.affine = [own]
        kept.keep(step, g, 1.0, seen)
        made.append(own)
    assert made[0] is made[2]
    assert made[1] is made[3]
    assert kept.copied(layers(6, PAIRS)[0].affine[0]) is not made[0]


@pytest.mark.parametrize("few", [1, 7, 1 << 16])
def test_distances_some_numbers_at_a_time(few: int) -> None:
    theta, start, before = rows(3, 50, 3)
    found = np.full((-(-50 // few) + 1, 2), np.nan)
    together(pieces.distances, (50, few), theta, start, before, found)
    np.testing.assert_allclose(found[-1], [((theta - start) ** 2).sum(), ((theta - before) ** 2).sum()])
    found[:] = 0
    together(pieces.distances, (50, few), theta, start, theta[:0], found)
    np.testing.assert_allclose(found[-1], [((theta - start) ** 2).sum(), 0])


def test_the_mean_and_the_variance_of_few_numbers() -> None:
    values = rows(7, 1)[:, 0]
    for f in (kernels.mean_and_variance, uncompiled(kernels.mean_and_variance)):
        np.testing.assert_allclose(f(values), (values.mean(), values.var(ddof=1)), rtol=1e-12)
        np.testing.assert_array_equal(f(values[:1]), (values[0], np.nan))


def test_rounding_leaves_no_variance_below_zero() -> None:
    g = np.full(4, 100.0, np.float32)
    assert elementwise.signal_sums(g**2 - np.float32(0.01), g, 2)[0] == pytest.approx(4 * 1e4 / 1e-5, rel=1e-3)


# --- alpha --------------------------------------------------------------------------------------------------


@given(
    st.floats(0.1, 5), st.floats(-3, 3), st.floats(0.05, 4), st.floats(0.01, 10),
    st.tuples(*[st.floats(0.01, 10)] * 4),
)  # fmt: skip
@settings(max_examples=80, deadline=None)
def test_a_parabola_is_found_whatever_the_variances(
    w2: float, w1: float, w0: float, t: float, variances: tuple[float, ...]
) -> None:
    start = Slope(w0, variances[0], w1, variances[1])
    end = Slope(w0 + w1 * t + w2 * t * t, variances[2], w1 + 2 * w2 * t, variances[3])
    np.testing.assert_allclose(parabola(t, start, end), (w0, w1, w2), rtol=1e-6, atol=1e-6)
    if abs(w1) > 1e-3:
        minimum = -w1 / (2 * w2)
        assert alpha(t, start, end) == pytest.approx(t / minimum - 1, rel=1e-4, abs=1e-4)


def test_the_fit_is_that_of_cockpit() -> None:
    """Cockpit's own lines: inverse covariance, then the normal equations."""
    t, start, end = 0.7, Slope(1.3, 0.5, -0.9, 0.2), Slope(1.1, 0.4, 0.3, 0.6)
    phi = np.array([[1, 0, 0], [1, t, t**2], [0, 1, 0], [0, 1, 2 * t]]).T
    inverse = np.linalg.inv(np.diag([0.5, 0.4, 0.2, 0.6]))
    mu = np.linalg.inv(phi @ inverse @ phi.T) @ phi @ inverse @ [1.3, 1.1, -0.9, 0.3]
    np.testing.assert_allclose(parabola(t, start, end), mu)
    assert alpha(t, start, end) == pytest.approx(2 * t / (-mu[1] / mu[2]) - 1)


def test_alpha_where_there_is_no_valley() -> None:
    down, further = Slope(1.0, 0.1, -1.0, 0.1), Slope(-1.0, 0.1, -3.0, 0.1)
    assert alpha(1.0, down, further) == -1  # concave
    assert alpha(0.0, down, further) == -1  # no step
    assert math.isnan(alpha(1.0, down, Slope(1.0, math.nan, 1.0, math.nan)))
    assert math.isnan(alpha(math.inf, down, further))


def test_a_variance_of_zero_is_met_exactly() -> None:
    noisy, exact = Slope(1.0, 4.0, -2.0, 4.0), Slope(4.0, 0.0, 4.0, 0.0)
    w0, w1, w2 = parabola(3.0, noisy, exact)
    assert w0 + 3 * w1 + 9 * w2 == pytest.approx(4.0, abs=1e-4)
    assert w1 + 6 * w2 == pytest.approx(4.0, abs=1e-4)
    assert SMALLEST_VARIANCE > 0


# --- histograms and plans -----------------------------------------------------------------------------------


def test_histograms_count_everything_and_clip_what_lies_outside() -> None:
    g, theta = rows(6, 40) * 3, rows(1, 40, 9)[0]
    edges, theta_edges = np.linspace(-2, 2, 9), edges_around_zero(float(np.abs(theta).max()), 5)
    counts = histogram(g, edges)
    np.testing.assert_array_equal(counts, np.histogram(np.clip(g, -2, 2), edges)[0])
    two = histogram_2d(g, theta, edges, theta_edges)
    assert two.shape == (8, 5)
    np.testing.assert_array_equal(two.sum(axis=1), counts)
    by_numpy = np.histogram2d(np.clip(g, -2, 2).ravel(), np.tile(theta, 6), [edges, theta_edges])[0]
    np.testing.assert_array_equal(two, by_numpy)


def test_a_plan_says_when() -> None:
    plan = Plan(None, every=3)
    assert plan.due(1, first=True) >= {"alpha", "cosine_to_full", "histogram"}
    assert plan.due(4, first=False) >= {"alpha"}
    assert not plan.due(5, first=False)
    assert "cosine_to_full" not in plan.due(4, first=False)
    assert plan.may_be_due_after("alpha", 3)
    assert not plan.may_be_due_after("alpha", 4)
    assert plan.may_be_due_after("histogram", 4)
    assert not Plan("alpha").may_be_due_after("eb", 1)
    assert Plan("alpha", every="epoch").due(7, first=True) == {"alpha"}
    assert Plan({"eb": 1, "gsnr": "epoch"}).due(2, first=False) == {"eb"}
    fewer = Plan(["alpha", "eb"])
    fewer.leave_out(["eb"])
    assert fewer.due(1, first=True) == {"alpha"}


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((["noise_scal"],), ValueError, "no quantity 'noise_scal'. Did you mean 'noise_scale'"),
        ((None, 0), ValueError, "every must be a positive number of steps, or 'epoch'; got 0"),
        ((None, True), ValueError, "every must be"),
        ((None, 2.0), ValueError, "every must be"),
        (({"alpha": -1},), ValueError, "the interval of 'alpha' must be a positive"),
        ((7,), TypeError, "quantities must be a list of names, or a dict"),
    ],
)
def test_plans_that_make_no_sense(arguments: tuple, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Plan(*arguments)
