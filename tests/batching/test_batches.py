"""Batches: sizes, coverage, order, resuming and structure, for every policy and order."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minibatch as mb
from minibatch.batching import REMAINDERS, Batches, batch_sizes, total_steps
from minibatch.batching import batches as batches_module

SHUFFLES = [True, False, "batch", "buffer", "replacement", "stratified"]


@st.composite
def many_batches(draw: st.DrawFn, remainders: tuple[str, ...] = REMAINDERS, shuffles: Any = SHUFFLES) -> Batches:
    """Draw Batches of (arange(N), classes) with any policy, order, seed, N and B."""
    n = draw(st.integers(1, 50))
    shuffle = draw(st.sampled_from(shuffles))
    remainder = draw(st.sampled_from(remainders))
    smaller = draw(st.integers(1, n))
    batch_size = draw(st.sampled_from([smaller, None, "full"] if remainder == "drop" else [smaller, n + 3, None]))
    return Batches(
        np.arange(n),
        np.arange(n) % 3,
        batch_size=batch_size,
        shuffle=shuffle,
        remainder=remainder,
        seed=draw(st.integers(0, 2**64 - 1)),
        buffer_size=draw(st.integers(1, n + 2)) if shuffle == "buffer" else None,
    )


def same(a: Any, b: Any) -> bool:
    return len(a) == len(b) and all(
        np.array_equal(p, q) for left, right in zip(a, b, strict=True) for p, q in zip(left, right, strict=True)
    )


@given(batches=many_batches(), k=st.integers(0, 5))
def test_sizes_are_those_of_the_arithmetic(batches: Batches, k: int) -> None:
    sizes = batch_sizes(batches.n_samples, batches.batch_size, batches.remainder, epoch=k)
    assert [len(batch[0]) for batch in batches.epoch(k)] == sizes
    assert [len(rows) for rows in batches.epoch_indices(k)] == sizes
    assert batches.steps(k) == len(sizes)


@given(batches=many_batches())
def test_len_is_what_the_next_epoch_yields(batches: Batches) -> None:
    for _ in range(3):
        expected = len(batches)
        assert sum(1 for _ in batches) == expected


@given(batches=many_batches(), k=st.integers(0, 5))
def test_batches_are_the_samples_of_their_indices(batches: Batches, k: int) -> None:
    for batch, rows in zip(batches.epoch(k), batches.epoch_indices(k), strict=True):
        np.testing.assert_array_equal(batch[0], rows)
        np.testing.assert_array_equal(batch[1], rows % 3)


@given(
    batches=many_batches(remainders=("keep", "merge", "balance", "weight"), shuffles=SHUFFLES[:4] + SHUFFLES[5:]),
    k=st.integers(0, 5),
)
def test_every_sample_exactly_once_per_epoch(batches: Batches, k: int) -> None:
    seen = np.concatenate(batches.epoch_indices(k))
    np.testing.assert_array_equal(np.sort(seen), np.arange(batches.n_samples))


@given(batches=many_batches(remainders=("drop",), shuffles=[True, False, "batch", "buffer", "stratified"]))
def test_drop_leaves_out_the_remainder(batches: Batches) -> None:
    seen = np.concatenate(batches.epoch_indices(0))
    assert len(set(seen.tolist())) == len(seen) == batches.n_samples - batches.n_samples % batches.batch_size


@given(batches=many_batches(remainders=("wrap",), shuffles=[True, False, "batch", "buffer", "stratified"]))
def test_wrap_fills_the_last_batch_from_the_start_of_the_epoch(batches: Batches) -> None:
    seen = np.concatenate(batches.epoch_indices(1))
    order = batches.order(1)
    np.testing.assert_array_equal(seen, np.resize(order, len(seen)))
    counts = Counter(seen.tolist())
    assert set(counts) == set(range(batches.n_samples))
    assert max(counts.values()) - min(counts.values()) <= 1


@given(batches=many_batches(remainders=("carry",), shuffles=[True, False, "batch", "buffer", "stratified"]))
def test_carry_loses_nothing_over_the_epochs(batches: Batches) -> None:
    n, b = batches.n_samples, batches.batch_size
    epochs = b // np.gcd(n, b)  # after so many, the batches come out even
    seen = [rows for k in range(epochs) for rows in batches.epoch_indices(k)]
    assert len(seen) == total_steps(n, b, int(epochs), "carry")
    np.testing.assert_array_equal(np.sort(np.concatenate(seen)), np.repeat(np.arange(n), epochs))
    stream = np.concatenate([batches.order(k) for k in range(epochs)])
    np.testing.assert_array_equal(np.concatenate(seen), stream)


def test_which_samples_drop_leaves_out_changes() -> None:
    batches = Batches(np.arange(1050), batch_size=100, remainder="drop", seed=5)
    left_out = [set(range(1050)) - set(np.concatenate(batches.epoch_indices(k)).tolist()) for k in range(3)]
    assert [len(rows) for rows in left_out] == [50, 50, 50]
    assert left_out[0] != left_out[1] != left_out[2]


@given(batches=many_batches(remainders=("weight",), shuffles=[True, False]), g=st.integers(0, 2**32 - 1))
def test_weight_gives_every_sample_the_same_say(batches: Batches, g: int) -> None:
    # Keras divides a batch's weighted sum by the count, so a sample's say in an update is w / B_k.
    say = np.zeros(batches.n_samples)
    for (_, _, w), rows in zip(batches.epoch(0), batches.epoch_indices(0), strict=True):
        assert w.dtype == np.float32
        np.add.at(say, rows, w.astype(float) / len(rows))
    np.testing.assert_allclose(say, 1 / batches.batch_size, rtol=1e-6)


@given(
    batches=many_batches(remainders=("keep", "merge", "balance"), shuffles=[True, False]),
    seed=st.integers(0, 2**32 - 1),
    k=st.integers(0, 3),
)
def test_batch_gradients_add_up_to_the_full_gradient(batches: Batches, seed: int, k: int) -> None:
    # At fixed weights sum (B_k / N) g_k = G exactly, whatever the remainder.
    g = np.random.default_rng(seed).standard_normal((batches.n_samples, 3))
    parts = [len(rows) / len(g) * g[rows].mean(axis=0) for rows in batches.epoch_indices(k)]
    np.testing.assert_allclose(np.sum(parts, axis=0), g.mean(axis=0), rtol=1e-9, atol=1e-12)


def weights_in_the_mean(remainder: str, n: int, b: int) -> np.ndarray:
    """Return each place's share a in the mean of an epoch's batch gradients, as docs/batching.md has it."""
    batches = Batches(np.arange(n), batch_size=b, remainder=remainder, shuffle=False, seed=0)
    a = np.zeros(n)
    steps = len(batches)
    for rows in batches.epoch_indices(0):
        say = min(len(rows) / b, 1.0) if remainder == "weight" else 1.0
        np.add.at(a, rows, say / len(rows) / steps)
    return a


@pytest.mark.parametrize("remainder", ["keep", "drop", "wrap", "merge", "balance", "weight"])
def test_bias_and_variance_of_the_epochs_mean_gradient(remainder: str) -> None:
    # For shares a in random order: E = (sum a) G, and E|mean - (sum a) G|^2 = S2 (sum a^2 - (sum a)^2 / N).
    n, b, draws = 21, 8, 4000
    g = np.random.default_rng(3).standard_normal((n, 2)) + 1
    G = g.mean(axis=0)
    S2 = ((g - G) ** 2).sum() / (n - 1)
    a = weights_in_the_mean(remainder, n, b)
    batches = Batches(g, batch_size=b, remainder=remainder, seed=11)
    means = np.array([a @ g[batches.order(k)] for k in range(draws)])
    variance = max(S2 * ((a**2).sum() - a.sum() ** 2 / n), 0.0)  # 0 but for rounding, if all a are equal
    np.testing.assert_allclose(means.mean(axis=0), a.sum() * G, atol=5 * np.sqrt(variance / draws) + 1e-12)
    measured = ((means - a.sum() * G) ** 2).sum(axis=1).mean()
    np.testing.assert_allclose(measured, variance, rtol=0.12, atol=1e-12)


@pytest.mark.parametrize(("n", "b"), [(1050, 100), (21, 8), (7, 3), (9, 5)])
def test_the_variances_of_the_documentation(n: int, b: int) -> None:
    # docs/batching.md; "keep" is E|err|^2 / S2 = (K-1) / (K^2 B) + 1 / (K^2 R) - 1/N of the reference.
    F, C, R = n // b, -(-n // b), n % b
    q, r = divmod(n, C)
    expected = {
        "keep": (C - 1) / (C**2 * b) + 1 / (C**2 * R) - 1 / n,
        "drop": 1 / (F * b) - 1 / n,
        "wrap": (n + 3 * (b - R)) / (C * b) ** 2 - 1 / n,
        "merge": (F - 1) / (F**2 * b) + 1 / (F**2 * (b + R)) - 1 / n,
        "balance": r / (C**2 * (q + 1)) + (C - r) / (C**2 * q) - 1 / n,
        "weight": 0.0,
    }
    for remainder, variance in expected.items():
        a = weights_in_the_mean(remainder, n, b)
        assert a.sum() == pytest.approx(n / (C * b) if remainder == "weight" else 1)
        assert (a**2).sum() - a.sum() ** 2 / n == pytest.approx(variance, abs=1e-15)


def test_the_variance_of_carry() -> None:
    # 21 samples by 8: epoch 0 hands out c = 16 of its own; epoch 1 the a = 5 left over and c = 19 of its own.
    n, draws = 21, 4000
    g = np.random.default_rng(3).standard_normal((n, 2)) + 1
    S2 = ((g - g.mean(axis=0)) ** 2).sum() / (n - 1)
    for epoch, a, c in ((0, 0, 16), (1, 5, 19)):
        errors = []
        for seed in range(draws):
            rows = Batches(g, batch_size=8, remainder="carry", seed=seed).epoch_indices(epoch)
            errors.append(((g[np.concatenate(rows)] - g.mean(axis=0)).mean(axis=0) ** 2).sum())
        variance = S2 * (a * (1 - a / n) + c * (1 - c / n)) / (a + c) ** 2
        np.testing.assert_allclose(np.mean(errors), variance, rtol=0.12)


def test_replacement_draws_independently() -> None:
    batches = Batches(np.arange(2000), batch_size=None, shuffle="replacement", seed=0)
    seen = np.concatenate(batches.epoch_indices(0))
    # A sample is missing from an epoch with probability (1 - 1/N)^N, about 1/e.
    assert len(set(seen.tolist())) / 2000 == pytest.approx(1 - np.exp(-1), abs=0.03)


def test_batch_shuffle_keeps_each_batch_together() -> None:
    batches = Batches(np.arange(10), batch_size=4, shuffle="batch", seed=1)
    for k in range(3):
        assert [sorted(rows.tolist()) for rows in batches.epoch_indices(k)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert batches.order(0).tolist() != batches.order(1).tolist()


# --- epoch after epoch -------------------------------------------------------------------------------


@given(batches=many_batches())
def test_iterating_runs_the_epochs_in_turn(batches: Batches) -> None:
    for k in range(3):
        assert same(list(batches), list(batches.epoch(k)))


@given(batches=many_batches(), k=st.integers(0, 4), data=st.data())
def test_epoch_is_a_pure_function_and_starts_anywhere(batches: Batches, k: int, data: st.DataObject) -> None:
    whole = list(batches.epoch(k))
    again = Batches.from_state(batches.state(), batches.x, batches.y)  # another object, as in another process
    assert same(list(again.epoch(k)), whole)
    start = data.draw(st.integers(0, len(whole)))
    assert same(list(batches.epoch(k, start)), whole[start:])


@settings(max_examples=50)
@given(batches=many_batches())
def test_resuming_at_every_step(batches: Batches) -> None:
    expected = [list(batches.epoch(k)) for k in range(3)]
    states = [batches.state()]
    for _ in range(3):
        states += [json.loads(json.dumps(batches.state())) for _ in batches]
    following = [batch for epoch in expected for batch in epoch]
    for done, state in enumerate(states):
        resumed = Batches.from_state(state, batches.x, batches.y)
        rest: list[Any] = []
        while state["epoch"] < 3:
            rest += list(resumed)
            state = resumed.state()
        assert same(rest, following[done:])


def test_a_state_in_mid_epoch() -> None:
    batches = Batches(np.arange(10), batch_size=4, seed=0)
    iterator = iter(batches)
    assert (batches.state()["epoch"], batches.state()["step"]) == (0, 0)
    next(iterator)
    assert (batches.state()["epoch"], batches.state()["step"]) == (0, 1)
    for _ in iterator:
        pass
    assert (batches.state()["epoch"], batches.state()["step"]) == (1, 0)
    next(iter(batches))  # broken off after one batch of epoch 1
    resumed = Batches.from_state(batches.state(), np.arange(10))
    assert len(list(resumed)) == 2
    assert len(list(resumed)) == 3


def test_unseeded_batches_follow_the_librarys_stream() -> None:
    mb.utils.set_random_seed(7)
    first, second = Batches(np.arange(9)), Batches(np.arange(9))
    mb.utils.set_random_seed(7)
    assert Batches(np.arange(9)).seed == first.seed != second.seed


def test_a_read_of_several_epochs_at_once() -> None:
    batches = Batches(np.arange(6), batch_size=2, seed=0)
    assert same(list(zip(batches, strict=True)), [(b,) for b in batches.epoch(0)])
    pairs = list(zip(batches, batches, strict=True))
    assert same([p for p, _ in pairs], list(batches.epoch(1)))
    assert same([q for _, q in pairs], list(batches.epoch(2)))


# --- what a batch is ---------------------------------------------------------------------------------


class Pair(NamedTuple):
    left: Any
    right: Any


def test_batches_have_the_structure_of_the_data() -> None:
    a, b, c = np.arange(5), np.arange(10.0).reshape(5, 2), np.arange(5) * 2
    x = {"a": a, "more": (b, [c, a])}
    batch, y = next(iter(Batches(x, Pair(a, c), batch_size=2, shuffle=False)))
    assert list(batch) == ["a", "more"]
    np.testing.assert_array_equal(batch["more"][0], b[:2])
    assert isinstance(batch["more"][1], list)
    assert isinstance(y, Pair)
    np.testing.assert_array_equal(y.right, c[:2])
    assert next(iter(Batches((a,), batch_size=2, shuffle=False)))[0].tolist() == [0, 1]


def test_sample_weight_is_handed_out_with_its_sample() -> None:
    w = np.arange(5.0)
    batches = Batches(np.arange(5), np.arange(5), batch_size=2, sample_weight=w, seed=0)
    for x_b, y_b, w_b in batches:
        np.testing.assert_array_equal(x_b, w_b)
        np.testing.assert_array_equal(y_b, w_b)
    batches = Batches(np.arange(5), batch_size=2, sample_weight=w, remainder="weight", shuffle=False)
    assert [(y_b, w_b.tolist()) for _, y_b, w_b in batches] == [(None, [0, 1]), (None, [2, 3]), (None, [2])]


def test_uint8_images_come_out_scaled() -> None:
    images = np.random.default_rng(0).integers(0, 256, (50, 7, 9), np.uint8)
    batches = Batches(images, np.arange(50), batch_size=8, scale=1 / 255, seed=0)
    for (x_b, _), rows in zip(batches, batches.epoch_indices(0), strict=True):
        assert x_b.dtype == np.float32
        np.testing.assert_array_equal(x_b, images[rows].astype(np.float32) * np.float32(1 / 255))
    restored = Batches.from_state(batches.state(), images, np.arange(50))
    assert restored.scale == 1 / 255
    with pytest.raises(TypeError, match="scale is for the uint8 components of x; x is float64"):
        Batches(images.astype(float), scale=1 / 255)


@given(batches=many_batches(), row=st.integers(1, 40))
def test_a_batch_handed_out_is_never_overwritten(batches: Batches, row: int) -> None:
    n = batches.n_samples
    data = np.arange(n * row).reshape(n, row)
    again = Batches.from_state(batches.state(), data, batches.y)
    kept = [batch[0] for _ in range(2) for batch in again]
    expected = [data[rows] for k in range(2) for rows in batches.epoch_indices(k)]
    assert all(np.array_equal(a, b) for a, b in zip(kept, expected, strict=True))
    for batch in kept:
        batch[...] = -1  # and it is the reader's own: to write in, too
    assert (data >= 0).all()


def test_large_batches_recycle_memory_that_nobody_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches_module, "BLOCK_BATCHES", 1)
    x = np.arange(64 * 1000, dtype=np.float32).reshape(64, -1)
    batches = Batches(x, batch_size=4, shuffle=False)
    addresses = set()
    for batch in batches:
        addresses.add(batch.ctypes.data)
    assert len(addresses) == 2
    kept = [batch[1:2] for batch in batches.epoch(0)]  # a slice keeps its block
    assert all(np.array_equal(part[0], x[4 * i + 1]) for i, part in enumerate(kept))


def test_buffer_reuse_overwrites_only_when_asked_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches_module, "BLOCK_BATCHES", 1)
    x = np.arange(8 * 1000, dtype=np.float32).reshape(8, -1)
    batches = Batches(x, batch_size=4, shuffle=False, reuse_buffer=True)
    first, second = batches
    assert first.ctypes.data == second.ctypes.data
    np.testing.assert_array_equal(first, x[4:])


def test_objects_and_strings() -> None:
    names = np.array(["ann", "bob", "cy"], object)
    batches = Batches(names, np.array(["a", "b", "c"]), batch_size=2, shuffle=False)
    assert [(x_b.tolist(), y_b.tolist()) for x_b, y_b in batches] == [(["ann", "bob"], ["a", "b"]), (["cy"], ["c"])]


# --- bad input ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"x": np.zeros(1050), "y": np.zeros(1049)}, ValueError, "x has 1050, y has 1049"),
        ({"x": {"a": np.zeros(3), "b": np.zeros(4)}}, ValueError, r"x\['a'\] has 3, x\['b'\] has 4"),
        ({"x": np.zeros((0, 3))}, ValueError, "x has 0 samples"),
        ({"x": {}}, ValueError, "x has no components"),
        ({"x": np.float64(3)}, ValueError, "must have a sample axis"),
        ({"x": "text"}, TypeError, "x must be an array, or have __len__ and __getitem__"),
        ({"x": (i for i in range(3))}, TypeError, "x is a generator: .* no order to shuffle"),
        ({"x": {1, 2, 3}}, TypeError, "x is a set: .* no order to shuffle"),
        ({"batch_size": 0}, ValueError, "batch_size must be an integer >= 1; got 0"),
        ({"batch_size": -4}, ValueError, "got -4"),
        ({"batch_size": 2.5}, TypeError, r"got 2.5 \(float\)"),
        ({"batch_size": True}, TypeError, r"got True \(bool\)"),
        ({"remainder": "dropp"}, ValueError, "Did you mean 'drop'"),
        ({"shuffle": "bufer"}, ValueError, "Did you mean 'buffer'"),
        ({"shuffle": "buffer"}, ValueError, "buffer_size goes with shuffle"),
        ({"buffer_size": 5}, ValueError, "buffer_size goes with shuffle"),
        ({"shuffle": "buffer", "buffer_size": 0}, ValueError, "buffer_size must be an integer >= 1; got 0"),
        ({"shuffle": "stratified"}, ValueError, "needs class labels"),
        ({"seed": -1}, ValueError, "seed must be an integer >= 0"),
        ({"seed": 2**64}, ValueError, r"seed must be below 2\*\*64"),
        ({"seed": 1.5}, TypeError, "seed must be an integer"),
        ({"batch_size": 20, "remainder": "drop"}, ValueError, "10 samples do not fill one batch of 20"),
    ],
)
def test_bad_input(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Batches(**{"x": np.zeros(10), **arguments})


def test_bad_epochs_and_states() -> None:
    batches = Batches(np.arange(10), batch_size=4, seed=0)
    with pytest.raises(ValueError, match="start must be at most 3"):
        batches.epoch(0, start=4)
    with pytest.raises(ValueError, match="epoch must be an integer >= 0"):
        batches.epoch(-1)
    with pytest.raises(ValueError, match="The state is of 10 samples; x has 9"):
        Batches.from_state(batches.state(), np.arange(9))
    with pytest.raises(ValueError, match="it lacks seed"):
        Batches.from_state({k: v for k, v in batches.state().items() if k != "seed"}, np.arange(10))
    with pytest.raises(ValueError, match="it has version 2"):
        Batches.from_state({**batches.state(), "version": 2}, np.arange(10))
