"""Going on after a crash, bit for bit."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from minibatch.callbacks.callback import Callback, Logs
from minibatch.typing import Array
from minibatch.utils.atomic import replacing

_FILE = "backup.npz"


class BackupAndRestore(Callback):
    """Saves a fit as it goes, so that one that was killed can be started again where it was.

    Run the same script again: ``fit`` finds the backup and goes on after the last step that was saved, in
    mid-epoch too. Weights, optimizer, order of the batches, dropout, running metrics, history and the state of
    the other callbacks are put back, so that it ends with exactly what a fit that was never interrupted ends with.
    (Keras's starts the whole epoch again, with another order, and forgets history and callbacks.) When a fit ends
    of itself the backup is deleted.

    Parameters
    ----------
    backup_dir : path
        A folder of this fit's own.
    save_freq : "epoch" or int, default "epoch"
        Save after every epoch, or after so many batches, counted across epochs.
    double_checkpoint : bool
        Keras's; a backup here is replaced in one piece, so that a second copy is not needed.
    delete_checkpoint : bool, default True
        Whether to delete the backup when the fit has ended.

    Raises
    ------
    ValueError
        If ``save_freq`` is neither; and from ``fit``, if the backup is damaged or is of another model, another fit
        or other data, or the data come from a generator or a ``Dataset``, which cannot be put back to a place in
        mid-epoch.

    Notes
    -----
    A callback of yours takes part by ``state_dict`` and ``load_state_dict``. What callbacks write elsewhere (files,
    prints) is not undone: a step made after the last save and made again is written twice.
    """

    #: Called after all others at every event, so that what it saves is after all of them.
    runs_last = True

    def __init__(
        self,
        backup_dir: str | os.PathLike[str],
        save_freq: str | int = "epoch",
        double_checkpoint: bool = False,
        delete_checkpoint: bool = True,
    ) -> None:
        super().__init__()
        is_count = isinstance(save_freq, int) and not isinstance(save_freq, bool) and save_freq > 0
        if save_freq != "epoch" and not is_count:
            raise ValueError(
                f"BackupAndRestore: save_freq must be 'epoch' or a positive integer; got {save_freq!r}."
            )
        if not str(backup_dir):
            raise ValueError("BackupAndRestore: backup_dir must name a folder; got ''.")
        self.backup_dir = backup_dir
        self.save_freq = save_freq
        self.delete_checkpoint = delete_checkpoint
        self.path = Path(backup_dir) / _FILE
        self._epoch = 0
        self._batches = 0

    def restore(self, snapshot: Any) -> tuple[int, int] | None:
        """Put a fit back to where the backup left it; return that epoch and step, or None without a backup.

        Called by ``fit`` when every callback has begun.

        Parameters
        ----------
        snapshot : Snapshot
            Takes, and puts back, all that a fit goes on from.
        """
        self.snapshot = snapshot
        self._batches = 0
        self.path.parent.mkdir(parents=True, exist_ok=True)
        snapshot.check()
        if not self.path.exists():
            return None
        try:
            with self.path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            state = _with_arrays(json.loads(str(arrays.pop("meta"))), arrays)
            epoch, step = int(state["epoch"]), int(state["step"])
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise ValueError(f"{self.path} is damaged: {error}. Delete it to start from the beginning.") from error
        snapshot.put_back(state, self)
        self._batches = int(state["batches"])
        return epoch, step

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        self._batches += 1
        if isinstance(self.save_freq, int) and self._batches % self.save_freq == 0:
            self._save(self._epoch, batch + 1)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if self.save_freq == "epoch":
            self._save(epoch + 1, 0)

    def on_train_end(self, logs: Logs | None = None) -> None:
        if self.delete_checkpoint:
            self.path.unlink(missing_ok=True)

    def _save(self, epoch: int, step: int) -> None:
        arrays: dict[str, Array] = {}
        state = {**self.snapshot.take(self), "epoch": epoch, "step": step, "batches": self._batches}
        meta = json.dumps(_without_arrays(state, arrays))
        with replacing(self.path) as temporary, temporary.open("wb") as file:
            np.savez(file, meta=np.array(meta), **arrays)  # type: ignore[arg-type]  # its stub takes names for options


def _without_arrays(value: Any, arrays: dict[str, Array]) -> Any:
    """Return the value in the words of JSON; arrays are put aside under a name."""
    if isinstance(value, np.ndarray):
        name = f"array_{len(arrays)}"
        arrays[name] = value
        return {"__array__": name}
    if isinstance(value, dict):
        return {str(key): _without_arrays(item, arrays) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_arrays(item, arrays) for item in value]
    return value.item() if isinstance(value, np.generic) else value


def _with_arrays(value: Any, arrays: dict[str, Array]) -> Any:
    """Undo ``_without_arrays``."""
    if isinstance(value, dict):
        if set(value) == {"__array__"}:
            return arrays[value["__array__"]]
        return {key: _with_arrays(item, arrays) for key, item in value.items()}
    return [_with_arrays(item, arrays) for item in value] if isinstance(value, list) else value
