"""The benchmark's works are the same network everywhere, and its floor multiplies what a step multiplies."""

from __future__ import annotations

import numpy as np
import pytest

import minibatch as mb
from minibatch.bench import WORKS, Worker, measure, rows, work_of
from minibatch.bench.floor import Floor
from minibatch.bench.runners import RUNNERS, MinibatchRunner
from minibatch.bench.table import LIBRARIES, _check_alike, duration, hint, machine, threads_environment
from minibatch.bench.works import Conv, Dense
from minibatch.cli import main

SMALL = "mlp 6 5 3 4 3"


@pytest.mark.parametrize("work", [SMALL, "mlp 6 5 3 4 3 2", "cnn 16 4 1 2"])
def test_the_shapes_of_a_work_are_those_of_the_model(work: str) -> None:
    runner = MinibatchRunner(work_of(work))
    layers = [layer for layer in runner.model.layers if not isinstance(layer, mb.layers.Flatten)]
    said = [after for _, _, after in work_of(work).shapes()]
    assert [layer.output_shape for layer in layers] == said
    for mine, given in zip(runner.model.get_weights(), work_of(work).weights(), strict=True):
        assert mine.shape == given.shape


@pytest.mark.parametrize("work", list(WORKS))
def test_the_floor_has_the_products_of_every_layer_but_the_first_layers_dx(work: str) -> None:
    described = work_of(work)
    floor = Floor(described)
    kinds = [type(layer) for layer in described.layers if isinstance(layer, Conv | Dense)]
    if Conv not in kinds:
        assert len(floor.forward) == len(kinds)
        assert len(floor.backward) == 2 * len(kinds) - 1
    else:
        assert len(floor.backward) > len(floor.forward) > len(kinds)


def test_the_flops_of_the_floor_are_those_of_the_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Multiplications counted at np.matmul, and by hand: for a layer, N positions row columns."""
    counted = []
    original = np.matmul
    work = work_of("cnn 16 4 1 3")
    floor = Floor(work)
    monkeypatch.setattr(np, "matmul", lambda a, b, out: counted.append(a.size * b.shape[1]) or original(a, b, out))
    floor.inference()
    by_hand = 0
    for layer, before, after in work.shapes():
        if isinstance(layer, Conv):
            by_hand += 3 * after[0] * after[1] * 9 * before[2] * after[2]
        elif isinstance(layer, Dense):
            by_hand += 3 * before[0] * after[0]
    assert sum(counted) == by_hand


def test_workers_take_turns_and_the_table_has_what_they_measured() -> None:
    result = measure(SMALL, ("minibatch", "matmul"), rounds=2)
    for doing in ("fit", "evaluate", "predict"):
        for library in ("minibatch", "matmul"):
            assert len(result["seconds"][doing][library]) == 2
            assert min(result["seconds"][doing][library]) > 0
    text = "\n".join(rows(result))
    assert text.startswith("MLP 6-5-3, batch 4, SGD")
    assert "np.matmul alone" in text
    assert "peak memory: minibatch" in text
    assert set(result["about"]) == {"minibatch", "matmul"}


def test_a_library_that_cannot_is_left_out_and_named() -> None:
    result = measure("cnn 16 4 1 2", ("minibatch", "sklearn"), doings=("fit",), rounds=1)
    assert list(result["seconds"]["fit"]) == ["minibatch"]
    assert "sklearn" in result["missing"]
    assert any("left out: sklearn" in line for line in rows(result))


def test_works_that_do_not_begin_alike_are_found_out() -> None:
    _check_alike({"a": [1.0, 0.5], "b": [1.0004, 0.5], "c": None})
    with pytest.raises(RuntimeError, match=r"not the same work: b begins with \[1\.1, 0\.5\], a with"):
        _check_alike({"a": [1.0, 0.5], "b": [1.1, 0.5]})


def test_a_worker_says_what_it_cannot_do() -> None:
    worker = Worker("matmul", SMALL)
    try:
        assert "NumPy" in worker.greeting()["about"]
        assert worker.ask("juggle") == {"missing": "no juggle"}
        assert worker.ask("memory")["bytes"] > 2**20
    finally:
        worker.close()


def test_the_peers_begin_with_the_same_loss() -> None:
    """Every library that is installed, on a network of each kind: the works are alike."""
    pytest.importorskip("torch", reason="PyTorch belongs to no extra; this compares with it where it is installed")
    for work in (SMALL, "cnn 16 4 1 2"):
        ours = MinibatchRunner(work_of(work)).initial
        theirs = RUNNERS["torch"](work_of(work)).initial
        np.testing.assert_allclose(theirs, ours, rtol=1e-4)


def test_words() -> None:
    assert set(LIBRARIES) == set(RUNNERS)
    assert duration(12.3e-6) == "   12.3 us"
    assert duration(0.0123) == "  12.30 ms"
    assert "processors" in machine()
    assert isinstance(hint(), str)
    assert threads_environment(None) == {}
    assert threads_environment(2)["OMP_NUM_THREADS"] == "2"


def test_the_command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minibatch.bench.table.SHORT", (SMALL,))
    assert main(["bench", "--alone"]) == 0
    printed = capsys.readouterr().out
    assert "MLP 6-5-3, batch 4, SGD" in printed
    assert "this library" in printed
