"""The command line: ``python -m minibatch demo``, ``study``, ``arithmetic``, ``compare`` and ``bench``."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import minibatch
from minibatch.utils.console import say
from minibatch.utils.json_numbers import for_json


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; return the exit status: 0, or 2 for arguments that cannot be used."""
    parser = argparse.ArgumentParser(prog="minibatch", description="What does the batch size do?")
    parser.add_argument("--version", action="version", version=f"minibatch {minibatch.__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_demo(commands)
    _add_study(commands)
    _add_arithmetic(commands)
    _add_compare(commands)
    _add_bench(commands)
    arguments = parser.parse_args(argv)
    try:
        status: int = arguments.run(arguments)
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # Whoever read the output (such as `head`) has gone: that is no error of ours.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return status


def _add_demo(commands: Any) -> None:
    demo = commands.add_parser(
        "demo",
        help="train on handwritten digits at several batch sizes; print a table, draw the figures",
        description="Train one small network on handwritten digits at several batch sizes, from the same initial "
        "weights, and show what the batch size did: a table, figures (PNG) and every number (results.json).",
    )
    demo.add_argument(
        "--out", type=Path, default=Path("minibatch-demo"), metavar="DIR", help="where to write (%(default)s)"
    )
    demo.add_argument(
        "--seed",
        type=_seed,
        default=0,
        metavar="N",
        help="of the initial weights and the order of the samples (%(default)s)",
    )
    demo.add_argument(
        "--batch-sizes",
        type=_batch_sizes,
        default="1,8,32,128,full",
        metavar="B,B,...",
        help='sizes from 1 to 1437, or "full" (%(default)s)',
    )
    demo.set_defaults(run=_demo)


def _demo(arguments: argparse.Namespace) -> int:
    # Loaded here: the figures and the numbers are only needed by this command.
    from tqdm import tqdm

    from minibatch import demo
    from minibatch.demo.experiment import updates_in_all

    out: Path = arguments.out
    if not _made("demo", out):
        return 2
    sizes = arguments.batch_sizes
    with tqdm(total=updates_in_all(sizes), unit=" updates", leave=False, dynamic_ncols=True, disable=None) as bar:

        def progress(updates: int, doing: str) -> None:
            bar.set_description(doing, refresh=not updates)
            bar.update(updates)

        experiment = demo.run_experiment(sizes, arguments.seed, progress=progress)
        progress(0, "figures")
        figures = demo.draw_figures(experiment, out)
    results = out / "results.json"
    results.write_text(json.dumps(for_json(experiment.to_dict()), indent=1, allow_nan=False) + "\n")

    settings = experiment.settings
    say(
        f"A network 64-32-10 ({settings['parameters']:,} parameters) on {settings['n_train']:,} images of digits, "
        f"SGD with learning rate {settings['learning_rate']}, seed {settings['seed']},\n"
        "from the same initial weights at each batch size:\n"
    )
    say(demo.results_table(experiment))
    say(f"\n{demo.summary(experiment)}\n")
    say("Written:")
    for path in [*figures, results]:
        say(f"  {path}")
    return 0


def _add_study(commands: Any) -> None:
    study = commands.add_parser(
        "study",
        help="the digits at several batch sizes under several seeds: which is better, were the runs enough",
        description="Train the demo's network at several batch sizes under several seeds, and say which is better, "
        "with intervals, and whether the runs were enough: a table and a figure (study.png). How each run ended is "
        "kept (runs.json): asked again with more seeds, only the new ones are run.",
    )
    add = study.add_argument
    add("--batch-sizes", type=_batch_sizes, default="16,32,64,128", metavar="B,B,...", help="(%(default)s)")
    add("--seeds", type=_positive, default=8, metavar="N", help="how many, from 0 on (%(default)s)")
    add("--epochs", type=_positive, default=30, metavar="N", help="of each run (%(default)s)")
    add("--learning-rates", type=_rates, metavar="X,X,...", help="compare each size at its best of them (0.05)")
    add("--metric", default="val_accuracy", metavar="NAME", help="what decides (%(default)s)")
    add("--out", type=Path, default=Path("minibatch-study"), metavar="DIR", help="where to write (%(default)s)")
    study.set_defaults(run=_study)


def _study(arguments: argparse.Namespace) -> int:
    from matplotlib.figure import Figure
    from tqdm import tqdm

    from minibatch.demo.experiment import build_network, digit_vectors
    from minibatch.plots.style import house_style
    from minibatch.study import batch_size_study

    out: Path = arguments.out
    if not _made("study", out):
        return 2
    train, test = digit_vectors()
    with tqdm(unit=" runs", leave=False, dynamic_ncols=True, disable=None) as bar:

        def progress(doing: str, done: int, runs: int) -> None:
            bar.total = runs
            bar.set_description(doing, refresh=False)
            bar.update(done - bar.n)

        try:
            found = batch_size_study(
                lambda: build_network(None), *train, validation_data=test, progress=progress,
                batch_sizes=arguments.batch_sizes, seeds=arguments.seeds, epochs=arguments.epochs,
                learning_rates=arguments.learning_rates, metric=arguments.metric, runs_file=out / "runs.json",
            )  # fmt: skip
            # A figure made without pyplot needs no display, and no backend is chosen for the caller's process.
            figure, path = Figure(figsize=(7, 4.6), layout="constrained"), out / "study.png"
            with house_style():
                found.plot(ax=figure.subplots())
            figure.savefig(path, dpi=160)
        except (ValueError, OSError) as error:
            print(f"minibatch study: {error}", file=sys.stderr)
            return 2
    say(found.table())
    say(f"\nWritten:\n  {path}\n  {out / 'runs.json'}")
    return 0


def _made(command: str, folder: Path) -> bool:
    """Make the folder that a command writes into; return whether it is there, and say why if not."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        print(f"minibatch {command}: cannot write into {folder}: {error.strerror}.", file=sys.stderr)
        return False
    return True


def _add_arithmetic(commands: Any) -> None:
    arithmetic = commands.add_parser(
        "arithmetic",
        help="batches, updates and samples seen, for every remainder policy",
        description="What becomes of the remainder: every policy side by side, without any data.",
    )
    arithmetic.add_argument("n_samples", type=_positive, metavar="SAMPLES", help="how many there are: 1050")
    arithmetic.add_argument("batch_size", type=_positive, metavar="BATCH_SIZE", help="how many make a batch: 100")
    arithmetic.add_argument(
        "--epochs", type=_positive, default=1, metavar="N", help="how often they are gone through (%(default)s)"
    )
    arithmetic.set_defaults(run=_arithmetic)


def _arithmetic(arguments: argparse.Namespace) -> int:
    from minibatch.batching import arithmetic_table

    say(arithmetic_table(arguments.n_samples, arguments.batch_size, arguments.epochs))
    return 0


def _add_compare(commands: Any) -> None:
    from minibatch.compare import command

    compare = commands.add_parser(
        "compare",
        help="the same training here and in Keras, step by step, on CPU or GPU",
        description="Train one model in minibatch and in Keras, from the same weights on the same batches, and "
        "show how far they agree and how fast each is: a table, figures (PNG), a report (HTML), numbers (JSON).",
    )
    command.add_options(compare)
    compare.set_defaults(run=command.run)


def _add_bench(commands: Any) -> None:
    bench = commands.add_parser(
        "bench",
        help="how fast this machine trains: here, in other libraries, and as matrix products alone",
        description="Train, evaluate and predict with three small networks: a few minutes. Keras (on TensorFlow, "
        "JAX and PyTorch), PyTorch and scikit-learn run beside this library where they are installed.",
    )
    bench.add_argument("--alone", action="store_true", help="only this library, and the matrix products alone")
    bench.set_defaults(run=_bench)


def _bench(arguments: argparse.Namespace) -> int:
    from minibatch.bench import LIBRARIES, short_table

    short_table(("minibatch", "matmul") if arguments.alone else LIBRARIES, say=say)
    return 0


def _positive(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"expected a positive integer; got {text!r}")
    return int(text)


def _rates(text: str) -> list[float]:
    try:
        rates = [float(word) for word in text.split(",")]
    except ValueError:
        rates = []
    if not rates or not all(0 < rate < float("inf") for rate in rates):
        raise argparse.ArgumentTypeError(f"expected numbers above 0, with commas between; got {text!r}")
    return sorted(set(rates))


def _seed(text: str) -> int:
    try:
        seed = int(text)
    except ValueError:
        seed = -1
    if not 0 <= seed < 2**32 - 1:
        raise argparse.ArgumentTypeError(f"expected an integer from 0 to 2**32 - 2; got {text!r}")
    return seed


def _batch_sizes(text: str) -> list[int | str]:
    from minibatch.datasets.digits import N_TRAIN

    sizes: list[int | str] = []
    for word in (word.strip() for word in text.split(",")):
        if word != "full" and not (word.isascii() and word.isdigit() and 1 <= int(word) <= N_TRAIN):
            raise argparse.ArgumentTypeError(
                f"expected integers from 1 to {N_TRAIN}, or 'full', with commas between; got {word!r} in {text!r}"
            )
        size: int | str = "full" if word == "full" or int(word) == N_TRAIN else int(word)
        if size not in sizes:
            sizes.append(size)
    return sizes
