from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import minibatch as mb
from minibatch import metrics
from minibatch.metrics import accuracy_kernels as kernels


@given(
    values=st.lists(st.floats(-100, 100, width=32), min_size=1, max_size=20),
    weights=st.lists(st.floats(0, 10, width=32), min_size=20, max_size=20),
    cuts=st.sets(st.integers(1, 19)),
)
def test_mean_over_any_batches_is_the_mean_over_all(
    values: list[float], weights: list[float], cuts: set[int]
) -> None:
    x, w = np.array(values), np.array(weights[: len(values)])
    plain, weighted = metrics.Mean(), metrics.Mean()
    for piece, piece_w in zip(
        np.split(x, sorted(c for c in cuts if c < len(x))),
        np.split(w, sorted(c for c in cuts if c < len(x))),
        strict=True,
    ):
        plain.update_state(piece)
        weighted.update_state(piece, sample_weight=piece_w)
    assert plain.result() == pytest.approx(x.mean(), rel=1e-9, abs=1e-9)
    if w.sum() > 1e-6:
        assert weighted.result() == pytest.approx((x * w).sum() / w.sum(), rel=1e-9, abs=1e-9)
    plain.reset_state()
    assert plain.result() == 0


def test_a_short_last_batch_counts_for_what_it_holds() -> None:
    mean = metrics.Mean()
    for loss, samples in [(1.0, 100)] * 10 + [(3.0, 50)]:
        mean.update_state(loss, sample_weight=samples)
    assert mean.result() == pytest.approx((10 * 100 * 1.0 + 50 * 3.0) / 1050)


@settings(deadline=None)  # the first example may load a compiled loop
@given(
    labels=hnp.arrays(np.intp, st.integers(1, 20), elements=st.integers(0, 3)),
    seed=st.integers(0, 99),
    batch=st.integers(1, 7),
)
def test_categorical_accuracies_count_what_is_right(labels: np.ndarray, seed: int, batch: int) -> None:
    p = np.random.default_rng(seed).random((len(labels), 4))
    right = sum(int(max(range(4), key=lambda k: row[k]) == label) for row, label in zip(p, labels, strict=True))
    sparse, one_hot = metrics.SparseCategoricalAccuracy(), metrics.CategoricalAccuracy()
    for at in range(0, len(labels), batch):
        sparse.update_state(labels[at : at + batch], p[at : at + batch])
        one_hot.update_state(np.eye(4)[labels[at : at + batch]], p[at : at + batch])
    assert sparse.result() == pytest.approx(right / len(labels))
    assert one_hot.result() == pytest.approx(right / len(labels))


def test_binary_accuracy() -> None:
    accuracy = metrics.BinaryAccuracy()
    # 0.5 is not above the threshold: counted as 0. Right: 1st, 3rd.
    accuracy.update_state([[0], [1], [1], [0]], [[0.5], [0.4], [0.9], [0.6]])
    assert accuracy.result() == 0.5
    strict = metrics.BinaryAccuracy(threshold=0.95)
    strict.update_state([[1, 0]], [[0.9, 0.9]])  # one of the two positions is right
    assert strict.result() == 0.5


def test_positions_and_weights() -> None:
    accuracy = metrics.SparseCategoricalAccuracy()
    p = np.eye(3)[[[0, 1], [2, 2]]]  # (2 samples, 2 positions, 3 classes)
    accuracy.update_state([[0, 0], [2, 2]], p)
    assert accuracy.result() == 0.75
    accuracy.reset_state()
    accuracy.update_state([[0, 0], [2, 2]], p, sample_weight=[3, 1])
    assert accuracy.result() == (3 * 1 + 1 * 2) / (3 * 2 + 1 * 2)


def test_labels_in_a_column() -> None:
    accuracy = metrics.SparseCategoricalAccuracy()
    accuracy.update_state([[1], [0]], [[0.1, 0.9], [0.2, 0.8]])
    assert accuracy.result() == 0.5


@pytest.mark.parametrize(
    ("y_shape", "output_shape", "kind"),
    [
        ((), (1,), metrics.BinaryAccuracy),
        ((1,), (1,), metrics.BinaryAccuracy),
        ((), (10,), metrics.SparseCategoricalAccuracy),
        ((1,), (10,), metrics.SparseCategoricalAccuracy),
        ((10,), (10,), metrics.CategoricalAccuracy),
        ((5,), (5, 10), metrics.SparseCategoricalAccuracy),
        ((5, 10), (5, 10), metrics.CategoricalAccuracy),
    ],
)
@pytest.mark.parametrize("name", ["accuracy", "acc"])
def test_what_accuracy_means(
    y_shape: tuple[int, ...], output_shape: tuple[int, ...], kind: type, name: str
) -> None:
    metric = metrics.get(name, y_shape, output_shape)
    assert type(metric) is kind
    assert metric.name == name


def test_get() -> None:
    instance = metrics.CategoricalAccuracy(name="mine")
    assert metrics.get(instance, (), (3,)) is instance
    assert metrics.get("categorical_accuracy", (), (3,)).name == "categorical_accuracy"
    assert isinstance(metrics.get("BinaryAccuracy", (), (3,)), metrics.BinaryAccuracy)
    assert isinstance(metrics.get(metrics.BinaryAccuracy, (), (3,)), metrics.BinaryAccuracy)
    with pytest.raises(ValueError, match=r"Unknown metric 'acuracy'. Did you mean 'accuracy'"):
        metrics.get("acuracy", (), (3,))
    with pytest.raises(TypeError, match=r"a metric is a name, a function of .* or a minibatch.metrics.Metric"):
        metrics.get(3, (), (3,))
    with pytest.raises(ValueError, match=r"Keras has 'MeanIoU' in keras.metrics"):
        metrics.get("MeanIoU", (), (3,))
    assert metrics.get("accuracy").name == "accuracy"
    assert isinstance(metrics.get("accuracy"), metrics.Accuracy)
    assert metrics.get("mse", (1,), (1,)).name == "mse"  # in compile, a metric goes by the name that was given
    assert metrics.get("mse").name == "mean_squared_error"


def test_a_function_is_its_mean_over_samples() -> None:
    def off_by(y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
        return np.abs(y_true - y_pred)

    model = mb.Sequential([mb.Input((2,)), mb.layers.Dense(1, kernel_initializer="zeros")])
    model.compile("sgd", "mse", metrics=[off_by, "mae"])
    loss, mine, theirs = model.evaluate(np.ones((5, 2)), np.arange(5), batch_size=2, verbose=0)
    assert (loss, mine, theirs) == (6.0, 2.0, 2.0)
    assert [m.name for m in model.objective.metrics or ()] == ["off_by", "mae"]


def test_what_get_takes_can_be_written() -> None:
    for name, function in metrics._FUNCTIONS.items():
        written = metrics.serialize(function)
        assert (written["class_name"], written["config"]) == ("function", name)
        assert metrics.deserialize(written) is function
    for named in ("mse", metrics.MeanSquaredError, metrics.MeanSquaredError()):
        assert metrics.serialize(named)["class_name"] == "MeanSquaredError"
    with pytest.raises(TypeError, match="written by its name, and this one has none: <MeanSquaredError"):
        metrics.serialize(mb.losses.MeanSquaredError())


def test_bad_arguments() -> None:
    metrics.CategoricalAccuracy(dtype=None)
    with pytest.raises(
        ValueError, match=r"CategoricalAccuracy: dtype must be the library's float type, 'float32'.*'float64'"
    ):
        metrics.CategoricalAccuracy(dtype="float64")
    with pytest.raises(TypeError, match=r"BinaryAccuracy\(\) has no argument 'treshold'.*'threshold'"):
        metrics.BinaryAccuracy(treshold=0.1)


def test_a_metric_of_ones_own() -> None:
    class LargestError(mb.metrics.Metric):
        def reset_state(self) -> None:
            self.largest = 0.0

        def update_state(self, y_true: np.ndarray, y_pred: np.ndarray, sample_weight: object = None) -> None:
            self.largest = max(self.largest, float(np.abs(y_true - y_pred).max()))

        def result(self) -> float:
            return self.largest

    model = mb.Sequential([mb.Input((2,)), mb.layers.Dense(1, kernel_initializer="zeros")])
    model.compile("sgd", "mse", metrics=[LargestError()])
    assert model.evaluate(np.ones((5, 2)), np.arange(5), batch_size=2, verbose=0) == [6.0, 4.0]


@pytest.mark.parametrize("shape", [(7,), (7, 1), (7, 4)])
@pytest.mark.parametrize("weighted", [False, True])
def test_an_accuracy_that_is_counted_is_the_mean_of_ones_and_zeros(
    shape: tuple[int, ...], weighted: bool, rng: np.random.Generator
) -> None:
    """Truth values of class numbers are counted; the function beside them gives the ones and zeros themselves."""
    y = rng.integers(3, size=shape)
    p = rng.random((*shape, 3)) if len(shape) == 1 or shape[1] != 1 else rng.random((7, 3))
    w = rng.random(7) if weighted else None
    counted = mb.metrics.SparseCategoricalAccuracy()
    plain = mb.metrics.MeanMetricWrapper(lambda a, b: mb.metrics.sparse_categorical_accuracy(a, b), name="plain")
    assert counted._count_right is not None
    assert plain._count_right is None
    for _ in range(2):
        counted.update_state(y, p, w)
        plain.update_state(y, p, w)
    assert counted.result() == plain.result()
    assert 0 < counted.result() < 1


@settings(deadline=None)  # the first example loads a compiled loop
@given(N=st.integers(0, 20), K=st.integers(1, 6), wide=st.booleans(), seed=st.integers(0, 999))
def test_the_loop_that_counts_agrees_with_argmax(N: int, K: int, wide: bool, seed: int) -> None:
    """With many ties, and with what is no number."""
    rng = np.random.default_rng(seed)
    p = rng.choice([0.0, 0.5, 1.0, np.nan], size=(N, K), p=[0.3, 0.3, 0.3, 0.1])
    p = p.astype(np.float64 if wide else np.float32)
    y = rng.integers(K, size=N)
    assert kernels.count_best(y, p) == (p.argmax(axis=1) == y).sum()
    metric = metrics.SparseCategoricalAccuracy()
    metric.update_state(y, p)
    assert (metric.total, metric.count) == ((p.argmax(axis=1) == y).sum(), N)


@pytest.mark.parametrize("kind", [np.float16, np.longdouble, ">f4", np.int8])
def test_predictions_of_any_type_are_counted(kind: object) -> None:
    """Also those that a compiled loop does not take."""
    p = np.array([[0, 1], [1, 0], [1, 0]]).astype(kind)
    assert metrics.SparseCategoricalAccuracy()(np.array([1, 1, 0]), p) == 2 / 3
