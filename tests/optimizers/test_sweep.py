"""A step in one compiled pass is the step of ``update``, bit for bit, whoever shares it."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minibatch import parallel, passes
from minibatch.compiling import PLAIN
from minibatch.optimizers import SGD, Adam
from minibatch.optimizers.optimizer import Optimizer

compiled_only = pytest.mark.skipif(PLAIN, reason="nothing is compiled, and so no step is one pass")


def steps(optimizer: Optimizer, size: int, dtype: Any, slices: Any = None) -> np.ndarray:
    """Return theta and the slots after three steps from the same numbers, a third of them left alone."""
    rng = np.random.default_rng(size)
    theta = rng.normal(size=size).astype(dtype)
    for _ in range(3):
        gradient = rng.normal(size=size).astype(dtype)
        before = gradient.copy()
        optimizer.apply(gradient, theta, slices)
        np.testing.assert_array_equal(gradient, before)
    return np.stack([theta, *optimizer.state.values()])


class Counting(SGD):
    """SGD that counts what it does in one pass."""

    swept = 0

    def sweep(self, theta: Any, g: Any, *slots: Any) -> bool:
        done = super().sweep(theta, g, *slots)
        self.swept += done * theta.size
        return done


class Slow(SGD):
    """SGD by its formula."""

    def sweep(self, theta: Any, g: Any, *slots: Any) -> bool:
        return False


@compiled_only
@settings(deadline=None, max_examples=25)
@given(
    size=st.integers(65536, 200_000),
    wide=st.booleans(),
    momentum=st.sampled_from([0.0, 0.9]),
    nesterov=st.booleans(),
    rate=st.floats(1e-4, 10),
    threads=st.integers(1, 3),
)
def test_sgd(size: int, wide: bool, momentum: float, nesterov: bool, rate: float, threads: int) -> None:
    dtype = np.float64 if wide else np.float32
    swift, slow = (rule(rate, momentum=momentum, nesterov=nesterov) for rule in (Counting, Slow))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parallel, "_threads", threads)
        patch.setattr(sys.modules[SGD.__module__], "PIECE", 10_000)
        found = steps(swift, size, dtype)
    np.testing.assert_array_equal(found, steps(slow, size, dtype))
    assert swift.swept == 3 * size


@compiled_only
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_adam(dtype: Any, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    swept: list[bool] = []

    class Swift(Adam):
        def sweep(self, theta: Any, g: Any, *slots: Any) -> bool:
            swept.append(super().sweep(theta, g, *slots))
            return swept[-1]

    Swift.update = Adam.update  # type: ignore[method-assign]  # so that it is the library's rule
    monkeypatch.setattr(parallel, "_threads", threads)
    found = steps(Swift(0.01), 150_001, dtype)
    assert swept == [True] * 3
    monkeypatch.setattr(passes, "LARGE", 1 << 40)
    np.testing.assert_array_equal(found, steps(Adam(0.01), 150_001, dtype))


SLICES = {"one/kernel": slice(10, 70_000), "one/bias": slice(70_000, 70_010), "two/kernel": slice(80_000, 150_000)}


@compiled_only
@pytest.mark.parametrize(
    ("options", "swept"),
    [
        ({}, 70_000 - 10 + 10 + 70_000),
        ({"weight_decay": 0.1}, 0),
        ({"clipvalue": 0.5}, 0),
        ({"global_clipnorm": 1.0}, 0),
        ({"global_clipnorm": 1e9}, 70_000 + 70_000),  # nothing is too long
        ({"gradient_accumulation_steps": 3}, (70_000 + 70_000) / 3),
        ({"use_ema": True, "ema_overwrite_frequency": 2}, 70_000 + 70_000),
    ],
)
@pytest.mark.parametrize("momentum", [0, 0.9])
def test_options(options: dict[str, Any], swept: float, momentum: float) -> None:
    swift, slow = (rule(0.1, momentum=momentum, **options) for rule in (Counting, Slow))
    found = steps(swift, 160_000, np.float32, SLICES)
    np.testing.assert_array_equal(found, steps(slow, 160_000, np.float32, SLICES))
    assert swift.swept == pytest.approx(3 * swept)


def test_what_does_not_decay_goes_in_one_pass_beside_what_does() -> None:
    swift, slow = (rule(0.1, weight_decay=0.1) for rule in (Counting, Slow))
    for rule in (swift, slow):
        rule.exclude_from_weight_decay(var_names=["two"])
    found = steps(swift, 160_000, np.float32, SLICES)
    np.testing.assert_array_equal(found, steps(slow, 160_000, np.float32, SLICES))
    assert swift.swept == (0 if PLAIN else 3 * 70_000)


def test_a_rule_of_the_users_own_is_asked_block_by_block() -> None:
    blocks: list[int] = []

    class Own(SGD):
        def update(self, theta: Any, g: Any, *slots_and_scratch: Any) -> None:
            blocks.append(theta.size)
            super().update(theta, g, *slots_and_scratch)

    found = steps(Own(0.1), 300_000, np.float32)
    assert sum(blocks) == 3 * 300_000
    assert max(blocks) < 300_000
    np.testing.assert_array_equal(found, steps(SGD(0.1), 300_000, np.float32))


def test_small_vectors_and_gradients_of_another_type_go_to_numpy() -> None:
    for size, dtype in ((1000, np.float32), (100_000, np.float64)):
        swift = Counting(0.1)
        theta = np.zeros(size, np.float32)
        swift.apply(np.ones(size, dtype), theta)
        assert not swift.swept
        np.testing.assert_array_equal(theta, np.float32(-0.1))


@pytest.mark.parametrize("size", [5, 100_000])
@pytest.mark.parametrize("rule", [SGD, Adam])
def test_a_rule_put_in_an_optimizers_place_is_heeded(
    size: int, rule: type[Optimizer], monkeypatch: pytest.MonkeyPatch
) -> None:
    def update(theta: Any, g: Any, *slots_and_scratch: Any) -> None:
        theta -= 7 * g

    one, theta = rule(), np.zeros(size, np.float32)
    one.update = update  # type: ignore[method-assign]  # which is what a user does here
    one.apply(np.ones(size, np.float32), theta)
    monkeypatch.setattr(rule, "update", lambda self, theta, g, *rest: update(theta, g))
    rule().apply(np.ones(size, np.float32), theta)
    np.testing.assert_array_equal(theta, -14)
