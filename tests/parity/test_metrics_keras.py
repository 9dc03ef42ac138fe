"""Every metric against Keras's, over several batches, with weights and without."""

from __future__ import annotations

import inspect
import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from parity.keras_reference import keras

import minibatch as mb

Batch = tuple[np.ndarray, np.ndarray]

#: (class, settings, what it is fed)
CASES: list[tuple[str, dict[str, Any], str]] = [
    ("Accuracy", {}, "labels"),
    *[
        ("BinaryAccuracy", s, d)
        for s in ({}, {"threshold": 0.3})
        for d in ("bits", "column", "bits with positions")
    ],
    *[("CategoricalAccuracy", {}, d) for d in ("one-hot", "one-hot with positions")],
    *[("SparseCategoricalAccuracy", {}, d) for d in ("classes", "class column", "classes with positions")],
    *[("TopKCategoricalAccuracy", s, d) for s in ({}, {"k": 2}) for d in ("one-hot", "one-hot with positions")],
    *[
        ("SparseTopKCategoricalAccuracy", s, d)
        for s in ({}, {"k": 2})
        for d in ("classes", "classes with positions")
    ],
    ("SparseTopKCategoricalAccuracy", {"k": 2, "from_sorted_ids": True}, "sorted ids"),
    *[
        (name, s, d)
        for name in ("TruePositives", "FalsePositives", "TrueNegatives", "FalseNegatives", "Precision", "Recall")
        for s in ({}, {"thresholds": 0.3}, {"thresholds": [0.7, 0.2, 0.5]}, {"thresholds": [0.0, 0.5, 1.0]})
        for d in ("bits", "column", "bits with positions")
    ],
    *[
        (name, s, "one-hot")
        for name in ("Precision", "Recall")
        for s in (
            {"top_k": 2},
            {"class_id": 1},
            {"class_id": 2, "top_k": 3},
            {"thresholds": [0.1, 0.6], "top_k": 1},
        )
    ],
    *[
        (name, {"average": average, "threshold": threshold}, "bits")
        for name in ("F1Score", "FBetaScore")
        for average, threshold in itertools.product([None, "micro", "macro", "weighted"], [None, 0.4])
    ],
    ("FBetaScore", {"beta": 2.0}, "one-hot"),
    *[
        ("AUC", {"curve": curve, "summation_method": method, **s}, d)
        for curve, method in itertools.product(["ROC", "PR", "PRGAIN"], ["interpolation", "minoring", "majoring"])
        for s, d in (
            ({}, "column"),
            ({"num_thresholds": 5}, "bits"),
            ({"thresholds": [0.8, 0.1, 0.3]}, "bits"),
            ({"multi_label": True}, "bits"),
            ({"multi_label": True, "label_weights": [0.2, 1.0, 3.0, 0.5], "num_thresholds": 20}, "bits"),
            ({"label_weights": [0.2, 1.0, 3.0, 0.5]}, "bits"),
            ({"from_logits": True, "num_thresholds": 50}, "logits"),
        )
    ],
    *[
        (name, {}, d)
        for name in (
            "MeanSquaredError",
            "RootMeanSquaredError",
            "MeanAbsoluteError",
            "MeanAbsolutePercentageError",
            "MeanSquaredLogarithmicError",
            "LogCoshError",
        )
        for d in ("real", "column", "real with positions")
    ],
    *[(name, {}, "bits") for name in ("Hinge", "SquaredHinge", "Poisson")],
    ("CategoricalHinge", {}, "one-hot"),
    ("KLDivergence", {}, "one-hot"),
    ("BinaryCrossentropy", {}, "bits"),
    ("BinaryCrossentropy", {"from_logits": True, "label_smoothing": 0.1}, "bits with positions"),
    ("CategoricalCrossentropy", {"label_smoothing": 0.1}, "one-hot"),
    ("CategoricalCrossentropy", {"from_logits": True}, "one-hot with positions"),
    ("SparseCategoricalCrossentropy", {}, "classes"),
    ("SparseCategoricalCrossentropy", {"from_logits": True}, "classes with positions"),
    ("SparseCategoricalCrossentropy", {"ignore_class": 1}, "classes"),
]


def batch_of(what: str, n: int, rng: np.random.Generator) -> Batch:
    """Return targets and predictions; these on a coarse grid, so that they meet thresholds and each other."""
    shape = (n, 3, 4) if "positions" in what else (n, 1) if what == "column" else (n, 4)
    p = rng.integers(0, 21, shape) / 20
    if what == "labels":
        return rng.integers(3, size=shape), rng.integers(3, size=shape)
    if what == "sorted ids":
        return rng.integers(4, size=n), np.argsort(-rng.random(shape)).astype("float32")
    if what.startswith("real"):
        y, p = rng.normal(size=shape), rng.normal(size=shape)
    elif what.startswith("class"):
        y = rng.integers(4, size=shape[:-1])
        y = y[:, None] if what == "class column" else y
    elif what.startswith("one-hot"):
        y = np.eye(4)[rng.integers(4, size=shape[:-1])]
    else:
        y = rng.integers(2, size=shape)
        p = rng.normal(size=shape) if what == "logits" else p
    return y if y.dtype.kind == "i" else y.astype("float32"), p.astype("float32")


@pytest.mark.parametrize(("name", "settings", "what"), CASES, ids=[f"{c[0]}-{i}" for i, c in enumerate(CASES)])
@pytest.mark.parametrize("weighted", [False, True])
def test_over_several_batches(
    name: str, settings: dict[str, Any], what: str, weighted: bool, rng: np.random.Generator
) -> None:
    theirs, mine = (getattr(lib.metrics, name)(**settings) for lib in (keras, mb))
    assert mine.name == theirs.name
    assert mine._direction == theirs._direction if hasattr(theirs, "_direction") else True
    for n in (7, 7, 3):
        y, p = batch_of(what, n, rng)
        weights = [None]
        if weighted:
            weights = [rng.uniform(0, 3, n).astype("float32")]
            if "positions" in what and not name.endswith(("Positives", "Negatives", "Precision", "Recall")):
                weights.append(rng.uniform(0, 3, (n, 3)).astype("float32"))
            if "crossentropy" not in name.lower() and what == "column":
                weights.append(rng.uniform(0, 3, (n, 1)).astype("float32"))
        for w in weights:
            try:
                theirs.update_state(y, p, sample_weight=w)
            except Exception:
                assert w is not None and y.ndim > 2, "Keras does not take these"  # noqa: PT018
                continue
            mine.update_state(y, p, sample_weight=w)
        assert_same(mine.result(), theirs.result())
    state = mine.state_dict()
    twin = mb.metrics.deserialize(mb.metrics.serialize(mine))
    twin.load_state_dict(state)
    assert_same(twin.result(), theirs.result())
    for metric in (theirs, mine):
        metric.reset_state()
    y, p = batch_of(what, 5, rng)
    assert_same(mine(y, p), theirs(y, p))


def assert_same(mine: Any, theirs: Any) -> None:
    np.testing.assert_allclose(mine, np.asarray(theirs), rtol=2e-5, atol=1e-5)
    assert np.shape(mine) == np.shape(theirs)


@settings(max_examples=60, deadline=None)
@given(
    bits=st.lists(st.booleans(), min_size=1, max_size=20),
    seed=st.integers(0, 1000),
    thresholds=st.one_of(st.none(), st.lists(st.integers(0, 10).map(lambda i: i / 10), min_size=1, max_size=5)),
)
def test_counts_at_any_thresholds(bits: list[bool], seed: int, thresholds: list[float] | None) -> None:
    rng = np.random.default_rng(seed)
    y, p = np.array(bits, "float32"), (rng.integers(-2, 13, len(bits)) / 10).astype("float32")
    w = rng.integers(0, 4, len(bits)).astype("float32")
    for name in ("TruePositives", "FalsePositives", "TrueNegatives", "FalseNegatives"):
        theirs, mine = (getattr(lib.metrics, name)(thresholds=thresholds) for lib in (keras, mb))
        assert_same(mine(y, p, w), theirs(y, p, w))


@pytest.mark.parametrize(
    ("values", "weights"),
    [
        (3.0, None),
        (3.0, 2.0),
        ([1.0, 2.0, 4.0], None),
        ([1.0, 2.0, 4.0], 3.0),
        ([1.0, 2.0, 4.0], [1.0, 0.0, 2.0]),
        ([[1.0, 2.0], [3.0, 5.0]], None),
        ([[1.0, 2.0], [3.0, 5.0]], [1.0, 3.0]),
        ([[1.0, 2.0], [3.0, 5.0]], [[1.0], [3.0]]),
        ([[1.0, 2.0], [3.0, 5.0]], [[1.0, 0.0], [3.0, 1.0]]),
        ([[1.0], [3.0]], [1.0, 3.0]),
    ],
)
@pytest.mark.parametrize("name", ["Mean", "Sum"])
def test_sums_and_means(name: str, values: Any, weights: Any) -> None:
    theirs, mine = (getattr(lib.metrics, name)() for lib in (keras, mb))
    for _ in range(2):
        theirs.update_state(np.array(values), weights)
        mine.update_state(values, weights)
        mine.update_state(10.0)
        theirs.update_state(10.0)
        assert_same(mine.result(), theirs.result())


@pytest.mark.parametrize(
    "name",
    [
        "binary_accuracy",
        "categorical_accuracy",
        "sparse_categorical_accuracy",
        "top_k_categorical_accuracy",
        "sparse_top_k_categorical_accuracy",
    ],
)
def test_functions(name: str, rng: np.random.Generator) -> None:
    what = "bits" if "binary" in name else "classes" if "sparse" in name else "one-hot"
    for kind in (what, f"{what} with positions"):
        y, p = batch_of(kind, 6, rng)
        settings = {"k": 2} if "top_k" in name else {}
        assert_same(getattr(mb.metrics, name)(y, p, **settings), getattr(keras.metrics, name)(y, p, **settings))


@pytest.mark.parametrize(
    "identifier", ["accuracy", "acc", "Accuracy", "mse", "MSE", "AUC", "auc", "bce", "kl_divergence"]
)
@pytest.mark.parametrize(
    ("y_shape", "output_shape"), [((4, 1), (4, 1)), ((4,), (4, 3)), ((4, 1), (4, 3)), ((4, 3), (4, 3))]
)
def test_what_compile_makes_of_a_name(
    identifier: str, y_shape: tuple[int, ...], output_shape: tuple[int, ...]
) -> None:
    from keras.src.trainers.compile_utils import get_loss, get_metric

    y, p = np.zeros(y_shape), np.zeros(output_shape)
    theirs, mine = get_metric(identifier, y, p), mb.metrics.get(identifier, y_shape[1:], output_shape[1:])
    assert (type(mine).__name__, mine.name) == (type(theirs).__name__, theirs.name)
    for name in ("crossentropy", "ce"):
        assert mb.losses.get(name, y_shape[1:], output_shape[1:]).name == get_loss(name, y, p).fn.__name__


def test_names_and_what_they_stand_for() -> None:
    for name in dir(keras.metrics):
        if not name.startswith("_"):
            try:
                found = getattr(mb.metrics, name)
            except AttributeError as error:
                assert "Keras has" in str(error)  # noqa: PT017
            else:
                assert found.__name__ == name
                if inspect.isclass(found) and name not in ("Metric", "MeanMetricWrapper"):
                    assert list(inspect.signature(found).parameters) == list(
                        inspect.signature(getattr(keras.metrics, name)).parameters
                    )
    for name in keras.src.metrics.ALL_OBJECTS_DICT:
        if name not in ("Metric", "metric", "MeanMetricWrapper", "mean_metric_wrapper"):
            try:
                mine, theirs = mb.metrics.get(name), keras.metrics.get(name)
            except ValueError as error:
                assert "Keras has" in str(error)  # noqa: PT017
            else:
                assert type(mine).__name__ == type(theirs).__name__


@pytest.mark.parametrize(
    ("name", "settings", "what"), CASES[::3], ids=[f"{c[0]}-{i}" for i, c in enumerate(CASES[::3])]
)
def test_configurations_go_both_ways(
    name: str, settings: dict[str, Any], what: str, rng: np.random.Generator
) -> None:
    mine = getattr(mb.metrics, name)(**settings, name="mine")
    there = keras.metrics.deserialize(mb.metrics.serialize(mine))
    assert (type(there).__name__, there.name) == (name, "mine")
    if not settings.get("label_weights"):  # Keras writes them as a tensor that it cannot read
        here = mb.metrics.deserialize(keras.metrics.serialize(there))
        assert here.get_config() == mine.get_config()
    y, p = batch_of(what, 9, rng)
    assert_same(mine(y, p), there(y, p))


def test_a_function_as_a_metric(rng: np.random.Generator) -> None:
    def off_by(y_true: Any, y_pred: Any) -> Any:
        return abs(y_pred - y_true)

    y, p = batch_of("real", 6, rng)
    theirs, mine = keras.metrics.MeanMetricWrapper(off_by), mb.metrics.get(off_by)
    assert_same(mine(y, p), theirs(y, p))
    assert mine.name == "off_by"
    loss = mb.metrics.get(mb.losses.huber)
    assert (loss.name, loss._direction) == ("huber", "down")
    written = mb.metrics.serialize(loss)
    assert_same(keras.metrics.deserialize(written)(y, p), mb.metrics.deserialize(written)(y, p))
