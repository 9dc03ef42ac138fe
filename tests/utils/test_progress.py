from __future__ import annotations

import re
import sys

import pytest

from minibatch.utils import Progbar


def test_one_line_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    bar = Progbar(4, width=8, unit_name="file")
    for step in range(1, 4):
        bar.update(step, [("size", float(step))])
    assert capsys.readouterr().out == ""
    bar.add(1, [("size", 2.5)])
    assert re.fullmatch(r"4/4 ━{8} 0s \d+.?s/file - size: 2\.5000\n", capsys.readouterr().out)


def test_numbers_are_averaged_unless_stateful(capsys: pytest.CaptureFixture[str]) -> None:
    bar = Progbar(None, verbose=2, stateful_metrics=["last"])
    for step, value in enumerate((1.0, 2.0, 6.0), 1):
        bar.update(step, [("mean", value), ("last", value)])
    bar.update(3, finalize=True)
    assert re.search(r"3/Unknown - 0s - .*mean: 3\.0000 - last: 6\.0000", capsys.readouterr().out)


def test_on_a_terminal_the_line_is_drawn_again(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    bar = Progbar(2, interval=0.0)
    bar.update(1)
    bar.update(2)
    out = capsys.readouterr().out
    assert out.count("\r") == 2
    assert out.endswith("\n")


def test_silence_and_contradiction(capsys: pytest.CaptureFixture[str]) -> None:
    Progbar(1, verbose=0).update(1)
    assert capsys.readouterr().out == ""
    with pytest.raises(ValueError, match="not both"):
        Progbar(1, stateful_metrics=[], stateless_metrics=[])
