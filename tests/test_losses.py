from __future__ import annotations

import inspect
import itertools

import numpy as np
import pytest
from gradient_check import assert_same_gradient, numerical_gradient
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import minibatch as mb
from minibatch.losses import LOSSES, Loss

SHAPES = [(4, 3), (3, 2, 4), (2, 2, 2, 3), (1, 1), (1, 5)]  # the last axis is K, those in between are positions


def cases() -> list[tuple[str, Loss, bool]]:
    """(name, loss, whether the targets are class numbers), every setting of every loss."""
    found: list[tuple[str, Loss, bool]] = [("mse", mb.losses.MeanSquaredError(), False)]
    for logits, smoothing in itertools.product([True, False], [0.0, 0.1]):
        loss = mb.losses.CategoricalCrossentropy(from_logits=logits, label_smoothing=smoothing)
        found.append((f"categorical, logits={logits}, smoothing={smoothing}", loss, False))
    for logits in (True, False):
        loss = mb.losses.SparseCategoricalCrossentropy(from_logits=logits)
        found.append((f"sparse, logits={logits}", loss, True))
    return found


CASES = pytest.mark.parametrize(("loss", "sparse"), [c[1:] for c in cases()], ids=[c[0] for c in cases()])


def draw(loss: Loss, sparse: bool, shape: tuple[int, ...], rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return targets and predictions; probabilities that do not sum to one, since the losses divide by the sum."""
    if sparse:
        y = rng.integers(shape[-1], size=shape[:-1])
    else:
        y = rng.random(shape)  # not one-hot: soft targets must have the right gradient, too
    return y, rng.normal(size=shape) if loss.from_logits else rng.uniform(0.05, 0.95, shape)


def test_every_loss_is_in_the_cases() -> None:
    public = {v for v in vars(mb.losses).values() if inspect.isclass(v) and issubclass(v, Loss)}
    assert {type(c[1]) for c in cases()} == {c for c in public if not c.__name__.startswith("_")} - {Loss}
    assert set(LOSSES.values()) == {type(c[1]) for c in cases()}


@CASES
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("weighted", [False, True])
def test_gradient(loss: Loss, sparse: bool, shape: tuple[int, ...], weighted: bool, rng: np.random.Generator) -> None:
    y, y_pred = draw(loss, sparse, shape, rng)
    w = rng.uniform(0, 3, len(y)) if weighted else None
    value, gradient = loss.of_batch(y, y_pred, w)
    y_before = y.copy()

    def f() -> float:
        losses = loss.per_sample(y, y_pred)
        return float((losses if w is None else w * losses).sum() / len(losses))

    assert value == pytest.approx(f(), rel=1e-12)
    assert_same_gradient(loss.name, gradient, numerical_gradient(f, y_pred))
    np.testing.assert_array_equal(y, y_before)


@CASES
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_gradient_of_the_batch_is_the_mean_of_its_samples(
    loss: Loss, sparse: bool, shape: tuple[int, ...], rng: np.random.Generator
) -> None:
    y, y_pred = draw(loss, sparse, shape, rng)
    each = loss.per_sample_gradient(y, y_pred)
    value, gradient = loss.of_batch(y, y_pred)
    np.testing.assert_allclose(each / len(y), gradient, rtol=1e-12)
    alone = [loss.of_batch(y[i : i + 1], y_pred[i : i + 1]) for i in range(len(y))]
    np.testing.assert_allclose(np.concatenate([g for _, g in alone]), each, rtol=1e-12)
    assert np.mean([v for v, _ in alone]) == pytest.approx(value, rel=1e-12)


@CASES
def test_the_gradient_at_probabilities_outside_the_clip(loss: Loss, sparse: bool) -> None:
    """At 0 and 1 the logarithm is of 1e-7 or 1 - 1e-7, finite, and the clip lets no gradient through."""
    y = np.array([0, 1]) if sparse else np.eye(3)[:2]
    y_pred = np.array([[0.0, 1.0, 0.0], [0.0, 1.0, 0.0]])
    value, gradient = loss.of_batch(y, y_pred)
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()


@given(
    z=hnp.arrays(np.float32, (3, 4), elements=st.floats(-30, 30, width=32)),
    labels=hnp.arrays(np.intp, 3, elements=st.integers(0, 3)),
)
def test_four_spellings_of_one_crossentropy(z: np.ndarray, labels: np.ndarray) -> None:
    p, one_hot = mb.activations.softmax(z.astype(np.float64)), np.eye(4)[labels]
    exact = mb.losses.CategoricalCrossentropy(from_logits=True)(one_hot, z)
    assert mb.losses.SparseCategoricalCrossentropy(from_logits=True)(labels, z) == pytest.approx(exact, rel=1e-5, abs=1e-6)
    # From p in float32, clipped at 1e-7: exact as long as the true class has a probability well above that.
    if p[np.arange(3), labels].min() > 1e-5:
        for loss, y in (
            (mb.losses.CategoricalCrossentropy(), one_hot),
            (mb.losses.SparseCategoricalCrossentropy(), labels),
        ):
            assert loss(y, p) == pytest.approx(exact, rel=1e-4, abs=1e-5)


def test_values_worked_by_hand() -> None:
    # ((1 - 0)^2 + (3 - 0)^2) / 2 = 5 and (2^2 + 0^2) / 2 = 2; their mean, and with weights (3 * 5 + 1 * 2) / 2.
    mse, y, y_pred = mb.losses.MeanSquaredError(), [[0, 0], [0, 0]], [[1, 3], [2, 0]]
    assert mse(y, y_pred) == 3.5
    assert mse(y, y_pred, sample_weight=[3, 1]) == 8.5
    # -log 0.8 and -log 0.1
    p = [[0.1, 0.8, 0.1], [0.1, 0.2, 0.7]]
    expected = -(np.log(0.8) + np.log(0.1)) / 2
    assert mb.losses.SparseCategoricalCrossentropy()([1, 0], p) == pytest.approx(expected, rel=1e-6)
    assert mb.losses.CategoricalCrossentropy()([[0, 1, 0], [1, 0, 0]], p) == pytest.approx(expected, rel=1e-6)
    # Smoothing 0.3 over 3 classes: the target becomes 0.8 on the class and 0.1 on the others.
    smooth = mb.losses.CategoricalCrossentropy(label_smoothing=0.3)
    assert smooth([[0, 1, 0]], p[:1]) == pytest.approx(-(0.8 * np.log(0.8) + 0.2 * np.log(0.1)), rel=1e-6)


def test_logits_that_would_overflow() -> None:
    z = np.array([[1e4, -1e4, 0.0]], np.float32)
    loss = mb.losses.SparseCategoricalCrossentropy(from_logits=True)
    assert loss([1], z) == 2e4
    np.testing.assert_array_equal(loss.of_batch(np.array([1]), z)[1], [[1, -1, 0]])


# Targets ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([0, 3, 1], r"class numbers must lie in 0\.\.2, since the model has 3 outputs; y\[1\] is 3"),
        ([0, 1, -1], r"must lie in 0\.\.2.*y\[2\] is -1"),
        ([0.0, 1.5, 2.0], r"class numbers must be integers; y\[1\] is 1\.5"),
        ([0.0, np.nan, 2.0], r"class numbers must be integers; y\[1\] is nan"),
        (np.eye(3), r"got y of shape \(N, 3\)\. These look like one-hot rows: use loss='categorical_crossentropy'"),
        (np.zeros((3, 2)), r"class numbers of shape \(N,\); got y of shape \(N, 2\)"),
        (["cat", "dog", "cow"], "sparse_categorical_crossentropy: .*numbers; got .*<U3"),
    ],
)
def test_bad_class_numbers(y: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        mb.losses.SparseCategoricalCrossentropy().targets(y, (3,))


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([0, 1, 2], r"These look like class numbers: use loss='sparse_categorical_crossentropy', .*to_categorical"),
        ([[0], [1], [2]], "These look like class numbers"),
        (np.zeros((3, 4)), r"output has shape \(N, 3\), so the targets need the same; got y of shape \(N, 4\)\.$"),
        ([["a", "b", "c"]], "categorical_crossentropy: .*numbers; got .*<U1"),
    ],
)
def test_bad_one_hot_rows(y: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        mb.losses.CategoricalCrossentropy().targets(y, (3,))


def test_good_targets() -> None:
    sparse = mb.losses.SparseCategoricalCrossentropy()
    for y in ([0, 2], [[0], [2]], np.array([0, 2], np.uint8), [0.0, 2.0]):
        np.testing.assert_array_equal(sparse.targets(y, (3,)), [0, 2])
    mse = mb.losses.MeanSquaredError()
    assert mse.targets([1, 2], (1,)).shape == (2, 1)
    assert mse.targets([1, 2], (1,)).dtype == np.float32
    assert mse.targets(np.zeros((2, 5)), (5, 1)).shape == (2, 5, 1)


# Looking up -------------------------------------------------------------------------------------------------


def test_get() -> None:
    instance = mb.losses.MeanSquaredError()
    assert mb.losses.get(instance) is instance
    for name in ("mse", "MSE", "mean_squared_error", "MeanSquaredError", mb.losses.MeanSquaredError):
        assert isinstance(mb.losses.get(name), mb.losses.MeanSquaredError)


def test_unknown_names() -> None:
    with pytest.raises(ValueError, match="Unknown loss 'catgorical_crossentropy'. Did you mean 'categorical_crossentropy'"):
        mb.losses.get("catgorical_crossentropy")
    with pytest.raises(TypeError, match="a loss is a name or a minibatch.losses.Loss"):
        mb.losses.get(lambda y, p: 0)


def test_bad_settings() -> None:
    with pytest.raises(ValueError, match=r"label_smoothing must lie in \[0, 1\]; got 1.5"):
        mb.losses.CategoricalCrossentropy(label_smoothing=1.5)
    with pytest.raises(ValueError, match="reduction 'sum' is not supported yet"):
        mb.losses.MeanSquaredError(reduction="sum")


@pytest.mark.parametrize(
    ("make", "argument", "value"),
    [
        (mb.losses.CategoricalCrossentropy, "axis", 1),
        (mb.losses.SparseCategoricalCrossentropy, "ignore_class", 0),
        (mb.losses.MeanSquaredError, "dtype", "float64"),
    ],
)
def test_an_argument_that_only_keras_has(make: type[Loss], argument: str, value: object) -> None:
    with pytest.raises(TypeError, match=f"the argument '{argument}' of Keras is not supported yet"):
        make(**{argument: value})
    make(**{argument: -1 if argument == "axis" else None})  # Keras's default says nothing new
    with pytest.raises(TypeError, match="has no argument 'foo'"):
        make(foo=1)


def test_a_loss_of_ones_own_is_named_after_its_class() -> None:
    class AbsoluteError(Loss):
        pass

    assert AbsoluteError().name == "absolute_error"
    with pytest.raises(TypeError, match=r"AbsoluteError must define call\(y_true, y_pred\)"):
        AbsoluteError()([[1.0]], [[1.0]])
