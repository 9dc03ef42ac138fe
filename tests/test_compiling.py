"""What is compiled, and when what was kept of it is out of date."""

from __future__ import annotations

import ast
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import minibatch
from minibatch import compiling

ROOT = Path(minibatch.__file__).parent


def test_every_file_that_goes_into_other_files_machine_code_is_in_the_stamp() -> None:
    files = {".".join(["minibatch", *f.relative_to(ROOT).with_suffix("").parts]): f for f in ROOT.rglob("*.py")}
    signs = ("import compiled", "import PLAIN, compiled", "import intrinsic", "import Board, Cut, share")
    compiles = [f for f in files.values() if any(sign in f.read_text() for sign in signs)]
    assert len(compiles) > 10
    parts = set()
    for file in compiles:
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.ImportFrom) and node.module:
                for name in node.names:
                    part = files.get(f"{node.module}.{name.name}") or files.get(node.module)
                    parts.add(str(part.relative_to(ROOT)) if part else "")
    assert parts - {"", "compiling.py", "typing.py"} <= set(compiling.PARTS)


@pytest.mark.skipif(compiling.PLAIN, reason="nothing is compiled")
def test_kept_machine_code_is_out_of_date_when_a_part_has_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    def twice(x: int) -> int:
        return 2 * x

    def stamp() -> object:
        return compiling.compiled(twice)._cache._cache_file._source_stamp  # type: ignore[attr-defined]  # Numba's

    before = stamp()
    assert compiling.STAMP in before  # type: ignore[operator]  # Numba's stamp and this one
    monkeypatch.setattr(compiling, "STAMP", "another")
    assert stamp() != before


def test_it_can_be_imported_from_a_zip(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as every:
        for file in ROOT.rglob("*.py"):
            every.write(file, Path("minibatch") / file.relative_to(ROOT))
    run = "import minibatch, minibatch.compiling as c; print(c.STAMP == '', minibatch.__file__)"
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(tmp_path / 'all.zip')!r}); {run}"]
    found = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path).stdout
    assert found.startswith("True")
    assert "all.zip" in found
