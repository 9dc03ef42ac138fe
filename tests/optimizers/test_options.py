"""What all rules share: slices, frozen parts, clipping, averages, accumulation, and what is kept in files."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minibatch as mb
from minibatch.optimizers import optimizer as module
from minibatch.optimizers.clipping import CHUNK, global_scale, norm, weight_scale
from minibatch.optimizers.optimizer import ACCUMULATOR, AVERAGE

KINDS: list[tuple[type[mb.optimizers.Optimizer], dict[str, Any]]] = [
    (mb.optimizers.SGD, {}),
    (mb.optimizers.SGD, {"momentum": 0.9, "nesterov": True}),
    (mb.optimizers.Adam, {"amsgrad": True}),
    (mb.optimizers.AdamW, {}),
    (mb.optimizers.RMSprop, {"momentum": 0.5, "centered": True, "epsilon": 1e-3}),
    (mb.optimizers.Adagrad, {}),
]
EVERYTHING: list[dict[str, Any]] = [
    {"clipnorm": 0.5, "weight_decay": 0.1, "use_ema": True, "ema_overwrite_frequency": 2},
    {"global_clipnorm": 0.5, "gradient_accumulation_steps": 3, "use_ema": True},
    {"clipvalue": 0.1, "weight_decay": 0.1, "gradient_accumulation_steps": 2, "ema_overwrite_frequency": 3},
    {"gradient_accumulation_steps": 4, "clipnorm": 0.5},
]
EACH_KIND = pytest.mark.parametrize(("kind", "rule"), KINDS)
EACH_OPTION = pytest.mark.parametrize("option", EVERYTHING, ids=str)


def walk(
    optimizer: mb.optimizers.Optimizer, slices: dict[str, slice] | None, moving: Any = slice(None)
) -> tuple[np.ndarray, np.ndarray]:
    """Return theta before and after seven steps along random gradients; of 60 parameters, only the moving ones."""
    rng = np.random.default_rng(5)
    theta = rng.normal(size=60).astype("float32")[moving]
    start = theta.copy()
    for _ in range(7):
        g = rng.normal(size=60).astype("float32")[moving]
        kept = g.copy()
        optimizer.apply(g, theta, slices)
        np.testing.assert_array_equal(g, kept)
    return start, theta


# Slices -----------------------------------------------------------------------------------------------------


@EACH_KIND
@EACH_OPTION
@settings(max_examples=8, deadline=None)
@given(block=st.integers(1, 70), first=st.integers(0, 20), second=st.integers(0, 20))
def test_the_size_of_a_block_changes_no_bit(
    kind: type[mb.optimizers.Optimizer],
    rule: dict[str, Any],
    option: dict[str, Any],
    block: int,
    first: int,
    second: int,
) -> None:
    slices = {"a": slice(0, first), "b": slice(first, first + second), "c": slice(45, 60)}
    results = []
    with pytest.MonkeyPatch.context() as patch:
        for size in (module.BLOCK, block):
            patch.setattr(module, "BLOCK", size)
            optimizer = kind(0.05, **rule, **option)
            results.append([walk(optimizer, slices)[1], *optimizer.state.values()])
    for a, b in zip(*results, strict=True):
        np.testing.assert_array_equal(a, b)


@EACH_KIND
@EACH_OPTION
def test_what_is_frozen_stays_and_what_moves_does_not_notice(
    kind: type[mb.optimizers.Optimizer], rule: dict[str, Any], option: dict[str, Any]
) -> None:
    slices = {"a": slice(3, 10), "b": slice(10, 17), "c": slice(40, 55)}
    moving = np.zeros(60, bool)
    for place in slices.values():
        moving[place] = True
    optimizer = kind(0.05, **rule, **option)
    start, theta = walk(optimizer, slices)
    optimizer.finalize(theta)
    np.testing.assert_array_equal(theta[~moving], start[~moving])
    assert (theta[moving] != start[moving]).all()
    for slot, vector in optimizer.state.items():
        at_first = start if slot == AVERAGE else np.full(60, optimizer.initial(slot), np.float32)
        np.testing.assert_array_equal(vector[~moving], at_first[~moving])

    cut_out = kind(0.05, **rule, **option)
    small = walk(cut_out, {"a": slice(0, 7), "b": slice(7, 14), "c": slice(14, 29)}, moving)[1]
    cut_out.finalize(small)
    np.testing.assert_array_equal(theta[moving], small)


def test_a_layer_is_unfrozen_between_steps() -> None:
    theta = np.zeros(4)
    optimizer = mb.optimizers.SGD(1.0, momentum=0.5)
    slices = {"kernel": slice(0, 2)}
    optimizer.apply(np.ones(4), theta, slices)
    slices["bias"] = slice(2, 4)  # the same dict, changed by the caller
    optimizer.apply(np.ones(4), theta, slices)
    np.testing.assert_array_equal(theta, [-2.5, -2.5, -1, -1])


def test_weights_may_be_the_keys() -> None:
    layer = mb.layers.Dense(2)
    layer.ensure_built((3,))
    kernel, bias = layer.weights
    slices = {kernel: slice(0, 6), bias: slice(6, 8)}
    for excluded in ({"var_list": [bias]}, {"var_names": ["bias"]}, {"var_names": [f"^{layer.name}/b"]}):
        theta = np.ones(8)
        optimizer = mb.optimizers.SGD(0.5, weight_decay=0.5)
        optimizer.exclude_from_weight_decay(**excluded)
        optimizer.apply(np.zeros(8), theta, slices)
        np.testing.assert_array_equal(theta, [0.75] * 6 + [1.0] * 2)
    optimizer.exclude_from_weight_decay()  # each call begins anew
    optimizer.apply(np.zeros(8), theta, slices)
    np.testing.assert_array_equal(theta, [0.75**2] * 6 + [0.75] * 2)


def test_excluding_needs_to_know_where_the_weights_lie() -> None:
    optimizer = mb.optimizers.AdamW()
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    with pytest.raises(ValueError, match="it needs slices: where each lies"):
        optimizer.apply(np.ones(3), np.ones(3))
    with pytest.raises(TypeError, match="var_names must be a list of strings; got 'bias'"):
        optimizer.exclude_from_weight_decay(var_names="bias")


@pytest.mark.parametrize(
    "slices",
    [
        {"a": slice(0, 3), "b": slice(2, 4)},
        {"a": slice(0, 5)},
        {"a": slice(-1, 2)},
        {"a": slice(2, 1)},
        {"a": slice(0, 4, 2)},
    ],
)
def test_slices_that_do_not_fit(slices: dict[str, slice]) -> None:
    theta = np.ones(4)
    with pytest.raises(ValueError, match="of 4 parameters: outside them, or overlapping"):
        mb.optimizers.SGD().apply(np.ones(4), theta, slices)
    np.testing.assert_array_equal(theta, 1)


def test_nothing_moves_where_there_is_nothing() -> None:
    for option in EVERYTHING:
        optimizer = mb.optimizers.Adam(**option)
        optimizer.apply(np.ones(3), np.ones(3), {})
        optimizer.apply(np.ones(3), np.ones(3), {"empty": slice(1, 1)})
        assert optimizer.micro_steps == 2
        mb.optimizers.Adam(**option).apply(np.empty(0), np.empty(0))


# Clipping ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 5 * CHUNK + 3])
def test_the_norm(size: int) -> None:
    g = np.random.default_rng(size).normal(size=size).astype("float32")
    # Each chunk is summed in float32, over several lanes at once: some 1e-6 of it at most.
    assert norm([g]) == pytest.approx(math.sqrt(math.fsum(g.astype(float) ** 2)), rel=1e-6)
    assert norm([g[:7], g[7:]]) == pytest.approx(norm([g]), rel=1e-6)


def test_clipping_by_hand() -> None:
    """|(3, 4)| = 5, |(12,)| = 12, |(3, 4, 12)| = 13."""
    g, slices = np.array([3.0, 4.0, 12.0]), {"a": slice(0, 2), "b": slice(2, 3)}
    expected = {
        "clipnorm": [3.0, 4.0, 6.0],
        "clipvalue": [3.0, 4.0, 6.0],
        "global_clipnorm": (6 / 13 * g).tolist(),
    }
    for argument, steps in expected.items():
        theta = np.zeros(3)
        mb.optimizers.SGD(1.0, **{argument: 6.0}).apply(g, theta, slices)
        np.testing.assert_allclose(-theta, steps, rtol=1e-15)
    whole = np.zeros(3)
    mb.optimizers.SGD(1.0, clipnorm=6.0).apply(g, whole)  # without slices it is one weight
    np.testing.assert_allclose(-whole, expected["global_clipnorm"], rtol=1e-15)


@EACH_KIND
def test_a_bound_above_the_gradient_changes_no_bit(
    kind: type[mb.optimizers.Optimizer], rule: dict[str, Any]
) -> None:
    plain = walk(kind(0.05, **rule), None)[1]
    for argument in ("clipnorm", "clipvalue", "global_clipnorm"):
        np.testing.assert_array_equal(walk(kind(0.05, **rule, **{argument: 1e3}), None)[1], plain)


def test_scales() -> None:
    assert weight_scale(0.0, 1.0) == global_scale(0.0, 1.0) == 1.0
    assert weight_scale(math.inf, 1.0) == 0.0
    assert math.isnan(global_scale(math.inf, 1.0))
    assert math.isnan(weight_scale(math.nan, 1.0))
    assert math.isnan(global_scale(math.nan, 1.0))


# Accumulation and averages ----------------------------------------------------------------------------------


@EACH_KIND
def test_small_batches_accumulate_to_a_large_one(kind: type[mb.optimizers.Optimizer], rule: dict[str, Any]) -> None:
    """The gradient of a batch is the mean over its parts, so the steps are the same, and so many fewer."""
    rng = np.random.default_rng(1)
    small, large = kind(0.05, gradient_accumulation_steps=4, **rule), kind(0.05, **rule)
    a = rng.normal(size=9)
    b = a.copy()
    for _ in range(6):
        parts = rng.normal(size=(4, 9))
        for i, part in enumerate(parts):
            before = a.copy()
            small.apply(part, a)
            assert np.array_equal(a, before) == (i < 3)
        large.apply(parts.mean(axis=0), b)
        np.testing.assert_allclose(a, b, rtol=1e-12)
        np.testing.assert_array_equal(small.state[ACCUMULATOR], 0)
    assert (small.iterations, small.micro_steps) == (large.iterations, 24) == (6, 24)
    small.iterations = 10
    assert small.micro_steps == 40


def test_the_average_by_hand() -> None:
    """Theta goes 0, -1, -2, ...; the average begins with the first step's theta."""
    theta = np.zeros(1)
    optimizer = mb.optimizers.SGD(1.0, use_ema=True, ema_momentum=0.75)
    averages = []
    for _ in range(3):
        optimizer.apply(np.ones(1), theta)
        averages.append(float(optimizer.state[AVERAGE][0]))
    # 0.75 (-1) + 0.25 (-2) = -1.25; 0.75 (-1.25) + 0.25 (-3) = -1.6875
    assert averages == [-1.0, -1.25, -1.6875]
    assert theta == -3.0
    optimizer.finalize(theta)
    assert theta == -1.6875

    theta = np.zeros(1)
    optimizer = mb.optimizers.SGD(1.0, use_ema=True, ema_momentum=0.75, ema_overwrite_frequency=2)
    path = []
    for _ in range(4):
        optimizer.apply(np.ones(1), theta)
        path.append(float(theta[0]))
    # -1; -2 becomes -1.25; -2.25, averaged -1.5; -2.25 - 1 becomes 0.75 (-1.5) + 0.25 (-3.25)
    assert path == [-1.0, -1.25, -2.25, -1.9375]


def test_a_fit_that_was_resumed_after_its_last_step_still_ends_on_the_average() -> None:
    theta = np.zeros(2)
    first, second = (mb.optimizers.SGD(1.0, use_ema=True, ema_momentum=0.75) for _ in range(2))
    for _ in range(2):
        first.apply(np.ones(2), theta, {"a": slice(0, 1)})
    second.load_state_dict(first.state_dict())
    second.finalize(theta, {"a": slice(0, 1)})
    np.testing.assert_array_equal(theta, [-1.25, 0.0])


def test_finalize_without_an_average_or_a_step_does_nothing() -> None:
    theta = np.ones(2)
    mb.optimizers.SGD().finalize(theta)
    mb.optimizers.SGD(use_ema=True).finalize(theta)
    np.testing.assert_array_equal(theta, 1)


# What is kept -----------------------------------------------------------------------------------------------


@EACH_KIND
@EACH_OPTION
@pytest.mark.parametrize("stop", [1, 2, 4])
def test_stopped_and_resumed_is_the_same_bit_for_bit(
    kind: type[mb.optimizers.Optimizer], rule: dict[str, Any], option: dict[str, Any], stop: int
) -> None:
    slices = {"a": slice(0, 5), "b": slice(5, 20)}
    rng = np.random.default_rng(3)
    gradients = rng.normal(size=(9, 20)).astype("float32")
    theta = rng.normal(size=20).astype("float32")
    resumed = theta.copy()
    whole, before = (kind(0.05, **rule, **option) for _ in range(2))
    after = kind(0.7, **rule, **option)
    for g in gradients:
        whole.apply(g, theta, slices)
    for g in gradients[:stop]:
        before.apply(g, resumed, slices)
    kept = before.state_dict()
    after.load_state_dict(kept)
    for vector in kept.values():
        if isinstance(vector, np.ndarray):
            vector[...] = np.nan  # copies, both ways
    for g in gradients[stop:]:
        after.apply(g, resumed, slices)
    np.testing.assert_array_equal(resumed, theta)
    assert after.iterations == whole.iterations
    assert list(after.state_dict()) == list(whole.state_dict())


def test_what_a_state_holds() -> None:
    optimizer = mb.optimizers.Adam(0.5, amsgrad=True, use_ema=True, gradient_accumulation_steps=2)
    assert optimizer.state_dict() == {"iteration": 0, "learning_rate": 0.5}
    optimizer.apply(np.ones(2), np.ones(2))
    layout = [(AVERAGE,), (ACCUMULATOR,), ("momentum", "velocity"), ("velocity_hat",)]
    assert optimizer.keras_layout() == layout
    assert list(optimizer.state_dict()) == ["iteration", "learning_rate", *(s for group in layout for s in group)]
    scheduled = mb.optimizers.SGD(mb.optimizers.schedules.CosineDecay(0.1, 10))
    assert scheduled.learning_rate_is_scheduled
    assert scheduled.state_dict() == {"iteration": 0}
    scheduled.load_state_dict({"iteration": 5})
    assert scheduled.learning_rate == pytest.approx(0.05)


def test_a_state_that_does_not_fit_changes_nothing() -> None:
    optimizer = mb.optimizers.SGD(0.5, momentum=0.9)
    optimizer.apply(np.ones(2), np.ones(2))
    before = optimizer.state_dict()
    good: dict[str, Any] = {"iteration": 3, "learning_rate": 0.1}
    bad: list[dict[str, Any]] = [
        {},
        {"iteration": 3},
        good | {"velocity": np.ones(2)},
        good | {"momentum": np.ones(3)},
        good | {"momentum": np.ones((2, 1))},
        good | {"momentum": np.ones(2), "velocity": np.ones(2)},
        good | {"momentum": np.ones(2), "iteration": -1},
        good | {"momentum": np.ones(2), "learning_rate": np.nan},
    ]
    for state in bad:
        with pytest.raises(ValueError, match=r"'sgd'|SGD"):
            optimizer.load_state_dict(state)
        np.testing.assert_equal(optimizer.state_dict(), before)
    fresh = mb.optimizers.SGD(0.5, momentum=0.9)
    fresh.load_state_dict(good | {"momentum": np.ones(3)})
    with pytest.raises(ValueError, match="built for 3 parameters; got 2"):
        fresh.apply(np.ones(2), np.ones(2))


def test_a_setting_changed_between_steps() -> None:
    """Momentum from 0 needs a slot, and gets it."""
    theta = np.zeros(2)
    optimizer = mb.optimizers.SGD(1.0)
    optimizer.apply(np.ones(2), theta)
    optimizer.momentum, optimizer.weight_decay = 0.5, 0.5
    optimizer.apply(np.ones(2), theta)
    np.testing.assert_array_equal(theta, -1.5)  # -1 decays to -0.5, and 1 further


def test_the_learning_rate_is_a_number_that_can_be_assigned() -> None:
    optimizer = mb.optimizers.SGD(0.1)
    before = optimizer.learning_rate
    assert optimizer.learning_rate.assign(before / 2) == 0.05 == optimizer.learning_rate.numpy()
    assert before == 0.1
    assert type(before.numpy()) is np.float32
    assert type(copy.deepcopy(before)) is float
    with pytest.raises(ValueError, match="learning_rate must be a number, 0 or more; got -1"):
        before.assign(-1)
    with pytest.raises(TypeError, match="so it cannot be set to"):
        mb.optimizers.SGD(lambda: 0.1).learning_rate.assign(0.2)


def test_a_rate_may_be_an_array_of_one_number() -> None:
    optimizer = mb.optimizers.SGD(0.1)
    assert optimizer.learning_rate.assign(np.array(0.2)) == 0.2
