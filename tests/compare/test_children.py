"""Failures, crashes, Ctrl-C: children of minibatch alone, which start in a second."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from compare.networks import small

from minibatch.compare import (
    BackendMissingError,
    BuildError,
    ChildError,
    Comparison,
    InterruptedComparison,
    children,
    conductor,
    side_by_side,
    table,
)
from minibatch.compare.job import Job, Side

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
    assert found.failures[1].message == "not run: the child process of minibatch ended with " + (
        "signal SIGKILL (perhaps for want of memory). It said:"
    )


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


def test_models_that_cannot_be_compared(alone: Alone, blobs: Blobs) -> None:
    def two(K: Any) -> Any:
        a, b = K.Input((4,)), K.Input((4,))
        model = K.Model([a, b], K.layers.Dense(3, "softmax")(K.layers.Concatenate()([a, b])))
        model.compile("sgd", "sparse_categorical_crossentropy")
        return model

    def nothing(K: Any) -> Any:
        model = K.Sequential([K.Input((4,)), K.layers.Activation("softmax")])
        model.compile("sgd", "sparse_categorical_crossentropy")
        return model

    with pytest.raises(
        BuildError, match="several inputs or outputs are not compared yet; build makes one with 2 and"
    ):
        alone(two, *blobs)
    with pytest.raises(BuildError, match="the model has no weights: there is nothing to train"):
        alone(nothing, *blobs)
    x, y = blobs
    with pytest.raises(ValueError, match="A list is taken for 2 samples: models with several inputs"):
        alone(two, [x, x], y)


def diverges(K: Any) -> Any:
    """A model whose loss leaves the finite numbers within a few steps."""
    model = K.Sequential([K.Input((4,)), K.layers.Dense(8), K.layers.Dense(1)])
    model.compile(K.optimizers.SGD(1e9), "mse")
    return model


def test_a_loss_that_is_not_finite_is_said_so_and_survives_a_file(
    alone: Alone, blobs: Blobs, tmp_path: Path
) -> None:
    x, y = blobs
    found = alone(diverges, x, y.astype("float32"), epochs=3, noise_steps=(0, "last"))
    (run,) = found.runs.values()
    first = int(np.flatnonzero(~np.isfinite(run.loss))[0]) + 1
    (note,) = found.notes
    assert note.endswith(f"minibatch (CPU) at batch size 40 (seed 0: step {first}).")
    assert "infinite" not in found.table()  # the noise scale of gradients that are NaN
    found.save(tmp_path)
    again = Comparison.load(tmp_path)
    assert again.table() == found.table()
    assert "nan" in again.table()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("comparison.json", b'{"version": 1, "sides": ['),
        ("comparison.json", b"[]"),
        ("comparison.json", b'{"version": 1}'),
        ("steps.npz", b"no archive"),
        ("steps.npz", b"PK\x03\x04 half of one"),
    ],
)
def test_a_damaged_folder_is_said_to_be_one(name: str, content: bytes, tmp_path: Path) -> None:
    Comparison({"batch_sizes": [8], "mode": "steps"}, [], {}, {}, [], []).save(tmp_path)
    assert Comparison.load(tmp_path).runs == {}
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match="is damaged and cannot be read: "):
        Comparison.load(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(FileNotFoundError, match=f"there is no {name} in it"):
        Comparison.load(tmp_path)


def test_many_seeds_are_named_in_one_line() -> None:
    settings = {"n_samples": 9, "epochs": 1, "seeds": list(range(60)), "mode": "own", "precision": "float32"}
    first = table.opening(Comparison(settings | {"threads": None}, [], {}, {}, [], [])).splitlines()[0]
    assert first.startswith("9 samples, 1 epoch, seeds 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 50 more: ")


class Stub:
    """A child that answers at once; on PyTorch it dies when it is opened, on JAX when it builds."""

    def __init__(self, folder: Path, side: Side, job: Job) -> None:
        self.folder, self.side, self.dead = folder, side, None
        self.asked = ""

    def send(self, do: str, **_: Any) -> None:
        self.asked = do

    def answer(self) -> dict[str, Any]:
        if (self.side.backend, self.asked) in (("torch", "open"), ("jax", "check")):
            raise ChildError(f"{self.side.backend} is broken.")
        versions = {"kind": "cpu", "device": "", "versions": {}, "driver": None, "tf32": False}
        return versions | {"dtype_policy": "float32", "host": {}} if self.asked == "open" else {}

    def ask(self, progress: Any = None, *, do: str, name: str = "", **_: Any) -> dict[str, Any]:
        if do == "draw":
            return {"random_layers": []}
        np.savez(self.folder / "none.npz")
        return {"ran_on": "cpu", "history": {"loss": [1.0]}, "arrays": str(self.folder / "none.npz")}

    def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("backends", "left"),
    [
        (("torch", "tensorflow", "jax"), ["minibatch", "tensorflow cpu"]),
        (("torch",), None),
        (("torch", "jax"), None),
    ],
)
def test_a_backend_that_does_not_come_up_leaves_the_others(
    backends: tuple[str, ...], left: list[str] | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(conductor, "Child", Stub)
    settings = {"batch_sizes": [8, 16], "seeds": [0], "mode": "own", "n_samples": 32}
    sides = [Side("minibatch", "cpu"), *(Side(name, "cpu") for name in backends)]
    with ExitStack() as stack:
        playing = conductor.Conductor(tmp_path, Job(epochs=1), sides, settings, None, stack)
        if left is None:  # nothing would be left to compare
            with pytest.raises(ChildError, match="is broken"):
                playing.run()
            return
        found = playing.run()
    assert [side.name for side in found.sides] == left
    assert list(found.runs) == [(name, size, 0) for size in (8, 16) for name in left]
    assert [(failure.side, failure.message) for failure in found.failures] == [
        ("torch cpu", "torch is broken."),
        ("jax cpu", "jax is broken."),
    ]
    assert "Keras on torch (cpu) did not come up: none of its trainings ran." in found.notes


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
        ({"seeds": 3}, r"seeds must be a list, such as \[0, 1, 2\]; got 3"),
        ({"seeds": [2**32]}, r"seeds: expected integers below 2\*\*32; got 4294967296"),
        ({"batch_sizes": None}, "must be a list, such as .*; got None"),
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


def test_no_child_writes_what_another_may_be_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[str] = []
    monkeypatch.setattr(children.subprocess, "Popen", lambda command, **how: started.append(command[4]))
    monkeypatch.setattr(children, "_environment", lambda side, job: {})
    job: Any = None
    for backend in ("minibatch", "tensorflow", "jax"):
        children.Child(tmp_path, Side(backend, "cpu"), job)
    assert len(set(started)) == 3
    assert len({Path(paths).read_text() for paths in started}) == 1
