"""What it costs to watch the gradients of every step, as multiples of the plain training step, in one run.

    python benchmarks/noise.py [--rounds 15] [--quick] [--only MLP]

The plain step and the watched one take turns, an epoch each; each ratio is the median, over the rounds, of the
ratio within a round, with its quartiles. "work" is the same ratio of the time that all processors together spend:
where nobody else uses them the clock's ratio is the smaller one, since the watching is shared between them. Beside
them PyTorch on the same networks: plain, with BackPACK (BatchGrad, BatchL2Grad, Variance) and with torch.func
(vmap of grad), each again as a multiple of its own plain step. What is not installed is left out, and the table
says so.
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
from collections.abc import Callable
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

import minibatch as mb
from minibatch.bench.table import machine
from minibatch.blas import blas_name
from minibatch.noise.training import aside
from minibatch.noise.training.elementwise import EPSILON
from minibatch.noise.training.kept import Kept
from minibatch.noise.training.monitor import GradientNoise
from minibatch.noise.training.plan import COSTLY, NAMES
from minibatch.noise.training.samples import Samples, dense_layers
from minibatch.noise.training.sums import sums
from minibatch.noise.training.travel import Travel
from minibatch.parallel import threads

#: The quantities of every step: all of first order but those with an interval of their own.
EVERY_STEP = [name for name in NAMES if name not in COSTLY]


def mlp() -> mb.Sequential:
    """Return 784-512-10."""
    layers = [mb.Input((784,)), mb.layers.Dense(512, "relu"), mb.layers.Dense(10, "softmax")]
    return _compiled(mb.Sequential(layers))


def cnn() -> mb.Sequential:
    """Return two Conv-Conv-Pool blocks on 32 x 32 x 3, Dense 512, Dense 10."""
    layers: list[Any] = [mb.Input((32, 32, 3))]
    for filters in (32, 64):
        layers += [mb.layers.Conv2D(filters, 3, padding="same", activation="relu") for _ in range(2)]
        layers.append(mb.layers.MaxPooling2D())
    layers += [mb.layers.Flatten(), mb.layers.Dense(512, "relu"), mb.layers.Dense(10, "softmax")]
    return _compiled(mb.Sequential(layers))


def _compiled(model: mb.Sequential) -> mb.Sequential:
    model.compile(mb.optimizers.SGD(0.01), "sparse_categorical_crossentropy")
    return model


def data(model: mb.Sequential, samples: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.random((samples, *model.input_shape[1:]), dtype=np.float32), rng.integers(0, 10, samples)


class Clock(mb.callbacks.Callback):
    """The time of an epoch, and of the processors in it, without what ``fit`` does before and after it."""

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.start = now()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.seconds = since(self.start)


def now() -> np.ndarray:
    """Return the clock's time, and that which all processors together have spent on this process."""
    return np.array([time.perf_counter(), time.process_time()])


def since(start: np.ndarray) -> np.ndarray:
    return now() - start


def watched(
    build: Callable[[], mb.Sequential], batch_size: int, steps: int, **monitor: Any
) -> Callable[[], np.ndarray]:
    """Return a function that trains for an epoch and returns the seconds of a step."""
    model = build()
    x, y = data(model, batch_size * steps)

    def turn() -> np.ndarray:
        clock = Clock()
        callbacks: list[Any] = [clock] if not monitor else [clock, GradientNoise(**monitor)]
        model.fit(x, y, batch_size=batch_size, epochs=1, verbose=0, callbacks=callbacks)
        return clock.seconds / steps

    return turn


def arithmetic(build: Callable[[], mb.Sequential], batch_size: int, steps: int) -> Callable[[], np.ndarray]:
    """Return a function that does only what a watched step computes beyond the plain one, of one batch's arrays.

    That is the least that watching can cost here: the sums over the samples and the distance from the start, with
    everything in the caches, on all threads, and nothing between them.
    """
    model = build()
    batch = model.checked(*data(model, batch_size))
    travel, kept, memory, dense = Travel(model), Kept(), {}, dense_layers(model)
    for _ in range(2):  # the step before, whose gradient is kept, and the step
        samples = Samples(model, batch_size, dense, kept.copied)
        aside.differentiate(model, batch, training=True, watch=samples.visit)
        samples.finish()
        kept.keep(0, model.parameters.gradient, 0.0, samples)

    def turn() -> np.ndarray:
        start = now()
        for _ in range(steps):
            sums(samples, model.parameters.gradient, epsilon=EPSILON, kept=kept, memory=memory)
            travel.after_update(True, False)
        return since(start) / steps

    return turn


def take_turns(turns: dict[str, Callable[[], np.ndarray]], rounds: int) -> dict[str, np.ndarray]:
    """Run each in turn, round after round, after one round to warm up; return (rounds, 2) seconds of each."""
    seconds: dict[str, list[np.ndarray]] = {name: [] for name in turns}
    for number in range(-1, rounds):
        for name, turn in turns.items():
            took = turn()
            if number >= 0:
                seconds[name].append(took)
    return {name: np.array(rows) for name, rows in seconds.items()}


def show(seconds: dict[str, np.ndarray], base: str, targets: dict[str, float]) -> None:
    for name, times in seconds.items():
        line = f"  {name:<48} {duration(np.median(times[:, 0]))}"
        if name != base:
            ratios = times / seconds[base]
            wall, work = np.median(ratios, axis=0)
            low, high = np.quantile(ratios[:, 0], [0.25, 0.75])
            line += f" {wall:6.2f}  {low:5.2f} .. {high:.2f} {work:6.2f}"
            line += f"   <= {targets[name]}" if name in targets else ""
        print(line, flush=True)


HEADER = f"  {'':<48} {'a step':>11} {'ratio':>6}  {'quartiles':>13} {'work':>6}"


def duration(seconds: Any) -> str:
    return f"{seconds * 1e6:8.0f} us" if seconds < 1e-2 else f"{seconds * 1e3:8.1f} ms"


# --- this library -------------------------------------------------------------------------------------------


def training(name: str, build: Callable[[], mb.Sequential], batch_size: int, steps: int, rounds: int) -> None:
    """Print the cost of watching, at every step, and of what has an interval of its own."""
    target = 2.0 if name == "CNN" else 1.5
    print(f"\n{name}, batches of {batch_size}, SGD\n{HEADER}")
    turns = {
        "plain": watched(build, batch_size, steps),
        "all of first order, every step": watched(build, batch_size, steps, quantities=EVERY_STEP),
        "  at every tenth step": watched(build, batch_size, steps, quantities=EVERY_STEP, every=10),
        "  noise scale, norm and SNR alone": watched(
            build, batch_size, steps, quantities=["grad_norm", "noise_scale", "signal_to_noise"]
        ),
    }
    if name == "MLP":  # a convolution's gradients of samples are computed as they are met, not from factors
        turns["  what they compute, and nothing else"] = arithmetic(build, batch_size, steps)
    seconds = take_turns(turns, rounds)
    show(seconds, "plain", {"all of first order, every step": target})
    plain = np.median(seconds["plain"][:, 0])
    for quantity in COSTLY:
        # Once in an epoch: what an epoch with it takes longer is what one measurement costs.
        few = 3 if name == "CNN" else 6
        turns = {
            "plain": watched(build, batch_size, few),
            "watched": watched(build, batch_size, few, quantities={quantity: "epoch"}),
        }
        times = take_turns(turns, max(3, rounds // 4))
        cost = few * np.median(times["watched"][:, 0] - times["plain"][:, 0])
        of = f" of {few * batch_size} samples" if quantity == "cosine_to_full" else ""
        print(f"  {f'one {quantity}{of}':<48} {duration(cost)}, as {cost / plain:.1f} plain steps", flush=True)


# --- PyTorch ------------------------------------------------------------------------------------------------


def peers(name: str, batch_size: int, steps: int, rounds: int) -> None:
    """Print what PyTorch's ways to the same gradients cost on the same network."""
    try:
        import torch
    except ImportError:
        print("  PyTorch is not installed: left out")
        return
    # On a machine that others use, too, its threads wait for each other a hundred times as long as they compute.
    torch.set_num_threads(1)
    about = f"PyTorch {torch.__version__}, threads: {torch.get_num_threads()}"
    print(f"\n{name}, batches of {batch_size}, {about}\n{HEADER}")
    x, y = torch.rand(batch_size, *((784,) if name == "MLP" else (3, 32, 32))), torch.randint(0, 10, (batch_size,))
    turns = {"plain PyTorch": _torch_plain(torch, name, x, y, steps)}
    try:
        turns["BackPACK: BatchGrad, BatchL2Grad, Variance"] = _backpack(torch, name, x, y, steps)
    except ImportError:
        print("  BackPACK is not installed: left out")
    turns["torch.func: vmap(grad), and the sums over it"] = _functional(torch, name, x, y, steps)
    show(take_turns(turns, rounds), "plain PyTorch", {})


def _torch_network(torch: Any, name: str) -> Any:
    nn = torch.nn
    if name == "MLP":
        return nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 10))
    layers, channels = [], 3
    for filters in (32, 64):
        for before in (channels, filters):
            layers += [nn.Conv2d(before, filters, 3, padding=1), nn.ReLU()]
        layers.append(nn.MaxPool2d(2))
        channels = filters
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(64 * 64, 512), nn.ReLU(), nn.Linear(512, 10))


def _timed(step: Callable[[], None], steps: int) -> Callable[[], np.ndarray]:
    def turn() -> np.ndarray:
        start = now()
        for _ in range(steps):
            step()
        return since(start) / steps

    return turn


def _torch_plain(torch: Any, name: str, x: Any, y: Any, steps: int) -> Callable[[], np.ndarray]:
    model, loss = _torch_network(torch, name), torch.nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), 0.01)

    def step() -> None:
        optimizer.zero_grad()
        loss(model(x), y).backward()
        optimizer.step()

    return _timed(step, steps)


def _backpack(torch: Any, name: str, x: Any, y: Any, steps: int) -> Callable[[], np.ndarray]:
    from backpack import backpack, extend
    from backpack.extensions import BatchGrad, BatchL2Grad, Variance

    model, loss = extend(_torch_network(torch, name)), extend(torch.nn.CrossEntropyLoss())
    optimizer = torch.optim.SGD(model.parameters(), 0.01)

    def step() -> None:
        optimizer.zero_grad()
        with backpack(BatchGrad(), BatchL2Grad(), Variance()):
            loss(model(x), y).backward()
        optimizer.step()

    return _timed(step, steps)


def _functional(torch: Any, name: str, x: Any, y: Any, steps: int) -> Callable[[], np.ndarray]:
    """Return the step with every sample's gradient by vmap, their lengths and their entries' variances."""
    model, loss = _torch_network(torch, name), torch.nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), 0.01)

    def of_one(parameters: Any, sample: Any, target: Any) -> Any:
        return loss(torch.func.functional_call(model, parameters, (sample[None],)), target[None])

    each = torch.func.vmap(torch.func.grad(of_one), in_dims=(None, 0, 0))

    def step() -> None:
        gradients = each({k: p.detach() for k, p in model.named_parameters()}, x, y)
        for key, p in model.named_parameters():
            g = gradients[key]
            p.grad = g.mean(0)
            (g.flatten(1) ** 2).sum(1)
            g.var(0)
        optimizer.step()

    return _timed(step, steps)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--quick", action="store_true", help="few rounds, and no PyTorch")
    parser.add_argument("--only", choices=["MLP", "CNN"], help="one of the networks")
    arguments = parser.parse_args()
    rounds = 5 if arguments.quick else arguments.rounds
    print(f"{machine()}; NumPy {np.__version__}, {blas_name()}; {threads()} threads share large work")
    warnings.simplefilter("ignore")
    for name, build, batch_size, steps in (("MLP", mlp, 32, 150), ("MLP", mlp, 128, 60), ("CNN", cnn, 32, 3)):
        if arguments.only in (None, name):
            training(name, build, batch_size, steps, rounds)
            if not arguments.quick:
                peers(name, batch_size, max(2, steps // 5), max(3, rounds // 3))


if __name__ == "__main__":
    main()
