"""Failures, crashes, Ctrl-C: children of minibatch alone, which start in a second."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from compare.networks import small

from minibatch.compare import (
    BackendMissingError,
    BuildError,
    Comparison,
    InterruptedComparison,
    side_by_side,
)

Alone = Callable[..., Comparison]
Blobs = tuple[np.ndarray, np.ndarray]


def fails_at(call: int, how: Callable[[], Any]) -> Callable[[Any], Any]:
    """A build that fails at one of its calls: the first is for the initial weights, then one for each training."""
    calls: list[int] = []

    def build(K: Any) -> Any:
        calls.append(1)
        if len(calls) == call:
            how()
        return small(K)

    return build


def test_an_error_in_one_training_leaves_the_others(alone: Alone, blobs: Blobs) -> None:
    def how() -> None:
        raise MemoryError("too much")

    found = alone(fails_at(3, how), *blobs, batch_sizes=[8, 16, 32])
    assert [run.batch_size for run in found.runs.values()] == [8, 32]
    (failure,) = found.failures
    assert (failure.side, failure.batch_size, failure.seed) == ("minibatch", 16, 0)
    assert "MemoryError: too much" in failure.message
    assert "batch size 16, seed 0: MemoryError: too much" in found.table()


def test_a_process_that_dies_takes_its_own_trainings_only(alone: Alone, blobs: Blobs) -> None:
    def how() -> None:
        print("the last words", flush=True)
        os.kill(os.getpid(), signal.SIGKILL)

    found = alone(fails_at(3, how), *blobs, batch_sizes=[8, 16, 32])
    assert [run.batch_size for run in found.runs.values()] == [8]
    assert [failure.batch_size for failure in found.failures] == [16, 32]
    assert "SIGKILL" in found.failures[0].message
    assert "the last words" in found.failures[0].message
    assert found.failures[1].message.startswith("not run: the child process of minibatch ended")


def test_ctrl_c_hands_over_what_was_finished(alone: Alone, blobs: Blobs, tmp_path: Any) -> None:
    def progress(what: str, done: int, in_all: int) -> None:
        if "batch 16" in what:
            raise KeyboardInterrupt

    with pytest.raises(InterruptedComparison, match="after 1 runs") as stopped:
        alone(small, *blobs, batch_sizes=[8, 16], progress=progress)
    found = stopped.value.comparison
    assert list(found.runs) == [("minibatch", 8, 0)]
    found.save(tmp_path)
    assert list(Comparison.load(tmp_path).runs) == list(found.runs)


def test_progress_counts_every_step_once(alone: Alone, blobs: Blobs) -> None:
    told: list[tuple[int, int]] = []
    alone(
        small, *blobs, batch_sizes=[7, 40], epochs=2, progress=lambda what, done, total: told.append((done, total))
    )
    assert {total for _, total in told} == {2 * (18 + 3)}
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1] == (42, 42)


def test_a_build_that_fails_here(alone: Alone, blobs: Blobs) -> None:
    with pytest.raises(BuildError, match=r"failed in minibatch: AttributeError.*MultiHeadAttention") as error:
        alone(lambda K: K.Sequential([K.Input((4,)), K.layers.MultiHeadAttention(1, 2)]), *blobs)
    assert any("In the child process" in note and "Traceback" in note for note in error.value.__notes__)
    with pytest.raises(BuildError, match="must return a compiled model"):
        alone(lambda K: K.Sequential([K.Input((4,)), K.layers.Dense(3)]), *blobs)


def test_layers_that_draw_random_numbers_are_named(alone: Alone, blobs: Blobs) -> None:
    def build(K: Any) -> Any:
        model = K.Sequential(
            [K.Input((4,)), K.layers.Dropout(0.5, name="forgetting"), K.layers.Dense(3, "softmax")]
        )
        model.compile("sgd", "sparse_categorical_crossentropy")
        return model

    (note,) = alone(build, *blobs).notes
    assert "forgetting" in note
    assert "own" in note
    assert not alone(small, *blobs).notes


def test_the_same_seeds_give_the_same_path_and_others_another(alone: Alone, blobs: Blobs) -> None:
    first, again = (alone(small, *blobs, seeds=[4, 5]) for _ in range(2))
    for key, run in first.runs.items():
        np.testing.assert_array_equal(run.loss, again.runs[key].loss)
    assert not np.array_equal(first.runs["minibatch", 40, 4].loss, first.runs["minibatch", 40, 5].loss)


def test_looking_at_the_noise_changes_no_step(alone: Alone, blobs: Blobs) -> None:
    plain = alone(small, *blobs, epochs=2)
    watched = alone(small, *blobs, epochs=2, noise_steps=(0, 2, "last"), time_fit=True)
    (a,), (b,) = plain.runs.values(), watched.runs.values()
    np.testing.assert_array_equal(a.loss, b.loss)
    assert a.numbers["history"] == b.numbers["history"]
    assert [entry["step"] for entry in b.numbers["noise"]] == [0, 2, 6]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_sizes": 8}, r"must be a list, such as \[8, 32, 'full'\]; got 8"),
        ({"batch_sizes": []}, "batch_sizes is empty"),
        ({"batch_sizes": [121]}, "at most N = 120; got 121"),
        ({"epochs": 0}, "epochs: expected an integer of at least 1; got 0"),
        ({"seeds": []}, "seeds is empty"),
        ({"seeds": [-1]}, "seeds: expected an integer of at least 0; got -1"),
        ({"backend": "tensorfow"}, "no backend 'tensorfow'. Did you mean 'tensorflow'"),
        ({"device": "tpu"}, "device must be one of cpu, gpu, auto; got 'tpu'"),
        ({"precision": "float16"}, "precision must be one of float32"),
        ({"mode": "free"}, "mode must be one of steps, own; got 'free'"),
        ({"tolerance": -1}, "tolerance must be a number from 0 up"),
        ({"threads": 0}, "threads: expected an integer of at least 1"),
        ({"validation_data": 3}, r"validation_data must be \(x, y\); got int"),
        ({"validation_data": ([[1.0]], [1, 2])}, "val_x and val_y must have as many samples"),
    ],
)
def test_arguments_that_cannot_be_used(options: dict[str, Any], message: str, blobs: Blobs) -> None:
    with pytest.raises(ValueError, match=message):
        side_by_side(small, *blobs, **{"batch_sizes": [8], "epochs": 1} | options)


def test_data_that_cannot_be_used(blobs: Blobs) -> None:
    x, y = blobs
    with pytest.raises(ValueError, match="as many samples, at least 1; got 120 and 119"):
        side_by_side(small, x, y[1:], batch_sizes=[8], epochs=1)
    with pytest.raises(ValueError, match=r"one array of numbers.*several inputs"):
        side_by_side(small, {"a": x}, y, batch_sizes=[8], epochs=1)


def test_a_backend_that_is_not_installed(monkeypatch: pytest.MonkeyPatch, blobs: Blobs) -> None:
    """Without Keras the rest works; this says what to install."""
    monkeypatch.setattr("minibatch.compare.runner.importlib.util.find_spec", lambda name: None)
    with pytest.raises(BackendMissingError, match="needs jax, which is not installed") as error:
        side_by_side(small, *blobs, batch_sizes=[8], epochs=1, backend="jax")
    assert "pip install keras jax" in str(error.value)
    assert "jax[cuda12]" in str(error.value)
