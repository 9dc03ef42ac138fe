"""All that a monitor has measured in a fit: the series, the running means, the histograms."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from minibatch.noise.training.histograms import Histograms
from minibatch.noise.training.series import Series
from minibatch.noise.training.step import Averages

#: What ``fit`` has logs of under these names itself.
OF_FIT = ("loss", "batch_size")


class Record:
    """What was measured, with the steps, counted from 1.

    Parameters
    ----------
    decay : float
        Of the running means.
    bins : int
        Of the histograms.
    """

    def __init__(self, decay: float, bins: int) -> None:
        self.series = Series()
        self.averages = Averages(decay)
        self.histograms = Histograms(bins)
        #: The last step of each epoch.
        self.epoch_ends: list[int] = []

    def end_epoch(self, step: int, names: Iterable[str]) -> dict[str, float]:
        """Return the epoch's logs: means over the steps since the last epoch; of the noise scale its value now."""
        begin = self.epoch_ends[-1] if self.epoch_ends else 0
        self.epoch_ends.append(step)
        logs = {
            name: self.series.mean_after(name, begin)
            for name in names
            if name not in OF_FIT and not name.startswith("histogram")
        }
        if "noise_scale" in logs:
            logs["noise_scale"] = self.averages.noise_scale
        return logs

    def to_dict(self) -> dict[str, Any]:
        """Return everything in plain numbers (see ``GradientNoise.to_dict``)."""
        entries = self.series.entries
        loss, sizes = (entries.get(name, ([], [])) for name in OF_FIT)
        return {
            "steps": {name: list(steps) for name, (steps, _) in entries.items()},
            "values": {name: list(values) for name, (_, values) in entries.items()},
            "loss": {"steps": list(loss[0]), "values": list(loss[1])},
            "batch_sizes": {"steps": list(sizes[0]), "values": list(sizes[1])},
            "epochs": list(self.epoch_ends),
            "histograms": self.histograms.to_dict(),
            "histograms_2d": self.histograms.to_dict_2d(),
        }

    def state_dict(self) -> dict[str, Any]:
        """Return everything, for ``load_state_dict``."""
        return {
            "series": self.series.state_dict(),
            "averages": [*self.averages.sums, self.averages.weight],
            "histograms": self.histograms.state_dict(),
            "epoch_ends": list(self.epoch_ends),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up what ``state_dict`` returned."""
        self.series.load_state_dict(state["series"])
        *sums, weight = (float(number) for number in state["averages"])
        self.averages = Averages(self.averages.decay, sums, weight)
        self.histograms.load_state_dict(state["histograms"])
        self.epoch_ends = [int(step) for step in state["epoch_ends"]]
