"""The arithmetic of epochs: worked examples by hand, then properties of every policy."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from minibatch.batching import (
    REMAINDERS,
    arithmetic_table,
    batch_bytes,
    batch_sizes,
    last_batch_size,
    locate_step,
    samples_seen,
    steps_for_samples,
    steps_per_epoch,
    total_steps,
)

numbers = {"n": st.integers(1, 500), "b": st.integers(1, 600), "remainder": st.sampled_from(REMAINDERS)}


@pytest.mark.parametrize(
    ("remainder", "sizes"),
    [
        ("keep", [100] * 10 + [50]),
        ("drop", [100] * 10),
        ("wrap", [100] * 11),
        ("merge", [100] * 9 + [150]),
        ("balance", [96] * 5 + [95] * 6),  # 5 * 96 + 6 * 95 = 480 + 570 = 1050
        ("weight", [100] * 10 + [50]),
        ("carry", [100] * 10),
    ],
)
def test_1050_samples_in_batches_of_100(remainder: str, sizes: list[int]) -> None:
    assert batch_sizes(1050, 100, remainder) == sizes
    assert steps_per_epoch(1050, 100, remainder) == len(sizes)


@pytest.mark.parametrize(
    ("n", "b", "expected"),
    [  # in the order of REMAINDERS: keep, drop, wrap, merge, balance, weight, carry
        (3, 5, [[3], [], [5], [3], [3], [3], []]),  # N < B
        (6, 3, [[3, 3]] * 7),  # R = 0
        (7, 3, [[3, 3, 1], [3, 3], [3, 3, 3], [3, 4], [3, 2, 2], [3, 3, 1], [3, 3]]),  # R = 1
        (3, 1, [[1, 1, 1]] * 7),  # B = 1
        (4, 4, [[4]] * 7),  # B = N
        (4, None, [[4]] * 7),
        (4, "full", [[4]] * 7),
        (1, 1, [[1]] * 7),
    ],
)
def test_edges(n: int, b: Any, expected: list[list[int]]) -> None:
    assert [batch_sizes(n, b, remainder) for remainder in REMAINDERS] == expected


def test_carry_over_several_epochs() -> None:
    # 1050 = 10 * 100 + 50, so 50 are carried and epoch 1 has 1100 = 11 * 100 to hand out, and so on.
    assert [steps_per_epoch(1050, 100, "carry", epoch=k) for k in range(4)] == [10, 11, 10, 11]
    assert total_steps(1050, 100, 10, "carry") == 105  # 10,500 samples
    # 3 samples in batches of 5: the first batch is full in epoch 1, the second in epoch 3, then 4, 6, 8, 9.
    assert [steps_per_epoch(3, 5, "carry", epoch=k) for k in range(10)] == [0, 1, 0, 1, 1, 0, 1, 0, 1, 1]
    assert [locate_step(t, 3, 5, "carry") for t in range(4)] == [(1, 0), (3, 0), (4, 0), (6, 0)]


@given(**numbers)
def test_sizes_add_up(n: int, b: int, remainder: str) -> None:
    sizes = batch_sizes(n, b, remainder)
    assert len(sizes) == steps_per_epoch(n, b, remainder)
    assert last_batch_size(n, b, remainder) == (sizes[-1] if sizes else 0)
    full, rest = divmod(n, b)
    total = {"drop": full * b, "wrap": -(-n // b) * b, "carry": full * b}.get(remainder, n)
    assert sum(sizes) == total
    if remainder == "balance":
        assert max(sizes) - min(sizes) <= 1
        assert max(sizes) <= b
    if remainder == "merge" and full:
        assert sizes == [b] * (full - 1) + [b + rest]


@given(**numbers, n_epochs=st.integers(0, 7))
def test_total_steps_is_the_sum_over_epochs(n: int, b: int, remainder: str, n_epochs: int) -> None:
    steps = [steps_per_epoch(n, b, remainder, epoch=k) for k in range(n_epochs)]
    assert total_steps(n, b, n_epochs, remainder) == sum(steps)


@given(**numbers, t=st.integers(0, 3000))
@example(n=3, b=5, remainder="carry", t=0)
def test_locate_step_against_counting(n: int, b: int, remainder: str, t: int) -> None:
    if remainder == "drop" and b > n:
        with pytest.raises(ValueError, match="leaves no batch"):
            locate_step(t, n, b, remainder)
        return
    epoch, batch = locate_step(t, n, b, remainder)
    assert 0 <= batch < steps_per_epoch(n, b, remainder, epoch=epoch)
    assert total_steps(n, b, epoch, remainder) + batch == t


@given(**numbers, target=st.integers(0, 3000))
def test_steps_for_samples_is_the_inverse_of_samples_seen(n: int, b: int, remainder: str, target: int) -> None:
    if remainder == "drop" and b > n:
        return
    steps = steps_for_samples(target, n, b, remainder)
    assert samples_seen(steps, n, b, remainder) >= target
    assert steps == 0 or samples_seen(steps - 1, n, b, remainder) < target


@given(n=st.integers(1, 80), b=st.integers(1, 90), remainder=st.sampled_from(REMAINDERS), t=st.integers(0, 60))
def test_samples_seen_against_counting(n: int, b: int, remainder: str, t: int) -> None:
    if remainder == "drop" and b > n:
        return
    sizes: list[int] = []
    epoch = 0
    while len(sizes) < t:
        sizes += batch_sizes(n, b, remainder, epoch=epoch)
        epoch += 1
    assert samples_seen(t, n, b, remainder) == sum(sizes[:t])


def test_memory_of_a_batch() -> None:
    assert batch_bytes(32, 3 * 224 * 224) == 32 * 3 * 224 * 224 * 4
    assert batch_bytes(1, 1, 8) == 8


def test_integers_of_any_kind_and_any_size() -> None:
    assert steps_per_epoch(np.int32(1050), np.uint8(100)) == 11
    assert total_steps(10**15, 3, 10**9) == (10**15 + 2) // 3 * 10**9


def test_table_has_every_policy() -> None:
    table = arithmetic_table(3, 5, epochs=4)
    for remainder in REMAINDERS:
        assert f"\n{remainder} " in table
    assert "0-1" in table  # carry's steps per epoch
    drop = next(line for line in table.splitlines() if line.startswith("drop"))
    assert drop.split() == ["drop", "0", "none", "0", "0", "0.0", "-"]


@pytest.mark.parametrize("bad", [0, -1])
def test_numbers_out_of_range(bad: int) -> None:
    with pytest.raises(ValueError, match=f"batch_size must be an integer >= 1; got {bad}"):
        steps_per_epoch(10, bad)
    with pytest.raises(ValueError, match=f"n_samples must be an integer >= 1; got {bad}"):
        steps_per_epoch(bad, 10)
    with pytest.raises(ValueError, match="epochs must be an integer >= 0"):
        total_steps(10, 3, -1)


@pytest.mark.parametrize("bad", [2.0, True, "half", [3], np.float32(3)])
def test_numbers_that_are_no_integers(bad: Any) -> None:
    with pytest.raises(TypeError, match="batch_size must be an integer >= 1"):
        steps_per_epoch(10, bad)


def test_unknown_policy_names_the_near_misses() -> None:
    with pytest.raises(ValueError, match=r"Unknown remainder policy 'kept'.*Did you mean 'keep'"):
        steps_per_epoch(10, 3, "kept")


def test_importing_the_room_does_not_load_numba() -> None:
    code = "import sys, minibatch.batching; assert 'numba' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
