"""What fit, evaluate and predict compute, worked by hand; tests/parity holds the same against Keras."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minibatch as mb
from minibatch.callbacks import Callback
from minibatch.models.intake import Intake

L = mb.layers


def constant(rate: float = 0.0) -> mb.Sequential:
    """y = w x with w = 1: the loss on (x, y) is the mean of (x - y)^2."""
    model = mb.Sequential([mb.Input((1,)), L.Dense(1, use_bias=False, kernel_initializer="ones")])
    model.compile(mb.optimizers.SGD(rate), "mse")
    return model


def test_three_steps_by_hand() -> None:
    # w = 1, x = 1, y = 3, 3, 0 one at a time: the gradient of (w - y)^2 is 2 (w - y); rate 0.25, so half of it.
    # step 1: loss 4, w = 1 + 1 = 2.   step 2: loss 1, w = 2.5.   step 3: loss 6.25, w = 1.25.
    model = constant(0.25)
    history = model.fit(np.ones((3, 1)), [3, 3, 0], batch_size=1, shuffle=False, verbose=0)
    assert model.get_weights()[0].item() == 1.25
    assert history.history == {"loss": [(4 + 1 + 6.25) / 3]}


@settings(max_examples=25, deadline=None)
@given(n=st.integers(1, 40), batch_size=st.integers(1, 50), seed=st.integers(0, 999))
def test_the_loss_of_an_epoch_is_the_mean_over_samples_whatever_the_remainder(
    n: int, batch_size: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(n, 1)), rng.normal(size=n)
    model = constant()
    expected = float(np.mean((x[:, 0] - y) ** 2))
    history = model.fit(x, y, batch_size=batch_size, epochs=2, verbose=0, validation_data=(x, y))
    assert history.history["loss"] == [pytest.approx(expected, rel=1e-4, abs=1e-6)] * 2
    assert history.history["val_loss"] == [pytest.approx(expected, rel=1e-4, abs=1e-6)] * 2
    assert model.evaluate(x, y, batch_size=batch_size, verbose=0) == pytest.approx(expected, rel=1e-4, abs=1e-6)
    np.testing.assert_allclose(model.predict(x, batch_size=batch_size, verbose=0), x, rtol=1e-6)
    assert model.optimizer.iterations == 2 * -(-n // batch_size)


def test_1050_samples_in_batches_of_100_are_eleven_updates_an_epoch() -> None:
    model, sizes = constant(), []

    class Sizes(Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            sizes.append(self.model.optimizer.iterations)

    history = model.fit(
        np.zeros((1050, 1)), np.zeros(1050), batch_size=100, epochs=2, verbose=0, callbacks=[Sizes()]
    )
    assert history.params["steps"] == 11
    assert sizes == list(range(1, 23))


def test_sample_weights_divide_by_the_count() -> None:
    # Losses 1, 4, 9 with weights 2, 0, 1: batch loss (2 * 1 + 0 * 4 + 1 * 9) / 3.
    model, x, y = constant(), np.zeros((3, 1)), [1, 2, 3]
    w = np.array([2, 0, 1])
    expected = pytest.approx((2 * 1 + 0 * 4 + 1 * 9) / 3)
    history = model.fit(x, y, sample_weight=w, verbose=0, shuffle=False, validation_data=(x, y, w))
    assert history.history == {"loss": [expected], "val_loss": [expected]}
    assert model.evaluate(x, y, sample_weight=w, verbose=0) == expected
    # Samples of weight 0 move nothing: training on the rest with the same divisor gives the same weights.
    one, two = constant(0.1), constant(0.1)
    one.fit(np.ones((4, 1)), [5, 5, 0, 0], sample_weight=[1, 1, 0, 0], batch_size=4, verbose=0)
    two.fit(np.ones((2, 1)), [5, 5], sample_weight=[0.5, 0.5], batch_size=2, verbose=0)
    np.testing.assert_allclose(one.get_weights()[0], two.get_weights()[0], rtol=1e-6)


def test_metrics_are_not_weighted() -> None:
    model = mb.Sequential([mb.Input((1,)), L.Dense(1, kernel_initializer="ones")])
    model.compile("sgd", "mse", metrics=["accuracy"])
    x = np.array([[1.0], [1.0], [0.0], [0.0]])
    _, accuracy = model.evaluate(x, [1, 0, 1, 0], sample_weight=[1, 0, 0, 0], verbose=0)
    assert accuracy == 0.5


# Validation -------------------------------------------------------------------------------------------------


@given(n=st.integers(2, 500), fraction=st.floats(0.01, 0.99))
def test_validation_split_takes_the_last_samples(n: int, fraction: float) -> None:
    from minibatch.models.data import split

    at = int(np.floor(n * (1 - fraction)))
    x, y, w = np.arange(n)[:, None], np.arange(n), np.arange(n, dtype=float)
    if at in (0, n):
        with pytest.raises(
            ValueError, match=f"of {n} samples leaves {at} for training and {n - at} for validation"
        ):
            split(x, y, w, fraction)
        return
    x_t, y_t, w_t, (x_v, y_v, w_v) = split(x, y, w, fraction)
    for train, val in ((x_t[:, 0], x_v[:, 0]), (y_t, y_v), (w_t, w_v)):
        np.testing.assert_array_equal(train, np.arange(at))
        np.testing.assert_array_equal(val, np.arange(at, n))


def test_validation_split_in_a_fit() -> None:
    # y - x is 1 in the first 8 samples and 3 in the last 2; shuffling happens only among the first 8.
    model, x = constant(), np.zeros((10, 1))
    y = np.array([1] * 8 + [3] * 2)
    history = model.fit(x, y, validation_split=0.2, batch_size=3, epochs=3, verbose=0)
    assert history.history == {"loss": [1.0] * 3, "val_loss": [9.0] * 3}
    history = model.fit(x, y, validation_split=0.2, validation_data=(x[:5], y[:5]), verbose=0)
    assert history.history == {"loss": [pytest.approx(2.6)], "val_loss": [1.0]}  # the data win; all 10 train


@pytest.mark.parametrize(
    ("freq", "epochs"), [(1, [0, 1, 2, 3, 4]), (2, [1, 3]), (5, [4]), (6, []), ([1, 4], [0, 3]), ([9], [])]
)
def test_validation_freq(freq: object, epochs: list[int]) -> None:
    model, x, validated = constant(), np.zeros((4, 1)), []

    class Watch(Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            if "val_loss" in logs:
                validated.append(epoch)

    model.fit(
        x, [0] * 4, epochs=5, verbose=0, validation_data=(x, [0] * 4), validation_freq=freq, callbacks=[Watch()]
    )
    assert validated == epochs


def test_initial_epoch() -> None:
    model, x = constant(), np.zeros((4, 1))
    history = model.fit(x, [0] * 4, initial_epoch=3, epochs=5, verbose=0)
    assert history.epoch == [3, 4]
    assert len(history.history["loss"]) == 2
    assert model.fit(x, [0] * 4, initial_epoch=5, epochs=5, verbose=0).history == {}


# Shuffling --------------------------------------------------------------------------------------------------


def orders(**arguments: Any) -> list[list[int]]:
    """Return each epoch's order of ten samples, as the model sees them one at a time."""
    model, seen = constant(), []

    class Watch(Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            seen.append([])

    train_step = model.train_step
    model.train_step = lambda batch: (seen[-1].append(int(batch.inputs[0].item())), train_step(batch))[1]
    x = np.arange(10.0)[:, None]
    model.fit(x, x, batch_size=1, epochs=3, verbose=0, callbacks=[Watch()], **arguments)
    return seen


def test_each_epoch_has_an_order_of_its_own() -> None:
    seen = orders()
    assert all(sorted(epoch) == list(range(10)) for epoch in seen)
    assert len({tuple(epoch) for epoch in seen}) == 3
    assert orders(shuffle=False) == [list(range(10))] * 3


def test_batches_bring_their_own_size_and_order() -> None:
    model = constant(0.01)
    x, y = np.random.default_rng(0).normal(size=(50, 1)), np.zeros(50)
    batches = mb.Batches(x, y, batch_size=20, seed=3)
    history = model.fit(batches, epochs=2, verbose=0, validation_data=mb.Batches(x, y, batch_size=7))
    assert history.params["steps"] == 3
    by_hand = constant(0.01)
    again = mb.Batches(x, y, batch_size=20, seed=3)
    for epoch in range(2):
        for x_b, y_b in again.epoch(epoch):
            by_hand.fit(x_b, y_b, batch_size=20, shuffle=False, verbose=0)
    np.testing.assert_array_equal(model.parameters.theta, by_hand.parameters.theta)


# evaluate and predict ---------------------------------------------------------------------------------------


def test_what_evaluate_returns() -> None:
    model, x = constant(), np.zeros((4, 1))
    assert model.evaluate(x, [1] * 4, verbose=0) == 1.0
    assert model.evaluate(x, [1] * 4, verbose=0, return_dict=True) == {"loss": 1.0}
    model.compile("sgd", "mse", metrics=["accuracy"])
    assert model.evaluate(x, [0, 0, 0, 1], verbose=0) == [0.25, 0.75]
    assert model.evaluate(x, [0, 0, 0, 1], verbose=0, return_dict=True) == {"accuracy": 0.75, "loss": 0.25}


def test_evaluate_and_predict_take_any_numbers() -> None:
    model = constant()
    for x in ([[1], [2]], np.array([[1], [2]], np.uint8), np.array([[True], [False]]), np.ones((2, 1), np.float16)):
        assert model.predict(x, verbose=0).dtype == np.float32
        model.evaluate(x, [0, 0], verbose=0)


@pytest.mark.parametrize("loss", ["mse", mb.losses.Huber(), {"dense": "mae"}])
def test_the_models_loss_is_what_compile_was_given(loss: Any) -> None:
    model = mb.Sequential([mb.Input((1,)), mb.layers.Dense(1, name="dense")])
    assert model.loss is None
    model.compile("sgd", loss)
    assert model.loss is loss


def test_compiling_again_keeps_the_weights_and_starts_the_metrics_afresh() -> None:
    model = constant(0.1)
    x, y = np.ones((4, 1)), np.zeros(4)
    model.fit(x, y, verbose=0)
    before = model.get_weights()[0].copy()
    model.compile("adam", "mse", metrics=["accuracy"])
    np.testing.assert_array_equal(model.get_weights()[0], before)
    assert set(model.fit(x, y, verbose=0).history) == {"accuracy", "loss"}


# NaN --------------------------------------------------------------------------------------------------------


def test_a_loss_that_turns_nan_is_reported_once_with_epoch_and_step() -> None:
    """Rate 1e20 on w x: 1, -2e20, ~1e40 is infinite in float32, and infinity times zero is NaN."""
    model = constant(1e20)
    x = np.array([[1.0], [0.0]])
    with np.errstate(all="ignore"), pytest.warns(UserWarning, match="NaN") as caught:
        history = model.fit(x, [0.0, 0.0], batch_size=1, epochs=6, shuffle=False, verbose=0)
    losses = history.history["loss"]
    first = int(np.flatnonzero(np.isnan(losses))[0])
    assert len(caught) == 1
    assert f"The loss is NaN in epoch {first + 1}, step " in str(caught[0].message)
    assert "of 2." in str(caught[0].message)
    with np.errstate(all="ignore"), pytest.warns(UserWarning, match="in epoch 1, step 1 of 2"):
        model.fit(x, [0.0, 0.0], batch_size=1, verbose=0)  # the next fit reports its own


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_a_warning_naming_the_first_row(bad: float) -> None:
    model = mb.Sequential([mb.Input((3,)), L.Dense(1)])
    model.compile("sgd", "mse")
    x, y = np.zeros((8, 3)), np.zeros(8)
    spoilt, spoilt_y = x.copy(), y.copy()
    spoilt[5, 1] = spoilt[6] = bad
    spoilt_y[2] = bad
    with np.errstate(all="ignore"):
        with pytest.warns(UserWarning, match=rf"^x holds .*first is {bad} in row 5, and 2 of 8 rows"):
            model.evaluate(spoilt, y, verbose=0)
        with pytest.warns(UserWarning, match=rf"^x holds .*first is {bad} in row 5"):
            model.predict(spoilt, verbose=0)
        with pytest.warns(UserWarning, match=rf"^y holds .*first is {bad} in row 2, and 1 of 8 rows"):
            model.evaluate(x, spoilt_y, verbose=0)
        with pytest.warns(UserWarning, match=r"^validation x holds .* row 5"):
            model.fit(x, y, validation_data=(spoilt, y), verbose=0)


def test_large_finite_values_are_no_warning() -> None:
    constant().predict(np.full((4, 1), 3e38, np.float32), verbose=0)


class Shifted(mb.layers.Layer):
    """A user's layer in which samples meet: each is told from the mean of its batch."""

    def forward(self, x, training=False):
        return x - x.mean(axis=0), None

    def backward(self, dy, cache):
        return dy - dy.mean(axis=0)


@pytest.mark.parametrize("n", [1, 7, 8, 61])
@pytest.mark.parametrize("own", [False, True])
def test_predict_is_the_batches_one_by_one_whatever_is_taken_together(n: int, own: bool) -> None:
    class Outputs(mb.callbacks.Callback):
        def on_predict_begin(self, logs=None):
            self.calls, self.outputs = [], []

        def on_predict_batch_begin(self, batch, logs=None):
            self.calls.append(("begin", batch))

        def on_predict_batch_end(self, batch, logs=None):
            self.calls.append(("end", batch))
            self.outputs.append(logs["outputs"].copy())

    layers = [mb.layers.Dense(5, "relu"), *([Shifted()] if own else []), mb.layers.Dense(3, "softmax")]
    model = mb.Sequential([mb.Input((4,)), *layers])
    x = np.random.default_rng(0).normal(size=(n, 4)).astype(np.float32)
    watcher = Outputs()
    found = model.predict(x, batch_size=8, verbose=0, callbacks=[watcher])
    one_by_one = [model.predict_on_batch(x[i : i + 8]) for i in range(0, n, 8)]
    np.testing.assert_allclose(found, np.concatenate(one_by_one), rtol=1e-5, atol=1e-7)
    assert watcher.calls == [(what, i) for i in range(len(one_by_one)) for what in ("begin", "end")]
    np.testing.assert_array_equal(np.concatenate(watcher.outputs), found)
    np.testing.assert_array_equal(model.predict(x, batch_size=8, verbose=0), found)  # watched or not


@pytest.mark.parametrize("n", [1, 7, 8, 61])
@pytest.mark.parametrize("way", ["together", "own layer", "own step", "steps"])
def test_evaluate_is_the_batches_one_by_one_whatever_is_taken_together(
    n: int, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Running(Callback):
        def on_test_begin(self, logs=None):
            self.seen = []

        def on_test_batch_begin(self, batch, logs=None):
            self.seen.append(batch)

        def on_test_batch_end(self, batch, logs=None):
            self.seen.append(logs)

    class Stepping(mb.Sequential):
        def test_step(self, batch):
            sizes.append(len(batch.inputs[0]))
            return super().test_step(batch)

    sizes: list[int] = []
    between = [Shifted()] if way == "own layer" else []
    kind = Stepping if way == "own step" else mb.Sequential
    model = kind([mb.Input((4,)), L.Dense(5, "relu"), *between, L.Dense(3, "softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"], weighted_metrics=["accuracy"])
    rng = np.random.default_rng(n)
    x, y, w = rng.normal(size=(n, 4)).astype(np.float32), rng.integers(3, size=n), rng.uniform(size=n)

    expected: list[Any] = []
    losses, right, weighted, seen, weights = np.zeros(5)
    for step, start in enumerate(range(0, n, 8)):
        few = slice(start, start + 8)
        batch = model.test_on_batch(x[few], y[few], w[few], return_dict=True)
        loss, accuracy, weighted_accuracy = batch["loss"], batch["accuracy"], batch["weighted_accuracy"]
        B, W = len(y[few]), w[few].sum()
        losses, right, weighted = losses + B * loss, right + B * accuracy, weighted + W * weighted_accuracy
        seen, weights = seen + B, weights + W
        logs = {"accuracy": right / seen, "loss": losses / seen, "weighted_accuracy": weighted / weights}
        expected += [step, pytest.approx(logs, rel=1e-5)]

    sizes.clear()
    first, passes = model.layers[0], []
    forward = L.Dense.forward

    @functools.wraps(forward)  # so that it counts as the library's own
    def counted(layer, *args, **kwargs):
        passes.extend([0] * (layer is first))
        return forward(layer, *args, **kwargs)

    monkeypatch.setattr(L.Dense, "forward", counted)
    watcher = Running()
    steps = -(-n // 8)
    given = {"steps": steps, "batch_size": 8} if way == "steps" else {"batch_size": 8}
    found = model.evaluate(x, y, verbose=0, sample_weight=w, callbacks=[watcher], return_dict=True, **given)
    assert watcher.seen == expected
    assert found == expected[-1]
    assert len(passes) == (1 if way == "together" else steps)
    assert sizes == ([min(8, n - start) for start in range(0, n, 8)] if way == "own step" else [])
    assert model.evaluate(x, y, verbose=0, sample_weight=w, return_dict=True, **given) == found  # watched or not


def test_batches_of_several_outputs_are_evaluated_together() -> None:
    rng = np.random.default_rng(1)
    x, first, second = rng.normal(size=(50, 3)), rng.integers(2, size=50), rng.normal(size=(50, 1))
    inputs = mb.Input((3,))
    outputs = {"a": L.Dense(2, "softmax", name="a")(inputs), "b": L.Dense(1, name="b")(inputs)}
    model = mb.Model(inputs, list(outputs.values()))
    model.compile("sgd", {"a": "sparse_categorical_crossentropy", "b": "mse"}, metrics={"b": ["mae"]})
    together = model.evaluate(x, [first, second], batch_size=4, verbose=0, return_dict=True)
    alone = model.evaluate(x, [first, second], batch_size=4, steps=13, verbose=0, return_dict=True)
    assert together == pytest.approx(alone, rel=1e-5)
    assert set(together) == {"loss", "a_loss", "b_loss", "b_mae"}


@settings(max_examples=30, deadline=None)
@given(n=st.integers(1, 60), batch_size=st.integers(1, 20), rows=st.integers(0, 50))
def test_blocks_are_the_batches_side_by_side(n: int, batch_size: int, rows: int) -> None:
    rows = rows if rows >= batch_size else 0
    x = np.arange(float(n))[:, None]
    feed = Intake(constant()).feed(x, 2 * x, sample_weight=x[:, 0], batch_size=batch_size)
    blocks = list(feed.blocks(rows))
    batches = [block.rows(place) for block, places in blocks for place in places]
    for found, expected in zip(batches, feed.next_epoch(), strict=True):
        for mine, theirs in zip(found, expected, strict=True):
            np.testing.assert_array_equal(mine, theirs)
    assert all(len(block.inputs[0]) <= max(rows, batch_size) for block, _ in blocks)
    assert len(blocks) == -(-n // (rows // batch_size * batch_size or batch_size))


class Centred(mb.Sequential):
    """A model whose samples meet in inference."""

    def forward(self, inputs, training=False):
        return super().forward([x - x.mean(axis=0) for x in inputs], training)

    def infer(self, inputs):
        return super().infer([x - x.mean(axis=0) for x in inputs])


@pytest.mark.parametrize("what", ["model", "activation"])
def test_batches_go_alone_where_somebody_could_tell(what: str) -> None:
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(70, 4)).astype(np.float32), rng.integers(0, 3, 70)
    centred = mb.activations.Activation(lambda z: z - z.mean(axis=0)) if what == "activation" else "tanh"
    layers = [mb.Input((4,)), mb.layers.Dense(5, centred), mb.layers.Dense(3, "softmax")]
    model = (Centred if what == "model" else mb.Sequential)(layers)
    model.compile("sgd", "sparse_categorical_crossentropy")
    together = model.evaluate(x, y, batch_size=8, verbose=0)
    assert together == pytest.approx(model.evaluate(x, y, batch_size=8, steps=9, verbose=0), rel=1e-6)
    together, alone = (model.predict(x, batch_size=8, steps=steps, verbose=0) for steps in (None, 9))
    np.testing.assert_allclose(together, alone, rtol=1e-5)


def test_only_the_steps_own_overflow_is_kept_quiet() -> None:
    """A callback that divides by zero between steps is warned as anywhere; without one, a fit may overflow."""

    class Dividing(Callback):
        def on_train_batch_end(self, batch, logs=None):
            np.float32(1) / np.zeros(1, np.float32)

    with pytest.warns(RuntimeWarning, match="divide by zero"):
        constant().fit(np.ones((2, 1)), np.ones(2), verbose=0, callbacks=[Dividing()])
    with pytest.warns(UserWarning, match="The loss is NaN"):
        constant(1e30).fit(np.ones((9, 1)), np.zeros(9), batch_size=1, verbose=0)
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        np.float32(1) / np.zeros(1, np.float32)


class Spread(mb.metrics.Metric):
    """The largest mean of a batch's predictions: which batches there are makes a difference; and no weights."""

    def reset_state(self) -> None:
        self.most = 0.0

    def update_state(self, y_true: np.ndarray, y_pred: np.ndarray) -> None:
        self.most = max(self.most, float(y_pred[:, 0].mean()))

    def result(self) -> float:
        return self.most


@pytest.mark.parametrize("last", ["softmax", "sigmoid"])
@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "sum", "mean_with_sample_weight"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n", [1, 8, 61])
def test_who_looks_on_changes_no_bit_of_an_evaluation(last: str, reduction: str, weighted: bool, n: int) -> None:
    """Alone, a block of batches is judged at once; with a callback each batch is."""
    rng = np.random.default_rng(n)
    x, y, w = rng.normal(size=(n, 4)).astype(np.float32), rng.integers(3, size=n), rng.uniform(size=n)
    model = mb.Sequential([mb.Input((4,)), L.Dense(5, "relu"), L.Dense(3, last, kernel_regularizer="l2")])
    loss = mb.losses.SparseCategoricalCrossentropy(reduction=reduction)
    kinds: list[Any] = ["accuracy", "sparse_categorical_crossentropy", Spread()]
    model.compile("sgd", loss, metrics=kinds, weighted_metrics=["accuracy"])
    given = {"batch_size": 8, "verbose": 0, "sample_weight": w if weighted else None}
    seen: list[int] = []
    watcher = mb.callbacks.LambdaCallback()
    watcher.on_test_batch_end = lambda batch, logs=None: seen.append(batch)
    assert model.evaluate(x, y, **given) == model.evaluate(x, y, callbacks=[watcher], **given)
    assert seen == list(range(-(-n // 8)))


def test_several_outputs_are_judged_together_bit_for_bit() -> None:
    rng = np.random.default_rng(3)
    x, y, t = rng.normal(size=(61, 4)).astype(np.float32), rng.integers(3, size=61), rng.normal(size=(61, 2))
    source = mb.Input((4,))
    hidden = L.Dense(5, "relu")(source)
    outputs = [L.Dense(3, "softmax", name="kind")(hidden), L.Dense(2, name="place")(hidden), L.Dense(1)(hidden)]
    model = mb.Model(source, outputs)
    losses = ["sparse_categorical_crossentropy", "mse", None]
    model.compile("sgd", losses, loss_weights=[1.0, 0.3, 1.0], metrics=[["accuracy"], ["mae"], []])
    watcher = mb.callbacks.LambdaCallback()
    watcher.on_test_batch_begin = lambda batch, logs=None: None
    given: Any = {"batch_size": 8, "verbose": 0}
    targets = [y, t, np.zeros((61, 1))]
    assert model.evaluate(x, targets, **given) == model.evaluate(x, targets, callbacks=[watcher], **given)


def test_an_activation_that_a_callback_changes_counts_from_the_next_step_on() -> None:
    class Turn(Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self.model.layers[-1].activation = mb.activations.get("sigmoid")

    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(16, 4)).astype(np.float32), rng.integers(3, size=16)
    fitted, stepped = (mb.Sequential([mb.Input((4,)), L.Dense(3, "softmax")]) for _ in range(2))
    for model in (fitted, stepped):
        model.compile(mb.optimizers.SGD(0.1), "sparse_categorical_crossentropy")
    stepped.set_weights(fitted.get_weights())
    fitted.fit(x, y, batch_size=8, shuffle=False, verbose=0, callbacks=[Turn()])
    stepped.train_on_batch(x[:8], y[:8])
    stepped.layers[-1].activation = mb.activations.get("sigmoid")
    stepped.train_on_batch(x[8:], y[8:])
    for one, other in zip(fitted.get_weights(), stepped.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_metric_with_an_update_of_its_own_sees_every_batch() -> None:
    model = mb.Sequential([mb.Input((4,)), L.Dense(3, "softmax")])
    metric, seen = mb.metrics.SparseCategoricalAccuracy(), []
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=[metric])
    update = metric.update_state
    metric.update_state = lambda y, *rest: (seen.append(len(y)), update(y, *rest))[1]
    model.evaluate(np.zeros((20, 4), np.float32), np.zeros(20, int), batch_size=8, verbose=0)
    assert seen == [8, 8, 4]
