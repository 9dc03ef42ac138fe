"""Batching against its peers and against the speed of memory, in one run, with ratios.

    python benchmarks/batching.py [--quick] [--memmap-gib 4]

Each figure is the best of several passes, after one that warms up; peers run in the same process, in turn. PyTorch
and pandas belong to no extra: without PyTorch its rows are left out, and the table says so.
"""

from __future__ import annotations

import argparse
import os
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
        copy = best(lambda x=x, whole=whole: np.copyto(whole, x))
        del whole
        print(f"\nRows of {row_bytes:,} bytes, {x.nbytes / GB:.1f} GB, shuffled; ratios to np.copyto's rate")
        row("np.copyto, the whole array at once, in order", f"{x.nbytes / copy / GB:.1f} GB/s", "1.00")
        for batch_size in (32, 128, 1024) if row_bytes < 100_000 else (8, 32):
            out = np.empty((batch_size, x.shape[1]), np.float32)
            stops = range(0, len(x) - batch_size + 1, batch_size)

            def in_order(x: Any = x, out: Any = out, stops: Any = stops, size: int = batch_size) -> None:
                for low in stops:
                    np.copyto(out, x[low : low + size])

            def indexed(x: Any = x, size: int = batch_size) -> None:
                for rows in Batches(x, batch_size=size, seed=0).epoch_indices(0):
                    x[rows]

            seconds = best(lambda x=x, size=batch_size: run(Batches(x, batch_size=size, seed=0)))
            row(
                f"Batches, B = {batch_size}",
                f"{x.nbytes / seconds / GB:.1f} GB/s",
                f"{copy / seconds:.2f}",
                ">= 0.9",
            )
            if x[:batch_size].nbytes > 4e6:
                reusing = Batches(x, batch_size=batch_size, seed=0, reuse_buffer=True)
                seconds = best(lambda b=reusing: run(b))
                rate = f"{x.nbytes / seconds / GB:.1f} GB/s"
                row("  the same with reuse_buffer=True", rate, f"{copy / seconds:.2f}", ">= 0.9")
            seconds = best(indexed)
            row("  x[rows], the same rows", f"{x.nbytes / seconds / GB:.1f} GB/s", f"{copy / seconds:.2f}")
            seconds = best(in_order)
            row(
                "  np.copyto into one batch, in order",
                f"{x.nbytes / seconds / GB:.1f} GB/s",
                f"{copy / seconds:.2f}",
            )
    print("  (copyto into one batch never leaves the cache with what it writes, and reads in order: no gather can)")


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
    source = np.ones((60_000, 784), np.float32)
    target = np.empty_like(source)
    copy = source.nbytes / best(lambda: np.copyto(target, source))
    out_bytes = x.size * 4
    print(f"\nuint8 images 28 x 28 to float32 / 255, {n:,}, shuffled; GB/s of output, ratios to np.copyto's")
    row("np.copyto of float32", f"{copy / GB:.1f} GB/s", "1.00")
    for batch_size in (32, 128, 1024):
        ours = out_bytes / best(lambda size=batch_size: run(Batches(x, batch_size=size, seed=0, scale=1 / 255)))

        def expression(size: int = batch_size) -> None:
            for rows in Batches(x, batch_size=size, seed=0).epoch_indices(0):
                x[rows].astype(np.float32) * np.float32(1 / 255)

        theirs = out_bytes / best(expression, 2)
        row(f"Batches(scale=1/255), B = {batch_size}", f"{ours / GB:.1f} GB/s", f"{ours / copy:.2f}", ">= 2")
        ratio = f"{ours / theirs:.2f}"
        row(
            "  x[rows].astype(float32) * (1/255)",
            f"{theirs / GB:.1f} GB/s",
            f"{theirs / copy:.2f}",
            f"ours {ratio}x, >= 3",
        )


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
