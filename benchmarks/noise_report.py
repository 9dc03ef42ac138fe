"""The gradient-noise report against drawing batches and running backward on each, in one run, with the ratio.

    python benchmarks/noise_report.py [--rounds 5] [--cnn 2048]

The work: the digits network (64-32-10, 1,437 samples), eight batch sizes, 1,000 batches each. Both sides take
turns; medians are printed, and the largest difference between the two in what they measured on the same batches.
``--cnn`` adds the exact columns of a convolutional network on so many images, with the peak memory.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import statistics
import time

import numpy as np

import minibatch as mb
from minibatch.batching.order import permutation

SIZES = (1, 8, 16, 32, 64, 128, 256, 1437)
DRAWS = 1000


def digits() -> tuple[mb.Sequential, np.ndarray, np.ndarray]:
    """Return the network of the demo, and its data."""
    mb.utils.set_random_seed(0)
    (x, y), _ = mb.datasets.digits.load_data()
    model = mb.Sequential([mb.Input((64,)), mb.layers.Dense(32, "relu"), mb.layers.Dense(10, "softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model, x.reshape(-1, 64).astype(np.float32) / 16, y


def by_drawing(model: mb.Sequential, x: np.ndarray, y: np.ndarray) -> dict[int, np.ndarray]:
    """Return |g_B|^2 of each drawn batch, by size: the same batches as the report's, each run backward."""
    _, G = model.loss_and_gradient(x, y)
    norm2 = {size: np.empty(DRAWS) for size in SIZES}
    for size in SIZES:
        for d in range(DRAWS):
            rows = permutation(len(x), 0, d)[:size]
            _, g = model.loss_and_gradient(x[rows], y[rows])
            norm2[size][d] = g @ g
            _ = g @ G
    return norm2


def report(rounds: int) -> None:
    """Time the report and the drawing, in turn."""
    model, x, y = digits()
    mb.noise.gradient_noise(model, x, y, batch_sizes=SIZES)  # compiles, or loads what was compiled
    fast, slow = [], []
    for _ in range(rounds):
        start = time.perf_counter()
        noise = mb.noise.gradient_noise(model, x, y, batch_sizes=SIZES, draws=DRAWS)
        fast.append(time.perf_counter() - start)
        start = time.perf_counter()
        drawn = by_drawing(model, x, y)
        slow.append(time.perf_counter() - start)
    differences = [
        np.max(np.abs(row.norm2 - drawn[row.batch_size]) / drawn[row.batch_size]) for row in noise.by_batch_size
    ]
    ratios = [b / a for a, b in zip(fast, slow, strict=True)]
    print(f"digits network, {len(x):,} samples, {len(SIZES)} batch sizes, {DRAWS:,} batches each, {rounds} rounds")
    print(f"  gradient_noise                 {statistics.median(fast):8.3f} s   (to reach: under 1 s)")
    print(f"  drawing, backward on each      {statistics.median(slow):8.3f} s")
    print(f"  ratio, median of the rounds    {statistics.median(ratios):8.1f}     (to reach: 20)")
    print(f"  largest relative difference of |g_B|^2 on the same batches: {max(differences):.1e}")


def cnn(n_samples: int) -> None:
    """Measure a convolutional network of 2.2 million weights: seconds and memory of the exact columns."""
    layers = mb.layers
    mb.utils.set_random_seed(0)
    model = mb.Sequential(
        [
            mb.Input((32, 32, 3)),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, padding="same", activation="relu"),
            layers.Conv2D(64, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(512, "relu"),
            layers.Dense(10, "softmax"),
        ]
    )
    model.compile("sgd", "sparse_categorical_crossentropy")
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (n_samples, 32, 32, 3), dtype=np.uint8)
    y = rng.integers(0, 10, n_samples)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    start = time.perf_counter()
    mb.noise.gradient_noise(model, x, y, batch_sizes=[8, 32, 128], draws=0, by_layer=True)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"convolutional network, {model.count_params():,} weights, {n_samples:,} images 32 x 32 x 3, exact columns"
    )
    print(f"  {seconds:.1f} s; peak memory {peak:,.0f} MiB, {peak - before:,.0f} above the data's")


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cnn", type=int, default=0, metavar="IMAGES")
    arguments = parser.parse_args()
    threads = os.environ.get("OPENBLAS_NUM_THREADS", "as the library sets them")
    print(f"{platform.machine()}, {os.cpu_count()} cores, NumPy {np.__version__}, BLAS threads {threads}")
    report(arguments.rounds)
    if arguments.cnn:
        cnn(arguments.cnn)


if __name__ == "__main__":
    main()
