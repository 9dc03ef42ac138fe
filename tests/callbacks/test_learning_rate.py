from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from callbacks.fakes import FakeModel, play, started

import minibatch as mb
from minibatch.callbacks import LearningRateScheduler, ReduceLROnPlateau


def rates(callback: Any, losses: list[float], learning_rate: float = 1.0) -> list[float]:
    """Return the learning rate after each epoch."""
    model = FakeModel(learning_rate)
    started(callback, model)
    seen = []
    for epoch, loss in enumerate(losses):
        play(callback, model, [{"val_loss": loss}] * (epoch + 1), first=epoch)
        seen.append(model.optimizer.learning_rate)
    return seen


def test_a_schedule_of_the_epoch_or_of_the_epoch_and_the_rate() -> None:
    assert rates(LearningRateScheduler(lambda epoch: 0.5**epoch), [0.0] * 3) == [1.0, 0.5, 0.25]
    assert rates(LearningRateScheduler(lambda epoch, rate: rate / 2), [0.0] * 3) == [0.5, 0.25, 0.125]
    assert rates(LearningRateScheduler(lambda epoch: np.float32(0.5)), [0.0]) == [0.5]


def test_the_rate_is_in_the_history() -> None:
    model = mb.Sequential([mb.Input((1,)), mb.layers.Dense(1)])
    model.compile(mb.optimizers.SGD(1.0), "mse")
    halve = LearningRateScheduler(lambda epoch, rate: rate / 2)
    history = model.fit(np.ones((4, 1)), np.ones(4), epochs=3, verbose=0, callbacks=[halve]).history
    assert history["learning_rate"] == [0.5, 0.25, 0.125]
    assert list(history) == ["loss", "learning_rate"]


@pytest.mark.parametrize("output", [1, "0.1", None, [0.1]])
def test_a_schedule_that_returns_no_float(output: Any) -> None:
    with pytest.raises(ValueError, match=r"the output of schedule should be a float; got .* for epoch 0"):
        rates(LearningRateScheduler(lambda epoch, rate: output), [0.0])


def test_bad_schedules() -> None:
    with pytest.raises(TypeError, match=r"schedule must be a function of the epoch; got 0\.1"):
        LearningRateScheduler(0.1)
    with pytest.raises(TypeError, match="unsupported operand"):  # its own mistake, not one in how it is called
        rates(LearningRateScheduler(lambda epoch: epoch + "1"), [0.0])
    model = FakeModel()
    model.optimizer = SimpleNamespace()
    with pytest.raises(ValueError, match="has no learning_rate"):
        started(LearningRateScheduler(lambda epoch: 0.1), model).on_epoch_begin(0)


def test_a_cut_after_each_patience_without_improvement() -> None:
    # Epoch 0 is the best; 1 and 2 are no better: cut; 3 and 4 neither: cut. 5 is, and 6 and 7 wait again.
    losses = [1.0, 1.0, 2.0, 1.0, 1.0, 0.5, 0.5, 0.5]
    expected = [1.0, 1.0, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125]
    assert rates(ReduceLROnPlateau(factor=0.5, patience=2), losses) == expected


def test_patience_0_acts_as_1() -> None:
    assert rates(ReduceLROnPlateau(factor=0.5, patience=0), [1.0, 1.0, 1.0]) == [1.0, 0.5, 0.25]


def test_cooldown() -> None:
    # Cut at 1; the cooldown of 2 counts down at 2 and 3, and 3 counts already.
    assert rates(ReduceLROnPlateau(factor=0.5, patience=1, cooldown=2), [1.0] * 5) == [1.0, 0.5, 0.5, 0.25, 0.25]


def test_min_delta_and_min_lr() -> None:
    falling = [1.0, 0.99995, 0.9999]  # each less than 1e-4 below the best, which stays 1
    assert rates(ReduceLROnPlateau(factor=0.5, patience=1), falling) == [1.0, 0.5, 0.25]
    assert rates(ReduceLROnPlateau(factor=0.5, patience=1, min_delta=0), falling) == [1.0, 1.0, 1.0]
    assert rates(ReduceLROnPlateau(patience=1, min_lr=0.25), [1.0] * 4) == [1.0, 0.25, 0.25, 0.25]


def test_a_rate_kept_in_float32_is_at_its_least_and_says_so_once(capsys: pytest.CaptureFixture[str]) -> None:
    callback = ReduceLROnPlateau(patience=1, min_lr=0.1, verbose=1)
    assert rates(callback, [1.0] * 3, float(np.float32(0.1))) == [float(np.float32(0.1))] * 3
    assert capsys.readouterr().out == ""


def test_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    rates(ReduceLROnPlateau(factor=0.5, patience=1, verbose=1), [1.0, 1.0])
    rates(LearningRateScheduler(lambda epoch: 0.25, verbose=1), [1.0])
    assert capsys.readouterr().out == (
        "\nEpoch 2: ReduceLROnPlateau reducing learning rate to 0.5.\n"
        "\nEpoch 1: LearningRateScheduler setting learning rate to 0.25.\n"
    )


def test_a_second_fit_starts_afresh() -> None:
    callback = ReduceLROnPlateau(factor=0.5, patience=2)
    assert rates(callback, [1.0, 1.0]) == rates(callback, [1.0, 1.0]) == [1.0, 1.0]


def test_a_missing_number_warns() -> None:
    with pytest.warns(
        UserWarning, match="ReduceLROnPlateau: the monitored 'loss' is not in the logs; they hold val_loss"
    ):
        rates(ReduceLROnPlateau("loss"), [1.0])


@pytest.mark.parametrize("factor", [1.0, 2, float("nan")])
def test_bad_factor(factor: float) -> None:
    with pytest.raises(ValueError, match="factor must be below 1; got "):
        ReduceLROnPlateau(factor=factor)


def test_unknown_arguments_are_not_swallowed() -> None:
    with pytest.raises(TypeError, match=r"no argument 'epsilon'. It is today 'min_delta'"):
        ReduceLROnPlateau(epsilon=0.1)
    with pytest.raises(TypeError, match=r"no argument 'patient'. Did you mean 'patience'"):
        ReduceLROnPlateau(patient=3)
