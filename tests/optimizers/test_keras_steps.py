"""Every rule with every option, 30 steps beside real Keras's, on weights that straddle the blocks.

Keras is given a variable per weight, this library one vector and where the weights lie in it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from parity.keras_reference import BOTH, keras, tf

import minibatch as mb
from minibatch.optimizers import optimizer as optimizer_module

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:(keras|tensorflow|ml_dtypes|google|gast|astunparse|optree).*"
)

#: Smaller blocks than the library's, so that 30 steps over several of them are soon made.
BLOCK = 8192


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optimizer_module, "BLOCK", BLOCK)


SHAPES = {"a/kernel": (5, 7), "a/bias": (1,), "b/kernel": (BLOCK - 30, 2), "b/bias": (BLOCK,), "c/scale": ()}
RULES: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {}),
    ("SGD", {"momentum": 0.9}),
    ("SGD", {"momentum": 0.8, "nesterov": True}),
    ("Adam", {}),
    ("Adam", {"beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-3, "amsgrad": True}),
    ("AdamW", {}),
    ("AdamW", {"weight_decay": 0.1, "amsgrad": True}),
    ("RMSprop", {}),
    ("RMSprop", {"momentum": 0.7}),
    ("RMSprop", {"rho": 0.5, "centered": True, "epsilon": 1e-3}),
    ("RMSprop", {"momentum": 0.7, "centered": True, "epsilon": 1e-3}),
    ("Adagrad", {}),
    ("Adagrad", {"initial_accumulator_value": 0.0, "epsilon": 1e-3}),
]
OPTIONS: list[dict[str, Any]] = [
    {},
    {"weight_decay": 0.02},
    {"clipnorm": 0.5},
    {"clipvalue": 0.01},
    {"global_clipnorm": 0.5},
    {"use_ema": True, "ema_momentum": 0.9},
    {"use_ema": True, "ema_momentum": 0.6, "ema_overwrite_frequency": 4},
    {"gradient_accumulation_steps": 3},
    {"gradient_accumulation_steps": 4, "clipnorm": 0.3, "weight_decay": 0.1},
    {"gradient_accumulation_steps": 2, "use_ema": True, "ema_overwrite_frequency": 3, "global_clipnorm": 2.0},
    {"use_ema": True, "ema_overwrite_frequency": 5, "clipvalue": 0.1, "weight_decay": 0.01},
]
#: The largest difference found is half of this. Each step rounds theta (about 3e-8 of a number of size 1), its
#: own length (1e-7 of it, and a sum of squares of 16000 numbers a few times that); 30 of them hardly ever add up.
BOUND = 4e-6


def places(shapes: dict[str, tuple[int, ...]]) -> dict[str, slice]:
    ends = np.cumsum([0, *(math.prod(shape) for shape in shapes.values())])
    return {name: slice(int(a), int(b)) for name, a, b in zip(shapes, ends, ends[1:], strict=False)}


class Twins:
    """One optimizer in both libraries, upon the same numbers."""

    def __init__(
        self, make: Callable[[Any], Any], shapes: dict[str, tuple[int, ...]] = SHAPES, seed: int = 0
    ) -> None:
        self.theirs, self.mine = (make(library) for library in BOTH)
        self.rng = np.random.default_rng(seed)
        self.slices = places(shapes)
        self.theta = self.rng.normal(size=sum(math.prod(s) for s in shapes.values())).astype("float32")
        self.start = self.theta.copy()
        self.variables = [
            keras.Variable(self.theta[self.slices[name]].reshape(shape), name=name.replace("/", "_"))
            for name, shape in shapes.items()
        ]
        self.theirs.build(self.variables)

    def step(self, count: int = 1) -> None:
        """Gradients of all sizes, one number in ten being zero."""
        for _ in range(count):
            size = self.theta.size
            sizes = 10.0 ** self.rng.integers(-5, 2, size)
            g = (self.rng.normal(size=size) * sizes * (self.rng.random(size) > 0.1)).astype("float32")
            kept = g.copy()
            parts = [g[p].reshape(v.shape) for p, v in zip(self.slices.values(), self.variables, strict=True)]
            self.theirs.apply([tf.constant(part) for part in parts], self.variables)
            self.mine.apply(g, self.theta, self.slices)
            np.testing.assert_array_equal(g, kept)

    def keras_vector(self) -> np.ndarray:
        return np.concatenate([v.numpy().reshape(-1) for v in self.variables])

    def difference(self) -> float:
        """The largest difference of a parameter, in units of the way that any went, if that is more than 1."""
        way = np.abs(self.theta - self.start).max()
        assert way > 1e-3
        return float(np.abs(self.theta - self.keras_vector()).max() / max(way, 1.0))

    def assert_close(self, bound: float = BOUND) -> None:
        assert self.difference() < bound
        assert self.mine.iterations == int(self.theirs.iterations)
        assert self.mine.micro_steps == int(self.theirs.variables[0])
        assert self.mine.learning_rate == pytest.approx(float(self.theirs.learning_rate), rel=1e-6)


def merged(rule: dict[str, Any], option: dict[str, Any]) -> dict[str, Any]:
    return {"learning_rate": 0.02} | rule | option


@pytest.mark.parametrize("option", OPTIONS, ids=str)
@pytest.mark.parametrize(("name", "rule"), RULES, ids=str)
def test_weights_and_slots_are_keras_s(name: str, rule: dict[str, Any], option: dict[str, Any]) -> None:
    twins = Twins(lambda library: getattr(library.optimizers, name)(**merged(rule, option)))
    twins.step(18)
    twins.theirs.learning_rate = twins.mine.learning_rate = 0.005
    twins.step(12)
    twins.assert_close()

    # Every slot, in the order in which Keras keeps its variables.
    order = [(s, w) for group in twins.mine.keras_layout() for w in twins.slices.values() for s in group]
    theirs = twins.theirs.variables[2:]
    assert len(theirs) == len(order)
    for (slot, place), variable in zip(order, theirs, strict=True):
        assert variable.path.endswith({"model_variables_moving_average": "average"}.get(slot, slot))
        expected = variable.numpy().reshape(-1)
        scale = max(np.abs(expected).max(), 1.0)
        np.testing.assert_allclose(twins.mine.state[slot][place], expected, rtol=0, atol=BOUND * scale)

    twins.theirs.finalize_variable_values(twins.variables)
    twins.mine.finalize(twins.theta)
    twins.assert_close()


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ({}, {"learning_rate": 0.0201}),
        ({"weight_decay": 0.02}, {"weight_decay": 0.021}),
        ({"clipnorm": 0.5}, {"clipnorm": 0.505}),
        ({"clipvalue": 0.01}, {"clipvalue": 0.0101}),
        ({"global_clipnorm": 0.5}, {"clipnorm": 0.5}),
        ({"use_ema": True, "ema_overwrite_frequency": 4}, {"use_ema": True, "ema_overwrite_frequency": 5}),
        ({"gradient_accumulation_steps": 3}, {"gradient_accumulation_steps": 4}),
    ],
    ids=str,
)
def test_the_bound_would_catch_a_mistake(asked: dict[str, Any], given: dict[str, Any]) -> None:
    rule = {"momentum": 0.9}
    twins = Twins(lambda library: library.optimizers.SGD(**merged(rule, asked if library is keras else given)))
    twins.step(30)
    assert twins.difference() > 10 * BOUND


@pytest.mark.parametrize("size", [1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 5])
@pytest.mark.parametrize("option", [{}, {"clipnorm": 0.5}, {"use_ema": True, "weight_decay": 0.1}], ids=str)
def test_one_weight_of_every_size(size: int, option: dict[str, Any]) -> None:
    twins = Twins(lambda library: library.optimizers.Adam(0.02, amsgrad=True, **option), {"w": (size,)}, seed=size)
    twins.step(30)
    twins.assert_close()


@pytest.mark.parametrize("accumulate", [None, 3])
@pytest.mark.parametrize(
    "rate",
    [
        lambda library: library.optimizers.schedules.ExponentialDecay(0.1, 5, 0.5),
        lambda library: library.optimizers.schedules.CosineDecay(0.0, 20, 0.1, warmup_target=0.1, warmup_steps=6),
        lambda library: lambda: 0.03,
    ],
)
def test_a_learning_rate_that_changes(rate: Callable[[Any], Any], accumulate: int | None) -> None:
    twins = Twins(
        lambda library: library.optimizers.SGD(
            rate(library), momentum=0.9, weight_decay=0.1, gradient_accumulation_steps=accumulate
        )
    )
    for _ in range(30):
        twins.step()
        assert twins.mine.learning_rate == pytest.approx(float(twins.theirs.learning_rate), rel=2e-6, abs=1e-8)
    twins.assert_close()


@pytest.mark.parametrize("rate", [0.1, "schedule", "callable"])
@pytest.mark.parametrize("new", [0.2, "schedule", "callable"])
def test_setting_the_learning_rate(rate: Any, new: Any) -> None:
    """Keras, too, takes no number in place of a schedule or a callable (for this by an AttributeError)."""

    def made(library: Any, what: Any) -> Any:
        schedule = library.optimizers.schedules.PolynomialDecay(0.3, 10)
        return {"schedule": schedule, "callable": lambda: 0.4}.get(what, what)

    for library in BOTH:
        optimizer = library.optimizers.SGD(made(library, rate))
        if rate != 0.1 and new == 0.2:
            with pytest.raises(
                (TypeError, AttributeError), match=r"not settable|cannot be set|no attribute 'assign'"
            ):
                optimizer.learning_rate = new
            continue
        optimizer.learning_rate = made(library, new)
        assert float(optimizer.learning_rate) == pytest.approx({"schedule": 0.3, "callable": 0.4}.get(new, new))


@pytest.mark.parametrize("by", ["names", "list"])
def test_weights_that_do_not_decay(by: str) -> None:
    twins = Twins(lambda library: library.optimizers.AdamW(0.02, weight_decay=0.5))
    if by == "names":
        for optimizer in (twins.theirs, twins.mine):
            optimizer.exclude_from_weight_decay(var_names=["bias", "a.kern"])
    else:
        keys = list(twins.slices)
        twins.theirs.exclude_from_weight_decay(var_list=[twins.variables[i] for i in (0, 1, 3)])
        twins.mine.exclude_from_weight_decay(var_list=[keys[i] for i in (0, 1, 3)])
    twins.step(30)
    twins.assert_close()
    everything = Twins(lambda library: library.optimizers.AdamW(0.02, weight_decay=0.5))
    everything.step(30)
    same = {key: np.array_equal(everything.theta[p], twins.theta[p]) for key, p in twins.slices.items()}
    assert same == {"a/kernel": False, "a/bias": False, "b/kernel": True, "b/bias": False, "c/scale": True}


@pytest.mark.parametrize(
    ("argument", "scale", "expected"),
    [
        ("clipnorm", 1e25, 0.0),  # the squares overflow in float32: Keras divides by infinity
        ("global_clipnorm", 1e25, math.nan),  # Keras shows it
        ("clipvalue", 1e25, -1.0),
        ("clipnorm", 0.0, 0.0),
        ("global_clipnorm", 0.0, 0.0),
        ("clipvalue", math.nan, math.nan),
        ("clipnorm", math.nan, math.nan),
        ("global_clipnorm", math.nan, math.nan),
        ("global_clipnorm", math.inf, math.nan),
        ("clipnorm", math.inf, math.nan),
    ],
)
def test_clipping_what_is_not_ordinary(argument: str, scale: float, expected: float) -> None:
    theirs, mine = (library.optimizers.SGD(1.0, **{argument: 1.0}) for library in BOTH)
    variable, theta = keras.Variable(np.zeros(4, "float32")), np.zeros(4, np.float32)
    g = np.full(4, scale, np.float32)
    theirs.build([variable])
    theirs.apply([tf.constant(g)], [variable])
    with np.errstate(all="ignore"):  # NumPy says, as it should, what happens
        mine.apply(g, theta)
    np.testing.assert_array_equal(theta, np.full(4, expected, np.float32))
    np.testing.assert_array_equal(variable.numpy(), theta)


@pytest.mark.parametrize("argument", ["clipnorm", "clipvalue", "global_clipnorm"])
@pytest.mark.parametrize("bound", [0, -1.0])
def test_a_bound_of_zero_or_less_clips_nothing(argument: str, bound: float) -> None:
    twins = Twins(lambda library: library.optimizers.SGD(0.02, **{argument: bound}), {"w": (9,)})
    twins.step(30)
    twins.assert_close()


# The dictionaries -------------------------------------------------------------------------------------------

RATES: list[Callable[[Any], Any]] = [
    lambda library: 0.25,
    lambda library: library.optimizers.schedules.PiecewiseConstantDecay([3, 5], [0.5, 0.25, 0.125]),
    lambda library: library.optimizers.schedules.CosineDecayRestarts(0.5, 10, t_mul=1.5, m_mul=0.5, alpha=0.125),
    lambda library: library.optimizers.schedules.InverseTimeDecay(0.5, 10, 0.5, staircase=True),
]


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("option", OPTIONS, ids=str)
@pytest.mark.parametrize(("name", "rule"), RULES, ids=str)
def test_config_both_ways(
    name: str, rule: dict[str, Any], option: dict[str, Any], rate: Callable[[Any], Any]
) -> None:
    theirs, mine = (
        getattr(library.optimizers, name)(**merged(rule, option) | {"learning_rate": rate(library), "name": "it"})
        for library in BOTH
    )
    expected = keras.optimizers.serialize(theirs)
    assert mb.optimizers.serialize(mine) == expected
    assert mb.optimizers.serialize(mb.optimizers.deserialize(expected)) == expected
    assert keras.optimizers.serialize(keras.optimizers.deserialize(mb.optimizers.serialize(mine))) == expected
    assert mb.optimizers.serialize(type(mine).from_config(theirs.get_config())) == expected


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad"])
def test_defaults_and_names(name: str) -> None:
    theirs, mine = (getattr(library.optimizers, name)() for library in BOTH)
    expected = theirs.get_config()
    # Keras keeps the rate as a float32.
    assert mine.get_config() == expected | {"learning_rate": pytest.approx(expected["learning_rate"], rel=1e-7)} | {
        "name": mine.name
    }
    assert mine.name == mb.utils.names.snake_case(name)
    for spelling in (name, name.lower(), name.upper()):
        assert type(mb.optimizers.get(spelling)).__name__ == type(keras.optimizers.get(spelling)).__name__ == name


def test_the_wrong_arguments_are_wrong_in_both() -> None:
    for arguments in (
        {"clipnorm": 1.0, "clipvalue": 1.0},
        {"clipnorm": 1.0, "global_clipnorm": 1.0},
        {"clipvalue": 1.0, "global_clipnorm": 1.0},
        {"gradient_accumulation_steps": 1},
        {"gradient_accumulation_steps": -2},
        {"use_ema": True, "ema_momentum": 1.1},
        {"use_ema": True, "ema_momentum": -0.1},
        {"use_ema": True, "ema_overwrite_frequency": -1},
        {"use_ema": True, "ema_overwrite_frequency": 1.5},
        {"learning_rate": "0.1"},
    ):
        for library in BOTH:
            with pytest.raises(ValueError, match=r"(?i)one of|must be|should be|must lie"):
                library.optimizers.SGD(**arguments)
    for library in BOTH:
        library.optimizers.SGD(ema_momentum=7.0, ema_overwrite_frequency=0, gradient_accumulation_steps=0)
        with pytest.raises(ValueError, match="weight_decay"):
            library.optimizers.AdamW(weight_decay=None)


def test_another_model_needs_another_optimizer_in_both() -> None:
    twins = Twins(lambda library: library.optimizers.Adam(), {"w": (3,)})
    twins.step()
    with pytest.raises(ValueError, match="Unknown variable"):
        twins.theirs.apply([tf.zeros(4)], [keras.Variable(np.zeros(4, "float32"))])
    with pytest.raises(ValueError, match="was built for 3 parameters; got 4"):
        twins.mine.apply(np.zeros(4, np.float32), np.zeros(4, np.float32))
