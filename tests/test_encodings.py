"""What is printed can be printed anywhere: a file under Windows' code page, an ASCII terminal."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

SCRIPT = """
import numpy as np
import minibatch as mb
model = mb.Sequential([mb.Input((3,)), mb.layers.Dense(2)])
model.summary()
model.compile("sgd", "mse")
model.fit(np.ones((9, 3)), np.ones((9, 2)), epochs=2)
assert model.optimizer.iterations == 2
"""


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1", "utf-8"])
@pytest.mark.parametrize("command", [["-c", SCRIPT], ["-m", "minibatch", "demo", "--batch-sizes", "full,512"]])
def test_printing(encoding: str, command: list[str], tmp_path: object) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    done = subprocess.run([sys.executable, *command], capture_output=True, env=environment, cwd=str(tmp_path))
    assert done.returncode == 0, done.stderr.decode()
    text = done.stdout.decode(encoding)
    assert "?" not in text
    if command[0] == "-c":
        assert "dense (Dense)" in text
        assert ("━" in text) == (encoding == "utf-8")
    else:
        assert "mean angle to full gradient" in text
        assert ("0 deg" in text) == (encoding != "utf-8")
