"""``python -m minibatch compare``."""

from __future__ import annotations

import argparse
import functools
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from minibatch.compare import builds, figures
from minibatch.compare.builds import Build
from minibatch.compare.comparison import Comparison
from minibatch.compare.errors import (
    BackendMissingError,
    BuildError,
    ChildError,
    DeviceMissingError,
    InterruptedComparison,
)
from minibatch.compare.job import PRECISIONS
from minibatch.compare.models import MODELS, OPTIMIZERS
from minibatch.compare.runner import TOLERANCE, side_by_side
from minibatch.typing import Array
from minibatch.utils.console import say

DPI = 130

#: x, y, and the validation's pair or None.
Data = tuple[Array, Array, tuple[Array, Array] | None]

#: Under which names an .npz file may hold its arrays.
_TRAIN, _VALIDATION = (("x_train", "y_train"), ("x", "y")), (("x_test", "y_test"), ("x_val", "y_val"))


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to a parser."""
    add = parser.add_argument
    add("--model", default="mlp", metavar="MODEL", help="mlp, cnn, or FILE.py:build with build(K) (%(default)s)")
    add("--data", default="digits", metavar="DATA", help="digits, or FILE.npz with x_train, y_train (%(default)s)")
    add("--optimizer", choices=list(OPTIMIZERS), default="sgd", help="of mlp and cnn (%(default)s)")
    add("--batch-sizes", type=_sizes, default="8,32,128,512", metavar="B,B,...", help='or "full" (%(default)s)')
    add("--epochs", type=_positive, default=5, metavar="N", help="(%(default)s)")
    add(
        "--backend",
        type=_words,
        default="tensorflow",
        metavar="NAME,...",
        help="tensorflow, jax, torch (%(default)s)",
    )
    add(
        "--device",
        type=_words,
        default="auto",
        metavar="NAME,...",
        help="cpu, gpu, auto; cpu,gpu is both (%(default)s)",
    )
    add("--seeds", type=_seeds, default="0", metavar="N,N,...", help="of weights and order (%(default)s)")
    add(
        "--mode",
        choices=("steps", "own"),
        default="steps",
        help="the same path, or each library's own (%(default)s)",
    )
    add("--precision", choices=PRECISIONS, default="float32", help="(%(default)s: no TF32, nothing mixed)")
    add("--threads", type=_positive, metavar="N", help="threads of each library (its own choice)")
    add("--tolerance", type=float, default=TOLERANCE, metavar="X", help="of a step's loss (%(default)s)")
    add("--out", type=Path, default=Path("minibatch-compare"), metavar="DIR", help="where to write (%(default)s)")


def run(arguments: argparse.Namespace) -> int:
    """Compare, print the table and write everything; return the exit status.

    0; 1 if a training did not come to its end; 2 for what cannot be run; 130 after Ctrl-C.
    """
    out: Path = arguments.out
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):  # better known now than when everything has been run
            pass
    except OSError as error:
        return _refuse(f"cannot write into {out}: {error.strerror}.")
    try:
        x, y, validation = load_data(arguments.data)
        build = choose_model(arguments.model, arguments.optimizer, x, y)
        comparison = _compare(arguments, build, x, y, validation)
    except InterruptedComparison as stopped:
        if stopped.comparison.runs:
            write(stopped.comparison, out, _title(arguments))
            print(f"\nStopped; the {len(stopped.comparison.runs)} trainings that were finished are in {out}.")
        else:
            print("\nStopped before a training was finished.")
        return 130
    except (BackendMissingError, DeviceMissingError, BuildError, ChildError, ValueError, TypeError) as error:
        return _refuse(str(error))
    paths = write(comparison, out, _title(arguments))  # before it is printed: whoever reads may stop reading
    say(f"\n{comparison.table()}\n\nWritten:")
    for path in paths:
        say(f"  {path}")
    return 1 if comparison.failures else 0


def write(comparison: Comparison, out: Path, title: str) -> list[Path]:
    """Write the numbers, the table, the figures and the report; return the paths."""
    paths = comparison.save(out)
    paths.append(out / "table.txt")
    paths[-1].write_text(comparison.table() + "\n", encoding="utf-8")
    for name in figures.names(comparison):
        paths.append(out / f"{name}.png")
        comparison.plot(name).savefig(paths[-1], dpi=DPI)
    paths.append(out / "report.html")
    paths[-1].write_text(comparison.report(title), encoding="utf-8")
    return paths


def load_data(name: str) -> Data:
    """Return the data that a name or a file stands for.

    Raises
    ------
    ValueError
        If there is no such file, or its arrays have other names.
    """
    if name == "digits":
        from minibatch.datasets import digits

        (x, y), (x_test, y_test) = digits.load_data()
        pixels = [(images[..., None] / 16).astype("float32") for images in (x, x_test)]
        return pixels[0], y.astype("int64"), (pixels[1], y_test.astype("int64"))
    path = Path(name)
    if path.suffix != ".npz" or not path.is_file():
        raise ValueError(f"--data must be 'digits' or an .npz file that is there; got {name!r}.")
    try:
        with np.load(path, allow_pickle=False) as arrays:
            found = dict(arrays)
    except (ValueError, OSError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} cannot be read as an .npz file of plain arrays: {error}") from error
    train = next((pair for pair in _TRAIN if set(pair) <= set(found)), None)
    if train is None:
        raise ValueError(
            f"{path} must hold x_train and y_train (or x and y); it holds {', '.join(found) or 'nothing'}."
        )
    held_out = next((pair for pair in _VALIDATION if set(pair) <= set(found)), None)
    x, y = (found[name] for name in train)
    return x, y, None if held_out is None else (found[held_out[0]], found[held_out[1]])


def choose_model(name: str, optimizer: str, x: Array, y: Array) -> Build | str:
    """Return the build that a name stands for; ``mlp`` and ``cnn`` are made to fit the data.

    Raises
    ------
    ValueError
        If there is no such model, file or function, or the targets are no class numbers.
    """
    if name not in MODELS:
        if ":" not in name:
            raise ValueError(f"--model must be one of {', '.join(MODELS)}, or FILE.py:build; got {name!r}.")
        return builds.absolute(name)
    if y.ndim != 1 or y.dtype.kind not in "iu" or y.min(initial=0) < 0:
        least = f", from {y.min()}" if y.size and y.dtype.kind in "iu" else ""
        raise ValueError(
            f"--model {name} wants class numbers 0, 1, ... as targets (N,); got {y.dtype}, shape {y.shape}{least}."
        )
    return functools.partial(
        MODELS[name], input_shape=tuple(x.shape[1:]), classes=int(y.max(initial=0)) + 1, optimizer=optimizer
    )


def _compare(arguments: argparse.Namespace, build: Any, x: Array, y: Array, validation: Any) -> Comparison:
    from tqdm import tqdm

    with tqdm(unit=" steps", leave=False, dynamic_ncols=True, disable=None) as bar:

        def progress(doing: str, done: int, in_all: int) -> None:
            bar.total = in_all
            bar.set_description(doing, refresh=False)
            bar.update(done - bar.n)

        return side_by_side(
            build,
            x,
            y,
            batch_sizes=arguments.batch_sizes,
            epochs=arguments.epochs,
            validation_data=validation,
            backend=arguments.backend,
            device=arguments.device,
            seeds=arguments.seeds,
            tolerance=arguments.tolerance,
            mode=arguments.mode,
            precision=arguments.precision,
            threads=arguments.threads,
            progress=progress,
        )


def _title(arguments: argparse.Namespace) -> str:
    model = arguments.model + (f" by {arguments.optimizer}" if arguments.model in MODELS else "")
    return f"minibatch and Keras, side by side: {model} on {Path(arguments.data).name}"


def _refuse(message: str) -> int:
    print(f"minibatch compare: {message}", file=sys.stderr)
    return 2


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",")]


def _sizes(text: str) -> list[int | str]:
    return [word if word == "full" else _positive(word) for word in _words(text)]


def _positive(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"expected a positive integer; got {text!r}")
    return int(text)


def _seeds(text: str) -> list[int]:
    words = _words(text)
    if not all(word.isascii() and word.isdigit() and int(word) < 2**32 for word in words):
        raise argparse.ArgumentTypeError(
            f"expected integers from 0 to 2**32 - 1, with commas between; got {text!r}"
        )
    return [int(word) for word in words]
