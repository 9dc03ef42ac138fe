"""``python -m minibatch compare``: what it refuses, what it does with files. (What it writes: test_with_keras.)

Without Keras.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minibatch as mb
from minibatch.cli import main
from minibatch.compare import BackendMissingError, ChildError, Comparison, InterruptedComparison, command, runner
from minibatch.compare.job import Side


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--batch-sizes", "0"], "expected a positive integer; got '0'"),
        (["--batch-sizes", "8,,16"], "got ''"),
        (["--epochs", "x"], "expected a positive integer; got 'x'"),
        (["--seeds", "1,-2"], "expected integers from 0 to 2**32 - 1, with commas between; got '1,-2'"),
        (["--mode", "other"], "invalid choice: 'other'"),
        (["--precision", "float16"], "invalid choice: 'float16'"),
    ],
)
def test_arguments_that_cannot_be_read(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["compare", *arguments])
    assert exit_.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "rnn"], "--model must be one of mlp, cnn, or FILE.py:build; got 'rnn'"),
        (["--model", "nowhere.py:build"], "there is no file"),
        (["--data", "mnist"], "--data must be 'digits' or an .npz file that is there; got 'mnist'"),
        (["--backend", "theano"], "there is no backend 'theano'"),
        (["--device", "tpu"], "device must be one of cpu, gpu, auto; got 'tpu'"),
        (["--batch-sizes", "1438"], "at most N = 1437; got 1438"),
    ],
)
def test_arguments_that_cannot_be_used(
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    assert main(["compare", *arguments, "--out", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("minibatch compare: ")
    assert message in error


def test_without_keras_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("minibatch.compare.runner.importlib.util.find_spec", lambda name: None)
    assert main(["compare", "--out", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert "for the CPU:          pip install keras tensorflow" in error
    assert "for a GPU of NVIDIA:  pip install keras 'tensorflow[and-cuda]'" in error
    assert issubclass(BackendMissingError, ImportError)


def test_a_folder_that_cannot_be_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("in the way")
    assert main(["compare", "--out", str(tmp_path / "file" / "out")]) == 2
    assert "cannot write into" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_into_is_known_before_anything_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(dir: Path) -> None:
        raise PermissionError(13, "Permission denied", str(dir))

    monkeypatch.setattr("minibatch.compare.command.tempfile.TemporaryFile", refused)
    monkeypatch.setattr(command, "side_by_side", lambda *args, **options: pytest.fail("it ran"))
    assert main(["compare", "--out", str(tmp_path)]) == 2
    assert f"cannot write into {tmp_path}: Permission denied." in capsys.readouterr().err


def test_a_child_that_is_lost_is_no_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def lost(*args: Any, **options: Any) -> Comparison:
        raise ChildError("the child process of torch ended with signal SIGABRT.")

    monkeypatch.setattr(command, "side_by_side", lost)
    assert main(["compare", "--out", str(tmp_path)]) == 2
    assert capsys.readouterr().err == "minibatch compare: the child process of torch ended with signal SIGABRT.\n"


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("def build(K:\n", "model.py cannot be loaded: SyntaxError: '(' was never closed (model.py, line 1)"),
        ("import nowhere\n", "model.py cannot be loaded: ModuleNotFoundError: No module named 'nowhere'"),
    ],
)
def test_a_file_with_a_mistake_in_it(
    code: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "model.py").write_text(code)
    assert main(["compare", "--model", f"{tmp_path / 'model.py'}:build", "--out", str(tmp_path)]) == 2
    assert message in capsys.readouterr().err


@pytest.fixture
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "_sides", lambda backend, device: [Side("minibatch", "cpu")])


@pytest.mark.usefixtures("_alone")
def test_data_and_a_model_of_one_s_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(50, 6)).astype("float32"), rng.integers(0, 4, size=50)
    np.savez(tmp_path / "mine.npz", x=x[:40], y=y[:40], x_val=x[40:], y_val=y[40:])
    (tmp_path / "model.py").write_text(
        "def build(K):\n"
        "    model = K.Sequential([K.Input((6,)), K.layers.Dense(4, 'softmax')])\n"
        "    model.compile('adam', 'sparse_categorical_crossentropy')\n"
        "    return model\n"
    )
    common = ["compare", "--data", str(tmp_path / "mine.npz"), "--batch-sizes", "9,full", "--epochs", "1"]
    assert main([*common, "--model", f"{tmp_path / 'model.py'}:build", "--out", str(tmp_path / "a")]) == 0
    assert main([*common, "--model", "mlp", "--optimizer", "adam", "--out", str(tmp_path / "b")]) == 0
    for folder in ("a", "b"):
        found = Comparison.load(tmp_path / folder)
        assert found.batch_sizes == [9, 40]
        assert found.settings["n_validation"] == 10
        assert found.runs["minibatch", 9, 0].numbers["optimizer"] == "Adam"
        assert "val_loss" in found.runs["minibatch", 9, 0].numbers["history"]
        assert (tmp_path / folder / "report.html").is_file()
    assert main([*common, "--model", "cnn", "--out", str(tmp_path / "c")]) == 2
    assert "wants images" in capsys.readouterr().err


@pytest.mark.usefixtures("_alone")
def test_ctrl_c_saves_what_is_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = command.side_by_side

    def stopped(*args: Any, **options: Any) -> Comparison:
        raise InterruptedComparison(run(*args, **options | {"batch_sizes": [512], "progress": None}))

    monkeypatch.setattr(command, "side_by_side", stopped)
    assert main(["compare", "--epochs", "1", "--out", str(tmp_path)]) == 130
    assert f"the 1 trainings that were finished are in {tmp_path}" in capsys.readouterr().out
    assert list(mb.compare.load(tmp_path).runs) == [("minibatch", 512, 0)]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"a": [1]}, "must hold x_train and y_train (or x and y); it holds a"),
        ({"x": [[1.0]], "y": [0.5]}, "wants class numbers 0, 1, ... as targets (N,); got float64, shape (1,)"),
        ({"x": [[1.0], [1.0]], "y": [-1, 0]}, "got int64, shape (2,), from -1"),
        ({"x": np.empty((0, 2)), "y": np.empty(0, int)}, "as many samples, at least 1; got 0 and 0"),
    ],
)
def test_files_of_other_contents(
    arrays: dict[str, list[float]], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez(tmp_path / "mine.npz", **{name: np.array(values) for name, values in arrays.items()})
    assert main(["compare", "--data", str(tmp_path / "mine.npz"), "--out", str(tmp_path)]) == 2
    assert message in capsys.readouterr().err


def test_a_file_that_is_no_archive(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.npz").write_text("no archive")
    assert main(["compare", "--data", str(tmp_path / "mine.npz"), "--out", str(tmp_path)]) == 2
    assert "cannot be read as an .npz file" in capsys.readouterr().err
