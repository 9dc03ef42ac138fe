from __future__ import annotations

import json
import subprocess
import sys

import pytest
from matplotlib import pyplot as plt

from minibatch.cli import main


def test_demo_as_a_user_runs_it(tmp_path):
    out = tmp_path / "a" / "b"
    command = [
        sys.executable,
        "-m",
        "minibatch",
        "demo",
        "--batch-sizes",
        "64,full",
        "--seed",
        "3",
        "--out",
        str(out),
    ]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", cwd=tmp_path, check=True)
    assert done.stderr == ""  # no progress bar where nobody sees it, and no warning
    assert "batch size" in done.stdout
    assert "mean angle to full gradient" in done.stdout
    written = sorted(path.name for path in out.iterdir())
    assert written[-1] == "results.json"
    assert len([name for name in written if name.endswith(".png")]) == 5
    for name in written:
        assert str(out / name) in done.stdout
    numbers = json.loads((out / "results.json").read_text())
    assert numbers["settings"]["seed"] == 3
    assert [run["batch_size"] for run in numbers["runs"]] == [64, 1437]


def test_study_and_then_with_more_seeds(tmp_path, capsys):
    out = tmp_path / "a" / "study"
    arguments = ["study", "--batch-sizes", "64,full", "--epochs", "2", "--out", str(out)]
    assert main([*arguments, "--seeds", "2"]) == 0
    first = capsys.readouterr()
    assert "1,437 samples, 2 epochs, 2 seeds (0, 1): val accuracy at the end" in first.out
    assert "Best val accuracy on average: batch size 64" in first.out
    assert first.err == ""
    assert (out / "study.png").read_bytes().startswith(b"\x89PNG")
    assert not plt.get_fignums()
    runs = json.loads((out / "runs.json").read_text())["runs"]
    assert main([*arguments, "--seeds", "3", "--metric", "loss"]) == 0
    assert "3 seeds (0, 1, 2): loss at the end, smaller is better" in capsys.readouterr().out
    assert json.loads((out / "runs.json").read_text())["runs"][:4] == runs
    assert main([*arguments, "--learning-rates", "0.1,0.2", "--seeds", "1"]) == 2  # those had the model's own rate
    assert "minibatch study: the runs in" in capsys.readouterr().err
    assert main(["study", "--out", __file__]) == 2
    assert "minibatch study: cannot write into" in capsys.readouterr().err


@pytest.mark.parametrize("rates", ["0", "a", "0.1,,0.2", "inf", "-1"])
def test_learning_rates_that_cannot_be_used(rates, capsys):
    with pytest.raises(SystemExit):
        main(["study", f"--learning-rates={rates}"])
    assert "expected numbers above 0, with commas between" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--batch-sizes", "0"],
            "expected integers from 1 to 1437, or 'full', with commas between; got '0' in '0'",
        ),
        (["--batch-sizes", "8,1438"], "got '1438' in '8,1438'"),
        (["--batch-sizes", "8,,16"], "got '' in '8,,16'"),
        (["--batch-sizes", "all"], "got 'all'"),
        (["--seed", "-1"], "expected an integer from 0 to 2**32 - 2; got '-1'"),
        (["--seed", "x"], "got 'x'"),
    ],
)
def test_arguments_that_cannot_be_used(arguments, message, capsys):
    with pytest.raises(SystemExit) as exit_:
        main(["demo", *arguments])
    assert exit_.value.code == 2
    assert message in capsys.readouterr().err


def test_a_directory_that_cannot_be_made(tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    assert main(["demo", "--out", str(tmp_path / "file" / "out")]) == 2
    assert "cannot write into" in capsys.readouterr().err


def test_no_command_lists_the_commands(capsys):
    with pytest.raises(SystemExit) as exit_:
        main([])
    assert exit_.value.code == 2
    assert "COMMAND" in capsys.readouterr().err
