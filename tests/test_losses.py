from __future__ import annotations

import copy
import inspect
import itertools
import json

import numpy as np
import pytest
from gradient_check import assert_same_gradient, numerical_gradient
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import minibatch as mb
from minibatch.losses import LOSSES, Loss, crossentropy_kernels
from minibatch.losses.loss import REDUCTIONS
from minibatch.utils.names import snake_case

SHAPES = [(4, 3), (3, 2, 4), (2, 2, 2, 3), (1, 1), (1, 5)]  # the last axis is K, those in between are positions


def cases() -> list[tuple[str, Loss, bool]]:
    """(name, loss, whether the targets are class numbers), every setting of every loss."""
    elementwise = (
        "MeanSquaredError MeanAbsoluteError MeanAbsolutePercentageError MeanSquaredLogarithmicError Huber LogCosh"
    )
    hinges = "Hinge SquaredHinge CategoricalHinge"
    found: list[tuple[str, Loss, bool]] = [
        (name, getattr(mb.losses, name)(), False) for name in f"{elementwise} {hinges} KLDivergence Poisson".split()
    ]
    found.append(("Huber, delta=0.2", mb.losses.Huber(delta=0.2), False))
    for logits, smoothing in itertools.product([True, False], [0.0, 0.1]):
        loss = mb.losses.BinaryCrossentropy(from_logits=logits, label_smoothing=smoothing)
        found.append((f"binary, logits={logits}, smoothing={smoothing}", loss, False))
    for logits, smoothing in itertools.product([True, False], [0.0, 0.1]):
        loss = mb.losses.CategoricalCrossentropy(from_logits=logits, label_smoothing=smoothing)
        found.append((f"categorical, logits={logits}, smoothing={smoothing}", loss, False))
    for logits in (True, False):
        loss = mb.losses.SparseCategoricalCrossentropy(from_logits=logits)
        found.append((f"sparse, logits={logits}", loss, True))
    return found


CASES = pytest.mark.parametrize(("loss", "sparse"), [c[1:] for c in cases()], ids=[c[0] for c in cases()])


def draw(
    loss: Loss, sparse: bool, shape: tuple[int, ...], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return targets and predictions; probabilities that do not sum to one, since the losses divide by the sum."""
    if sparse:
        y = rng.integers(shape[-1], size=shape[:-1])
    else:
        y = rng.random(shape)  # not one-hot: soft targets must have the right gradient, too
        if "hinge" in loss.name:
            y = rng.choice([-1.0, 1.0], size=shape)
    return y, rng.normal(size=shape) if loss.from_logits else rng.uniform(0.05, 0.95, shape)


def test_every_loss_is_in_the_cases() -> None:
    public = {v for v in vars(mb.losses).values() if inspect.isclass(v) and issubclass(v, Loss)}
    assert {type(c[1]) for c in cases()} == {c for c in public if not c.__name__.startswith("_")} - {Loss}
    assert set(LOSSES.values()) == {type(c[1]) for c in cases()}


@CASES
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("weighted", [False, True])
def test_gradient(
    loss: Loss, sparse: bool, shape: tuple[int, ...], weighted: bool, rng: np.random.Generator
) -> None:
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


@pytest.mark.parametrize("case", [c for c in cases() if c[1].absorbs and c[1].from_logits], ids=lambda c: c[0])
@pytest.mark.parametrize("weighted", [False, True])
@settings(deadline=None)  # the first example loads a compiled loop
@given(seed=st.integers(0, 10**6), shape=st.sampled_from(SHAPES), size=st.sampled_from([0.1, 3.0, 30.0, 300.0]))
def test_with_the_activation_known_the_loss_is_the_same(
    case: tuple[str, Loss, bool], weighted: bool, seed: int, shape: tuple[int, ...], size: float
) -> None:
    """What the softmax or sigmoid made of the logits spares work; call and gradient are the formulas beside it."""
    _, loss, sparse = case
    rng = np.random.default_rng(seed)
    y, z = draw(loss, sparse, shape, rng)
    z = (z * size).astype(np.float32)  # up to where probabilities underflow
    p = mb.activations.get(loss.absorbs).function(z)
    w = rng.uniform(0, 3, len(y)) if weighted else None
    value, gradient = loss.of_batch(y, z, w)
    for informed in (loss, loss.on_logits()):
        assert informed.of_batch(y, z, w, p)[0] == pytest.approx(value, rel=2e-6, abs=1e-6)
        assert informed.value(y, z, w, p) == pytest.approx(value, rel=2e-6, abs=1e-6)
        np.testing.assert_allclose(informed.of_batch(y, z, w, p)[1], gradient, rtol=1e-5, atol=1e-6)


@settings(deadline=None)
@given(
    N=st.integers(1, 40),
    K=st.integers(1, 12),
    wide=st.booleans(),
    size=st.sampled_from([0.1, 3.0, 300.0]),
    reduction=st.sampled_from(["sum_over_batch_size", "mean", "mean_with_sample_weight"]),
)
def test_the_loops_of_sparse_crossentropy_are_its_formulas(
    N: int, K: int, wide: bool, size: float, reduction: str
) -> None:
    rng = np.random.default_rng(N * K)
    z = (rng.normal(size=(N, K)) * size).astype(np.float64 if wide else np.float32)
    y = rng.integers(K, size=N)
    p = mb.activations.softmax(z)
    loss = mb.losses.SparseCategoricalCrossentropy(reduction=reduction).on_logits()
    value, gradient = Loss.of_batch(loss, y, z, None, p)
    dz = np.empty_like(z)
    close = 1e-12 if wide else 2e-6
    assert crossentropy_kernels.nats(y, p, z) / N == pytest.approx(value, rel=close, abs=close)
    assert crossentropy_kernels.nats_and_gradient(y, p, z, dz) / N == pytest.approx(value, rel=close, abs=close)
    np.testing.assert_array_equal(dz, gradient)
    assert loss.of_batch(y, z, None, p)[0] == pytest.approx(value, rel=close, abs=close)
    assert loss.value(y, z, None, p) == pytest.approx(value, rel=close, abs=close)
    np.testing.assert_array_equal(loss.of_batch(y, z, None, p)[1], gradient)


def test_what_is_no_number_shows_in_the_loss() -> None:
    z = np.array([[np.nan, 0.0], [1.0, 0.0]])
    p = mb.activations.softmax(z)
    loss = mb.losses.SparseCategoricalCrossentropy().on_logits()
    value, gradient = loss.of_batch(np.zeros(2, int), z, None, p)
    assert np.isnan(value)
    assert np.isnan(gradient[0]).all()
    assert np.isfinite(gradient[1]).all()


def test_a_loss_derived_from_one_with_loops_has_its_own_formulas() -> None:
    class Doubled(mb.losses.SparseCategoricalCrossentropy):
        def both(self, y_true, y_pred, activated=None, differentiate=True):
            losses, gradient = super().both(y_true, y_pred, activated, differentiate)
            return 2 * losses, 2 * gradient if differentiate else None

    z, y = np.array([[1.0, 0.0], [0.0, 3.0]]), np.array([0, 0])
    p = mb.activations.softmax(z)
    once, twice = mb.losses.SparseCategoricalCrossentropy().on_logits(), Doubled().on_logits()
    assert twice.value(y, z, None, p) == pytest.approx(2 * once.value(y, z, None, p))
    assert twice.of_batch(y, z, None, p)[0] == pytest.approx(2 * once.of_batch(y, z, None, p)[0])
    np.testing.assert_allclose(twice.of_batch(y, z, None, p)[1], 2 * once.of_batch(y, z, None, p)[1])


@pytest.mark.parametrize("options", [{"reduction": "sum"}, {"reduction": "none"}, {"ignore_class": 0}])
def test_what_is_no_plain_mean_is_not_taken_for_one(options: dict[str, object], rng: np.random.Generator) -> None:
    z, y = rng.normal(size=(5, 3)), np.array([0, 1, 2, 0, 1])
    p = mb.activations.softmax(z)
    loss = mb.losses.SparseCategoricalCrossentropy(**options)
    expected, gradient = mb.losses.SparseCategoricalCrossentropy(from_logits=True, **options).of_batch(y, z)
    # What was said of it before it was asked for is what counts.
    later = mb.losses.SparseCategoricalCrossentropy()
    vars(later).update(options)
    for informed in (loss.on_logits(), later.on_logits()):
        assert informed.value(y, z, None, p) == pytest.approx(expected)
        assert informed.values_by(5, y, z, None, p) == pytest.approx([expected])
        assert informed.of_batch(y, z, None, p)[0] == pytest.approx(expected)
        np.testing.assert_allclose(informed.of_batch(y, z, None, p)[1], gradient)


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
    assert mb.losses.SparseCategoricalCrossentropy(from_logits=True)(labels, z) == pytest.approx(
        exact, rel=1e-5, abs=1e-6
    )
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
    for name in ("mse", "MSE", "mean_squared_error", "MeanSquaredError", mb.losses.MeanSquaredError, mb.losses.mse):
        assert isinstance(mb.losses.get(name), mb.losses.MeanSquaredError)
    assert isinstance(mb.losses.get("crossentropy", (), (1,)), mb.losses.BinaryCrossentropy)
    assert isinstance(mb.losses.get("ce", (), (3,)), mb.losses.SparseCategoricalCrossentropy)
    assert isinstance(mb.losses.get("CE", (3,), (3,)), mb.losses.CategoricalCrossentropy)
    with pytest.raises(ValueError, match="depends on the shapes"):
        mb.losses.get("crossentropy")


@CASES
def test_written_and_read(loss: Loss, sparse: bool) -> None:
    written = json.loads(json.dumps(mb.losses.serialize(loss)))
    assert written["module"] == "keras.losses"
    again = mb.losses.get(written)
    assert type(again) is type(loss)
    assert again.get_config() == loss.get_config()
    function = mb.losses.serialize(getattr(mb.losses, snake_case(type(loss).__name__)))
    assert type(mb.losses.deserialize(function)) is type(loss)


# Reductions -------------------------------------------------------------------------------------------------


@CASES
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("shape", [(4, 3), (3, 2, 4)], ids=str)
def test_reductions(
    loss: Loss, sparse: bool, reduction: str | None, shape: tuple[int, ...], rng: np.random.Generator
) -> None:
    """The gradient of every reduction, with weights of every shape; for an array of losses, that of their sum."""
    loss = copy.copy(loss)
    loss.reduction = reduction
    y, p = draw(loss, sparse, shape, rng)
    for w in (None, rng.uniform(0, 3, len(y)), rng.uniform(0, 3, shape[:-1]), rng.uniform(0, 3, (len(y), 1))):
        if w is not None and w.ndim > len(shape) - 1:
            continue
        value, gradient = loss.of_batch(y, p, w)
        assert loss.value(y, p, w) == value
        factor = loss.call(y, p).size if reduction in (None, "none") else 1
        numerical = numerical_gradient(lambda w=w, factor=factor: factor * loss.value(y, p, w), p)
        assert_same_gradient(loss.name, gradient, numerical)


def test_reductions_worked_by_hand() -> None:
    # The losses are 5 and 2 (above); the weights 3 and 1.
    y, p, w = [[0, 0], [0, 0]], [[1, 3], [2, 0]], [3, 1]
    by_hand = {"sum_over_batch_size": 17 / 2, "mean": 17 / 2, "sum": 17, "mean_with_sample_weight": 17 / 4}
    for reduction, expected in by_hand.items():
        loss = mb.losses.MeanSquaredError(reduction=reduction)
        assert loss(y, p, sample_weight=w) == expected
        assert loss(y, p) == (7 if reduction == "sum" else 3.5)
    for reduction in (None, "none"):
        np.testing.assert_array_equal(mb.losses.MeanSquaredError(reduction=reduction)(y, p, w), [15, 2])
    assert mb.losses.MeanSquaredError(reduction="mean_with_sample_weight")(y, p, sample_weight=[0, 0]) == 0


@pytest.mark.parametrize("ignored", [-1, 1, 255])
@pytest.mark.parametrize("logits", [True, False])
def test_what_is_ignored_has_no_part(ignored: int, logits: bool, rng: np.random.Generator) -> None:
    loss = mb.losses.SparseCategoricalCrossentropy(from_logits=logits, ignore_class=ignored)
    p = rng.uniform(0.1, 0.9, (4, 3, 3))
    y = np.where(rng.random((4, 3)) < 0.4, ignored, rng.choice([0, 2], size=(4, 3)))
    y[0] = ignored
    kept = y != ignored
    value, gradient = loss.of_batch(loss.targets(y, (3, 3)), p)
    # The mean over the positions that count, as if the others were not there.
    plain = mb.losses.SparseCategoricalCrossentropy(from_logits=logits)
    assert value == pytest.approx(plain.of_batch(y[kept], p[kept])[0], rel=1e-12)
    assert_same_gradient("dp", gradient, numerical_gradient(lambda: loss.value(y, p), p))
    assert not gradient[~kept].any()
    everything = np.full((2, 3), ignored)
    assert loss.value(everything, p[:2]) == 0
    with pytest.raises(ValueError, match="class numbers must lie in"):
        loss.targets([[7, 0, 0]], (3, 3))


@given(
    y=hnp.arrays(np.float32, (3, 4), elements=st.floats(-50, 50, width=32)),
    p=hnp.arrays(np.float32, (3, 4), elements=st.floats(-50, 50, width=32)),
    delta=st.floats(0.1, 10),
)
def test_relations_between_losses(y: np.ndarray, p: np.ndarray, delta: float) -> None:
    """Huber lies below the parabola and below the straight line; log cosh below the line, by at most log 2."""
    squared, absolute = mb.losses.mean_squared_error(y, p), mb.losses.mean_absolute_error(y, p)
    huber, log_cosh = mb.losses.huber(y, p, delta), mb.losses.log_cosh(y, p)
    assert (huber <= squared / 2 * (1 + 1e-5) + 1e-6).all()
    assert (huber <= delta * absolute * (1 + 1e-5) + 1e-6).all()
    assert (log_cosh <= absolute * (1 + 1e-5)).all()
    assert (log_cosh >= absolute - np.log(2) - 1e-5).all()
    logits = mb.losses.BinaryCrossentropy(from_logits=True)
    bits = (y > 0).astype(np.float32)
    both = logits.values(bits, p) - logits.values(1 - bits, p)  # log p / (1 - p) is the logit
    np.testing.assert_allclose(both, np.mean((1 - 2 * bits) * p, axis=-1), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("loss", ["binary_crossentropy", mb.losses.BinaryCrossentropy(label_smoothing=0.2)])
def test_a_model_that_ends_in_a_sigmoid_is_trained_on_its_logits(loss: object) -> None:
    model = mb.Sequential([mb.Input((2,)), mb.layers.Dense(1, "sigmoid", kernel_initializer="ones")])
    model.compile("sgd", loss)
    # sigmoid(200) is 1 in float32: by the probability the gradient would be 0.
    value, gradient = model.loss_and_gradient(np.array([[100.0, 100.0]]), np.array([0.0]))
    assert value == pytest.approx(200 if loss == "binary_crossentropy" else 180, rel=1e-5)
    assert gradient[0] > 50


def test_unknown_names() -> None:
    with pytest.raises(
        ValueError, match=r"Unknown loss 'catgorical_crossentropy'. Did you mean 'categorical_crossentropy'"
    ):
        mb.losses.get("catgorical_crossentropy")
    with pytest.raises(TypeError, match=r"a loss is a name or a minibatch.losses.Loss"):
        mb.losses.get(lambda y, p: 0)


def test_bad_settings() -> None:
    with pytest.raises(ValueError, match=r"label_smoothing must lie in \[0, 1\]; got 1.5"):
        mb.losses.CategoricalCrossentropy(label_smoothing=1.5)
    with pytest.raises(ValueError, match=r"MeanSquaredError: unknown reduction 'summ'. Did you mean 'sum'"):
        mb.losses.MeanSquaredError(reduction="summ")


@pytest.mark.parametrize(
    ("make", "argument", "value"),
    [
        (mb.losses.CategoricalCrossentropy, "axis", 1),
        (mb.losses.SparseCategoricalCrossentropy, "axis", 0),
        (mb.losses.BinaryCrossentropy, "axis", 0),
        (mb.losses.MeanSquaredError, "dtype", "float64"),
    ],
)
def test_a_value_that_only_keras_has(make: type[Loss], argument: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"{make.__name__}: {argument} must be .*; got {value!r}"):
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
