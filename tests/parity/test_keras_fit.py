"""fit, evaluate and predict: the same keys, values, events and outputs as Keras's, for the same calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from parity.keras_reference import BOTH, keras, twins

rng = np.random.default_rng(8)
X, Y = rng.normal(size=(53, 4)).astype("float32"), rng.integers(3, size=53)
X_VAL, Y_VAL = rng.normal(size=(17, 4)).astype("float32"), rng.integers(3, size=17)
ONE_HOT, W = np.eye(3, dtype="float32")[Y], rng.uniform(0, 2, 53).astype("float32")
W_VAL = rng.uniform(0, 2, 17).astype("float32")
CLOSE = {"rel": 1e-5, "abs": 1e-6}


def network(lib: Any) -> Any:
    return lib.Sequential([lib.Input((4,)), lib.layers.Dense(5, "relu"), lib.layers.Dense(3, "softmax")])


def compiled(metrics: Any = ("accuracy",), loss: Any = "sparse_categorical_crossentropy") -> tuple[Any, Any]:
    """Return twins; Keras's runs eagerly, which for a handful of steps is quicker than compiling them."""
    theirs, mine = twins(network)
    for model, more in ((theirs, {"run_eagerly": True}), (mine, {})):
        model.compile("sgd", loss, metrics=list(metrics), **more)
    return theirs, mine


def same_history(theirs: Any, mine: Any) -> None:
    assert list(mine.history) == list(theirs.history)  # the keys, and their order
    for key, values in theirs.history.items():
        assert mine.history[key] == pytest.approx(values, **CLOSE), key
        assert all(type(value) is float for value in mine.history[key])
    assert mine.epoch == theirs.epoch
    assert mine.params == theirs.params


FITS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "a remainder": {"batch_size": 10},
    "one batch": {"batch_size": 100},
    "validation_split": {"validation_split": 0.3},
    "validation_split that is not exact": {"validation_split": 0.1},
    "validation_data": {"validation_data": (X_VAL, Y_VAL)},
    "validation_data before validation_split": {"validation_data": (X_VAL, Y_VAL), "validation_split": 0.5},
    "validation_batch_size": {"validation_data": (X_VAL, Y_VAL), "validation_batch_size": 5},
    "validation_freq": {"validation_data": (X_VAL, Y_VAL), "validation_freq": 2},
    "validation_freq, a list": {"validation_data": (X_VAL, Y_VAL), "validation_freq": [1, 3]},
    "initial_epoch": {"initial_epoch": 2},
    "initial_epoch and validation_freq": {
        "initial_epoch": 1,
        "validation_freq": 2,
        "validation_data": (X_VAL, Y_VAL),
    },
    "nothing to do": {"initial_epoch": 4},
    "sample_weight": {"sample_weight": W},
    "sample_weight and validation_split": {"sample_weight": W, "validation_split": 0.3},
    "weights in the validation data": {"validation_data": (X_VAL, Y_VAL, W_VAL)},
}


@pytest.mark.parametrize("name", FITS)
def test_history_and_weights(name: str) -> None:
    arguments = {"batch_size": 8, "epochs": 4, "shuffle": False, "verbose": 0, **FITS[name]}
    theirs, mine = compiled()
    same_history(theirs.fit(X, Y, **arguments), mine.fit(X, Y, **arguments))
    for a, b in zip(theirs.get_weights(), mine.get_weights(), strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-5, atol=1e-6)


def test_a_second_fit_goes_on_with_a_history_of_its_own() -> None:
    theirs, mine = compiled()
    for model in (theirs, mine):
        model.fit(X, Y, shuffle=False, verbose=0, epochs=2)
    histories = [model.fit(X, Y, shuffle=False, verbose=0) for model in (theirs, mine)]
    same_history(*histories)
    assert theirs.history is histories[0]
    assert mine.history is histories[1]


# Callbacks --------------------------------------------------------------------------------------------------

EVENTS = [
    f"on_{what}_{when}"
    for what in ("train", "epoch", "train_batch", "test", "test_batch", "predict", "predict_batch")
    for when in ("begin", "end")
]


def recorder(lib: Any) -> Any:
    """Return a callback that writes down each event: its name, epoch or batch, and logs."""

    class Recorder(lib.callbacks.Callback):
        def __init__(self) -> None:
            super().__init__()
            self.events: list[tuple[Any, ...]] = []

    def listener(event: str) -> Callable[..., None]:
        def note(self: Any, index: tuple[int, ...], logs: Any) -> None:
            plain = {key: np.asarray(value).tolist() for key, value in logs.items()}
            self.events.append((event, index, list(plain), plain))

        if "epoch" in event or "batch" in event:
            return lambda self, i, logs=None: note(self, (i,), logs)
        return lambda self, logs=None: note(self, (), logs)

    for event in EVENTS:
        setattr(Recorder, event, listener(event))
    return Recorder()


def same_events(theirs: list[tuple[Any, ...]], mine: list[tuple[Any, ...]]) -> None:
    assert [event[:3] for event in mine] == [event[:3] for event in theirs]
    for their, my in zip(theirs, mine, strict=True):
        for key, value in their[3].items():
            np.testing.assert_allclose(my[3][key], value, rtol=1e-5, atol=1e-6, err_msg=f"{their[:2]} {key}")


@pytest.mark.parametrize("metrics", [(), ("accuracy",), ("accuracy", "sparse_categorical_accuracy")])
def test_events_their_order_and_their_logs(metrics: tuple[str, ...]) -> None:
    recorded = []
    for lib, model in zip(BOTH, compiled(metrics), strict=True):
        record = recorder(lib)
        model.fit(
            X,
            Y,
            batch_size=20,
            epochs=3,
            shuffle=False,
            verbose=0,
            callbacks=[record],
            validation_data=(X_VAL, Y_VAL),
            validation_freq=2,
        )
        model.evaluate(X, Y, batch_size=20, verbose=0, callbacks=[record])
        model.predict(X, batch_size=20, verbose=0, callbacks=[record])
        recorded.append(record.events)
    theirs, mine = recorded
    # 3 epochs of 3 steps and one validation of 1, then an evaluation and a prediction of 3 batches each.
    assert len(theirs) == 2 + 3 * 2 + 3 * 3 * 2 + (2 + 2) + (2 + 6) + (2 + 6)
    same_events(theirs, mine)


def test_events_of_a_fit_with_nothing_to_do_and_of_one_that_is_stopped_inside_an_epoch() -> None:
    recorded = []
    for lib, model in zip(BOTH, compiled(), strict=True):

        class Stop(lib.callbacks.Callback):
            def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
                self.model.stop_training = batch == 1

        record = recorder(lib)
        common = {"batch_size": 10, "shuffle": False, "verbose": 0, "validation_data": (X_VAL, Y_VAL)}
        model.fit(X, Y, initial_epoch=3, epochs=3, callbacks=[record], **common)
        history = model.fit(X, Y, epochs=3, callbacks=[Stop(), record], **common)
        recorded.append((record.events, history))
    same_events(recorded[0][0], recorded[1][0])
    same_history(recorded[0][1], recorded[1][1])


def test_old_spellings_are_called_in_the_same_places() -> None:
    recorded = []
    for lib, model in zip(BOTH, compiled(), strict=True):
        heard: list[Any] = []

        def note(name: str, heard: list[Any] = heard) -> Callable[..., None]:
            return lambda self, batch, logs=None: heard.append((name, batch, sorted(logs)))

        old = type("Old", (lib.callbacks.Callback,), {n: note(n) for n in ("on_batch_begin", "on_batch_end")})
        both = type("Both", (old,), {"on_train_batch_end": note("on_train_batch_end")})
        model.fit(X, Y, batch_size=30, verbose=0, callbacks=[old(), both()])
        recorded.append(heard)
    assert recorded[0] == recorded[1]


# evaluate and predict ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("metrics", [(), ("accuracy",), ("accuracy", "sparse_categorical_accuracy")])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("batch_size", [None, 7, 100])
def test_evaluate(metrics: tuple[str, ...], weighted: bool, batch_size: int | None) -> None:
    arguments = {"batch_size": batch_size, "verbose": 0, "sample_weight": W if weighted else None}
    theirs, mine = compiled(metrics)
    their_values, my_values = (model.evaluate(X, Y, **arguments) for model in (theirs, mine))
    assert isinstance(my_values, list) == isinstance(their_values, list) == bool(metrics)
    assert my_values == pytest.approx(their_values, **CLOSE)
    their_dict, my_dict = (model.evaluate(X, Y, return_dict=True, **arguments) for model in (theirs, mine))
    assert list(my_dict) == list(their_dict)
    assert my_dict == pytest.approx(their_dict, **CLOSE)


@pytest.mark.parametrize("batch_size", [None, 7, 100])
def test_predict(batch_size: int | None) -> None:
    theirs, mine = (model.predict(X, batch_size=batch_size, verbose=0) for model in compiled())
    assert (mine.shape, mine.dtype) == (theirs.shape, theirs.dtype)
    np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "name", ["categorical_crossentropy", "sparse_categorical_crossentropy", "mse", "mean_squared_error"]
)
def test_losses_by_name(name: str) -> None:
    y = Y if name.startswith("sparse") else ONE_HOT
    theirs, mine = (model.fit(X, y, shuffle=False, verbose=0, epochs=2) for model in compiled(loss=name))
    same_history(theirs, mine)


@pytest.mark.parametrize("loss", ["CategoricalCrossentropy", "SparseCategoricalCrossentropy"])
@pytest.mark.parametrize(
    ("ending", "arguments"),
    [
        ("softmax", {}),
        ("softmax", {"from_logits": True}),
        ("softmax layer", {}),
        ("softmax layer", {"from_logits": True}),
        ("softmax inside", {}),
        ("linear", {"from_logits": True}),
    ],
)
@pytest.mark.filterwarnings("ignore:.*from_logits=True")
def test_logits_wherever_they_are(loss: str, ending: str, arguments: dict[str, Any]) -> None:
    """Also where Keras takes the input of a softmax although the loss was told to expect logits."""

    def build(lib: Any) -> Any:
        last = {
            "softmax": [lib.layers.Dense(3, "softmax")],
            "softmax layer": [lib.layers.Dense(3), lib.layers.Activation("softmax")],
            "softmax inside": [lib.layers.Dense(3, "softmax"), lib.layers.Flatten()],
            "linear": [lib.layers.Dense(3)],
        }[ending]
        return lib.Sequential([lib.Input((4,)), *last])

    histories = []
    for lib, model in zip(BOTH, twins(build), strict=True):
        model.compile(lib.optimizers.SGD(0.5), getattr(lib.losses, loss)(**arguments))
        histories.append(
            model.fit(X, Y if loss.startswith("Sparse") else ONE_HOT, shuffle=False, verbose=0, epochs=3)
        )
    same_history(*histories)


# What "accuracy" means --------------------------------------------------------------------------------------

P1, P3 = rng.random((9, 1)), rng.dirichlet(np.ones(3), 9)
ACCURACIES = {
    "binary, a column": (rng.integers(2, size=(9, 1)), P1, "mse"),
    "binary, a row": (rng.integers(2, size=9), P1, "mse"),
    "class numbers": (rng.integers(3, size=9), P3, "sparse_categorical_crossentropy"),
    "class numbers in a column": (rng.integers(3, size=(9, 1)), P3, "sparse_categorical_crossentropy"),
    "one-hot": (np.eye(3)[rng.integers(3, size=9)], P3, "categorical_crossentropy"),
    "one-hot, mse": (np.eye(3)[rng.integers(3, size=9)], P3, "mse"),
    "positions": (
        rng.integers(3, size=(9, 2)),
        rng.dirichlet(np.ones(3), (9, 2)),
        "sparse_categorical_crossentropy",
    ),
}


@pytest.mark.parametrize("case", ACCURACIES)
@pytest.mark.parametrize("name", ["accuracy", "acc"])
def test_what_accuracy_means(case: str, name: str) -> None:
    """The model is the identity, so the predictions are the inputs."""
    y, p, loss = ACCURACIES[case]
    results = []
    for lib in BOTH:
        model = lib.Sequential([lib.Input(p.shape[1:]), lib.layers.Activation("linear")])
        model.compile("sgd", loss, metrics=[name])
        results.append(model.evaluate(p.astype("float32"), y, verbose=0, return_dict=True))
    assert list(results[1]) == list(results[0])
    assert results[1] == pytest.approx(results[0], **CLOSE)


@pytest.mark.parametrize("name", ["CategoricalAccuracy", "SparseCategoricalAccuracy", "BinaryAccuracy", "Mean"])
@pytest.mark.parametrize("weighted", [False, True])
def test_metrics_over_batches(name: str, weighted: bool) -> None:
    y = {"CategoricalAccuracy": ONE_HOT, "SparseCategoricalAccuracy": Y, "BinaryAccuracy": ONE_HOT}.get(name)
    p = rng.dirichlet(np.ones(3), 53).astype("float32")
    results = []
    for lib in BOTH:
        metric = getattr(lib.metrics, name)()
        for b in (slice(0, 20), slice(20, 40), slice(40, 53)):
            w = W[b] if weighted else None
            metric.update_state(*([p[b, 0]] if name == "Mean" else [y[b], p[b]]), sample_weight=w)
        results.append(float(metric.result()))
        assert metric.name == getattr(keras.metrics, name)().name
    assert results[1] == pytest.approx(results[0], **CLOSE)
