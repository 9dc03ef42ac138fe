"""Targets that do not fit the loss are found before the first step, once, and the error says which loss fits."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minibatch as mb

L = mb.layers
rng = np.random.default_rng(8)
X, CLASSES = rng.normal(size=(30, 4)).astype("float32"), np.arange(30) % 10
HALVES = np.arange(30) % 2
ROWS = np.eye(10, dtype="float32")[CLASSES]


def compiled(loss: Any, units: int = 1, activation: str | None = "sigmoid", **arguments: Any) -> mb.Sequential:
    model = mb.Sequential([mb.Input((4,)), L.Dense(units, activation, name="out")])
    model.compile("sgd", loss, **arguments)
    return model


CALLS: dict[str, Callable[[Any, Any], Any]] = {
    "fit": lambda m, y: m.fit(X, y, verbose=0),
    "evaluate": lambda m, y: m.evaluate(X, y, verbose=0),
    "validation": lambda m, y: m.fit(X, 0 * y, validation_data=(X, y), verbose=0),
    "Batches": lambda m, y: m.fit(mb.Batches(X, y), verbose=0),
    "generator": lambda m, y: m.fit(iter([(X, y)]), verbose=0),
    "train_on_batch": lambda m, y: m.train_on_batch(X, y),
    "test_on_batch": lambda m, y: m.test_on_batch(X, y),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("loss", ["binary_crossentropy", mb.losses.BinaryCrossentropy(label_smoothing=0.1)])
def test_class_numbers_for_a_binary_loss(call: str, loss: Any) -> None:
    model = compiled(loss)
    theta = model.parameters.theta.copy()
    message = r"targets must lie between 0 and 1; y\[2\] holds 2\.0\. .*class numbers.*'sparse_categorical_crossen"
    with pytest.raises(ValueError, match=message):
        CALLS[call](model, CLASSES)
    np.testing.assert_array_equal(model.parameters.theta, theta)


@pytest.mark.parametrize("from_logits", [False, True])
def test_signs_for_a_binary_loss(from_logits: bool) -> None:
    model = compiled(mb.losses.BinaryCrossentropy(from_logits), activation=None if from_logits else "sigmoid")
    with pytest.raises(ValueError, match=r"y\[0\] holds -1\.0\. For targets of -1 and 1 use loss='hinge', or"):
        model.fit(X, 2 * HALVES - 1, verbose=0)


def test_other_numbers_for_a_binary_loss() -> None:
    with pytest.raises(ValueError, match=r"y\[\d+\] holds -?\d.*For other numbers use loss='mean_squared_error'"):
        compiled("bce", units=4).fit(X, X, verbose=0)


@pytest.mark.parametrize("loss", ["hinge", "squared_hinge"])
def test_class_numbers_for_a_hinge(loss: str) -> None:
    with pytest.raises(ValueError, match=r"targets must lie between -1 and 1; y\[2\] holds 2\.0.*class numbers"):
        compiled(loss).fit(X, CLASSES, verbose=0)
    for y in (HALVES, 2 * HALVES - 1, HALVES.astype(bool)):
        compiled(loss).fit(X, y, verbose=0)


@given(st.floats(0, 1), st.booleans(), st.sampled_from([0, 0.2]))
def test_all_that_lies_between_0_and_1_is_a_target(y: float, from_logits: bool, smoothing: float) -> None:
    loss = mb.losses.BinaryCrossentropy(from_logits, smoothing)
    loss.check(np.full((3, 1), y, "float32"))
    loss.check(np.full((3, 1), np.float32(y) + np.float32(1e-6)))  # what rounding does


@given(st.floats(allow_nan=False, width=32), st.integers(0, 5))
def test_whatever_lies_outside_is_found_wherever_it_is(y: float, row: int) -> None:
    targets = np.full((6, 2), 0.5, "float32")
    targets[row, 1] = y
    loss = mb.losses.BinaryCrossentropy()
    if -1e-5 <= targets[row, 1] <= 1 + 1e-5:
        loss.check(targets)
    else:
        with pytest.raises(ValueError, match=rf"y\[{row}\] holds"):
            loss.check(targets)


def test_what_is_not_a_number_is_warned_of_as_it_was() -> None:
    y = HALVES.astype(float)
    y[3] = np.nan
    with pytest.warns(UserWarning, match="y holds values that are not finite: the first is nan in row 3"):
        compiled("binary_crossentropy").evaluate(X, y, verbose=0)


@pytest.mark.parametrize("loss", ["mse", "poisson", "categorical_crossentropy", "huber", "kl_divergence"])
def test_losses_of_any_numbers_take_any(loss: str) -> None:
    """A target of categorical_crossentropy may be no distribution: an advantage times a one-hot row, say."""
    compiled(loss, units=10, activation="softmax").fit(X, -3 * ROWS, verbose=0)


def test_the_check_is_not_made_in_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    check = mb.losses.Loss.check
    monkeypatch.setattr(mb.losses.Loss, "check", lambda self, y: (seen.append(len(y)), check(self, y))[1])
    compiled("binary_crossentropy").fit(X, HALVES, batch_size=3, epochs=4, verbose=0)
    assert seen == [30]
    compiled("binary_crossentropy").fit(mb.Batches(X, HALVES, batch_size=3), epochs=4, verbose=0)
    assert seen == [30, 30]


@pytest.mark.parametrize(
    ("loss", "y", "units", "message"),
    [
        ("categorical_crossentropy", CLASSES, 10, "look like class numbers: use loss='sparse_categorical_crossent"),
        ("categorical_crossentropy", CLASSES[:, None], 10, "class numbers: use loss='sparse_categorical_crossent"),
        ("sparse_categorical_crossentropy", ROWS, 10, "one-hot rows: use loss='categorical_crossentropy'"),
        ("binary_crossentropy", CLASSES, 10, "class numbers: use loss='sparse_categorical_crossentropy'"),
        (
            "sparse_categorical_crossentropy",
            HALVES,
            1,
            r"class numbers must all be 0; y\[1\] is 1. The model has a single output.*loss='binary_crossentropy'",
        ),
    ],
)
def test_targets_of_another_loss(loss: str, y: Any, units: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        compiled(loss, units, "softmax" if units > 1 else "sigmoid").fit(X, y, verbose=0)


def test_a_softmax_over_one_number_is_warned_of_once() -> None:
    model = compiled("binary_crossentropy", activation="softmax")
    with pytest.warns(UserWarning, match="the output 'out' ends in a softmax over one number, which is always 1"):
        model.fit(X, HALVES, verbose=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(X, HALVES, epochs=2, validation_data=(X, HALVES), verbose=0)
        model.evaluate(X, HALVES, verbose=0)


def test_what_others_build_on_hides_no_loss_of_an_output() -> None:
    """Without a loss of its own, an output is none of those whose losses are reported: Keras's rule."""
    x = mb.Input((4,))
    model = mb.Model(x, [L.Dense(1, name="a")(x), L.Dense(1, name="b")(x)])
    model.compile("sgd", ["mse", None], metrics=[["mae"], ["mse"]])
    assert list(model.fit(X, [HALVES, HALVES], verbose=0).history) == ["a_mae", "b_mse", "loss"]
