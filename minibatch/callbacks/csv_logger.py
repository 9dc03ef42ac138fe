"""Write the logs of every epoch into a table."""

from __future__ import annotations

import csv
import io
import os
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from minibatch.callbacks.callback import Callback, Logs


class CSVLogger(Callback):
    """Write a row for every epoch into a CSV file: its number (from 0) and its logs, sorted by name.

    Parameters
    ----------
    filename : str or path
        Its folder must be there.
    separator : str, default ","
        One character.
    append : bool, default False
        Go on after what the file holds, without a new header. False starts the file again.

    Attributes
    ----------
    keys : list of str or None
        The columns after "epoch", settled by the first epoch; if that is not validated, each key has a "val_" of
        its own. What an epoch does not have is "NA".

    Raises
    ------
    TypeError
        If ``separator`` is not one character.
    OSError
        In a fit, if the file cannot be written.

    Warns
    -----
    UserWarning
        If a fit is taken up again and the file has lost rows that were written.

    Notes
    -----
    A fit that is taken up again goes on after the last row that belongs to it, also without ``append``; rows of
    epochs that are made again are cut off. For this the old content of a file is cleared with the first row of the
    new fit, not before.
    """

    state_names = ("keys", "_length")

    def __init__(self, filename: str | os.PathLike[str], separator: str = ",", append: bool = False) -> None:
        super().__init__()
        csv.writer(io.StringIO(), delimiter=separator)  # raises for what can be no separator
        self.sep = separator
        self.filename = os.fspath(filename)
        self.append = append
        self._begin(0)

    def _begin(self, length: int) -> None:
        self.keys: list[str] | None = None
        #: How many bytes of the file are this fit's, or stood before it.
        self._length = length
        self._is_cut = False

    def on_train_begin(self, logs: Logs | None = None) -> None:
        with open(self.filename, "a"):  # says now, not after the first epoch, if it cannot be written
            pass
        self._begin(os.path.getsize(self.filename) if self.append else 0)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        super().load_state_dict(state)
        there = Path(self.filename).stat().st_size if Path(self.filename).exists() else 0
        if there < self._length:
            warnings.warn(f"CSVLogger: {self.filename!r} has lost rows of this fit.", stacklevel=2)
            self._length = there

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        logs = logs or {}
        if self.keys is None:
            self.keys = sorted(logs)
            if not any(key.startswith("val_") for key in self.keys):
                self.keys += [f"val_{key}" for key in self.keys]
        self._write(["epoch", *self.keys], {"epoch": epoch, **{k: _cell(logs.get(k, "NA")) for k in self.keys}})

    def on_train_end(self, logs: Logs | None = None) -> None:
        self._write()

    def _write(self, columns: Iterable[str] = (), row: Mapping[str, Any] | None = None) -> None:
        with open(self.filename, "a", newline="", encoding="utf-8") as file:
            if not self._is_cut:
                file.truncate(self._length)
                self._is_cut = True
            if row is not None:
                writer = csv.DictWriter(file, list(columns), delimiter=self.sep)
                if not self._length:
                    writer.writeheader()
                writer.writerow(row)
        self._length = os.path.getsize(self.filename)


def _cell(value: Any) -> Any:
    """Return a value as Keras writes it: several numbers in quotes and brackets."""
    if isinstance(value, str) or (isinstance(value, np.ndarray) and value.ndim == 0):
        return value
    return f'"[{", ".join(map(str, value))}]"' if isinstance(value, Iterable) else value
