from __future__ import annotations

import copy
import functools
import json
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minibatch as mb
from minibatch.results import Count, Number, Result, plain, result

A = np.arange(6, dtype=np.float32).reshape(2, 3)

SAME: dict[str, Callable[[Any], Any]] = {
    "itself": lambda x: x,
    "text": lambda x: f"{x} {x!r}",
    "sum": lambda x: x.sum(),
    "mean": np.mean,
    "rows' means": lambda x: x.mean(axis=1),
    "argmax": np.argmax,
    "argmax of rows": lambda x: x.argmax(axis=-1),
    "largest": lambda x: x.max(),
    "spread": np.std,
    "norm": np.linalg.norm,
    "median": np.median,
    "entry": lambda x: x[1, 2],
    "row": lambda x: x[1],
    "product": lambda x: x @ x.T,
    "dot": lambda x: np.dot(x[0], x[0]),
    "inner": lambda x: x[0] @ x[1],
    "einsum": lambda x: np.einsum("ij,ij->", x, x),
    "above": lambda x: x > 2,
    "where": lambda x: np.where(x > 2, x, 0),
    "all": lambda x: (x >= 0).all(),
    "equal": lambda x: np.array_equal(x, x),
    "stacked": lambda x: np.stack([x, x]),
    "joined": lambda x: np.concatenate([x, A]),
    "cast": lambda x: x.astype(np.float64),
    "list": lambda x: x.tolist(),
    "rounded": lambda x: np.round(x / 3, 2),
    "reduced": lambda x: np.add.reduce(x, axis=None),
    "array": np.asarray,
    "copy": copy.deepcopy,
    "pickle": lambda x: pickle.loads(pickle.dumps(x)),
    "percentile": lambda x: np.percentile(x, 30),
    "unique": np.unique,
}


@pytest.mark.parametrize("compute", SAME.values(), ids=SAME)
def test_an_array_that_knows_numpy_is_like_any_other(compute: Callable[[Any], Any]) -> None:
    expected, found = compute(A), compute(result(A))
    assert repr(found) == repr(expected)
    assert str(found) == str(expected)
    assert isinstance(found, type(expected))
    if isinstance(expected, np.ndarray):
        assert found.dtype == expected.dtype
        assert found.shape == expected.shape
    else:
        assert type(found) is type(expected)


def test_kept_results_are_plain() -> None:
    for value, kind in ((result(A), np.ndarray), (Number(0.5), float), (Count(3), int)):
        assert type(pickle.loads(pickle.dumps(value))) is kind
        assert type(copy.deepcopy([value])[0]) in (kind, Result)
    assert json.dumps([Number(0.1), Count(3)]) == "[0.1, 3]"
    assert plain(result(A)).base is not None
    assert type(plain(result(A))) is np.ndarray
    assert plain("x") == "x" == result("x")


def test_numpy_gives_a_scalar_of_the_librarys_float_type() -> None:
    assert Number(0.1).numpy().dtype == np.float32
    assert Count(3).numpy().dtype == np.int64


@pytest.mark.usefixtures("float64")
def test_numpy_gives_a_float64_where_that_is_the_librarys() -> None:
    assert Number(0.1).numpy() == 0.1
    assert Number(0.1).numpy().dtype == np.float64


def test_results_of_calls_know_numpy() -> None:
    x, y = np.ones((2, 3), np.float32), np.zeros((2, 1), np.float32)
    model = mb.Sequential([mb.Input((3,)), mb.layers.Dense(1)])
    a, b = mb.Input((3,)), mb.Input((3,))
    double = mb.Model([a, b], [mb.layers.Add()([a, b]), mb.layers.Dense(1)(a)])
    arrays = [
        model(x),
        *double([x, x]),
        mb.layers.Dense(1)(x),
        mb.layers.Add()([x, x]),
        mb.losses.MeanSquaredError(reduction="none")(y, y),
        mb.losses.mse(y, y),
        mb.metrics.F1Score()(x > 0, x),
    ]
    for array in arrays:
        assert type(array.numpy()) is np.ndarray
        assert array.numpy().dtype == array.dtype
    normalization = mb.layers.Normalization()
    normalization.adapt(x)
    assert normalization.mean.numpy().shape == normalization.variance.numpy().shape == (1, 3)
    mean = mb.metrics.Mean()
    rms = mb.metrics.RootMeanSquaredError()
    numbers = [mb.losses.MeanSquaredError()(y, y), mean(3.0), mean.result(), rms(y, y), rms.result()]
    for number in numbers:
        assert isinstance(number, float)
        assert number.numpy().dtype == np.float32


def test_counts_know_numpy() -> None:
    model = mb.Sequential([mb.Input((3,)), mb.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(np.ones((4, 3)), np.ones(4), batch_size=2, verbose=0)
    assert model.optimizer.iterations == 2 == model.optimizer.iterations.numpy()
    assert mb.data.Dataset.range(3).cardinality().numpy() == 3


class Last(mb.metrics.Metric):
    """A metric of a user's, whose state is a variable."""

    def __init__(self, name: str = "last") -> None:
        super().__init__(name=name)
        self.largest = self.add_weight()

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        self.largest.assign(np.max(y_pred))

    def result(self) -> Any:
        return self.largest / 1


class Halved:
    """A result from outside the metrics."""

    def result(self) -> Any:
        return super().result() / 2  # type: ignore[misc]  # of the metric beside it


class HalfMean(Halved, mb.metrics.Mean):
    pass


class SameMean(mb.metrics.Mean):
    def result(self) -> Any:
        return super().result()


@pytest.mark.parametrize(("kind", "expected"), [(Last, 3.0), (HalfMean, 1.0), (SameMean, 2.0)])
def test_metrics_of_ones_own_know_numpy(kind: type[mb.metrics.Metric], expected: float) -> None:
    metric = kind()
    given = ([0.0], [3.0]) if kind is Last else ([1.0, 3.0],)
    assert metric(*given).numpy() == expected == metric.result().numpy()
    assert metric.result() == expected


def test_what_a_model_returns_of_many_steps_is_plain() -> None:
    class Same(mb.metrics.MeanSquaredError):
        def result(self) -> Any:
            return super().result()

    seen: list[type] = []

    class Types(mb.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            seen.extend(map(type, (logs or {}).values()))

    x, y = np.ones((4, 3), np.float32), np.eye(4, 2, dtype=np.float32)
    model = mb.Sequential([mb.Input((3,)), mb.layers.Dense(2, "softmax")])
    f1 = mb.metrics.F1Score()
    model.compile("sgd", "mse", metrics=["mae", Same(), Last(), f1])
    history = model.fit(x, y, batch_size=2, verbose=0, callbacks=[Types()])
    kept = [type(values[0]) for values in history.history.values()]
    assert set(kept) == set(seen) == set(map(type, model.evaluate(x, y, verbose=0))) == {float, np.ndarray}
    assert type(model.predict(x, verbose=0)) is np.ndarray


def test_a_model_that_is_given_a_result_computes_with_plain_arrays() -> None:
    seen: list[type] = []

    class Watching(mb.layers.Layer):
        def forward(self, x: Any, training: bool = False) -> Any:
            seen.append(type(x))
            return x, None

        def backward(self, dy: Any, cache: Any) -> Any:
            return dy

    teacher = mb.Sequential([mb.Input((3,)), mb.layers.Rescaling(2.0)])
    student = mb.Sequential([mb.Input((3,)), Watching(), mb.layers.Dense(3)])
    student.compile("sgd", "mse")
    x = teacher(np.ones((4, 3), np.float32))
    student.train_on_batch(x, x)
    student.fit(x, x, verbose=0)
    student.fit(mb.data.Dataset.from_tensor_slices((np.ones((4, 3)), np.ones((4, 3)))).map(
        lambda a, b: (teacher(a[None])[0], b)
    ).batch(2), verbose=0)  # fmt: skip
    student.predict(x, verbose=0)
    student(x)
    assert set(seen) == {np.ndarray}


@pytest.mark.parametrize(
    ("loss", "units", "metrics"),
    [
        (mb.losses.SparseCategoricalCrossentropy(from_logits=True), 3, ["accuracy"]),
        (mb.losses.CategoricalCrossentropy(from_logits=True), 3, ["accuracy", "mse", mb.metrics.F1Score()]),
        (mb.losses.BinaryCrossentropy(from_logits=True), 1, ["accuracy", mb.metrics.AUC(from_logits=True)]),
        ("mse", 1, [mb.losses.mae]),
    ],
)
def test_nothing_inside_computes_with_results(
    loss: Any, units: int, metrics: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Any, array: Any, *rest: Any) -> Any:
        raise AssertionError("something was computed with a Result")

    monkeypatch.setattr(Result, "__array_wrap__", refuse)
    with pytest.raises(AssertionError, match="computed with a Result"):
        _ = result(A) + 1  # the trap works
    layers = [mb.layers.Dense(4, "tanh"), mb.layers.BatchNormalization(), mb.layers.Dropout(0.5)]
    model = mb.Sequential([mb.Input((3,)), *layers, mb.layers.Dense(units)])
    model.compile("adam", loss, metrics=metrics)
    x, labels = np.ones((6, 3)), np.arange(6) % units
    y = mb.utils.to_categorical(labels, units) if isinstance(loss, mb.losses.CategoricalCrossentropy) else labels
    model.fit(x, y, epochs=2, batch_size=4, validation_split=0.3, verbose=0)
    model.fit(mb.data.Dataset.from_tensor_slices((x, y)).map(lambda a, b: (a, b)).batch(2), verbose=0)
    model.predict(x, verbose=0)


class Wrapped(mb.metrics.MeanAbsoluteError):
    @functools.wraps(mb.metrics.MeanAbsoluteError.result)
    def result(self) -> Any:
        return 1000 + super().result()


def test_a_result_that_others_wrap_is_what_counts() -> None:
    metric = Wrapped(name="far")
    model = mb.Sequential([mb.Input((1,)), mb.layers.Dense(1, kernel_initializer="zeros")])
    model.compile("sgd", "mse", metrics=[metric])
    assert model.evaluate([[1.0]], [[2.0]], verbose=0) == [4.0, 1002.0]
    metric.result = lambda: 5.0  # type: ignore[method-assign]  # of this one alone
    assert model.evaluate([[1.0]], [[2.0]], verbose=0) == [4.0, 5.0]


def test_a_number_is_asked_for_its_type_as_numpys_are() -> None:
    loss = mb.losses.MeanSquaredError()([[0.0]], [[2.0]])
    assert (loss.dtype, loss.shape, loss.item()) == (np.float32, (), 4.0)
    assert type(loss.item()) is float


def test_what_is_more_than_an_array_stays_it() -> None:
    masked = np.ma.masked_array([1.0, 2.0], [False, True])
    assert result(masked) is masked


def test_in_place_is_in_place() -> None:
    y = mb.layers.Rescaling(2.0)(np.ones((1, 2), np.float32))
    same = y
    same += 1
    assert same is y
    assert np.add(y, 1, out=y) is y
    np.testing.assert_array_equal(y, [[4.0, 4.0]])
