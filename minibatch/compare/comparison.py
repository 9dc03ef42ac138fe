"""``Comparison``: what ``side_by_side`` found."""

from __future__ import annotations

import json
import math
import os
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from minibatch.compare.run import Failure, Pair, Run, SideInfo
from minibatch.utils.atomic import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_NUMBERS, _STEPS = "comparison.json", "steps.npz"


@dataclass
class Comparison:
    """The runs of a comparison, and how each pair of them differs.

    Attributes
    ----------
    settings : dict
        What was asked for, and the machine (``host``).
    sides : list of SideInfo
        minibatch first; each with the device's real name and the versions.
    runs : dict of (side, batch size, seed) to Run
    pairs : dict of (side, batch size, seed) to Pair
        Each other side against minibatch; empty in the mode "own".
    failures : list of Failure
        Trainings that did not come to their end, and why.
    notes : list of str
        What a reader should know.
    """

    settings: dict[str, Any]
    sides: list[SideInfo]
    runs: dict[tuple[str, int, int], Run]
    pairs: dict[tuple[str, int, int], Pair]
    failures: list[Failure]
    notes: list[str]

    @property
    def batch_sizes(self) -> list[int]:
        """From small to large."""
        return list(self.settings["batch_sizes"])

    def of(self, side: str, batch_size: int) -> list[Run]:
        """Return the runs of one side at one batch size, a run for each seed that came to its end."""
        return [run for run in self.runs.values() if run.side == side and run.batch_size == batch_size]

    def pairs_of(self, side: str, batch_size: int) -> list[Pair]:
        """Return the pairs of one side at one batch size."""
        return [pair for pair in self.pairs.values() if pair.side == side and pair.batch_size == batch_size]

    def median(self, side: str, batch_size: int, name: str) -> float | None:
        """Return the median over seeds of one of the runs' numbers; None where there is none."""
        values = [run.numbers.get(name) for run in self.of(side, batch_size)]
        known = [value for value in values if value is not None]
        return float(np.median(known)) if known else None

    def crossovers(self) -> dict[tuple[str, str], float | None]:
        """Return, for each processor's side and each GPU's, from which batch size the GPU is the faster.

        By samples per second of steps; None where it is not, up to the largest batch size measured.
        """
        from minibatch.compare.differences import crossover

        name = "fit_samples_per_second" if self.settings["mode"] == "own" else "samples_per_second"
        found = {}
        for cpu in (side for side in self.sides if side.kind == "cpu"):
            for gpu in (side for side in self.sides if side.kind == "gpu"):
                rows = [(size, self.median(cpu.name, size, name), self.median(gpu.name, size, name))
                        for size in self.batch_sizes]  # fmt: skip
                both = [(size, a, b) for size, a, b in rows if a is not None and b is not None]
                if both:
                    sizes, slow, fast = zip(*both, strict=True)
                    found[cpu.name, gpu.name] = crossover(sizes, slow, fast)
        return found

    # As text, figures and files ---------------------------------------------------------------------------------

    def table(self) -> str:
        """Return the comparison as text: who ran where, how far the paths agree, speed, memory, noise."""
        from minibatch.compare.table import whole

        return whole(self)

    def __str__(self) -> str:
        return self.table()

    def plot(self, what: str = "all") -> Figure:
        """Return a figure.

        Parameters
        ----------
        what : str, default "all"
            "losses": the curves of all sides, overlaid. "differences": how they part, over the steps. "throughput":
            samples per second by batch size, and where a GPU overtakes the processor. In the mode "own":
            "distributions", and "throughput". "all" has them below one another.

        Raises
        ------
        ValueError
            If there is no such figure of this comparison.
        """
        from minibatch.compare.figures import draw

        return draw(self, what)

    def to_dict(self, steps: bool = False) -> dict[str, Any]:
        """Return everything as plain numbers and strings.

        Parameters
        ----------
        steps : bool, default False
            Whether each step's loss, time and difference are there, too.
        """
        return {
            "version": 1,
            "settings": self.settings,
            "sides": [asdict(side) | {"label": side.label} for side in self.sides],
            "runs": [_run_dict(run, steps) for run in self.runs.values()],
            "pairs": [_pair_dict(pair, steps) for pair in self.pairs.values()],
            "crossovers": [
                {"cpu": cpu, "gpu": gpu, "batch_size": size} for (cpu, gpu), size in self.crossovers().items()
            ],
            "failures": [asdict(failure) for failure in self.failures],
            "notes": list(self.notes),
        }

    def save(self, directory: str | os.PathLike[str]) -> list[Path]:
        """Write ``comparison.json``, and each step's numbers into ``steps.npz``; return the paths.

        The directory is made if need be. ``load`` reads both.
        """
        folder = Path(directory)
        folder.mkdir(parents=True, exist_ok=True)
        arrays: dict[str, Any] = {}
        for i, run in enumerate(self.runs.values()):
            arrays |= {f"run{i}.loss": run.loss, f"run{i}.seconds": run.seconds}
        for i, pair in enumerate(self.pairs.values()):
            arrays[f"pair{i}.loss_difference"] = pair.loss_difference
        with replacing(folder / _STEPS) as path, path.open("wb") as file:
            np.savez_compressed(file, **arrays)
        with replacing(folder / _NUMBERS) as path:
            path.write_text(json.dumps(finite(self.to_dict()), indent=1, allow_nan=False) + "\n", encoding="utf-8")
        return [folder / _NUMBERS, folder / _STEPS]

    @classmethod
    def load(cls, directory: str | os.PathLike[str]) -> Comparison:
        """Read what ``save`` wrote.

        Raises
        ------
        FileNotFoundError
            If the directory holds no comparison.
        ValueError
            If it was written by another version, or is damaged.
        """
        folder = Path(directory)
        for name in (_NUMBERS, _STEPS):
            if not (folder / name).is_file():
                raise FileNotFoundError(f"{str(folder)!r} holds no comparison: there is no {name} in it.")
        try:
            found = json.loads((folder / _NUMBERS).read_text(encoding="utf-8"))
            version = found.get("version")
            if version == 1:
                return cls._read(found, folder / _STEPS)
        except (ValueError, KeyError, TypeError, AttributeError, OSError, zipfile.BadZipFile) as error:
            why = f"{type(error).__name__}: {error}"
            raise ValueError(f"the comparison in {str(folder)!r} is damaged and cannot be read: {why}") from error
        raise ValueError(f"expected a comparison of version 1; got {version!r}.")

    @classmethod
    def _read(cls, found: dict[str, Any], steps: Path) -> Comparison:
        for side in found["sides"]:
            del side["label"]
        for entry in found["runs"]:
            entry["numbers"] = _with_nan(entry["numbers"])
        with steps.open("rb") as file, np.load(file) as arrays:  # NumPy leaves a damaged file open
            runs = [
                Run(loss=arrays[f"run{i}.loss"], seconds=arrays[f"run{i}.seconds"], **entry)
                for i, entry in enumerate(found["runs"])
            ]
            pairs = [_pair(entry, arrays[f"pair{i}.loss_difference"]) for i, entry in enumerate(found["pairs"])]
        return cls(
            settings=found["settings"],
            sides=[SideInfo(**side) for side in found["sides"]],
            runs={run.key: run for run in runs},
            pairs={(pair.side, pair.batch_size, pair.seed): pair for pair in pairs},
            failures=[Failure(**failure) for failure in found["failures"]],
            notes=found["notes"],
        )

    def report(self, title: str = "Side by side") -> str:
        """Return a page of HTML that needs nothing else: the tables, and the figures inside it."""
        from minibatch.compare.report import page

        return page(self, title)


def load(directory: str | os.PathLike[str]) -> Comparison:
    """Read a comparison that was saved; see ``Comparison.load``."""
    return Comparison.load(directory)


def finite(value: Any) -> Any:
    """Return the value with None for NaN and infinity, which JSON does not have.

    Examples
    --------
    >>> finite({"a": [1.0, float("nan")]})
    {'a': [1.0, None]}
    """
    if isinstance(value, dict):
        return {str(key): finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _run_dict(run: Run, steps: bool) -> dict[str, Any]:
    found: dict[str, Any] = {"side": run.side, "batch_size": run.batch_size, "seed": run.seed}
    found["numbers"] = run.numbers
    return found | ({"loss": run.loss.tolist(), "seconds": run.seconds.tolist()} if steps else {})


def _with_nan(numbers: dict[str, Any]) -> dict[str, Any]:
    """Return a run's numbers with NaN where ``finite`` put None for it: a loss, a metric, a gradient's length."""

    def back(value: Any) -> Any:
        return math.nan if value is None else value

    found = numbers | {
        "history": {name: [back(value) for value in values] for name, values in numbers["history"].items()}
    }
    if "final" in found:
        found["final"] = {name: back(value) for name, value in found["final"].items()}
    if "noise" in found:
        lengths = ("grad_norm2", "trace")
        found["noise"] = [entry | {name: back(entry[name]) for name in lengths} for entry in found["noise"]]
    return found


def _pair_dict(pair: Pair, steps: bool) -> dict[str, Any]:
    found: dict[str, Any] = {
        "side": pair.side,
        "batch_size": pair.batch_size,
        "seed": pair.seed,
        "first_parting": pair.first_parting,
        "largest_loss_difference": pair.largest_loss_difference,
        "final_weight_difference": pair.final_weight_difference,
        "weight_steps": pair.weight_steps.tolist(),
        "weight_difference": pair.weight_difference.tolist(),
        "gradient_angles": dict(pair.gradient_angles),
        "gradient_differences": dict(pair.gradient_differences),
    }
    return found | ({"loss_difference": pair.loss_difference.tolist()} if steps else {})


def _pair(entry: dict[str, Any], loss_difference: Any) -> Pair:
    """Return the pair that ``_pair_dict`` wrote; JSON's keys are strings, and its None may have been NaN."""

    def numbers(name: str) -> dict[int, float]:
        return {int(step): math.nan if value is None else value for step, value in entry[name].items()}

    return Pair(
        side=entry["side"],
        batch_size=entry["batch_size"],
        seed=entry["seed"],
        first_parting=entry["first_parting"],
        loss_difference=loss_difference,
        weight_steps=np.asarray(entry["weight_steps"]),
        weight_difference=np.asarray(entry["weight_difference"], np.float64),
        gradient_angles=numbers("gradient_angles"),
        gradient_differences=numbers("gradient_differences"),
    )
