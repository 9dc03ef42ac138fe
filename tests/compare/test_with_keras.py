"""Real Keras on TensorFlow: what the command wrote, and a child that is asked this and that.

Nothing here is optional, as in tests/parity: without Keras these tests fail.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from compare.conftest import AsTyped
from compare.networks import small

import minibatch as mb
from minibatch.batching import Batches
from minibatch.compare import BuildError, ChildError, Comparison, DeviceMissingError, crossover, fit_orders, mlp
from minibatch.compare.children import Child
from minibatch.compare.conductor import Conductor
from minibatch.compare.job import Job, Side, write_job

SIDES = ["minibatch", "tensorflow cpu"]
KEYS = [(side, size, seed) for seed in (3,) for size in (32, 100) for side in SIDES]


def test_the_command_ends_well_and_says_where_things_are(typed: AsTyped) -> None:
    assert typed.status == 0
    names = {path.name for path in typed.out.iterdir()}
    assert names == {"comparison.json", "steps.npz", "table.txt", "report.html"} | {
        f"{name}.png" for name in ("losses", "differences", "throughput")
    }
    for name in names:
        assert str(typed.out / name) in typed.printed
    assert (typed.out / "table.txt").read_text().strip() in typed.printed


def test_every_run_is_there_and_every_step_agrees(typed: AsTyped) -> None:
    """float32 over 90 and 30 steps: differences of some 1e-7; the bound is for other processors."""
    found = typed.comparison
    assert sorted(found.runs) == sorted(KEYS)
    assert not found.failures
    for (_, size, _), pair in found.pairs.items():
        steps = 2 * -(-1437 // size)
        assert len(pair.loss_difference) == steps
        assert pair.largest_loss_difference < 1e-5
        assert pair.first_parting is None
        assert pair.weight_steps[[0, -1]].tolist() == [0, steps]
        assert pair.weight_difference[0] == 0  # the same initial weights, to the bit
        assert 0 < pair.final_weight_difference < 1e-5
        assert set(pair.gradient_angles) == {0, steps}
        assert max(pair.gradient_angles.values()) < 0.01
        assert max(pair.gradient_differences.values()) < 1e-4


def test_the_losses_are_those_of_a_plain_training(typed: AsTyped) -> None:
    """What the tool did through its children, done here by hand: the same batches give the same losses."""
    (x, y), (xv, yv) = mb.datasets.digits.load_data()
    x, xv = ((images[..., None] / 16).astype("float32") for images in (x, xv))
    mb.utils.set_random_seed(3)
    model = mlp(mb)
    batches = Batches(x, y, batch_size=100, seed=3)
    losses = [model.train_on_batch(x[rows], y[rows])[0] for k in range(2) for rows in batches.epoch_indices(k)]
    run = typed.comparison.runs["minibatch", 100, 3]
    np.testing.assert_allclose(run.loss, losses, rtol=1e-6)
    history = run.numbers["history"]
    assert history["val_loss"][-1] == pytest.approx(model.evaluate(xv, yv, verbose=0)[0], rel=1e-5)
    last_epoch, sizes = losses[15:], [100] * 14 + [37]
    assert history["loss"][-1] == pytest.approx(np.average(last_epoch, weights=sizes), rel=1e-6)


def test_histories_and_noise_agree(typed: AsTyped) -> None:
    for seed in (3,):
        mine, theirs = (typed.comparison.runs[side, 32, seed].numbers for side in SIDES)
        assert list(mine["history"]) == list(theirs["history"]) == ["accuracy", "loss", "val_accuracy", "val_loss"]
        for name, values in mine["history"].items():
            np.testing.assert_allclose(values, theirs["history"][name], atol=2e-3 if "acc" in name else 1e-5)
        for one, other in zip(mine["noise"], theirs["noise"], strict=True):
            assert one["n_samples"] == other["n_samples"] == 1024
            for name in ("grad_norm2", "trace", "noise_scale", "angle", "theory_angle"):
                assert one[name] == pytest.approx(other[name], rel=1e-4)
            assert abs(one["angle"] - one["theory_angle"]) < 10


def test_times_and_memory_are_plausible(typed: AsTyped) -> None:
    for run in typed.comparison.runs.values():
        n = run.numbers
        assert n["samples_per_second"] * n["step_seconds"] == pytest.approx(run.batch_size)
        assert n["first_step_seconds"] == run.seconds[0]
        assert 0 <= n["compile_seconds"] <= run.seconds.sum()
        assert n["fit_samples_per_second"] > 0
        assert n["device_peak"] is None
        if n["host_peak"] is not None:
            assert 2**24 < n["host_peak"] < 2**35
    # Keras builds, traces and compiles on its first step; nothing here does.
    first = typed.comparison.runs["tensorflow cpu", 32, 3].numbers
    assert first["compile_seconds"] > 10 * first["step_seconds"]


def test_devices_are_called_what_they_are(typed: AsTyped) -> None:
    mine, theirs = typed.comparison.sides
    assert [side.name for side in (mine, theirs)] == SIDES
    assert (mine.label, theirs.label) == ("minibatch (CPU)", "Keras/tensorflow (CPU)")
    assert theirs.fell_back
    assert not mine.fell_back
    assert mine.device == theirs.device == mb.compare.Comparison.load(typed.out).settings["host"]["processor"]
    assert set(theirs.versions) == {"keras", "tensorflow", "onednn"}
    assert theirs.driver is None
    assert not theirs.tf32
    assert theirs.dtype_policy == "float32"
    assert "no GPU was found" in typed.printed
    assert "TF32 and mixed precision are off" in typed.printed


def test_a_comparison_is_the_same_after_save_and_load(typed: AsTyped, tmp_path: Path) -> None:
    typed.comparison.save(tmp_path / "again")
    again = mb.compare.load(tmp_path / "again")
    assert again.to_dict(steps=True) == typed.comparison.to_dict(steps=True)
    assert again.table() == typed.comparison.table() == str(again)
    plain = json.loads((tmp_path / "again" / "comparison.json").read_text())
    assert plain["pairs"][0].keys() >= {"first_parting", "final_weight_difference", "weight_difference"}
    assert "loss" not in plain["runs"][0]
    with pytest.raises(FileNotFoundError, match="holds no comparison"):
        Comparison.load(tmp_path)
    (tmp_path / "again" / "comparison.json").write_text('{"version": 2}')
    with pytest.raises(ValueError, match="version 1; got 2"):
        Comparison.load(tmp_path / "again")


class Page(HTMLParser):
    """Collects what a page refers to, and whether its elements close in order."""

    VOID = ("meta", "img", "!doctype", "br")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.sources: list[str] = []
        self.words = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.seen.append(tag)
        self.sources += [value for name, value in attrs if name in ("src", "href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


def test_the_report_is_whole_in_itself(typed: AsTyped) -> None:
    text = (typed.out / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    assert page.open == []
    assert len(page.sources) == page.seen.count("img") == 3
    assert all(source.startswith("data:image/svg+xml;base64,") for source in page.sources)
    assert not {"script", "link", "iframe"} & set(page.seen)
    assert "@import" not in text
    assert "url(" not in text
    assert "prefers-color-scheme: dark" in text
    for words in ("minibatch and Keras, side by side", "Agreement, step by step", "Keras/tensorflow (CPU)"):
        assert words in page.words
    assert page.seen.count("table") == 6


def test_a_report_shows_markup_in_a_message_as_text(typed: AsTyped) -> None:
    found = Comparison.load(typed.out)
    found.failures.append(mb.compare.Failure("tensorflow cpu", 8, 0, "bad <script>alert(1)</script> & worse"))
    page = Page(found.report("a <b> title"))
    assert "bad <script>alert(1)</script> & worse" in page.words
    assert "script" not in page.seen


def test_figures_by_name_and_all(typed: AsTyped) -> None:
    for what, panels in {"losses": 2, "differences": 2, "throughput": 2}.items():
        figure = typed.comparison.plot(what)
        figure.canvas.draw()
        assert len(figure.axes) == panels
    assert len(typed.comparison.plot().axes) == 6
    with pytest.raises(ValueError, match="no figure 'noise' of this comparison; there are losses, differences"):
        typed.comparison.plot("noise")


def test_a_gpu_s_crossover_is_reported(typed: AsTyped) -> None:
    """No GPU is needed to test what is made of a GPU's numbers."""
    found = Comparison.load(typed.out)
    side = found.sides[1]
    gpu = type(side)(**vars(side) | {"name": "tensorflow gpu", "kind": "gpu", "device": "A Card", "driver": "1.2"})
    found.sides.append(gpu)
    for (name, size, seed), run in list(found.runs.items()):
        if name == "tensorflow cpu":
            faster = run.numbers | {
                "samples_per_second": run.numbers["samples_per_second"] * (0.5 if size == 32 else 8)
            }
            found.runs["tensorflow gpu", size, seed] = type(run)(
                "tensorflow gpu", size, seed, faster, run.loss, run.seconds
            )
    rates = [found.median(name, size, "samples_per_second") for name in ("tensorflow cpu", "tensorflow gpu")
             for size in (32, 100)]  # fmt: skip
    at = found.crossovers()["tensorflow cpu", "tensorflow gpu"]
    assert at == crossover([32, 100], rates[:2], rates[2:])
    assert 32 < at < 100
    sentence = f"Keras/tensorflow (GPU) overtakes Keras/tensorflow (CPU) at a batch size of about {at:.0f}."
    assert sentence in " ".join(found.table().split())
    assert "A Card" in found.table()
    assert "driver 1.2" in found.table()
    words = [text.get_text() for text in found.plot("throughput").axes[0].texts]
    assert words == [f"GPU ahead from {at:.0f}"]


# A child that is asked directly


@pytest.fixture(scope="module")
def wish(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("wish") / "wish"


@pytest.fixture(scope="module")
def child(tmp_path_factory: pytest.TempPathFactory, wish: Path) -> Iterator[Child]:
    """Keras on TensorFlow, with a build that does what the file ``wish`` says."""
    folder = tmp_path_factory.mktemp("child")
    path = str(wish)

    def build(K: Any) -> Any:
        with open(path) as file:
            what = file.read()
        if what == "another shape":
            model = K.Sequential([K.Input((4,)), K.layers.Dense(6, "tanh"), K.layers.Dense(3, "softmax")])
            model.compile("sgd", "sparse_categorical_crossentropy")
            return model
        if what == "a layer Keras lacks":
            K.layers.OnlyHere(3)
        if what == "death":
            import os

            os._exit(7)
        return small(K)

    rng = np.random.default_rng(5)
    y = np.arange(120) % 3
    x = (rng.normal(size=(120, 4)) + 2 * np.eye(3, 4)[y]).astype("float32")
    job = Job(epochs=2, noise_steps=(0,), noise_samples=50, time_fit=False)
    write_job(folder, job, build, {"x": x, "y": y, "val_x": x[:30], "val_y": y[:30]})
    wish.write_text("")
    with closing(Child(folder, Side("minibatch", "cpu"), job)) as here:
        here.ask(do="draw", seed=0)
    with closing(Child(folder, Side("tensorflow", "cpu"), job)) as there:
        there.ask(do="open")
        yield there


def test_other_shapes_are_named(child: Child, wish: Path) -> None:
    wish.write_text("another shape")
    with pytest.raises(
        BuildError, match=r"weight 0 has the shape \(4, 5\) in minibatch and \(4, 6\) in Keras on ten"
    ):
        child.ask(do="check", seed=0)
    wish.write_text("a layer Keras lacks")
    with pytest.raises(BuildError, match=r"failed in Keras on tensorflow: AttributeError.*OnlyHere"):
        child.ask(do="check", seed=0)
    wish.write_text("")
    assert child.ask(do="check", seed=0)["shapes"] == [[4, 5], [5], [5, 3], [3]]


def test_own_way_of_keras(child: Child, wish: Path) -> None:
    """``fit`` under a seed: repeatable, different for another seed, and all that the tables need."""
    wish.write_text("")
    first, again, other = (
        child.ask(do="own", seed=s, batch_size=16, name=f"own{i}") for i, s in enumerate((1, 1, 2))
    )
    assert first["history"] == again["history"] != other["history"]
    assert set(first["final"]) == {"final_loss", "final_accuracy", "final_val_loss", "final_val_accuracy"}
    assert first["ran_on"] == "cpu"
    assert first["fit_samples_per_second"] > 0


def test_keras_replays_its_permutation_and_this_library_does_not(child: Child) -> None:
    orders = child.ask(do="orders", n_samples=20, epochs=3, seed=0)["orders"]
    assert all(sorted(order) == list(range(20)) for order in orders)
    assert orders[0] == orders[1] == orders[2]
    assert child.ask(do="orders", n_samples=20, epochs=1, seed=1)["orders"][0] != orders[0]
    mine = fit_orders("minibatch", n_samples=20, epochs=3)
    assert all(sorted(order) == list(range(20)) for order in mine)
    assert len({tuple(order) for order in mine}) == 3


def test_a_child_that_dies_says_how_and_stays_dead(child: Child, wish: Path) -> None:
    """The last one with this child."""
    wish.write_text("death")
    with pytest.raises(ChildError, match="child process of tensorflow ended with exit status 7"):
        child.ask(do="own", seed=1, batch_size=16, name="last")
    with pytest.raises(ChildError, match="not run: the child process of tensorflow ended"):
        child.ask(do="own", seed=1, batch_size=16, name="after")


def test_a_gpu_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hidden from TensorFlow, as on a machine without one; it says so, and nothing runs."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    job, side = Job(epochs=1), Side("tensorflow", "gpu")
    write_job(tmp_path, job, small, {"x": np.zeros((4, 4), "float32"), "y": np.zeros(4, int)})
    with (
        closing(Child(tmp_path, side, job)) as child,
        pytest.raises(DeviceMissingError, match=r"sees no GPU here.*CPU.*Nothing was run") as error,
    ):
        child.ask(do="open")
    assert "tensorflow[and-cuda]" in str(error.value)


def test_a_side_that_ran_elsewhere_than_it_said_is_a_failure(tmp_path: Path) -> None:
    """Nothing is called GPU that did not run on one."""
    settings = {"batch_sizes": [4], "epochs": 1, "seeds": [0], "mode": "steps", "tolerance": 1.0, "n_samples": 4}
    found = {
        "kind": "gpu",
        "device": "A Card",
        "versions": {},
        "driver": None,
        "tf32": False,
        "dtype_policy": "float32",
    }
    from contextlib import ExitStack

    with ExitStack() as stack:
        conductor = Conductor(tmp_path, Job(epochs=1), [], settings, None, stack)
        info = mb.compare.SideInfo("jax gpu", "jax", "gpu", **found)

        class OnItsProcessor:
            def ask(self, progress: Any, **command: Any) -> dict[str, Any]:
                return {"ran_on": "cpu"}

        child: Any = OnItsProcessor()
        assert conductor._ask(child, info, "steps", 0, 4) == {}
    assert conductor.comparison.failures[0].message == "it was to run on a GPU, and ran on a CPU."
    assert not conductor.comparison.runs


def test_keras_is_imported_in_no_process_but_the_child_s() -> None:
    code = (
        "import sys, minibatch as mb; mb.compare.side_by_side; "
        "from minibatch.compare import keras_library, command, report, figures; "
        "print([n for n in ('keras', 'tensorflow', 'jax', 'torch', 'matplotlib', 'joblib') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_the_other_backends_agree_too(backend: str, blobs: tuple[np.ndarray, np.ndarray]) -> None:
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed here: it is no part of the test extra")
    found = mb.compare.side_by_side(
        small, *blobs, batch_sizes=[40], epochs=3, backend=backend, device="cpu", noise_samples=60, time_fit=False
    )
    (pair,) = found.pairs.values()
    assert pair.largest_loss_difference < 1e-5
    assert pair.final_weight_difference < 1e-5
    assert max(pair.gradient_differences.values()) < 1e-4
    assert found.sides[1].kind == "cpu"
    assert f"{backend} 0" in found.table() or f"{backend} 1" in found.table() or f"{backend} 2" in found.table()
