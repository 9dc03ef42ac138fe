"""A product in pieces is the product; a sum of rows is their sum."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from minibatch import memory, parallel
from minibatch.layers import product as module
from minibatch.layers import tiles
from minibatch.layers.product import GRAIN, product, sum_of_rows

extents = st.integers(1, 40)


@pytest.fixture
def blas(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let BLAS multiply, whatever the processor."""
    monkeypatch.setattr(tiles, "at_hand", lambda: False)


@settings(deadline=None)
@given(
    N=st.integers(1, 70),
    I=st.integers(2, 70) | st.integers(200, 600),
    O=st.integers(1, 70),
    turned=st.sampled_from(["neither", "a", "b"]),
    given_out=st.booleans(),
    wide=st.booleans(),
    cut=st.booleans(),
    deep=st.booleans(),
)
# One sample beyond a slab: fewer columns than the bias has.
@example(N=65, I=2, O=2, turned="b", given_out=False, wide=False, cut=False, deep=False)
def test_a_product_in_tiles_is_numpys(
    N: int,
    I: int,  # noqa: E741  # the maths' letters
    O: int,  # noqa: E741
    turned: str,
    given_out: bool,
    wide: bool,
    cut: bool,
    deep: bool,
) -> None:
    rng = np.random.default_rng(N * I + O)
    dtype = np.float64 if wide else np.float32
    a, b = (rng.normal(size=shape).astype(dtype) for shape in ((N, I), (I, O)))
    a = np.asfortranarray(a) if turned == "a" else a
    b = np.asfortranarray(b) if turned == "b" else b
    taken: list[int] = []
    together = tiles.together
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiles, "at_hand", lambda: True)
        for limit in ("TILED", "SHALLOW", "NARROW"):
            patch.setattr(module, limit, 1)
        if cut:
            patch.setattr(tiles, "LARGE", 1)
            patch.setattr(tiles, "MANY", 20)
        if deep:
            patch.setattr(tiles, "DEEP", 1)
        patch.setattr(tiles, "together", lambda *job, **how: taken.append(1) or together(*job, **how))
        out = np.empty((N, O), dtype) if given_out else None
        z = product(a, b, out)
    assert taken
    assert out is None or z is out
    np.testing.assert_allclose(z, a @ b, rtol=1e-11 if wide else 1e-4, atol=1e-12 if wide else 1e-4)


@pytest.mark.parametrize("hand", [True, False])
@pytest.mark.parametrize("x_shape", [(9, 8), (5, 3, 8)])
@pytest.mark.parametrize("least", [None, 0.0, -0.5])
@pytest.mark.parametrize("biased", [True, False])
@pytest.mark.parametrize("deep", [True, False])
def test_an_affine_map_never_falls_below_its_least(
    hand: bool,
    x_shape: tuple[int, ...],
    least: float | None,
    biased: bool,
    deep: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(5)
    if deep:
        monkeypatch.setattr(tiles, "DEEP", 1)
    monkeypatch.setattr(tiles, "at_hand", lambda: hand)
    monkeypatch.setattr(module, "TILED", 1)
    x, W, bias = rng.normal(size=x_shape), rng.normal(size=(8, 21)), rng.normal(size=21) if biased else None
    expected = np.maximum(x @ W + (bias if biased else 0), -np.inf if least is None else least)
    np.testing.assert_allclose(module.affine(x, W, bias, least), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("shape", [(32, 784, 512), (32, 2500, 512), (300, 70, 500), (700, 64, 300), (40, 5000, 70)])
@pytest.mark.parametrize("turned", ["neither", "a", "b"])
def test_no_bit_of_a_product_in_tiles_depends_on_the_number_of_threads(
    shape: tuple[int, int, int], turned: str, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
) -> None:
    monkeypatch.setattr(tiles, "at_hand", lambda: True)
    N, I, O = shape  # noqa: E741  # the maths' letters
    a, b = (rng.normal(size=n).astype(np.float32) for n in ((N, I), (I, O)))
    a = np.asfortranarray(a) if turned == "a" else a
    b = np.asfortranarray(b) if turned == "b" else b
    several = []
    for threads in (1, 2, 3, 5):
        monkeypatch.setattr(parallel, "_threads", threads)
        several.append(product(a, b))
    for one in several[1:]:
        np.testing.assert_array_equal(one, several[0])
    np.testing.assert_allclose(several[0], a @ b, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("N", [1, 63, 64, 65, 511, 512, 700])
@pytest.mark.parametrize(("F", "C"), [(1, 5), (33, 64), (300, 17), (70, 530)])
def test_a_product_with_the_transposed_is_numpys(
    N: int, F: int, C: int, dtype: Any, rng: np.random.Generator
) -> None:
    dz, W = rng.normal(size=(N, F)).astype(dtype), rng.normal(size=(C, F)).astype(dtype)
    dx = np.full((N + 1, C), 7.0, dtype)
    tiles.product_with_transposed(dz, W, dx[:N])
    assert (dx[N] == 7).all()
    tolerance = 1e-12 if dtype is np.float64 else 1e-4
    np.testing.assert_allclose(
        dx[:N], dz.astype(np.float64) @ W.T.astype(np.float64), rtol=tolerance, atol=tolerance
    )


@pytest.mark.parametrize("N", [4096, 5001])
def test_a_gradient_of_many_samples_is_numpys(N: int, rng: np.random.Generator) -> None:
    x, dz = rng.normal(size=(N, 37)).astype(np.float32), rng.normal(size=(N, 21)).astype(np.float32)
    dW = np.empty((37, 21), np.float32)
    tiles.transposed_product(x, dz, dW)
    np.testing.assert_allclose(dW, x.T.astype(np.float64) @ dz.astype(np.float64), rtol=1e-4, atol=1e-4)


def test_what_the_loops_do_not_take_goes_to_blas(monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator) -> None:
    def no(*arrays: np.ndarray) -> None:
        raise AssertionError("not this")

    monkeypatch.setattr(module, "TILED", 1)
    for name in ("product", "transposed_product", "product_with_transposed"):
        monkeypatch.setattr(tiles, name, no)
    x, W, many = rng.normal(size=(30, 20)), rng.normal(size=(20, 10)), rng.normal(size=(300, 20))
    cases = [(x, W.astype(np.float32), None), (many, np.asfortranarray(W), None), (x[:, ::2], W[::2], None)]
    cases += [(np.asfortranarray(x), np.asfortranarray(W), None), (x, np.repeat(W, 2, axis=1)[:, ::2], None)]
    cases += [(many, W[:, :3].copy(), None)]
    cases += [(x, W, np.empty((10, 30)).T), (x, W, np.empty((30, 10), np.float32)), (x.astype(int), W, None)]
    for a, b, out in cases:
        np.testing.assert_allclose(product(a, b, out), a @ b, rtol=1e-5, atol=1e-5)


@given(N=extents, I=extents, O=extents, given_out=st.booleans(), wide=st.booleans(), turned=st.booleans())
def test_a_small_product_is_numpys_bit_for_bit(
    N: int,
    I: int,  # noqa: E741  # the maths' letters
    O: int,  # noqa: E741
    given_out: bool,
    wide: bool,
    turned: bool,
) -> None:
    rng = np.random.default_rng(N * I + O)
    a, b = (rng.normal(size=shape).astype("float64" if wide else "float32") for shape in ((N, I), (I, O)))
    if turned:  # as the kernel's gradient and dx take them
        a, b = np.asfortranarray(a), np.asfortranarray(b)
    out = np.empty((N, O), np.float32) if given_out else None
    z = product(a, b, out)
    # Of different float types, the product is made in the wider and then written: as np.matmul does it.
    np.testing.assert_array_equal(z, np.matmul(a, b, out=np.empty((N, O), z.dtype)))
    assert out is None or z is out


@pytest.mark.parametrize("shape", [(5, 7, 200), (200, 7, 5), (64, 3, 64), (1, 4, 300), (60, 1, 70)])
@pytest.mark.parametrize("given_out", [False, True])
@pytest.mark.parametrize("fewest", [1, 3, 100])
def test_a_product_in_pieces_is_the_product_on_any_number_of_threads(
    shape: tuple[int, int, int],
    given_out: bool,
    fewest: int,
    blas: None,
    monkeypatch: pytest.MonkeyPatch,
    rng: np.random.Generator,
) -> None:
    N, I, O = shape  # noqa: E741  # the maths' letters
    a, b = rng.normal(size=(N, I)), rng.normal(size=(I, O))
    cuts: list[int] = []
    each = parallel.each
    monkeypatch.setattr(module, "each", lambda task, pieces: (cuts.append(len(pieces)), each(task, pieces)))
    monkeypatch.setattr(module, "LARGE", 1)
    monkeypatch.setattr(module, "FEWEST", fewest)
    alone = None
    for threads in (1, 3):
        monkeypatch.setattr(parallel, "_threads", threads)
        out = np.empty((N, O)) if given_out else None
        z = product(a, b, out)
        np.testing.assert_allclose(z, a @ b, rtol=1e-12)
        assert out is None or z is out
        alone = z if alone is None else alone
        np.testing.assert_array_equal(z, alone)
    step = -(-max(N, O) // fewest // GRAIN) * GRAIN if fewest > 1 else max(N, O)
    assert cuts == ([] if I == 1 else [-(-max(N, O) // step)] * 2)


def test_very_large_products_have_pieces_of_their_size_and_others_a_few(
    blas: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    monkeypatch.setattr(module, "each", lambda task, pieces: seen.append(len(pieces)))
    numbers = np.zeros(4096 * 4096, np.float32)

    def pieces(N: int, I: int, O: int) -> int:  # noqa: E741  # the maths' letters
        seen.clear()
        product(numbers[: N * I].reshape(N, I), numbers[: I * O].reshape(I, O))
        return sum(seen)

    assert pieces(32, 784, 256) == 0  # 6 million multiplications
    assert pieces(32, 784, 512) == 6  # 13 million: columns of 96
    assert pieces(1024, 784, 512) == 11  # 411 million, 12.25 pieces' worth: rows of 96
    assert pieces(4096, 4096, 32) == 16  # 537 million: rows of 256


@given(N=st.integers(1, 70), O=st.integers(1, 20), turned=st.booleans(), limit=st.sampled_from([1, 4096]))
def test_a_sum_of_rows_is_numpys(N: int, O: int, turned: bool, limit: int) -> None:  # noqa: E741
    # Whole numbers: no order of summation rounds them.
    x = np.random.default_rng(N).integers(-9, 9, (N, O)).astype(np.float32)
    x = np.asfortranarray(x) if turned else x
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "KEPT", limit)
        for out in (np.empty(O, np.float32), np.empty(O)):
            assert sum_of_rows(x, out) is out
            np.testing.assert_array_equal(out, x.sum(axis=0))


def test_what_does_not_fit_is_refused_at_every_size() -> None:
    """The compiled loops look at no shape: before them somebody must."""
    x, W = np.ones((256, 4096), np.float32), np.ones((64, 2048), np.float32)
    for a, b, out in [(x, W, None), (x[:, :64].copy(), W, np.empty((256, 9), np.float32)), (x.T, W, None)]:
        with pytest.raises(ValueError, match=r"mismatch|not aligned|not acceptable|broadcast"):
            product(a, b, out)
    with pytest.raises(ValueError, match=r"mismatch|not aligned"):
        module.affine(x, W, None)
    with pytest.raises(ValueError, match="broadcast"):
        module.affine(np.ones((256, 64), np.float32), W, np.ones(7, np.float32))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("N", [1, 5, 300])
def test_a_gradient_written_past_the_cache_is_the_same(
    N: int, dtype: Any, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
) -> None:
    x, dz = rng.normal(size=(N, 211)).astype(dtype), rng.normal(size=(N, 320)).astype(dtype)
    one, other = (memory.aligned((211, 320), dtype) for _ in range(2))
    monkeypatch.setattr(memory, "STREAM", 1 << 60)
    tiles.transposed_product(x, dz, one)
    monkeypatch.setattr(memory, "STREAM", 1)
    assert memory.streams(other) == 1
    tiles.transposed_product(x, dz, other)
    np.testing.assert_array_equal(one, other)
