"""Batching against its peers and against the speed of memory, in one run, with ratios.

    python benchmarks/batching.py [--quick] [--memmap-gib 4]

Peers run in the same process, after a pass that warms up. Where the ratio is to the speed of memory, they take
turns, pass by pass, and a figure is the median of its passes; elsewhere it is the best of them. PyTorch belongs to
no extra: without it its rows are left out, and the table says so.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from minibatch.batching import Batches

GB = 1e9


def best(function: Callable[[], Any], passes: int = 5) -> float:
    """Return the seconds of the fastest of several calls, after one call to warm up."""
    function()
    times = []
    for _ in range(passes):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def taking_turns(functions: dict[str, Callable[[], Any]], passes: int = 9) -> dict[str, float]:
    """Return the median seconds of each of several functions, which take turns, after one call each to warm up."""
    times: dict[str, list[float]] = {name: [] for name in functions}
    names = list(functions)
    for k in range(passes + 1):
        for name in names[k % len(names) :] + names[: k % len(names)]:  # each comes after each, in time
            start = time.perf_counter()
            functions[name]()
            times[name].append(time.perf_counter() - start)
    return {name: statistics.median(of_one[1:]) for name, of_one in times.items()}


def run(batches: Iterable[Any]) -> None:
    for _ in batches:
        pass


def row(what: str, value: str, ratio: str = "", target: str = "") -> None:
    print(f"  {what:<58} {value:>16} {ratio:>9}  {target}", flush=True)


def long_rows(quick: bool) -> None:
    total = (150 if quick else 600) * 10**6
    for row_bytes in (3072, 12_288, 150_528):
        x = np.ones((total // row_bytes, row_bytes // 4), np.float32)
        whole = np.empty_like(x)
        print(f"\nRows of {row_bytes:,} bytes, {x.nbytes / GB:.1f} GB, shuffled; ratios to np.copyto's rate")
        for batch_size in {3072: (32, 128, 1024, 4096), 12_288: (32, 128, 512, 1024)}.get(row_bytes, (8, 32)):
            batches = Batches(x, batch_size=batch_size, seed=0)
            reusing = Batches(x, batch_size=batch_size, seed=0, reuse_buffer=True)
            indices = batches.epoch_indices(0)
            out = np.empty((batch_size, x.shape[1]), np.float32)

            def into_one(x: Any = x, out: Any = out, size: int = batch_size) -> None:
                for low in range(0, len(x) - size + 1, size):
                    np.copyto(out, x[low : low + size])

            def indexed(x: Any = x, indices: Any = indices) -> None:
                for rows in indices:
                    x[rows]

            ours = f"Batches, B = {batch_size} ({batch_size * row_bytes / 1e6:.1f} MB)"
            functions = {
                "np.copyto, the whole array at once, in order": lambda x=x, whole=whole: np.copyto(whole, x),
                ours: lambda b=batches: run(b.epoch(0)),
                "  the same with reuse_buffer=True": lambda b=reusing: run(b.epoch(0)),
                "  x[rows], the same rows": indexed,
                "  np.copyto into one batch, in order": into_one,
            }
            seconds = taking_turns(functions, passes=3 if quick else 9)
            copy = next(iter(seconds.values()))
            for what, of_one in seconds.items():
                rate = f"{x.nbytes / of_one / GB:.1f} GB/s"
                row(what, rate, f"{copy / of_one:.2f}", ">= 0.9" if what == ours else "")
        functions = {
            "x.copy(): np.copyto into fresh memory": lambda x=x: x.copy(),
            "  the last batches, all kept: into fresh memory": lambda b=batches: list(b.epoch(0)),
        }
        seconds = taking_turns(functions, passes=3)
        fresh = next(iter(seconds.values()))
        for what, of_one in seconds.items():
            row(what, f"{x.nbytes / of_one / GB:.1f} GB/s", f"{fresh / of_one:.2f}")
    print("  (np.copyto writes into memory that is there already, as Batches do once an earlier batch is let go;")
    print("  into one batch, it never leaves the cache with what it writes, and reads in order: no gather can)")


def short_rows(quick: bool) -> None:
    print("\n60,000 x 20 float32 and labels, batches of 32, shuffled; ratios: ours to theirs")
    x = np.random.default_rng(0).random((60_000, 20), np.float32)
    y = np.random.default_rng(1).integers(0, 10, 60_000)
    batches = Batches(x, y, batch_size=32, seed=0)
    ours = len(batches) / best(lambda: run(batches), 10)
    row("Batches", f"{ours:,.0f} /s", "1.0")

    def by_hand() -> None:
        order = np.random.default_rng(0).permutation(len(x))
        for low in range(0, len(x), 32):
            rows = order[low : low + 32]
            x[rows], y[rows]

    theirs = len(batches) / best(by_hand)
    row("NumPy by hand: x[order[i:i+32]]", f"{theirs:,.0f} /s", f"{ours / theirs:.1f}")
    try:
        import torch
        from torch.utils.data import DataLoader, TensorDataset
    except ImportError:
        row("PyTorch is not installed", "-")
    else:
        loader = DataLoader(TensorDataset(torch.from_numpy(x), torch.from_numpy(y)), batch_size=32, shuffle=True)
        theirs = len(batches) / best(lambda: run(loader), 1 if quick else 3)
        row(
            f"torch {torch.__version__} DataLoader(TensorDataset)",
            f"{theirs:,.0f} /s",
            f"{ours / theirs:.1f}",
            ">= 50",
        )
    try:
        import tensorflow as tf
    except ImportError:
        row("TensorFlow is not installed", "-")
    else:
        data = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(len(x)).batch(32).prefetch(tf.data.AUTOTUNE)
        theirs = len(batches) / best(lambda: run(data), 1 if quick else 3)
        row(
            f"tf.data {tf.__version__} shuffle(N).batch(32).prefetch",
            f"{theirs:,.0f} /s",
            f"{ours / theirs:.1f}",
            ">= 50",
        )


def images(quick: bool) -> None:
    n = 60_000 if quick else 240_000
    x = np.random.default_rng(0).integers(0, 256, (n, 28, 28), np.uint8)
    source = np.ones((n, 784), np.float32)
    target = np.empty_like(source)
    print(f"\nuint8 images 28 x 28 to float32 / 255, {n:,}, shuffled; GB/s of output, ratios to np.copyto's")
    for batch_size in (32, 128, 1024):
        batches = Batches(x, batch_size=batch_size, seed=0, scale=1 / 255)

        def expression(batches: Any = batches) -> None:
            for rows in batches.epoch_indices(0):
                x[rows].astype(np.float32) * np.float32(1 / 255)

        seconds = taking_turns(
            {
                "copy": lambda: np.copyto(target, source),
                "batches": lambda b=batches: run(b.epoch(0)),
                "expression": expression,
            },
            passes=3 if quick else 9,
        )
        rate = {name: f"{source.nbytes / of_one / GB:.1f} GB/s" for name, of_one in seconds.items()}
        ratio = {name: f"{seconds['copy'] / of_one:.2f}" for name, of_one in seconds.items()}
        row("np.copyto of as much float32", rate["copy"], ratio["copy"])
        row(f"Batches(scale=1/255), B = {batch_size}", rate["batches"], ratio["batches"], ">= 2")
        ours = f"ours {seconds['expression'] / seconds['batches']:.2f}x, >= 3"
        row("  x[rows].astype(float32) * (1/255)", rate["expression"], ratio["expression"], ours)


def orders(quick: bool) -> None:
    print("\nMaking the order of an epoch, and the pass it is for (20 float32 per row, batches of 32)")
    for n in (10**4, 10**5, 10**6) if quick else (10**4, 10**5, 10**6, 10**7):
        x = np.ones((n, 20), np.float32)
        batches = Batches(x, batch_size=32, seed=0)
        whole = best(lambda b=batches: run(b.epoch(0)), 3)
        order = best(lambda b=batches: b.order(0), 3)
        figure = f"{order * 1e3:.2f} ms"
        row(
            f"N = {n:,}: {order / n * 1e9:.1f} ns per index; pass {whole * 1e3:.1f} ms",
            figure,
            f"{order / whole:.2f}",
            "<= 0.33",
        )
        permuted = best(lambda n=n: np.random.default_rng(0).permutation(n), 3)
        row("  numpy.random permutation", f"{permuted * 1e3:.2f} ms", f"{permuted / whole:.2f}")


FIRST = "import time; t = time.perf_counter(); import numpy as np; a = time.perf_counter(); \
from minibatch.batching import Batches; b = time.perf_counter(); \
next(iter(Batches(np.ones((1000, 784), np.float32), seed=0))); print(b - a, time.perf_counter() - b)"


def first_batch() -> None:
    print("\nThe first batch of a process (784 float32 per row), after importing NumPy")
    with tempfile.TemporaryDirectory() as directory:
        for what in ("empty cache: kernels are compiled", "from the cache on disk", "from the cache on disk"):
            environment = {**os.environ, "NUMBA_CACHE_DIR": directory}
            done = subprocess.run(
                [sys.executable, "-c", FIRST], capture_output=True, text=True, env=environment, check=True
            )
            imported, seconds = map(float, done.stdout.split())
            row(f"{what}; import {imported:.2f} s", f"{seconds:.2f} s")


LARGE = """
import sys, time
import numpy as np
from minibatch.batching import Batches

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096

path, row, shuffle, peak = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "True", 0
x = np.memmap(path, np.float32, "r").reshape(-1, row)
batches = Batches(x, batch_size=64, seed=0, shuffle=shuffle)
total, start = 0.0, time.perf_counter()
for i, batch in enumerate(batches):
    total += float(batch[0, 0])
    if i % 16 == 0:
        peak = max(peak, resident())
print(time.perf_counter() - start, peak)
"""


def larger_than_memory(gib: float) -> None:
    width = 16 * 1024
    n = int(gib * 2**30) // (4 * width)
    print(f"\nA memory-mapped file of {gib:g} GiB, rows of 64 KiB, batches of 64 (4 MiB), one epoch")
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "data.bin"
        with path.open("wb") as file:
            block = np.ones((256, width), np.float32)
            for _ in range(n // 256):
                file.write(block.tobytes())
        for shuffle in (True, False):
            command = [sys.executable, "-c", LARGE, str(path), str(width), str(shuffle)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            seconds, peak = map(float, done.stdout.split())
            rate = f"{n * width * 4 / seconds / GB:.1f} GB/s"
            row(f"shuffle={shuffle}: {rate}, peak resident memory", f"{peak / 2**20:.0f} MiB", "", "< 400")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="smaller data, fewer passes")
    parser.add_argument(
        "--memmap-gib", type=float, default=None, help="size of the file (4; 0.5 with --quick; 0: none)"
    )
    arguments = parser.parse_args()
    print(f"NumPy {np.__version__}, Python {sys.version.split()[0]}, {os.cpu_count()} processors")
    row("", "", "ratio", "target")
    short_rows(arguments.quick)
    images(arguments.quick)
    long_rows(arguments.quick)
    orders(arguments.quick)
    first_batch()
    gib = arguments.memmap_gib if arguments.memmap_gib is not None else 0.5 if arguments.quick else 4
    if gib and sys.platform == "linux":
        larger_than_memory(gib)


if __name__ == "__main__":
    main()
