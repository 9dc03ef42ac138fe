"""A batch size that changes in mid-epoch: every sample once, in the order of the epoch, resumable."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minibatch.batching import Batches
from minibatch.batching.arithmetic import batch_sizes


def run(batches: Batches, sizes: dict[int, int], epochs: int = 2) -> list[list[int]]:
    """Run epochs, resizing after the steps that ``sizes`` names, counted from 1 over all epochs."""
    found, step = [], 0
    for _ in range(epochs):
        for batch in batches:
            found.append(batch.tolist())
            step += 1
            if step in sizes:
                batches.resize(sizes[step])
    return found


@given(
    n=st.integers(1, 40), first=st.integers(1, 12), seed=st.integers(0, 5),
    sizes=st.dictionaries(st.integers(1, 12), st.integers(1, 12), max_size=4),
    remainder=st.sampled_from(["keep", "weight", "merge", "balance"]),
)  # fmt: skip
@settings(max_examples=150, deadline=None)
def test_every_sample_once_and_in_the_order_of_the_epoch(
    n: int, first: int, seed: int, sizes: dict[int, int], remainder: str
) -> None:
    batches = Batches(np.arange(n), batch_size=first, seed=seed, remainder=remainder)
    order = [batches.order(k).tolist() for k in (0, 1)]
    if remainder == "weight":
        found = [batch[0].tolist() for batch in _resized(batches, sizes)]
    else:
        found = run(batches, sizes)
    assert [sample for batch in found for sample in batch] == order[0] + order[1]


def _resized(batches: Batches, sizes: dict[int, int]) -> Any:
    step = 0
    for _ in range(2):
        for batch in batches:
            yield batch
            step += 1
            if step in sizes:
                batches.resize(sizes[step])


@pytest.mark.parametrize("remainder", ["keep", "drop", "wrap", "merge", "balance"])
def test_the_rest_is_cut_as_an_epoch_of_so_many_samples(remainder: str) -> None:
    batches = Batches(np.arange(50), batch_size=4, seed=0, remainder=remainder)
    found = [len(batch) for batch in run(batches, {3: 7})]
    assert found == [4, 4, 4, *batch_sizes(38, 7, remainder), *batch_sizes(50, 7, remainder)]
    assert batches.steps(0) == 3 + len(batch_sizes(38, 7, remainder))
    assert batches.steps(1) == len(batches) == len(batch_sizes(50, 7, remainder))
    assert [len(rows) for rows in batches.epoch_indices(0)] == found[: batches.steps(0)]


@given(
    sizes=st.dictionaries(st.integers(1, 15), st.integers(1, 9), max_size=5),
    cut=st.integers(1, 15),
    remainder=st.sampled_from(["keep", "drop", "wrap", "merge", "balance"]),
)
@settings(max_examples=100, deadline=None)
def test_taken_up_again_it_goes_on_with_the_very_next_batch(
    sizes: dict[int, int], cut: int, remainder: str
) -> None:
    def fresh() -> Batches:
        return Batches(np.arange(23), batch_size=3, seed=1, remainder=remainder)

    whole = run(fresh(), sizes, epochs=3)
    batches, found, step = fresh(), [], 0
    for _ in range(3):
        for batch in batches:
            found.append(batch.tolist())
            step += 1
            if step in sizes:
                batches.resize(sizes[step])
            if step == cut:
                break
        if step == cut:
            break
    if step < cut:
        return
    batches = Batches.from_state(json.loads(json.dumps(batches.state())), np.arange(23))
    while len(found) < len(whole):
        for batch in batches:
            found.append(batch.tolist())
            step += 1
            if step in sizes:
                batches.resize(sizes[step])
    assert found == whole


def test_a_size_set_before_the_first_batch_or_to_the_same_changes_nothing_else() -> None:
    batches, plain = Batches(np.arange(10), batch_size=3, seed=0), Batches(np.arange(10), batch_size=5, seed=0)
    batches.resize(5)
    assert run(batches, {1: 5}) == run(plain, {})
    assert batches.batch_size == 5
    batches.resize("full")
    assert [len(batch) for batch in batches] == [10]


def test_what_hangs_together_with_the_size_is_refused() -> None:
    with pytest.raises(ValueError, match='shuffle="batch" an epoch depends on its batch size'):
        Batches(np.arange(10), batch_size=3, shuffle="batch").resize(5)
    with pytest.raises(ValueError, match='remainder="carry" an epoch depends'):
        Batches(np.arange(10), batch_size=3, remainder="carry").resize(5)
    with pytest.raises(ValueError, match="batch"):
        Batches(np.arange(10), batch_size=3, remainder="drop").resize(11)
    with pytest.raises(ValueError, match="batch_size"):
        Batches(np.arange(10), batch_size=3).resize(0)
