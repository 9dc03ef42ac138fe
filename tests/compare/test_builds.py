from __future__ import annotations

import functools
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import minibatch as mb
from minibatch.compare import builds, mlp

UNITS = 7


def helped(K: Any) -> Any:
    return layers_of(K, UNITS)


def layers_of(K: Any, units: int) -> Any:
    return K.Sequential([K.Input((3,)), K.layers.Dense(units)])


def elsewhere(*paths: Path) -> list[int]:
    """Unpack in a process that knows nothing of this file; return the numbers of parameters."""
    code = (
        "import pathlib, sys, minibatch as mb; from minibatch.compare import builds;"
        "print(*[builds.unpack(pathlib.Path(path))(mb).count_params() for path in sys.argv[1:]])"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code, *map(str, paths)],
        capture_output=True,
        text=True,
        cwd=paths[0].parent,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [int(word) for word in done.stdout.split()]


def test_a_function_with_its_helpers_a_lambda_a_closure_and_a_partial(tmp_path: Path) -> None:
    units = 5
    cases: dict[int, Any] = {
        (3 + 1) * UNITS: helped,
        (3 + 1) * units: lambda K: layers_of(K, units),
        (3 + 1) * 3: functools.partial(layers_of, units=3),
        (64 + 1) * 64 + (64 + 1) * 32 + (32 + 1) * 10: mlp,
        (36 + 1) * 64 + (64 + 1) * 32 + (32 + 1) * 9: functools.partial(mlp, input_shape=(36,), classes=9),
    }
    paths = [tmp_path / f"{parameters}.pkl" for parameters in cases]
    for path, build in zip(paths, cases.values(), strict=True):
        builds.pack(build, path)
    assert elsewhere(*paths) == list(cases)


def test_a_file_by_its_name_with_a_neighbour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "neighbour_of_mine.py").write_text("UNITS = 4\n")
    (tmp_path / "mine.py").write_text(
        "from neighbour_of_mine import UNITS\n"
        "class Models:\n"
        "    @staticmethod\n"
        "    def build(K):\n"
        "        return K.Sequential([K.Input((3,)), K.layers.Dense(UNITS)])\n"
    )
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)
    builds.pack("mine.py:Models.build", tmp_path / "build.pkl")
    (tmp_path / "deeper").mkdir()
    (tmp_path / "build.pkl").rename(tmp_path / "deeper" / "build.pkl")
    assert elsewhere(tmp_path / "deeper" / "build.pkl") == [16]


def test_a_script_that_is_run_and_a_notebook_s_cell(tmp_path: Path) -> None:
    """Functions of ``__main__`` are sent with their code."""
    script = tmp_path / "script.py"
    script.write_text(
        "from pathlib import Path\nfrom minibatch.compare import builds\nUNITS = 6\n"
        "def build(K):\n    return K.Sequential([K.Input((3,)), K.layers.Dense(UNITS)])\n"
        "builds.pack(build, Path('build.pkl'))\n"
    )
    subprocess.run([sys.executable, str(script)], cwd=tmp_path, check=True)
    script.unlink()
    assert elsewhere(tmp_path / "build.pkl") == [24]


@pytest.mark.parametrize(
    ("build", "message"),
    [
        ("nowhere.py:build", "there is no file 'nowhere.py'"),
        ("build", "expected 'FILE.py:name' or 'module:name'; got 'build'"),
        ("no_such_module_here:build", "there is no module 'no_such_module_here'"),
        ("minibatch.compare.models:nothing", "has no 'nothing'"),
        ("minibatch.compare.models:MODELS", "must be a function"),
    ],
)
def test_names_that_lead_nowhere(build: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        builds.pack(build, tmp_path / "build.pkl")


def test_what_cannot_be_sent(tmp_path: Path) -> None:
    lock = threading.Lock()

    def build(K: Any) -> Any:
        with lock:
            return layers_of(K, 1)

    with pytest.raises(ValueError, match=r"cannot be sent to another process.*lock.*give 'FILE\.py:name'"):
        builds.pack(build, tmp_path / "build.pkl")
    with pytest.raises(TypeError, match=r"must be a function build\(K\)"):
        builds.pack(3, tmp_path / "build.pkl")  # type: ignore[arg-type]  # the mistake that is tested


def test_the_models_are_the_same_in_every_way_they_can_be_asked_for() -> None:
    assert builds.find("minibatch.compare.models:mlp")(mb).count_params() == mlp(mb).count_params()
    with pytest.raises(ValueError, match=r"wants images.*\(64,\)"):
        mb.compare.cnn(mb, input_shape=(64,))
