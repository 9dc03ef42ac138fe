"""``side_by_side``: the same model, weights and batches, here and in Keras."""

from __future__ import annotations

import importlib.util
import math
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal

import numpy as np

from minibatch.batching.arithmetic import resolve_batch_size
from minibatch.compare.builds import Build
from minibatch.compare.comparison import Comparison
from minibatch.compare.conductor import Conductor, Progress
from minibatch.compare.errors import INSTALL, backend_missing
from minibatch.compare.job import PRECISIONS, Job, Side, write_job
from minibatch.typing import Array
from minibatch.utils.names import near_misses

#: By how much the losses of a step may differ, |a - b| / max(1, |b|), before the paths are said to part.
TOLERANCE = 1e-3


def side_by_side(
    build: Build | str,
    x: Any,
    y: Any,
    *,
    batch_sizes: Iterable[int | str],
    epochs: int,
    validation_data: tuple[Any, Any] | None = None,
    backend: str | Sequence[str] = "tensorflow",
    device: str | Sequence[str] = "auto",
    seeds: Iterable[int] = (0,),
    tolerance: float = TOLERANCE,
    mode: Literal["steps", "own"] = "steps",
    precision: str = "float32",
    noise_steps: Iterable[int | str] = (0, "last"),
    noise_samples: int = 1024,
    time_fit: bool = True,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Train a model in minibatch and in Keras, and lay the two side by side.

    Every library runs in a child process of its own: this one imports no Keras, and no library's memory or time is
    counted as another's. Sides take turns, batch size by batch size, so that a busy machine is busy for all.

    Parameters
    ----------
    build : callable or str
        ``build(K)`` writes the compiled model in terms of the package K it is given, ``minibatch`` or ``keras``. Or
        where to find it: ``"FILE.py:name"``, ``"module:name"``.
    x, y : array_like, shapes (N, ...)
        Inputs and targets.
    batch_sizes : iterable of int or "full"
        Each from 1 to N.
    epochs : int
    validation_data : tuple of array_like, optional
        (x, y), evaluated after every epoch.
    backend : str or sequence of str, default "tensorflow"
        "tensorflow", "jax", "torch", or several.
    device : {"cpu", "gpu", "auto"} or a sequence of them, default "auto"
        Where Keras runs. "gpu" stops where there is none; "auto" takes a GPU if there is one, and says what it
        took. With ("cpu", "gpu") each backend runs on both. minibatch runs on the processor.
    seeds : iterable of int, default (0,)
        Of the initial weights and the order of the batches; a training for each.
    tolerance : float
        Two paths part at the first step whose losses differ, |a - b| / max(1, |b|), by more than this.
    mode : {"steps", "own"}, default "steps"
        "steps": the same initial weights, the same samples in the same batches, step by step. "own": each library's
        ``fit``, with its own initial weights and its own shuffling under each seed; distributions, not paths, are
        then compared.
    precision : {"float32", "float64", "tf32", "mixed_float16", "mixed_bfloat16"}
        float32 means it: TF32 and mixed precision are off. float64 is on every side; the others are Keras's, and
        minibatch stays in float32.
    noise_steps : iterable of int or "last", default (0, "last")
        After how many updates the gradient's noise and direction are measured, on every side; () to leave it out.
    noise_samples : int, default 1024
        On how many samples, at most.
    time_fit : bool, default True
        Whether the speed of ``fit`` is measured, too: some extra epochs, after the path.
    threads : int, optional
        How many threads each library may compute with; its own choice if not given. On a machine that others keep
        busy, libraries that wait for each other's threads measure the neighbours: then 1 is the fairer comparison.
    progress : callable, optional
        Called as ``progress(what, steps_done, steps_in_all)``.

    Returns
    -------
    Comparison

    Raises
    ------
    BackendMissingError
        If Keras or a backend is not installed; says what to install.
    DeviceMissingError
        If a GPU was asked for and a backend sees none.
    BuildError
        If ``build`` fails on a side, or makes models of different shapes.
    InterruptedComparison
        On Ctrl-C; its ``comparison`` holds what was finished.
    ValueError, TypeError
        For arguments that cannot be used.

    Notes
    -----
    A side that fails in mid-training, or whose process dies, does not take the others with it: see
    ``Comparison.failures``. Steps are made by ``train_on_batch``, and the loss is waited for after each of them;
    ``fit_samples_per_second`` is the speed of ``fit``, which does not wait.
    """
    data = _data(x, y, validation_data)
    sizes = _sizes(batch_sizes, len(data["x"]))
    sides = _sides(backend, device)
    job = Job(
        epochs=_count("epochs", epochs),
        precision=_one_of("precision", precision, PRECISIONS),
        noise_steps=tuple(-1 if step == "last" else _count("noise_steps", step, 0) for step in noise_steps),
        noise_samples=_count("noise_samples", noise_samples),
        time_fit=bool(time_fit),
        threads=None if threads is None else _count("threads", threads),
    )
    _one_of("mode", mode, ("steps", "own"))
    if isinstance(tolerance, bool) or not (isinstance(tolerance, int | float) and 0 <= tolerance < math.inf):
        raise ValueError(f"tolerance must be a number from 0 up; got {tolerance!r}.")
    if isinstance(seeds, str) or not isinstance(seeds, Iterable):
        raise ValueError(f"seeds must be a list, such as [0, 1, 2]; got {seeds!r}.")
    chosen = list(dict.fromkeys(_count("seeds", seed, 0) for seed in seeds))
    if max(chosen, default=0) >= 2**32:
        raise ValueError(f"seeds: expected integers below 2**32; got {max(chosen)}.")
    if not chosen:
        raise ValueError("seeds is empty: there is nothing to run.")
    for side in sides[1:]:
        for package in (side.backend, "keras"):
            if importlib.util.find_spec(package) is None:
                raise backend_missing(side.backend, package)

    settings = {
        "batch_sizes": sizes,
        "epochs": job.epochs,
        "seeds": chosen,
        "mode": mode,
        "tolerance": float(tolerance),
        "precision": precision,
        "threads": job.threads,
        "n_samples": len(data["x"]),
        "input_shape": list(data["x"].shape[1:]),
        "n_validation": len(data["val_x"]) if "val_x" in data else 0,
    }
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="minibatch-compare-")))
        write_job(folder, job, build, data)
        return Conductor(folder, job, sides, settings, progress, stack).run()


def _data(x: Any, y: Any, validation_data: Any) -> dict[str, Array]:
    parts = {"x": x, "y": y}
    if validation_data is not None:
        if not isinstance(validation_data, tuple | list) or len(validation_data) != 2:
            raise ValueError(f"validation_data must be (x, y); got {type(validation_data).__name__}.")
        parts |= {"val_x": validation_data[0], "val_y": validation_data[1]}
    data = {name: np.asarray(part) for name, part in parts.items()}
    for name, array in data.items():
        if array.dtype.kind not in "buif" or array.ndim < 1:
            raise ValueError(
                f"{name} must be one array of numbers, samples first; got dtype {array.dtype}, shape "
                f"{array.shape}. Models with several inputs or outputs are not compared yet."
            )
    for prefix in ("", "val_") if validation_data is not None else ("",):
        n, n_y = len(data[f"{prefix}x"]), len(data[f"{prefix}y"])
        if n != n_y or not n:
            several = isinstance(parts[f"{prefix}x"], list | tuple) and data[f"{prefix}x"].ndim > 2
            hint = f" A list is taken for {n} samples: models with several inputs are not compared yet."
            raise ValueError(
                f"{prefix}x and {prefix}y must have as many samples, at least 1; got {n} and {n_y}."
                + (hint if several else "")
            )
    return data


def _sizes(batch_sizes: Iterable[int | str], n: int) -> list[int]:
    if isinstance(batch_sizes, str) or not isinstance(batch_sizes, Iterable):
        raise ValueError(f"batch_sizes must be a list, such as [8, 32, 'full']; got {batch_sizes!r}.")
    sizes = []
    for size in batch_sizes:
        resolved = resolve_batch_size(size, n)
        if resolved > n:
            raise ValueError(f"a batch size must be at most N = {n}; got {size}.")
        sizes.append(resolved)
    if not sizes:
        raise ValueError("batch_sizes is empty: there is nothing to run.")
    return sorted(set(sizes))


def _sides(backend: str | Sequence[str], device: str | Sequence[str]) -> list[Side]:
    backends = [backend] if isinstance(backend, str) else list(backend)
    devices = [device] if isinstance(device, str) else list(device)
    for name in backends:
        if name not in INSTALL:
            hint = near_misses(str(name), list(INSTALL))
            raise ValueError(f"there is no backend {name!r}.{hint}")
    for name in devices:
        _one_of("device", name, ("cpu", "gpu", "auto"))
    if not backends or not devices:
        raise ValueError("backend and device must name at least one each.")
    pairs = dict.fromkeys((name, where) for name in backends for where in devices)
    return [Side("minibatch", "cpu"), *(Side(name, where) for name, where in pairs)]


def _one_of(name: str, value: Any, allowed: Sequence[str]) -> str:
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(allowed)}; got {value!r}.")
    return str(value)


def _count(name: str, value: Any, least: int = 1) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise ValueError(f"{name}: expected an integer of at least {least}; got {value!r}.")
    return int(value)
