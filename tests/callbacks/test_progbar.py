from __future__ import annotations

import re
import sys

import numpy as np
import pytest

import minibatch as mb
from minibatch.callbacks import ProgbarLogger
from minibatch.callbacks.progbar import metrics_text, time_per_step


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0, "0s/step"), (2.4, "2s/step"), (1, "1s/step"), (0.0134, "13ms/step"), (55e-6, "55us/step")],
)
def test_time_per_step(seconds: float, expected: str) -> None:
    assert time_per_step(seconds) == expected


def test_metrics_text() -> None:
    assert metrics_text({"accuracy": 0.9, "loss": 0.00012345}) == " - accuracy: 0.9000 - loss: 1.2345e-04"
    assert metrics_text({"loss": float("nan")}) == " - loss: nan"
    assert metrics_text({"learning_rate": 0.001}) == " - learning_rate: 0.0010"
    assert metrics_text(None) == ""


def fit(verbose: object, epochs: int = 2) -> None:
    model = mb.Sequential([mb.Input((1,)), mb.layers.Dense(1, kernel_initializer="zeros")])
    model.compile(mb.optimizers.SGD(0), "mse")
    x = np.ones((10, 1))
    model.fit(x, x, batch_size=4, epochs=epochs, verbose=verbose, validation_data=(x, x))


def masked(text: str) -> str:
    return re.sub(r"\d+s(?= )", "Ts", re.sub(r"\d+(us|ms|s)/step", "T/step", text))


def test_verbose_0_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    fit(0)
    assert capsys.readouterr().out == ""


def test_verbose_1_where_nothing_can_be_drawn_again(capsys: pytest.CaptureFixture[str]) -> None:
    fit(1)
    line = f"3/3 {'━' * 20} Ts T/step - loss: 1.0000 - val_loss: 1.0000\n"
    assert masked(capsys.readouterr().out) == f"Epoch 1/2\n{line}Epoch 2/2\n{line}"
    fit("auto", epochs=1)
    assert masked(capsys.readouterr().out) == line  # one epoch needs no headline


def test_verbose_2(capsys: pytest.CaptureFixture[str]) -> None:
    fit(2, epochs=1)
    assert masked(capsys.readouterr().out) == "3/3 - Ts - T/step - loss: 1.0000 - val_loss: 1.0000\n"


def test_verbose_1_on_a_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    fit(1, epochs=1)
    out = capsys.readouterr().out
    assert out.startswith("\r")
    assert out.endswith("\n")
    last = re.sub(r"\x1b\[[0-9;]*m", "", out.split("\r")[-1]).rstrip()
    assert masked(last) == f"3/3 {'━' * 20} Ts T/step - loss: 1.0000 - val_loss: 1.0000"


def test_the_finished_line_counts_whole_seconds_and_the_running_one_minutes_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Keras does: "75s" when done, "1:15" to go."""
    clock = iter([0.0, 25.0, 75.0, 150.0])
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("minibatch.callbacks.progbar.time.perf_counter", lambda: next(clock))
    bar = ProgbarLogger()
    bar.set_params({"verbose": 1, "epochs": 1, "steps": 4})
    bar.on_epoch_begin(0)
    bar.on_train_batch_end(0, {"loss": 1.0})
    bar.on_train_batch_end(1, {"loss": 1.0})
    bar.on_epoch_end(0, {"loss": 1.0})
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", part).rstrip() for part in capsys.readouterr().out.split("\r")[1:]]
    # After one step of 25 s: 3 x 25 to go. After two: the first is not counted, 50 a step, 2 x 50 to go.
    assert lines[0].startswith(f"1/4 {'━' * 20} 1:15 25s/step")
    assert lines[1].startswith(f"2/4 {'━' * 20} 1:40 50s/step")
    assert lines[2].startswith(f"2/4 {'━' * 20} 150s ")


@pytest.mark.parametrize("verbose", [3, -1, "yes", None])
def test_bad_verbose(verbose: object) -> None:
    with pytest.raises(ValueError, match="verbose must be 'auto', 0, 1 or 2; got "):
        fit(verbose)


@pytest.mark.parametrize("verbose", [1, 2])
def test_an_epoch_that_is_longer_than_the_first(verbose: int, capsys: pytest.CaptureFixture[str]) -> None:
    """25 samples by 10, carried over: 2 batches, then 3."""
    model = mb.Sequential([mb.Input((1,)), mb.layers.Dense(1)])
    model.compile("sgd", "mse")
    x = np.ones((25, 1))
    model.fit(mb.Batches(x, x, batch_size=10, remainder="carry", seed=0), epochs=4, verbose=verbose)
    assert re.findall(r"^(\d+/\d+) ", capsys.readouterr().out, re.MULTILINE) == ["2/2", "3/3", "2/2", "3/3"]
