"""Metrics that a user writes: this library's way, and Keras's, with variables."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import minibatch as mb
from minibatch.metrics import Metric
from minibatch.metrics.variable import Variable

rng = np.random.default_rng(4)
X, Y = rng.normal(size=(40, 3)).astype("float32"), rng.integers(2, size=40)


class F1(Metric):
    """As Keras's guide writes it: reset_state speaks of what follows super().__init__."""

    def __init__(self, name: str = "f1", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.tp = self.add_weight(name="tp", initializer="zeros")
        self.fp = self.add_weight(name="fp", initializer="zeros")
        self.fn = self.add_variable(shape=(), initializer="zeros", name="fn")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        y, p = np.asarray(y_true).reshape(-1) > 0, np.asarray(y_pred).reshape(-1) > 0.5
        w = np.ones(len(y)) if sample_weight is None else sample_weight
        self.tp.assign_add(np.sum(w * (y & p)))
        self.fp.assign_add(np.sum(w * (~y & p)))
        self.fn.assign(self.fn + np.sum(w * (y & ~p)))

    def result(self) -> Any:
        return 2 * self.tp / (2 * self.tp + self.fp + self.fn + 1e-7)

    def reset_state(self) -> None:
        self.tp.assign(0.0)
        self.fp.assign(0.0)
        self.fn.assign(0.0)


class F1WithoutReset(F1):
    """Keras's own reset_state sets all variables to 0."""

    reset_state = Metric.reset_state


class TwoInside(Metric):
    """Metrics inside a metric; and a count that is plain, beside them."""

    def __init__(self) -> None:
        super().__init__(name="two_inside")
        self.precision, self.recall = mb.metrics.Precision(), mb.metrics.Recall()

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        self.batches += 1
        self.precision.update_state(y_true, y_pred, sample_weight)
        self.recall.update_state(y_true, y_pred, sample_weight)

    def result(self) -> float:
        p, r = self.precision.result(), self.recall.result()
        return 2 * p * r / (p + r + 1e-7)

    def reset_state(self) -> None:
        self.batches = 0
        self.precision.reset_state()
        self.recall.reset_state()


class Count(Metric):
    """Returns its variable itself, which goes on changing."""

    def __init__(self) -> None:
        super().__init__(name="count")
        self.seen = self.add_weight()

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        self.seen.assign_add(len(y_true))

    def result(self) -> Variable:
        return self.seen


def compiled(*metrics: Metric) -> mb.Sequential:
    mb.utils.set_random_seed(3)
    model = mb.Sequential([mb.Input((3,)), mb.layers.Dense(1, "sigmoid")])
    model.compile("sgd", "binary_crossentropy", metrics=list(metrics))
    return model


@pytest.mark.parametrize("kind", [F1, F1WithoutReset, TwoInside])
def test_metrics_in_keras_words_train_and_are_reset(kind: type[Metric]) -> None:
    model = compiled(kind(), mb.metrics.Precision(name="p"), mb.metrics.Recall(name="r"))
    history = model.fit(X, Y, batch_size=7, epochs=3, verbose=0, validation_data=(X, Y)).history
    name = kind().name
    for prefix in ("", "val_"):
        p, r = np.array(history[prefix + "p"]), np.array(history[prefix + "r"])
        np.testing.assert_allclose(history[prefix + name], 2 * p * r / (p + r + 1e-7), rtol=1e-6)
    assert all(type(value) is float for value in history[name])
    assert model.evaluate(X, Y, verbose=0, return_dict=True)[name] == pytest.approx(history["val_" + name][-1])


def test_sample_weights_reach_them() -> None:
    w = rng.uniform(0, 2, 40)
    model = compiled()
    model.compile("sgd", "binary_crossentropy", weighted_metrics=[F1()])
    found = model.evaluate(X, Y, sample_weight=w, batch_size=7, verbose=0, return_dict=True)["f1"]
    y, p = Y > 0, model.predict(X, verbose=0)[:, 0] > 0.5
    tp, wrong = w[y & p].sum(), w[y != p].sum()
    assert found == pytest.approx(2 * tp / (2 * tp + wrong + 1e-7), rel=1e-12)


def test_a_result_that_is_a_variable_is_taken_as_it_is_then() -> None:
    history = compiled(Count()).fit(X[:33], Y[:33], batch_size=10, epochs=2, verbose=0).history
    assert history["count"] == [33.0, 33.0]
    assert all(type(value) is float for value in history["count"])
    seen: list[Any] = []
    watch = mb.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(logs["count"]))
    compiled(Count()).fit(X[:33], Y[:33], batch_size=10, verbose=0, callbacks=[watch])
    assert seen == [10, 20, 30, 33]


@pytest.mark.parametrize("kind", [F1, F1WithoutReset, TwoInside, Count])
def test_their_state_can_be_kept_and_copied(kind: type[Metric]) -> None:
    metric, p = kind(), rng.uniform(size=40)
    metric.update_state(Y[:20], p[:20])
    state = metric.state_dict()
    copies = [copy.deepcopy(metric), pickle.loads(pickle.dumps(metric)), kind()]
    copies[2].load_state_dict(state)
    metric.update_state(Y[20:], p[20:])
    for other in copies:
        assert float(other.result()) != float(metric.result())  # nothing is shared
        other.update_state(Y[20:], p[20:])
        assert float(other.result()) == float(metric.result())
        other.reset_state()
        assert float(other.result()) == 0
    with pytest.raises(ValueError, match="has the state"):
        metric.load_state_dict({"other": 1})


def test_a_fit_that_is_taken_up_again_goes_on_with_the_same_numbers(tmp_path: Any) -> None:
    class StopError(Exception):
        pass

    def stop(batch: int, logs: Any) -> None:
        if batch == 3:
            raise StopError

    def callbacks(at_end: Any) -> Any:
        return [
            mb.callbacks.BackupAndRestore(tmp_path / "b", save_freq=3),
            mb.callbacks.LambdaCallback(on_train_batch_end=at_end),
        ]

    straight = compiled(F1(), TwoInside()).fit(X, Y, batch_size=7, epochs=2, shuffle=False, verbose=0).history
    first = compiled(F1(), TwoInside())
    with pytest.raises(StopError):
        first.fit(X, Y, batch_size=7, epochs=2, shuffle=False, verbose=0, callbacks=callbacks(stop))
    again, rest = compiled(F1(), TwoInside()), callbacks(lambda batch, logs: None)
    assert again.fit(X, Y, batch_size=7, epochs=2, shuffle=False, verbose=0, callbacks=rest).history == straight


def test_a_model_is_saved_and_read_with_them(tmp_path: Any) -> None:
    model = compiled(F1(name="mine"))
    model.fit(X, Y, verbose=0)
    model.save(tmp_path / "m.keras")
    again = mb.saving.load_model(tmp_path / "m.keras", custom_objects={"F1": F1})
    assert again.evaluate(X, Y, verbose=0, return_dict=True) == model.evaluate(X, Y, verbose=0, return_dict=True)
    other = copy.deepcopy(model)
    expected = model.evaluate(X, Y, verbose=0, return_dict=True)
    assert other.evaluate(X[:9], Y[:9], verbose=0, return_dict=True) != expected
    assert (
        other.evaluate(X, Y, verbose=0, return_dict=True)
        == expected
        == pickle.loads(pickle.dumps(model)).evaluate(X, Y, verbose=0, return_dict=True)
    )


def test_variables() -> None:
    metric = F1()
    assert [v.shape for v in metric.variables] == [(), (), ()]
    assert TwoInside().variables == []
    row = metric.add_weight(shape=(3,), initializer="ones")
    assert row.assign_sub([0.0, 1.0, 2.0]) is row
    assert row.numpy().tolist() == [1.0, 0.0, -1.0] == row.value.tolist()
    assert type(row + 1) is np.ndarray
    assert type(row.sum()) is np.float64
    assert type(metric.tp.value) is float
    row += 2
    assert row is metric.variables[-1]
    assert isinstance(row, Variable)
    assert row.tolist() == [3.0, 2.0, 1.0]
    kept = row.value
    metric.add_weight().assign(5)
    F1WithoutReset.reset_state(metric)
    assert (row == 0).all()
    assert kept.tolist() == [3.0, 2.0, 1.0]
    assert metric.add_weight((2,), "ones", dtype="int32").dtype == np.int32


def test_what_is_set_after_super_may_be_what_reset_state_needs() -> None:
    class Bins(Metric):
        def __init__(self, count: int) -> None:
            super().__init__(name="bins")
            self.count = count

        def reset_state(self) -> None:
            self.batches = 0
            self.filled = [0] * self.count

        def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
            self.filled[self.batches % self.count] += 1
            self.batches += 1

        def result(self) -> int:
            return max(self.filled)

    metric = Bins(3)
    assert metric.state_dict() == {"batches": 0, "filled": [0, 0, 0]}


def test_what_is_set_before_super_is_there_after_it() -> None:
    """This library's way, as it was: the state begins in super().__init__."""

    class Largest(Metric):
        def __init__(self, least: float) -> None:
            self.least = least
            super().__init__(name="largest")
            assert self.largest == least

        def reset_state(self) -> None:
            self.largest = self.least

        def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
            self.largest = max(self.largest, float(np.max(y_pred)))

        def result(self) -> float:
            return self.largest

    assert Largest(2.0).state_dict() == {"largest": 2.0}
    assert Largest(2.0)([0.0], [3.0]) == 3.0


def test_what_is_missing_is_said() -> None:
    class NoReset(Metric):
        pass

    class NoSuper(Metric):
        def __init__(self) -> None:
            self.tp = 0

    class NoSuperYet(Metric):
        def __init__(self) -> None:
            self.tp = self.add_weight()

    class NoAttribute(Metric):
        def reset_state(self) -> None:
            self.tp.assign(0)

    class OthersMistake(Metric):
        def reset_state(self) -> None:
            np.zeros(3).assign(0)  # type: ignore[attr-defined]  # the mistake

    with pytest.raises(
        TypeError, match=r"NoReset must define reset_state\(\), or make its state by add_weight\(\)"
    ):
        NoReset()
    with pytest.raises(TypeError, match=r"NoSuper.__init__ must call super\(\).__init__\(\)"):
        NoSuper()
    with pytest.raises(TypeError, match=r"NoSuperYet.__init__ must call super\(\).__init__\(\) before add_weight"):
        NoSuperYet()
    with pytest.raises(AttributeError, match="'NoAttribute' object has no attribute 'tp'"):
        NoAttribute()
    with pytest.raises(AttributeError, match=r"'numpy\.ndarray' object has no attribute 'assign'"):
        OthersMistake()


def test_targets_of_another_kind_are_told_apart_by_name() -> None:
    """The metric, what it wants, what came, and the one that fits."""
    rows, numbers, p = np.eye(4)[[0, 1, 2]], np.array([0, 1, 2]), np.full((3, 4), 0.25)
    for name, y, message in (
        (
            "sparse_categorical_accuracy",
            rows,
            r"sparse_cat.* class number .*\(3, 4\).*'categorical_accuracy', or 'acc",
        ),
        (
            "sparse_top_k_categorical_accuracy",
            rows,
            r"got targets of shape \(3, 4\).*use 'top_k_categorical_acc\w+'\.",
        ),
        ("categorical_accuracy", numbers, r"\(3,\).*use 'sparse_categorical_accuracy', or 'accuracy'"),
        ("top_k_categorical_accuracy", numbers, r"\(3,\).*use 'sparse_top_k_categorical_accuracy'\."),
        ("binary_accuracy", numbers, r"binary_accuracy compares .*\(3,\).*to_categorical"),
        ("Accuracy", numbers, r"accuracy compares .*\(3,\).*to_categorical"),
        ("AUC", numbers, r"auc compares .*\(3,\).*to_categorical"),
        ("Precision", numbers, r"precision compares .*\(3,\).*to_categorical"),
        ("f1_score", numbers, r"f1_score: targets and predictions must both have shape \(N, classes\); got \(3,\)"),
        ("root_mean_squared_error", numbers, r"root_mean_squared_error compares .*\(3,\)"),
        ("mae", numbers, r"mean_absolute_error: .*shape \(N, 4\).*got y of shape \(N,\)"),
        ("categorical_crossentropy", numbers, "class numbers: use loss='sparse_categorical_crossentropy'"),
        ("sparse_categorical_crossentropy", rows, "one-hot rows: use loss='categorical_crossentropy'"),
    ):
        with pytest.raises(ValueError, match=message):
            mb.metrics.get(name).update_state(y, p)


@pytest.mark.parametrize("name", ["binary_accuracy", "Accuracy", "AUC", "Precision", "root_mean_squared_error"])
def test_a_batch_of_as_many_samples_as_classes_is_no_exception(name: str) -> None:
    """(4,) would stretch to (4, 4), but as a row, not as a column."""
    with pytest.raises(ValueError, match="compares numbers in pairs"):
        mb.metrics.get(name).update_state(np.arange(4) % 2, np.full((4, 4), 0.25))


def test_a_state_of_other_variables_is_refused_and_a_number_so_far_stays() -> None:
    class Seen(mb.metrics.Metric):
        def __init__(self, size: int) -> None:
            super().__init__(name="seen")
            self.seen = self.add_weight((size,))

        def update_state(self, y_true, y_pred, sample_weight=None):
            self.seen.assign_add(1)

        def result(self):
            return self.seen

    metric = Seen(2)
    first, second = metric(1, 1), metric(1, 1)
    assert (first.tolist(), second.tolist()) == ([1, 1], [2, 2])
    with pytest.raises(ValueError, match=r"metric 'seen' has variables of shapes \[\(2,\)\]; got \[\(\)\]"):
        metric.load_state_dict({"_variables": [np.array(5.0)]})
    with pytest.raises(ValueError, match=r"got \[\(2,\), \(2,\)\]"):
        metric.load_state_dict({"_variables": [np.zeros(2), np.zeros(2)]})
