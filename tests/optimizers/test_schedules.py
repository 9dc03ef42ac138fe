"""Every schedule against Keras's over its steps, for arguments that Hypothesis thinks of; and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from parity.keras_reference import BOTH, keras

import minibatch as mb
from minibatch.optimizers import schedules

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:(keras|tensorflow|ml_dtypes|google|gast|astunparse|optree).*"
)

RATE = st.floats(1e-3, 1.0)
STEPS = st.integers(1, 400)
NAMES = sorted(schedules.SCHEDULES)
FOR_ALL = settings(max_examples=25, deadline=None)
AT = [0, 1, 2, 3, 5, 7, 10, 19, 20, 21, 50, 99, 100, 101, 250, 399, 400, 401, 999, 1000, 5000]


def compare(name: str, arguments: dict[str, Any], at: list[int], highest: float, slack: float = 1.0) -> None:
    """Keras computes in float32: every operation is off by up to 6e-8 of its result, and there are about ten."""
    theirs, mine = (getattr(library.optimizers.schedules, name)(**arguments) for library in BOTH)
    for step in at:
        assert mine(step) == pytest.approx(float(theirs(step)), rel=0, abs=1e-6 * slack * highest), step


@FOR_ALL
@given(rate=RATE, steps=STEPS, decay=st.floats(0.125, 1.0, width=32), staircase=st.booleans())
def test_exponential_decay(rate: float, steps: int, decay: float, staircase: bool) -> None:
    # A rate that float32 holds exactly: rounded to it, 0.999 would be off by 1e-8, and its 1,000th power by 1e-5.
    # decay^p is exp(p log decay): float32 rounds p, so the result is off by p |log decay| roundings of itself; and
    # x e^-x is at most 0.4.
    arguments = {"initial_learning_rate": rate, "decay_steps": steps, "decay_rate": decay, "staircase": staircase}
    compare("ExponentialDecay", arguments, AT, rate)


@FOR_ALL
@given(rate=RATE, steps=STEPS, decay=st.floats(0.0, 3.0), staircase=st.booleans())
def test_inverse_time_decay(rate: float, steps: int, decay: float, staircase: bool) -> None:
    arguments = {"initial_learning_rate": rate, "decay_steps": steps, "decay_rate": decay, "staircase": staircase}
    compare("InverseTimeDecay", arguments, AT, rate)


@FOR_ALL
@given(boundaries=st.sets(st.integers(0, 500), min_size=1, max_size=6), data=st.data())
def test_piecewise_constant_decay(boundaries: set[int], data: st.DataObject) -> None:
    edges = sorted(boundaries)
    values = data.draw(st.lists(RATE, min_size=len(edges) + 1, max_size=len(edges) + 1))
    near = [step for edge in edges for step in (edge - 1, edge, edge + 1) if step >= 0]
    compare("PiecewiseConstantDecay", {"boundaries": edges, "values": values}, [0, *near, 999], max(values))


@FOR_ALL
@given(rate=RATE, end=RATE, steps=STEPS, power=st.sampled_from([0.5, 1.0, 2.0, 2.7]), cycle=st.booleans())
def test_polynomial_decay(rate: float, end: float, steps: int, power: float, cycle: bool) -> None:
    arguments = {"initial_learning_rate": rate, "decay_steps": steps, "end_learning_rate": end, "power": power}
    # Under the root 1 - p is off by 6e-8, the root by 6e-8 / sqrt(1 - p), and 1 - p is 0 or at least 1 / 5000.
    compare("PolynomialDecay", arguments | {"cycle": cycle}, AT, max(rate, end), slack=10 if power < 1 else 1)


@FOR_ALL
@given(
    rate=st.floats(0.0, 1.0),
    steps=STEPS,
    alpha=st.floats(0.0, 1.0),
    target=st.none() | RATE,
    warmup=st.integers(0, 100),
)
def test_cosine_decay(rate: float, steps: int, alpha: float, target: float | None, warmup: int) -> None:
    arguments = {"initial_learning_rate": rate, "decay_steps": steps, "alpha": alpha, "warmup_target": target}
    near = [warmup, warmup + 1, warmup + steps, warmup + steps + 1]
    highest = max(rate, target or 0.0, 1e-3)
    compare("CosineDecay", arguments | {"warmup_steps": warmup}, AT + near, highest)


@FOR_ALL
@given(
    rate=RATE,
    first=st.integers(1, 100),
    t_mul=st.sampled_from([1.0, 2.0, 3.0, 4.0]),
    m_mul=st.floats(0.3, 1.0),
    alpha=st.floats(0.0, 0.5),
)
def test_cosine_decay_restarts(rate: float, first: int, t_mul: float, m_mul: float, alpha: float) -> None:
    """The first steps of five periods, and those before and after: that is where a rounding would show."""
    starts = np.cumsum([0, *(first * t_mul**i for i in range(5))]).astype(int).tolist()
    near = sorted({step for start in starts for step in (start - 1, start, start + 1) if step >= 0})
    arguments = {
        "initial_learning_rate": rate,
        "first_decay_steps": first,
        "t_mul": t_mul,
        "m_mul": m_mul,
        "alpha": alpha,
    }
    # p is a small difference of large numbers in float32: 121 periods' lengths back, after four of t_mul = 3.
    compare("CosineDecayRestarts", arguments, near, rate, slack=300)


def test_a_restart_comes_when_it_should() -> None:
    """log(1000) / log(10) is 2.9999999999999996."""
    restarts = schedules.CosineDecayRestarts(1.0, 9, t_mul=10.0)
    assert [restarts(step) for step in (0, 9, 99, 999, 9999)] == [1.0] * 5
    assert all(restarts(step) < 1e-1 for step in (8, 98, 998, 9998))
    for t_mul in np.linspace(1.0, 3.0, 41):
        schedule = schedules.CosineDecayRestarts(1.0, 7, t_mul=float(t_mul))
        starts = np.cumsum([7 * t_mul**i for i in range(9)])
        for start in starts[starts < 1e5]:
            before, after = int(np.ceil(start)) - 1, int(np.floor(start)) + 1
            assert schedule(before) < 0.2
            assert schedule(after) > 0.8


def test_by_hand() -> None:
    assert [schedules.ExponentialDecay(0.8, 2, 0.25)(t) for t in (0, 1, 2, 4)] == [0.8, 0.4, 0.2, 0.05]
    assert [schedules.ExponentialDecay(0.8, 2, 0.25, staircase=True)(t) for t in (0, 1, 2, 3)] == [
        0.8,
        0.8,
        0.2,
        0.2,
    ]
    assert [schedules.InverseTimeDecay(1.0, 2, 0.5)(t) for t in (0, 4, 12)] == [1.0, 0.5, 0.25]
    assert [schedules.PiecewiseConstantDecay([2, 4], [3.0, 2.0, 1.0])(t) for t in range(6)] == [3, 3, 3, 2, 2, 1]
    assert [schedules.PolynomialDecay(1.0, 4, 0.0, power=2.0)(t) for t in (0, 2, 4, 9)] == [1.0, 0.25, 0.0, 0.0]
    # The second cycle takes 8 steps: at 5 there are 3/8 left.
    assert [schedules.PolynomialDecay(1.0, 4, 0.0, cycle=True)(t) for t in (0, 4, 5, 8)] == [1.0, 0.0, 0.375, 0.0]
    warm = schedules.CosineDecay(0.0, 10, alpha=0.5, warmup_target=1.0, warmup_steps=4)
    assert [warm(t) for t in (0, 1, 4, 9, 14, 99)] == [0.0, 0.25, 1.0, pytest.approx(0.75), 0.5, 0.5]


ARGUMENTS: dict[str, dict[str, Any]] = {
    "CosineDecay": {"initial_learning_rate": 0.1, "decay_steps": 5, "warmup_target": 0.5, "warmup_steps": 2},
    "CosineDecayRestarts": {"initial_learning_rate": 0.1, "first_decay_steps": 5, "t_mul": 3.0},
    "ExponentialDecay": {"initial_learning_rate": 0.1, "decay_steps": 5, "decay_rate": 0.5},
    "InverseTimeDecay": {"initial_learning_rate": 0.1, "decay_steps": 5, "decay_rate": 0.5},
    "PiecewiseConstantDecay": {"boundaries": [3, 5], "values": [0.5, 0.25, 0.125]},
    "PolynomialDecay": {"initial_learning_rate": 0.1, "decay_steps": 5, "cycle": True},
}


@pytest.mark.parametrize("name", NAMES)
def test_config_both_ways(name: str) -> None:
    theirs, mine = (getattr(library.optimizers.schedules, name)(**ARGUMENTS[name]) for library in BOTH)
    expected = keras.optimizers.schedules.serialize(theirs)
    assert schedules.serialize(mine) == expected
    assert schedules.serialize(schedules.deserialize(expected)) == expected
    back = keras.optimizers.schedules.deserialize(schedules.serialize(mine))
    assert keras.optimizers.schedules.serialize(back) == expected
    assert type(mine).from_config(mine.get_config()).get_config() == mine.get_config() == theirs.get_config()


class OfMyOwn(mb.optimizers.schedules.LearningRateSchedule):
    def __init__(self, start: float) -> None:
        self.start = start

    def __call__(self, step: int) -> float:
        return self.start / (step + 1)


def test_a_schedule_of_ones_own() -> None:
    optimizer = mb.optimizers.SGD(OfMyOwn(1.0))
    theta = np.zeros(1)
    for expected in (-1.0, -1.5, -1.75):  # 1 + 1/2, then a gradient of 3/4: 1/3 of it
        optimizer.apply(np.full(1, 0.75 if expected == -1.75 else 1.0), theta)
        assert theta == pytest.approx(expected)
    config = mb.optimizers.serialize(optimizer)
    with pytest.raises(ValueError, match="custom_objects="):
        mb.optimizers.deserialize(config)
    again = mb.optimizers.deserialize(config, {"OfMyOwn": OfMyOwn})
    assert mb.optimizers.serialize(again) == config
    again.iterations = 3
    assert again.learning_rate == 0.25
    assert mb.optimizers.SGD.from_config(optimizer.get_config(), {"OfMyOwn": OfMyOwn}).learning_rate == 1.0


def falling() -> float:
    return 0.125


def test_a_function_in_a_config() -> None:
    config = mb.optimizers.serialize(mb.optimizers.SGD(falling))
    assert config["config"]["learning_rate"] == keras.optimizers.SGD(falling).get_config()["learning_rate"]
    assert mb.optimizers.deserialize(config, {"falling": falling}).learning_rate == 0.125
    with pytest.raises(TypeError, match="give the learning rate as a schedule"):
        mb.optimizers.SGD(lambda: 0.1).get_config()


def test_what_is_refused() -> None:
    for name in NAMES:
        for argument in {"decay_steps", "first_decay_steps"} & set(ARGUMENTS[name]):
            for library in BOTH:
                with pytest.raises(ValueError, match=argument):
                    getattr(library.optimizers.schedules, name)(**ARGUMENTS[name] | {argument: 0})
        with pytest.raises(TypeError, match=rf"{name}\(\) has no argument 'step'"):
            getattr(schedules, name)(**ARGUMENTS[name], step=1)
    for library in BOTH:
        with pytest.raises(ValueError, match=r"(?s)boundaries.*values"):
            library.optimizers.schedules.PiecewiseConstantDecay([1, 2], [0.1, 0.2])
    with pytest.raises(ValueError, match=r"boundaries must rise; got \[5, 3\]"):
        schedules.PiecewiseConstantDecay([5, 3], [0.1, 0.2, 0.3])
    with pytest.raises(ValueError, match=r"t_mul must be 1 or more; got 0\.5"):
        schedules.CosineDecayRestarts(0.1, 5, t_mul=0.5)
    with pytest.raises(
        ValueError, match=r"Unknown learning-rate schedule 'CosineDekay'. Did you mean 'CosineDecay'"
    ):
        schedules.deserialize({"class_name": "CosineDekay", "config": {}})
    with pytest.raises(TypeError, match=r"must define __call__\(step\)"):
        mb.optimizers.SGD(schedules.LearningRateSchedule()).apply(np.ones(1), np.ones(1))
    for nothing in (None, "0.1", [0.1, 0.2]):
        with pytest.raises(TypeError, match="must return a number; got"):
            mb.optimizers.SGD(lambda value=nothing: value).apply(np.ones(1), np.ones(1))
