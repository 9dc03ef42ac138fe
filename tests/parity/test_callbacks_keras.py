"""Keras's callbacks and ours, played the same epochs, and in the same small fits: what they do, say and write.

Learning rates are powers of two where texts are compared: Keras keeps them in float32, which holds these exactly.
"""

from __future__ import annotations

import inspect
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from parity.keras_reference import BOTH, keras

import minibatch as mb

X = np.linspace(-1, 1, 10, dtype="float32")[:, None]
Y = 2 * X + 0.5


class FakeModel:
    """A learning rate, and files for weights; without metrics."""

    def __init__(self, learning_rate: float = 1.0) -> None:
        self.stop_training = False
        self.optimizer = SimpleNamespace(learning_rate=learning_rate)
        self.saved: list[str] = []

    def save(self, filepath: str, overwrite: bool = True) -> None:
        Path(filepath).touch()
        self.saved.append(f"model {Path(filepath).name}")

    def save_weights(self, filepath: str, overwrite: bool = True) -> None:
        Path(filepath).touch()
        self.saved.append(f"weights {Path(filepath).name}")


def started(callback: Any, model: Any) -> Any:
    callback.set_model(model)
    callback.set_params({"verbose": 0, "epochs": 3, "steps": 4})
    callback.on_train_begin({})
    return callback


def in_both(run: Callable[[Any], Any]) -> tuple[Any, Any]:
    """Return (theirs, ours), with the number of warnings each gave."""
    results = []
    for lib in BOTH:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            seen = run(lib)
        results.append((seen, len([w for w in caught if w.category is UserWarning])))
    return results[0], results[1]


def fit(lib: Any, make: Callable[[Any], list[Any]], initial: list[Any] = [], **arguments: Any) -> Any:  # noqa: B006
    """Fit a line, from the same weights in both libraries; return (model, history, callbacks)."""
    model = lib.Sequential([lib.Input((1,)), lib.layers.Dense(1)])
    model.compile(lib.optimizers.SGD(0.25), "mse", metrics=["mae"])
    if not initial:
        initial.extend(model.get_weights())
    model.set_weights(initial)
    callbacks = make(lib)
    settings = {"batch_size": 4, "epochs": 4, "verbose": 0, "shuffle": False, "validation_data": (X, Y)}
    history = model.fit(X, Y, callbacks=callbacks, **{**settings, **arguments})
    return model, history, callbacks


def assert_same_history(theirs: Any, mine: Any) -> None:
    assert mine.epoch == theirs.epoch
    assert list(mine.history) == list(theirs.history)
    for key, values in theirs.history.items():
        np.testing.assert_allclose(mine.history[key], values, rtol=1e-5, err_msg=key)


@pytest.mark.parametrize("name", sorted({*dir(keras.callbacks)} & {*mb.callbacks.__all__} - {"CallbackList"}))
def test_arguments_are_those_of_keras(name: str) -> None:
    theirs, mine = ([*inspect.signature(getattr(lib.callbacks, name)).parameters.values()] for lib in BOTH)
    names = {inspect.Parameter.VAR_KEYWORD: "**"}
    assert [(names.get(p.kind, p.name), p.default) for p in mine] == [
        (names.get(p.kind, p.name), p.default) for p in theirs
    ]


def test_every_callback_of_keras_is_here_or_refused() -> None:
    for name in (n for n in dir(keras.callbacks) if n[0].isupper()):
        if name not in mb.callbacks.__all__:
            with pytest.raises(AttributeError, match=f"Keras has '{name}'"):
                getattr(mb.callbacks, name)


# Which way is better ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "metric",
    ["accuracy", "mae", "mse", "binary_accuracy", "top_k_categorical_accuracy", "kl_divergence", "hinge", "AUC"],
)
def test_auto_is_the_same_direction_for_compiled_metrics(metric: str) -> None:
    def run(lib: Any) -> list[int]:
        model = lib.Sequential([lib.Input((1,)), lib.layers.Dense(2, "sigmoid")])
        model.compile("sgd", "mse", metrics=[metric])
        target = np.eye(2)[[0, 1, 0, 1]]
        history = model.fit(X[:4], target, verbose=0)
        (name,) = history.history.keys() - {"loss"}
        epochs = []
        for values in ([1.0, 2.0, 3.0, 4.0], [4.0, 3.0, 2.0, 1.0]):
            stop = started(lib.callbacks.EarlyStopping(name, patience=2), model)
            model.stop_training = False
            ran = 0
            while not model.stop_training and ran < 4:
                stop.on_epoch_end(ran, {name: values[ran]})
                ran += 1
            epochs.append(ran)
        return epochs

    theirs, mine = in_both(run)
    assert mine == theirs
    assert sorted(mine[0]) == [3, 4]


def test_an_unknown_mode_warns_in_both_and_is_auto() -> None:
    theirs, mine = in_both(lambda lib: [lib.callbacks.EarlyStopping(mode="up").mode])
    assert mine == theirs == (["auto"], 1)


# Learning rates -----------------------------------------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(
    # Multiples of 1/8, exact in float32; None: the number is missing.
    values=st.lists(st.none() | st.integers(-8, 8).map(lambda n: n / 8), min_size=1, max_size=14),
    patience=st.integers(0, 3),
    cooldown=st.integers(0, 3),
    min_delta=st.integers(-4, 4).map(lambda n: n / 8),
    min_lr=st.sampled_from([0.0, 0.125, 0.3]),
    factor=st.sampled_from([0.5, 0.25, -1.0, 0.0]),
    mode=st.sampled_from(["min", "max"]),
)
def test_reduce_lr_on_plateau_on_any_sequence(values: list[float | None], **arguments: Any) -> None:
    def run(lib: Any) -> Any:
        model = FakeModel()
        callback = started(lib.callbacks.ReduceLROnPlateau("x", **arguments), model)
        seen = []
        for epoch, value in enumerate(values):
            logs = {"other": 0.0} if value is None else {"x": value}
            callback.on_epoch_end(epoch, logs)
            seen.append(
                (model.optimizer.learning_rate, callback.wait, callback.cooldown_counter, callback.best, logs)
            )
        return seen

    theirs, mine = in_both(run)
    assert mine == theirs


def test_reduce_lr_on_plateau_with_nan_and_inf() -> None:
    nan, inf = float("nan"), float("inf")
    for values in ([nan, 1.0, 2.0, nan], [inf, inf, 1.0, inf], [1.0, nan, nan, 0.5], [-inf, -inf, 3.0]):

        def run(lib: Any, values: list[float] = values) -> list[float]:
            model = FakeModel()
            callback = started(lib.callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=1), model)
            for epoch, value in enumerate(values):
                callback.on_epoch_end(epoch, {"loss": value})
            return [model.optimizer.learning_rate, callback.wait]

        theirs, mine = in_both(run)
        assert mine == theirs


def rate_plan(epoch: int, rate: float) -> float:
    return rate / 2 if epoch % 2 else 1.5 * rate


SCHEDULERS: dict[str, Callable[[Any], list[Any]]] = {
    "plateau": lambda lib: [
        lib.callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=1, min_delta=10, verbose=1, min_lr=0.03125)
    ],
    "plateau of a metric": lambda lib: [
        lib.callbacks.ReduceLROnPlateau("val_mae", factor=0.5, patience=1, min_delta=10, cooldown=1, verbose=1)
    ],
    "plan": lambda lib: [lib.callbacks.LearningRateScheduler(rate_plan, verbose=1)],
    "plan of the epoch alone": lambda lib: [
        lib.callbacks.LearningRateScheduler(lambda epoch: 0.5**epoch, verbose=1)
    ],
    "both": lambda lib: [
        lib.callbacks.LearningRateScheduler(rate_plan, verbose=1),
        lib.callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=1, min_delta=10, verbose=1),
    ],
}


@pytest.mark.parametrize("name", SCHEDULERS)
def test_learning_rates_of_a_fit(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    def run(lib: Any) -> tuple[Any, str]:
        capsys.readouterr()
        history = fit(lib, SCHEDULERS[name], epochs=6)[1]
        return history, capsys.readouterr().out

    ((theirs, said), _), ((mine, says), _) = in_both(run)
    assert_same_history(theirs, mine)
    assert mine.history["learning_rate"] == theirs.history["learning_rate"]
    assert says == said != ""


@pytest.mark.parametrize("output", [1, None, "0.1"])
def test_a_schedule_must_return_a_float_in_both(output: Any) -> None:
    for lib in BOTH:
        with pytest.raises(ValueError, match=r"output of .*schedule.* should be a float"):
            started(lib.callbacks.LearningRateScheduler(lambda e, r: output), FakeModel()).on_epoch_begin(0, {})


# Checkpoints --------------------------------------------------------------------------------------------------


def checkpoints(lib: Any, folder: Path, epochs: list[dict[str, Any]], batches: int = 3, **arguments: Any) -> Any:
    model = FakeModel()
    filepath = folder / arguments.pop("name", "{epoch:02d}.keras")
    callback = started(lib.callbacks.ModelCheckpoint(filepath, **arguments), model)
    for epoch, logs in enumerate(epochs):
        callback.on_epoch_begin(epoch, {})
        for batch in range(batches):
            callback.on_train_batch_end(batch, {"loss": 0.5 + batch})
        callback.on_epoch_end(epoch, logs)
    return model.saved, callback.best


LOGS = [{"loss": v, "val_loss": v / 2} for v in (2.0, 1.0, 1.5, 1.0, 0.5)]

CHECKPOINTS: dict[str, dict[str, Any]] = {
    "every": {},
    "weights": {"save_weights_only": True, "name": "{epoch}-{val_loss:.3f}.weights.h5"},
    "best": {"save_best_only": True},
    "best of max": {"save_best_only": True, "mode": "max", "monitor": "loss"},
    "threshold": {"save_best_only": True, "initial_value_threshold": 0.6},
    "threshold of max": {"save_best_only": True, "initial_value_threshold": 0.6, "mode": "max"},
    "one name": {"save_best_only": True, "name": "m.keras"},
    "missing": {"save_best_only": True, "monitor": "other", "mode": "min"},
    "every 2 batches": {"save_freq": 2, "name": "{epoch}-{batch}.keras"},
    "every 4 batches": {"save_freq": 4, "name": "{epoch}-{batch}-{loss}.keras"},
    "every 7 batches, weights": {"save_freq": 7, "name": "{epoch}-{batch}.weights.h5", "save_weights_only": True},
    "every 100 batches": {"save_freq": 100},
    "best of every 4 batches": {"save_freq": 4, "save_best_only": True, "monitor": "loss"},
}


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_checkpoints(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def run(lib: Any) -> Any:
        capsys.readouterr()
        seen = checkpoints(lib, tmp_path, LOGS, verbose=1, **CHECKPOINTS[name])
        return seen, capsys.readouterr().out

    theirs, mine = in_both(run)
    assert mine == theirs


@settings(max_examples=60, deadline=None)
@given(
    steps=st.lists(st.integers(1, 6), min_size=1, max_size=6),
    save_freq=st.integers(1, 9),
    again=st.booleans(),
)
def test_batches_are_counted_alike_across_epochs_of_any_lengths(
    steps: list[int], save_freq: int, again: bool
) -> None:
    def run(lib: Any) -> list[tuple[int, int]]:
        saved: list[tuple[int, int]] = []
        callback = lib.callbacks.ModelCheckpoint("m.keras", save_freq=save_freq)
        callback.set_model(SimpleNamespace(save=lambda path, overwrite: saved.append(at)))
        for _ in range(1 + again):
            callback.on_train_begin({})
            for epoch, count in enumerate(steps):
                callback.on_epoch_begin(epoch, {})
                for batch in range(count):
                    at = (epoch, batch)
                    callback.on_train_batch_end(batch, {})
                callback.on_epoch_end(epoch, {})
        return saved

    theirs, mine = in_both(run)
    assert mine == theirs


def test_bad_checkpoints_are_refused_by_both(tmp_path: Path) -> None:
    for lib in BOTH:
        make = lib.callbacks.ModelCheckpoint
        with pytest.raises(ValueError, match=r"must end in .\.weights\.h5"):
            make("m.keras", save_weights_only=True)
        with pytest.raises(ValueError, match=r"must end in .\.keras"):
            make("m")
        with pytest.raises(ValueError, match="save_freq"):
            make("m.keras", save_freq="batch")
        with pytest.raises(KeyError, match="acc"):
            checkpoints(lib, tmp_path, LOGS, name="{acc}.keras")
        with pytest.raises(ValueError, match="mode='max'"):
            checkpoints(lib, tmp_path, LOGS, monitor="something")


def test_the_best_of_batches_in_the_first_epoch_where_keras_fails(tmp_path: Path) -> None:
    arguments = {"save_freq": 1, "save_best_only": True, "monitor": "loss", "name": "{epoch}-{batch}.keras"}
    with pytest.raises(TypeError, match="NoneType"):  # it knows which way is better only after that epoch
        checkpoints(keras, tmp_path, LOGS[:1], **arguments)
    assert checkpoints(mb, tmp_path, LOGS[:1], **arguments) == (["model 1-1.keras"], 0.5)


# Files, texts, ends -------------------------------------------------------------------------------------------


def table(lib: Any, path: Path, *fits: list[dict[str, Any]], **arguments: Any) -> bytes:
    path.unlink(missing_ok=True)
    logger = lib.callbacks.CSVLogger(path, **arguments)
    for epochs in fits:
        started(logger, FakeModel())
        for epoch, logs in enumerate(epochs):
            logger.on_epoch_end(epoch, logs)
        logger.on_train_end({})
    return path.read_bytes()


number = st.floats(allow_nan=True) | st.integers(-5, 5)
logs_of = st.dictionaries(
    st.sampled_from(["loss", "acc", "val_loss", "val_acc", "a,b"]),
    number | st.text("abc,;\"' \n", max_size=5) | st.lists(number, max_size=3) | st.lists(number).map(np.array),
    max_size=4,
)


@settings(max_examples=100, deadline=None)
@given(
    fits=st.lists(st.lists(logs_of, max_size=3), min_size=1, max_size=3),
    separator=st.sampled_from([",", ";", "\t"]),
    append=st.booleans(),
)
def test_tables_are_the_same_bytes(
    fits: list[list[dict[str, Any]]], separator: str, append: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "log.csv"
    theirs, mine = in_both(lambda lib: table(lib, path, *fits, separator=separator, append=append))
    assert mine == theirs


@pytest.mark.parametrize("validation", [(X, Y), None])
def test_table_of_a_fit(validation: Any, tmp_path: Path) -> None:
    path = tmp_path / "log.csv"

    def run(lib: Any) -> list[list[str]]:
        path.unlink(missing_ok=True)
        make = lambda lib: [lib.callbacks.LearningRateScheduler(rate_plan), lib.callbacks.CSVLogger(path)]  # noqa: E731
        fit(lib, make, validation_data=validation)
        return [line.split(",") for line in path.read_text().splitlines()]

    (theirs, _), (mine, _) = in_both(run)
    assert mine[0] == theirs[0]
    assert len(mine) == len(theirs) == 5
    for ours, other in zip(mine[1:], theirs[1:], strict=True):
        for a, b in zip(ours, other, strict=True):
            assert a == b or float(a) == pytest.approx(float(b), rel=1e-5)


@pytest.mark.filterwarnings("ignore:The loss is NaN")
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_terminate_on_nan(bad: float, capsys: pytest.CaptureFixture[str]) -> None:
    y = Y.copy()
    y[5] = bad

    def run(lib: Any) -> Any:
        capsys.readouterr()
        batches: list[int] = []
        record = lib.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: batches.append(batch))
        model = lib.Sequential([lib.Input((1,)), lib.layers.Dense(1)])
        model.compile("sgd", "mse")
        callbacks = [lib.callbacks.TerminateOnNaN(), record]
        history = model.fit(X, y, batch_size=4, epochs=3, shuffle=False, verbose=0, callbacks=callbacks)
        return history.epoch, batches, capsys.readouterr().out

    (theirs, _), (mine, _) = in_both(run)
    assert mine == theirs
    for lib in BOTH:
        strict = started(lib.callbacks.TerminateOnNaN(raise_error=True), FakeModel())
        with pytest.raises(
            RuntimeError, match=r"NaN or Inf loss encountered at batch 2. Loss value: nan. Terminating"
        ):
            strict.on_train_batch_end(2, {"loss": float("nan")})


def test_lambda_callbacks_hear_the_same_in_the_same_order() -> None:
    events = [name for name in dir(keras.callbacks.Callback) if name.startswith("on_")]

    def run(lib: Any) -> list[Any]:
        heard: list[Any] = []

        def listener(name: str) -> Callable[..., None]:
            def listen(*args: Any, logs: Any = None) -> None:
                counted = [a for a in args if not isinstance(a, dict)]
                given = logs or next((a for a in args if isinstance(a, dict)), None) or {}
                heard.append((name, *counted, sorted(given)))

            return listen

        def make(lib: Any) -> list[Any]:
            return [lib.callbacks.LambdaCallback(**{name: listener(name) for name in events})]

        model, _, callbacks = fit(lib, make, epochs=2)
        model.evaluate(X, Y, verbose=0, callbacks=callbacks)
        model.predict(X, verbose=0, callbacks=callbacks)
        return heard

    theirs, mine = in_both(run)
    assert mine == theirs


@pytest.mark.parametrize("verbose", [1, 2])
@pytest.mark.parametrize("epochs", [1, 2])
def test_what_a_fit_prints(verbose: int, epochs: int, capsys: pytest.CaptureFixture[str]) -> None:
    """The last drawing of each line: Keras draws over it on a file, too, and in colours."""

    def run(lib: Any) -> list[str]:
        capsys.readouterr()
        fit(lib, lambda lib: [lib.callbacks.LearningRateScheduler(rate_plan)], verbose=verbose, epochs=epochs)
        text = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
        lines = [re.split("[\r\b]", line)[-1].rstrip() for line in text.split("\n")]
        return [re.sub(r"\d+s(?= )", "Ts", re.sub(r"\d+(us|ms|s)/step", "T/step", line)) for line in lines]

    (theirs, _), (mine, _) = in_both(run)
    assert mine == theirs


def test_a_progress_line_for_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    for lib in BOTH:
        fit(lib, lambda lib: [lib.callbacks.ProgbarLogger()], verbose=0, epochs=2)
    assert capsys.readouterr().out == ""


# Averages -----------------------------------------------------------------------------------------------------


def swappers(swap_on_epoch: bool) -> tuple[Any, Any, Callable[[], Any]]:
    """Return both callbacks, on models of the weights [1, 2] with the averages [10, 20], and what these are now."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.0, use_ema=True), "mse")
    model.fit(X, Y, verbose=0)
    model.set_weights([np.array([[1.0]]), np.array([2.0])])
    averages = model.optimizer._model_variables_moving_average
    averages[0].assign([[10.0]])
    averages[1].assign([20.0])
    state = {"model_variables_moving_average": np.array([10.0, 20.0])}
    fake = SimpleNamespace(
        parameters=SimpleNamespace(theta=np.array([1.0, 2.0])),
        active_slices=lambda: {"w": slice(0, 1), "b": slice(1, 2)},
        optimizer=SimpleNamespace(use_ema=True, name="SGD", state=state),
        stop_training=False,
    )
    theirs, mine = (
        started(lib.callbacks.SwapEMAWeights(swap_on_epoch), of) for lib, of in ((keras, model), (mb, fake))
    )

    def now() -> tuple[list[float], list[float]]:
        weights = [*model.get_weights(), *(np.asarray(v) for v in averages)]
        ours = [*fake.parameters.theta, *state["model_variables_moving_average"]]
        return [w.item() for w in weights], [float(v) for v in ours]

    return theirs, mine, now


@pytest.mark.parametrize("swap_on_epoch", [False, True])
def test_swapped_averages(swap_on_epoch: bool) -> None:
    """Weights and averages after every event of a fit of three epochs, and of an evaluation after it."""
    epoch = ["on_epoch_begin", "on_test_begin", "on_test_end", "on_epoch_end"]
    events = [(name, k) for k in range(3) for name in epoch] + [("on_test_begin", None), ("on_test_end", None)]

    theirs, mine, now = swappers(swap_on_epoch)
    for name, k in events:
        arguments = [] if k is None else [k]
        getattr(theirs, name)(*arguments)
        getattr(mine, name)(*arguments)
        keras_now, our_now = now()
        assert our_now == keras_now, (name, k)


@pytest.mark.parametrize("swap_on_epoch", [False, True])
def test_a_fit_that_is_judged_by_its_averages(swap_on_epoch: bool) -> None:
    initial: list[Any] = []
    results = []
    for lib in BOTH:
        model = lib.Sequential([lib.Input((1,)), lib.layers.Dense(1)])
        model.compile(lib.optimizers.SGD(0.25, use_ema=True, ema_momentum=0.75), "mse")
        initial = initial or model.get_weights()
        model.set_weights(initial)
        at_the_end: list[Any] = []
        keep = lib.callbacks.LambdaCallback(
            on_epoch_end=lambda e, logs, m=model, k=at_the_end: k.append(m.get_weights())
        )
        callbacks = [lib.callbacks.SwapEMAWeights(swap_on_epoch), keep]
        history = model.fit(
            X, Y, batch_size=4, epochs=3, shuffle=False, verbose=0, validation_data=(X, Y), callbacks=callbacks
        )
        weights = [w for epoch in [*at_the_end, model.get_weights()] for w in epoch]
        results.append((history, np.concatenate([w.reshape(-1) for w in weights])))
    (theirs, their_weights), (mine, my_weights) = results
    assert_same_history(theirs, mine)
    np.testing.assert_allclose(my_weights, their_weights, rtol=1e-5, atol=1e-6)


def test_two_places_where_keras_leaves_the_averages_behind() -> None:
    """Stated in SwapEMAWeights; if Keras mends them, this fails."""
    theirs, mine, now = swappers(False)
    for callback in (theirs, mine):
        callback.on_predict_begin()
        callback.on_predict_end()
    assert now() == ([10.0, 20.0, 1.0, 2.0], [1.0, 2.0, 10.0, 20.0])  # theirs stay swapped
    theirs, mine, now = swappers(True)
    for callback in (theirs, mine):
        callback.model.stop_training = True
        callback.on_epoch_end(0)
    # Both end a fit by copying the second half, the averages, over the first, the weights.
    assert now() == ([10.0, 20.0, 1.0, 2.0], [10.0, 20.0, 10.0, 20.0])


def test_without_averages_both_refuse() -> None:
    for lib in BOTH:
        model = lib.Sequential([lib.Input((1,)), lib.layers.Dense(1)])
        model.compile("sgd", "mse")
        with pytest.raises(ValueError, match="use_ema=True"):
            model.evaluate(X, Y, verbose=0, callbacks=[lib.callbacks.SwapEMAWeights()])
