"""Gathering rows: kernels against NumPy over dtypes, shapes and strides; and the cache of compiled code."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from minibatch import memory
from minibatch.batching import Batches
from minibatch.batching import batches as batches_module
from minibatch.batching import blocks as blocks_module
from minibatch.batching import gather as gather_module
from minibatch.batching.blocks import _SPARED, SPARED_BYTES, Blocks
from minibatch.batching.gather import gather, gather_scaled, gatherer, scale_into

dtypes = st.sampled_from(["f4", "f8", "i1", "u1", "i2", "i8", "c16", "?", ">f4", "M8[s]", "U3", "S5", "f4,i8", "O"])


def strided(x: np.ndarray, how: str) -> np.ndarray:
    """Return x's values in another layout in memory."""
    match how:
        case "fortran":
            return np.asfortranarray(x)
        case "every other row":
            return np.repeat(x, 2, axis=0)[::2]
        case "backwards":
            return np.ascontiguousarray(x[::-1])[::-1]
        case "read-only":
            x = x.copy()
            x.flags.writeable = False
            return x
        case "unaligned":
            raw = np.empty(x.nbytes + 1, np.uint8)[1:]
            moved = raw.view(x.dtype).reshape(x.shape)
            moved[...] = x
            return moved
        case _:
            return x


@given(
    data=st.data(),
    dtype=dtypes,
    # 1: every row that has whole words goes through the kernel. 0: every batch is written past the cache.
    limits=st.sampled_from([(1, 0), (1, 1 << 20), (1024, 1 << 20)]),
)
def test_gather_equals_indexing(data: st.DataObject, dtype: str, limits: tuple[int, int]) -> None:
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=9))
    values = np.random.default_rng(0).integers(0, 2, shape)
    x = values.astype(dtype) if "," not in dtype else np.ones(shape, dtype)
    layouts = ["plain", "fortran", "every other row", "backwards", "read-only"]
    x = strided(x, data.draw(st.sampled_from(layouts if dtype == "O" else [*layouts, "unaligned"])))
    rows = np.array(data.draw(st.lists(st.integers(0, len(x) - 1), max_size=20)) if len(x) else [], np.intp)
    before = gather_module.LONG_ROW, gather_module.STREAM_BYTES
    gather_module.LONG_ROW, gather_module.STREAM_BYTES = limits
    try:
        found = gather(x, rows)
    finally:
        gather_module.LONG_ROW, gather_module.STREAM_BYTES = before
    assert found.dtype == x.dtype
    assert found.flags.c_contiguous
    np.testing.assert_array_equal(found, x[rows])
    assert not np.shares_memory(found, x)


@given(
    width=st.integers(0, 300),
    n=st.integers(1, 9),
    size=st.integers(0, 12),
    ahead=st.integers(0, 2000),
    far=st.integers(0, 14),
    past_cache=st.booleans(),
    start=st.integers(0, 7),
    seed=st.integers(0, 99),
)
def test_the_kernel_equals_indexing_at_every_width(
    width: int, n: int, size: int, ahead: int, far: int, past_cache: bool, start: int, seed: int
) -> None:
    from minibatch.batching.gather_kernels import gather_rows

    rng = np.random.default_rng(seed)
    x, rows = rng.integers(1, 2**63, (n, width), np.uint64), rng.integers(0, n, size)
    memory = np.zeros(start + size * width + 8, np.uint64)  # out begins anywhere in a cache line
    out = memory[start : start + size * width].reshape(size, width)
    assert gather_rows(x, rows, ahead, far, past_cache, out) == size
    np.testing.assert_array_equal(out, x[rows])
    assert np.count_nonzero(memory) == out.size


@pytest.mark.parametrize("offset", [0, 4, 8])
def test_a_batch_too_large_for_the_cache(offset: int) -> None:
    x = np.random.default_rng(0).integers(0, 2**63, (40, 1537), np.uint64)
    rows = np.random.default_rng(1).integers(0, 40, gather_module.STREAM_BYTES // x[0].nbytes + 1)
    memory = np.empty(len(rows) * x[0].nbytes + offset, np.uint8)
    out = np.ndarray((len(rows), 1537), np.uint64, memory.data, offset)
    assert out.nbytes >= gather_module.STREAM_BYTES
    gatherer(x)(rows, out)
    np.testing.assert_array_equal(out, x[rows])


@given(
    shape=hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=17),
    how=st.sampled_from(["plain", "every other row", "read-only", "unaligned"]),
    scale=st.floats(-10, 10, width=32),
    seed=st.integers(0, 99),
)
def test_scaled_gather_equals_numpy(shape: tuple[int, ...], how: str, scale: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = strided(rng.integers(0, 256, shape, np.uint8), how)
    rows = rng.integers(0, len(x), rng.integers(0, 12))
    found = gather_scaled(x, rows, scale)
    np.testing.assert_array_equal(found, x[rows].astype(np.float32) * np.float32(scale))
    reference = np.empty_like(found)
    scale_into(x[rows], np.float32(scale), reference)
    np.testing.assert_array_equal(found, reference)


def test_all_256_values_are_scaled_exactly() -> None:
    x = np.arange(256, dtype=np.uint8).reshape(1, -1)
    found = gather_scaled(x, np.zeros(1, np.intp), 1 / 255)[0]
    np.testing.assert_array_equal(found, np.float32(1 / 255) * np.arange(256, dtype=np.float32))


def test_rows_beyond_the_batch_are_only_a_hint() -> None:
    x = np.arange(4 * 256.0).reshape(4, 256)
    for source in (x, x[:, ::2], x[:, :4].copy()):
        out = np.empty((1, source.shape[1]))
        gatherer(source)(np.array([2, 3, 0]), out)
        np.testing.assert_array_equal(out[0], source[2])


@pytest.mark.parametrize("x", [np.zeros((4, 300)), np.zeros(4), np.zeros((4, 6))[:, ::2]])
@pytest.mark.parametrize("bad", [-1, 4])
def test_rows_out_of_range(x: np.ndarray, bad: int) -> None:
    with pytest.raises(IndexError, match=f"row {bad} is out of range for 4 samples"):
        gather(x, np.array([0, bad]))


def test_kernels_stop_at_a_bad_row() -> None:
    from minibatch.batching import gather_kernels as kernels

    x, out = np.ones((3, 8), np.uint64), np.zeros((2, 8), np.uint64)
    assert kernels.gather_rows(x, np.array([1, 3]), 8, 1, False, out) == 1
    assert kernels.gather_rows(x, np.array([1, 0, -1]), 8, 1, True, np.zeros((3, 8), np.uint64)) == 2
    images, floats = np.ones((3, 8), np.uint8), np.zeros((2, 8), np.float32)
    assert kernels.gather_scaled(images, np.array([-1, 0]), 1, np.float32(1), floats) == 0


def test_blocks_are_shared_with_nobody() -> None:
    blocks = Blocks()
    first = blocks.empty((10, 3), np.dtype("f4"))
    part = first[2:3]
    first_address = first.ctypes.data
    del first
    second = blocks.empty((10, 3), np.dtype("f4"))
    assert not np.shares_memory(part, second)
    view = memoryview(part)
    del part
    third = blocks.empty((10, 3), np.dtype("f4"))
    assert third.ctypes.data != first_address
    del view
    assert blocks.empty((10, 3), np.dtype("f4")).ctypes.data == first_address


def test_blocks_serve_any_shape_and_dtype_that_there_is_room_for() -> None:
    blocks = Blocks()
    first = blocks.empty((10, 3), np.dtype("f8"))
    address = first.ctypes.data
    assert blocks.empty((10, 3), np.dtype("f8")).ctypes.data != address  # the block itself has a reader
    del first
    for shape, dtype in [((10, 3), "f8"), ((4, 5), "M8[s]"), ((7,), "f4,i8"), ((60,), ">f4")]:
        block = blocks.empty(shape, np.dtype(dtype))
        assert (block.shape, block.dtype, block.ctypes.data) == (shape, np.dtype(dtype), address)
        assert block.flags.c_contiguous
        del block
    for shape, dtype in [((61,), "f4"), ((3,), "O"), ((0, 3), "f8")]:
        block = blocks.empty(shape, np.dtype(dtype))
        assert (block.shape, block.dtype) == (shape, np.dtype(dtype))
        assert block.ctypes.data != address


def test_memory_that_was_overwritten_is_not_passed_on_while_it_is_read() -> None:
    _SPARED.clear()
    x = np.ones((5, SPARED_BYTES.start), np.uint8)
    first, _, last = Batches(x, batch_size=2, shuffle=False, reuse_buffer=True)
    assert np.shares_memory(first, last)  # the last batch is shorter
    del last
    for batch in Batches(x, batch_size=1, shuffle=False):
        assert not np.shares_memory(batch, first)
    del first, _, batch
    _SPARED.clear()


@pytest.mark.parametrize("batch_size", [2, 20])
def test_a_batch_that_is_made_read_only_leaves_the_next_one_alone(batch_size: int) -> None:
    x = np.arange(20 * 4096.0).reshape(20, 4096)
    batches = Batches(x, batch_size=batch_size, seed=0, reuse_buffer=True)
    for epoch in range(2):
        for rows, batch in zip(batches.epoch_indices(epoch), batches.epoch(epoch), strict=True):
            np.testing.assert_array_equal(batch, x[rows])
            assert batch.flags.writeable
            batch.flags.writeable = False


def test_blocks_begin_a_cache_line() -> None:
    for size in (1, 100, 5_000_000):
        assert Blocks().empty((size,), np.dtype("i4")).ctypes.data % memory.LINE_BYTES == 0


def test_blocks_outlive_their_epoch_unless_someone_reads_them() -> None:
    _SPARED.clear()
    size = SPARED_BYTES.start
    blocks = Blocks()
    first, second = blocks.empty((size,), np.dtype("u1")), blocks.empty((size,), np.dtype("u1"))
    read, free = first[-1:], second.ctypes.data
    del blocks, first, second
    later = Blocks()
    third = later.empty((size,), np.dtype("u1"))
    assert third.ctypes.data == free
    assert not np.shares_memory(later.empty((size,), np.dtype("u1")), read)

    del later, third
    assert len(_SPARED) == 2
    small, large = Blocks(), Blocks()
    small.empty((size - 1,), np.dtype("u1"))
    large.empty((SPARED_BYTES.stop,), np.dtype("u1"))
    assert len(_SPARED) == 2  # neither size is kept, or taken, beyond an epoch
    del small, large
    assert len(_SPARED) == 2
    _SPARED.clear()


@given(batch_size=st.integers(1, 12), kept=st.sets(st.integers(0, 40)), seed=st.integers(0, 9))
def test_batches_are_never_overwritten_in_any_epoch(batch_size: int, kept: set[int], seed: int) -> None:
    x = np.arange(20 * 128.0).reshape(20, 128)
    batches, held, place = Batches(x, batch_size=batch_size, seed=seed), [], 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks_module, "SPARED_BYTES", range(1, 1 << 25))
        patch.setattr(batches_module, "BLOCK_BATCHES", 2)  # several blocks in an epoch
        patch.setattr(gather_module, "LONG_ROW", 1)
        for epoch in range(4):
            for rows, batch in zip(batches.epoch_indices(epoch), batches.epoch(epoch), strict=True):
                np.testing.assert_array_equal(batch, x[rows])
                if place in kept:
                    held.append((rows, batch[-1:]))  # a slice is enough to keep a batch
                place += 1
    for rows, last in held:
        np.testing.assert_array_equal(last, x[rows[-1:]])


def test_threads_share_no_block() -> None:
    x = np.arange(64 * 4096.0).reshape(64, 4096)  # blocks of 2 MiB: of a size that is spared

    def epochs(seed: int) -> bool:
        batches = Batches(x, batch_size=64, seed=seed)
        return all(
            np.array_equal(b, x[r])
            for k in range(20)
            for b, r in zip(batches.epoch(k), [batches.order(k)], strict=True)
        )

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(epochs, range(4)))


def test_a_program_may_end_in_mid_epoch() -> None:
    code = "import numpy as np\nfrom minibatch.batching import Batches\n"
    code += "i = iter(Batches(np.ones((64, 4096)), batch_size=16, seed=0)); batch = next(i)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=120)
    assert done.stderr == b""


RUN = """
import numpy as np
from minibatch import memory
from minibatch.batching import Batches
x = np.arange(40 * 256, dtype=np.float32).reshape(40, 256)
batches = Batches(x, batch_size=8, seed=0)
seen = np.concatenate([b[:, 0] for b in batches])
assert sorted(seen.tolist()) == x[:, 0].tolist()
images = Batches((x % 256).astype(np.uint8), batch_size=8, seed=0, scale=0.5)
assert len(list(images)) == 5
"""


def run(code: str, **variables: str) -> None:
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "0", **variables}
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, env=environment, timeout=120)


def test_no_place_for_a_cache_costs_only_the_compile() -> None:
    # What Numba sees where neither the package's directory nor the home can be written to. Permissions do
    # not stop root, so the places that it would try are themselves taken away.
    without = "import numba.core.caching as c; c.CacheImpl._locator_classes = []\n"
    run(without + RUN, NUMBA_CACHE_DIR="")


def test_a_missing_cache_directory_is_made(tmp_path: Path) -> None:
    directory = tmp_path / "not" / "there"
    run(RUN, NUMBA_CACHE_DIR=str(directory))
    assert list(directory.rglob("*.nbi"))


def test_without_the_compiler() -> None:
    run(RUN, NUMBA_DISABLE_JIT="1")
