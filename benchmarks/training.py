"""Training, evaluation and prediction against peers and against the matrix products alone, with ratios.

    python benchmarks/training.py [--quick] [--busy] [--threads N] [--works NAME ...] [--libraries NAME ...]
    python benchmarks/training.py --start | --growth FILE | --draw FILE PNG | --soak [STEPS]

Each library runs in a process of its own, all of them in turn, round after round; figures are medians of the
rounds. All begin from the same weights, which is checked by their first loss and accuracy. A library that is not
installed is left out, and the table says so. ``--busy`` lets another process compute all the time beside them.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from minibatch.bench import WORKS, Busy, machine, measure, rows
from minibatch.bench.table import DOINGS, HEADER, LIBRARIES, hint

#: Cost against batch size, width, image size and depth: works, and what is written at the axis.
GROWTH: dict[str, list[tuple[int, str]]] = {
    "batch size": [
        (B, f"mlp 784 512 10 {B} {min(128, max(2, 4096 // B))}") for B in (1, 4, 16, 64, 256, 1024, 4096)
    ],
    "width": [(H, f"mlp 784 {H} 10 32 20") for H in (16, 64, 256, 1024, 4096)],
    "image size": [(E, f"cnn {E} 10 2 8") for E in (16, 32, 64, 128)],
    "depth": [(D, f"mlp 256 256 10 32 20 {D}") for D in (1, 2, 4, 8, 16)],
}

START = """
import sys, time
start = time.perf_counter()
import numpy
numpy_there = time.perf_counter() - start
import minibatch as mb
there = time.perf_counter() - start - numpy_there
import numpy as np
x, y = np.zeros((64, *eval(sys.argv[1])), np.float32), np.zeros(64, int)
layers = [mb.layers.Flatten(), mb.layers.Dense(32, "relu"), mb.layers.Dense(10, "softmax")]
if x.ndim == 4:
    layers.insert(0, mb.layers.Conv2D(32, 3, activation="relu"))
model = mb.Sequential([mb.Input(x.shape[1:]), *layers])
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
built = time.perf_counter() - start
model.fit(x, y, batch_size=64, verbose=0)
print(numpy_there, there, built, time.perf_counter() - start)
"""

SOAK = """
import sys, time
from pathlib import Path
import minibatch as mb
from minibatch.bench import WORKS
from minibatch.bench.runners import layers_of

steps, work = int(sys.argv[1]), WORKS["mlp-small"]
model = mb.Sequential([mb.Input(work.sample), *layers_of(work, mb.layers)])
model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
x, y = work.data()
epochs = max(1, steps // work.steps)
every = max(1, epochs // 10)

class Report(mb.callbacks.Callback):
    def on_train_begin(self, logs=None):
        self.last, self.cpu = time.perf_counter(), time.process_time()
    def on_epoch_end(self, epoch, logs=None):
        if (epoch + 1) % every == 0:
            now, cpu = time.perf_counter(), time.process_time()
            made = every * work.steps
            resident = int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20
            steps = f"{(epoch + 1) * work.steps:>10,}"
            times = f"{(now - self.last) / made * 1e6:8.1f} {(cpu - self.cpu) / made * 1e6:8.1f}"
            print(steps, times, f"{resident:8.1f}", flush=True)
            self.last, self.cpu = now, cpu

model.fit(x, y, work.batch_size, epochs, verbose=0, callbacks=[Report()])
"""


def start() -> None:
    print("\nFrom the start of Python: seconds, median of 7 processes in turn")
    seconds: dict[str, list[float]] = {}
    for _ in range(7):
        for what in ("(20,)", "(32, 32, 3)"):
            done = subprocess.run([sys.executable, "-c", START, what], capture_output=True, text=True, check=True)
            for name, value in zip(
                (
                    "import numpy",
                    "import minibatch, NumPy being there",
                    "model built",
                    "first fit of one step done",
                ),
                map(float, done.stdout.split()),
                strict=True,
            ):
                seconds.setdefault(f"{name}, samples {what}", []).append(value)
        for module in ("numpy", "minibatch"):
            code = f"import time; s = time.perf_counter(); import {module}; print(time.perf_counter() - s)"
            done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
            seconds.setdefault(f"import {module} alone", []).append(float(done.stdout))
    for name, values in seconds.items():
        print(f"  {name:<60} {statistics.median(values):6.3f}")


def growth(path: Path) -> None:
    """Measure cost against size, each library on one thread, and leave the numbers for ``docs/`` to draw."""
    libraries = ("minibatch", "torch", "matmul")
    measured: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {"machine": machine()}
    for axis, works in GROWTH.items():
        for size, work in works:
            if str(size) in measured.get(axis, {}):
                continue  # a run that was stopped goes on
            result = measure(work, libraries, ("fit",), rounds=5, threads=1)
            medians = {name: statistics.median(values) for name, values in result["seconds"]["fit"].items()}
            measured.setdefault(axis, {})[str(size)] = medians
            measured["about"] = result["about"]
            path.write_text(json.dumps(measured, indent=1) + "\n")
            print(f"  {axis} {size}: " + ", ".join(f"{k} {v * 1e3:.3f} ms" for k, v in medians.items()), flush=True)
    n = 24
    for steps in (100, 1000, 10_000):
        result = measure(f"mlp 20 32 2 {n} {steps}", ("minibatch",), ("fit",), rounds=5, threads=1)
        seconds = statistics.median(result["seconds"]["fit"]["minibatch"])
        measured.setdefault("samples", {})[str(n * steps)] = {"minibatch": seconds}
        print(f"  samples {n * steps}: {seconds * 1e6:.1f} us", flush=True)
    path.write_text(json.dumps(measured, indent=1) + "\n")
    print(f"written: {path}")


#: How each library is drawn: colour, marker, name.
DRAWN = {
    "minibatch": ("#0072B2", "o", "this library"),
    "torch": ("#D55E00", "s", "PyTorch, eager"),
    "matmul": ("0.3", None, "np.matmul alone"),
}
#: What is on the axis, the title, and the batch size where that is not what is on the axis.
PANELS = (
    ("batch size", "MLP 784-512-10", None),
    ("width", "MLP 784-H-10, batch 32, by hidden units H", 32),
    ("image size", "CNN, batch 8, by pixels along an edge", 8),
    ("depth", "MLP of 256 units, batch 32, by hidden layers", 32),
)


def draw(numbers: Path, figure: Path) -> None:
    """Draw what ``growth`` measured: the time of a sample in ``fit``, both axes logarithmic."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    measured = json.loads(numbers.read_text())
    fig, axes = plt.subplots(2, 2, figsize=(10, 7.5), layout="constrained")
    for ax, (axis, title, batch_size) in zip(axes.flat, PANELS, strict=True):
        sizes = sorted(map(int, measured[axis]))
        for library, (colour, marker, name) in DRAWN.items():
            micro = [measured[axis][str(size)][library] / (batch_size or size) * 1e6 for size in sizes]
            line = ":" if library == "matmul" else "-"
            ax.plot(sizes, micro, line, color=colour, marker=marker, label=name, linewidth=1.8, markersize=5)
        ax.set(xscale="log", yscale="log", title=title, xlabel=axis, ylabel="microseconds a sample")
        ax.set_xticks(sizes, [f"{size:,}" for size in sizes])
        ax.minorticks_off()
        ax.grid(True, alpha=0.3)
    axes[0, 0].legend(frameon=False)
    fig.savefig(figure, dpi=110)
    print(f"written: {figure}")


def soak(steps: int) -> None:
    print(
        f"\n{steps:,} steps of the small MLP: steps made, us a step, of the processor's time, MiB resident",
        flush=True,
    )
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run([sys.executable, "-c", SOAK, str(steps)], check=True, cwd=directory)


def table(arguments: argparse.Namespace) -> None:
    about: dict[str, str] = {}
    print(HEADER)
    for work in arguments.works:
        rounds = 3 if arguments.quick else arguments.rounds
        with Busy() if arguments.busy else contextlib.nullcontext():
            result = measure(work, arguments.libraries, arguments.doings, rounds, arguments.threads)
        print("\n".join(rows(result)), flush=True)
        about |= result["about"]
    print("\n".join(["", *about.values()]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="three rounds, and not the largest work")
    parser.add_argument("--busy", action="store_true", help="with another process that computes all the time")
    parser.add_argument("--threads", type=int, help="of every library; by default as they come")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--works", nargs="+", default=list(WORKS))
    parser.add_argument("--libraries", nargs="+", default=list(LIBRARIES), choices=LIBRARIES)
    parser.add_argument("--doings", nargs="+", default=list(DOINGS), choices=DOINGS)
    parser.add_argument("--start", action="store_true", help="import, and the first step of a process")
    parser.add_argument("--growth", type=Path, metavar="FILE", help="cost against size; the numbers as JSON")
    parser.add_argument("--draw", type=Path, nargs=2, metavar=("FILE", "PNG"), help="draw what --growth wrote")
    parser.add_argument(
        "--soak", type=int, nargs="?", const=10**6, metavar="STEPS", help="memory and time of a long fit"
    )
    arguments = parser.parse_args()
    if arguments.quick and arguments.works == list(WORKS):
        arguments.works.remove("cnn-100")
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    busy = ", beside a busy process" if arguments.busy else ""
    print(f"{machine()}{load}, threads: {arguments.threads or 'as they come'}{busy}, {time.strftime('%H:%M')}")
    if arguments.start:
        start()
    elif arguments.growth:
        growth(arguments.growth)
    elif arguments.draw:
        draw(*arguments.draw)
    elif arguments.soak:
        soak(arguments.soak)
    else:
        table(arguments)
        if hint():
            print(hint())


if __name__ == "__main__":
    main()
