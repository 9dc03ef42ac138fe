"""The step over a small vector in one compiled loop is ``SGD.update``, bit for bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minibatch as mb
from minibatch.optimizers import SGD


@settings(deadline=None)  # the first example loads a compiled loop
@given(n=st.integers(1, 500), wide=st.booleans(), rate=st.floats(0, 1), frozen=st.booleans())
def test_a_small_step_has_the_bits_of_the_rule(n: int, wide: bool, rate: float, frozen: bool) -> None:
    rng = np.random.default_rng(n)
    theta, g = (rng.normal(size=n).astype(np.float64 if wide else np.float32) for _ in range(2))
    slices = {"first": slice(0, n // 3), "last": slice(n // 2, n)} if frozen else None
    expected, found = theta.copy(), theta.copy()
    for place in slices.values() if slices else [slice(0, n)]:
        expected[place] -= g[place] * theta.dtype.type(rate)
    optimizer = SGD(rate)
    optimizer.apply(g, found, slices)
    np.testing.assert_array_equal(found, expected)
    assert optimizer.rate == rate
    assert optimizer.iterations == 1


@pytest.mark.parametrize(
    "options",
    [{"momentum": 0.9}, {"weight_decay": 0.1}, {"clipnorm": 0.1}, {"clipvalue": 0.1}, {"global_clipnorm": 0.1}],
    ids=lambda options: next(iter(options)),
)
def test_options_are_heeded_in_a_small_step(options: dict[str, Any], rng: np.random.Generator) -> None:
    theta, g = rng.normal(size=9), rng.normal(size=9)
    plain, other = theta.copy(), theta.copy()
    rule, rule_with = SGD(0.1), SGD(0.1, **options)
    for _ in range(2):
        rule.apply(g, plain)
        rule_with.apply(g, other)
    assert not np.allclose(plain, other)


def test_a_rule_derived_from_it_is_run(rng: np.random.Generator) -> None:
    class Up(mb.optimizers.SGD):
        def update(self, theta, g, *slots_and_scratch):
            theta += self.rate * g

    theta, g = rng.normal(size=9), rng.normal(size=9)
    expected = theta + 0.5 * g
    Up(0.5).apply(g, theta)
    np.testing.assert_allclose(theta, expected)


def test_other_layouts_go_by_the_rule(rng: np.random.Generator) -> None:
    theta = rng.normal(size=20)[::2]
    g = rng.normal(size=10)
    g.setflags(write=False)
    expected = theta - 0.5 * g
    SGD(0.5).apply(g, theta)
    np.testing.assert_allclose(theta, expected)
