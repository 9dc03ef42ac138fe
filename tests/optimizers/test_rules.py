"""Every rule against its textbook formula on the whole vector at once, in float64."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minibatch as mb
from minibatch.optimizers.optimizer import BLOCK

Rule = Callable[[np.ndarray, list[np.ndarray], list[float]], np.ndarray]


def sgd(momentum: float, nesterov: bool) -> Rule:
    def run(theta: np.ndarray, gradients: list[np.ndarray], rates: list[float]) -> np.ndarray:
        m = np.zeros_like(theta)
        for g, lr in zip(gradients, rates, strict=True):
            m = momentum * m - lr * g
            theta = theta + (momentum * m - lr * g if nesterov else m)
        return theta

    return run


def adam(beta_1: float, beta_2: float, epsilon: float, amsgrad: bool = False, decay: float = 0) -> Rule:
    def run(theta: np.ndarray, gradients: list[np.ndarray], rates: list[float]) -> np.ndarray:
        m = v = largest = np.zeros_like(theta)
        for t, (g, lr) in enumerate(zip(gradients, rates, strict=True), start=1):
            m = beta_1 * m + (1 - beta_1) * g
            v = beta_2 * v + (1 - beta_2) * g**2
            largest = np.maximum(largest, v) if amsgrad else v
            theta = theta - lr * decay * theta
            theta = theta - lr * math.sqrt(1 - beta_2**t) / (1 - beta_1**t) * m / (np.sqrt(largest) + epsilon)
        return theta

    return run


def rmsprop(rho: float, momentum: float, epsilon: float, centered: bool) -> Rule:
    def run(theta: np.ndarray, gradients: list[np.ndarray], rates: list[float]) -> np.ndarray:
        v = a = m = np.zeros_like(theta)
        for g, lr in zip(gradients, rates, strict=True):
            v = rho * v + (1 - rho) * g**2
            a = rho * a + (1 - rho) * g
            m = momentum * m + lr * g / np.sqrt(v - (a**2 if centered else 0) + epsilon)
            theta = theta - m
        return theta

    return run


def adagrad(initial: float, epsilon: float) -> Rule:
    def run(theta: np.ndarray, gradients: list[np.ndarray], rates: list[float]) -> np.ndarray:
        s = np.full_like(theta, initial)
        for g, lr in zip(gradients, rates, strict=True):
            s = s + g**2
            theta = theta - lr * g / np.sqrt(s + epsilon)
        return theta

    return run


RULES: list[tuple[type[mb.optimizers.Optimizer], dict[str, Any], Rule]] = [
    (mb.optimizers.SGD, {}, sgd(0, False)),
    (mb.optimizers.SGD, {"momentum": 0.9}, sgd(0.9, False)),
    (mb.optimizers.SGD, {"momentum": 0.8, "nesterov": True}, sgd(0.8, True)),
    (mb.optimizers.Adam, {}, adam(0.9, 0.999, 1e-7)),
    (mb.optimizers.Adam, {"beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-3}, adam(0.5, 0.9, 1e-3)),
    (mb.optimizers.Adam, {"amsgrad": True, "beta_2": 0.5}, adam(0.9, 0.5, 1e-7, amsgrad=True)),
    (mb.optimizers.AdamW, {}, adam(0.9, 0.999, 1e-7, decay=0.004)),
    (mb.optimizers.AdamW, {"weight_decay": 0.3, "amsgrad": True}, adam(0.9, 0.999, 1e-7, True, 0.3)),
    (mb.optimizers.Adagrad, {}, adagrad(0.1, 1e-7)),
    (mb.optimizers.Adagrad, {"initial_accumulator_value": 0, "epsilon": 1e-3}, adagrad(0, 1e-3)),
    (mb.optimizers.RMSprop, {}, rmsprop(0.9, 0, 1e-7, False)),
    (mb.optimizers.RMSprop, {"rho": 0.7, "epsilon": 1e-3}, rmsprop(0.7, 0, 1e-3, False)),
    (mb.optimizers.RMSprop, {"momentum": 0.9}, rmsprop(0.9, 0.9, 1e-7, False)),
    (mb.optimizers.RMSprop, {"centered": True}, rmsprop(0.9, 0, 1e-7, True)),
    (mb.optimizers.RMSprop, {"momentum": 0.5, "centered": True}, rmsprop(0.9, 0.5, 1e-7, True)),
]
EACH_RULE = pytest.mark.parametrize(("kind", "settings_", "rule"), RULES)


@EACH_RULE
@settings(max_examples=15, deadline=None)
@given(size=st.sampled_from([1, 7, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 3]), seed=st.integers(0, 99))
def test_in_pieces_is_the_formula_on_the_whole(
    kind: type[mb.optimizers.Optimizer], settings_: dict[str, Any], rule: Rule, size: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    theta = rng.normal(size=size)
    gradients = [rng.normal(size=size) for _ in range(6)]
    rates = [0.01, 0.01, 0.1, 0.1, 0.02, 0.02]  # settable between steps
    expected = rule(theta, gradients, rates)
    optimizer = kind(learning_rate=1.0, **settings_)
    for g, lr in zip(gradients, rates, strict=True):
        optimizer.learning_rate = lr
        before = g.copy()
        optimizer.apply(g, theta)
        np.testing.assert_array_equal(g, before)
    assert optimizer.iterations == 6
    np.testing.assert_allclose(theta, expected, rtol=1e-9, atol=1e-12)


@EACH_RULE
def test_float32_stays_float32(kind: type[mb.optimizers.Optimizer], settings_: dict[str, Any], rule: Rule) -> None:
    theta = np.ones(5, np.float32)
    optimizer = kind(**settings_)
    optimizer.apply(np.ones(5, np.float32), theta)
    assert theta.dtype == np.float32
    assert all(slot.dtype == np.float32 and slot.shape == (5,) for slot in optimizer.state.values())


def test_a_zero_gradient_moves_nothing_and_divides_by_nothing() -> None:
    for kind, settings_, _ in RULES:
        theta = np.ones(3, np.float32)
        without_decay = {"weight_decay": 0.0} if kind is mb.optimizers.AdamW else {}
        kind(**settings_ | without_decay).apply(np.zeros(3, np.float32), theta)
        np.testing.assert_array_equal(theta, 1)


def test_defaults_are_keras_s() -> None:
    assert mb.optimizers.SGD().learning_rate == 0.01
    adam_ = mb.optimizers.Adam()
    assert (adam_.learning_rate, adam_.beta_1, adam_.beta_2, adam_.epsilon) == (0.001, 0.9, 0.999, 1e-7)
    rms = mb.optimizers.RMSprop()
    assert (rms.learning_rate, rms.rho, rms.momentum, rms.epsilon, rms.centered) == (0.001, 0.9, 0.0, 1e-7, False)


# Bad input --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [-0.1, float("nan"), float("inf"), "0.1", None, True])
def test_bad_learning_rates(rate: object) -> None:
    with pytest.raises(ValueError, match="SGD: learning_rate must be a number, 0 or more; got "):
        mb.optimizers.SGD(rate)
    optimizer = mb.optimizers.SGD(0.5)
    with pytest.raises(ValueError, match="learning_rate must be a number"):
        optimizer.learning_rate = rate
    assert optimizer.learning_rate == 0.5


@pytest.mark.parametrize(
    ("kind", "argument", "value"),
    [
        (mb.optimizers.SGD, "momentum", 1.1),
        (mb.optimizers.SGD, "momentum", -0.1),
        (mb.optimizers.Adam, "beta_1", 1),
        (mb.optimizers.Adam, "beta_2", -1),
        (mb.optimizers.AdamW, "beta_2", 1.5),
        (mb.optimizers.RMSprop, "rho", 1.0),
        (mb.optimizers.RMSprop, "momentum", 2),
    ],
)
def test_numbers_out_of_range(kind: type[mb.optimizers.Optimizer], argument: str, value: float) -> None:
    with pytest.raises(ValueError, match=rf"{kind.__name__}: {argument} must lie in \[0, 1.; got {value}"):
        kind(**{argument: value})


def test_an_argument_that_only_keras_has() -> None:
    with pytest.raises(ValueError, match="loss_scale_factor must be None; got 2"):
        mb.optimizers.Adam(loss_scale_factor=2.0)


def test_an_argument_of_old_files_may_say_what_is_so_anyway() -> None:
    mb.optimizers.Adam(decay=0.0, jit_compile=True, is_legacy_optimizer=False)
    mb.optimizers.Adam(decay=None)


def test_shared_arguments_may_be_off() -> None:
    mb.optimizers.Adam(weight_decay=None, use_ema=False, amsgrad=False, ema_momentum=0.99, clipnorm=None)
    mb.optimizers.SGD(weight_decay=None, ema_momentum=0.99, loss_scale_factor=None)


def test_arguments_that_nobody_has() -> None:
    with pytest.raises(TypeError, match="'lr' is a spelling of Keras 2; today it is 'learning_rate'"):
        mb.optimizers.SGD(lr=0.1)
    with pytest.raises(TypeError, match=r"'decay' is a spelling of Keras 2; today it is a schedule: .*InverseTime"):
        mb.optimizers.SGD(decay=0.1)
    with pytest.raises(TypeError, match=r"SGD\(\) has no argument 'momentun'.*'momentum'"):
        mb.optimizers.SGD(momentun=0.9)


def test_get() -> None:
    instance = mb.optimizers.Adam()
    assert mb.optimizers.get(instance) is instance
    for name in ("adam", "Adam", mb.optimizers.Adam):
        assert isinstance(mb.optimizers.get(name), mb.optimizers.Adam)
    assert isinstance(mb.optimizers.get("RMSprop"), mb.optimizers.RMSprop)
    with pytest.raises(ValueError, match=r"Unknown optimizer 'adm'. Did you mean 'adam'"):
        mb.optimizers.get("adm")
    with pytest.raises(TypeError, match="an optimizer is a name or"):
        mb.optimizers.get(0.1)


def test_an_optimizer_for_a_vector_of_another_size() -> None:
    """As in Keras, a new one is to be made: starting again would lose what this one has learnt without a word."""
    optimizer = mb.optimizers.Adam()
    optimizer.apply(np.ones(3), np.ones(3))
    with pytest.raises(ValueError, match=r"'adam' was built for 3 parameters; got 4\. Make a new optimizer"):
        optimizer.apply(np.ones(4), np.ones(4))
    assert optimizer.iterations == 1
    assert optimizer.state["momentum"].shape == (3,)


def test_adagrad_refuses_a_negative_start() -> None:
    with pytest.raises(ValueError, match="initial_accumulator_value must be 0 or more; got -1"):
        mb.optimizers.Adagrad(initial_accumulator_value=-1)


@pytest.mark.parametrize("iterations", [-1, 1.5, True, None])
def test_iterations_are_a_count(iterations: Any) -> None:
    with pytest.raises(ValueError, match="iterations must be an integer, 0 or more"):
        mb.optimizers.SGD().iterations = iterations


def test_a_rule_without_an_update() -> None:
    with pytest.raises(TypeError, match=r"Optimizer must define update\(theta, g, \*slots, scratch\)"):
        mb.optimizers.Optimizer(0.1).apply(np.ones(1), np.ones(1))


# Names ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["adam", "sgd", "rmsprop", "adagrad", "adamw", "legacy"])
def test_spellings_of_keras_2(name: str) -> None:
    with pytest.raises(
        AttributeError, match=rf"'{name}' is a spelling of Keras 2; today it is minibatch.optimizers"
    ):
        getattr(mb.optimizers, name)


@pytest.mark.parametrize("name", sorted(mb.optimizers.NOT_HERE.nearest))
def test_optimizers_that_only_keras_has(name: str) -> None:
    with pytest.raises(AttributeError, match=rf"Keras has '{name}' in keras.optimizers; this library has not"):
        getattr(mb.optimizers, name)
    with pytest.raises(ValueError, match=rf"Keras has '{name.lower()}' in keras.optimizers.*The nearest here: "):
        mb.optimizers.get(name.lower())
    with pytest.raises(ValueError, match="The nearest here: "):
        mb.optimizers.deserialize({"module": "keras.optimizers", "class_name": name, "config": {}})


def test_names_that_nobody_has() -> None:
    with pytest.raises(AttributeError, match=r"no attribute 'Adan'\. Did you mean 'Adam'"):
        _ = mb.optimizers.Adan


def test_the_modules_can_still_be_imported() -> None:
    from minibatch.optimizers.adam import Adam

    assert Adam is mb.optimizers.Adam


def test_signatures_show_the_shared_arguments() -> None:
    class Halfway(mb.optimizers.Adam):
        def __init__(self, extra: int = 0, **others: Any) -> None:
            super().__init__(**others)
            self.extra = extra

    for kind in (mb.optimizers.SGD, mb.optimizers.AdamW, Halfway):
        assert {"learning_rate", "weight_decay", "clipnorm", "name"} <= set(inspect.signature(kind).parameters)
    made = Halfway(3, beta_1=0.5, clipnorm=2.0)
    assert Halfway.from_config(made.get_config()).get_config() == made.get_config()
    assert {"extra": 3, "beta_1": 0.5, "clipnorm": 2.0}.items() <= made.get_config().items()
