"""Save the model as it learns."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import numpy as np

from minibatch.callbacks.callback import Logs
from minibatch.callbacks.monitor import MonitorCallback


class ModelCheckpoint(MonitorCallback):
    """Save the model, or its weights, every so often; all of them, or only the best.

    Parameters
    ----------
    filepath : str or path
        Ends in ".weights.h5" with ``save_weights_only``, otherwise in ".keras" (Keras's old ".h5" of a whole model
        is not written here). May hold fields in braces: ``epoch`` and, with an integer ``save_freq``, ``batch``
        (both counted from 1), and every key of the logs: "{epoch:02d}-{val_loss:.2f}.keras". Folders are made as
        needed.
    monitor : str, default "val_loss"
        A key of the logs: what ``save_best_only`` looks at.
    verbose : {0, 1}
        1 says what is saved, and where.
    save_best_only : bool, default False
        Save only when the number is better than ever before. Where the logs lack it, every time.
    save_weights_only : bool, default False
        Call ``model.save_weights`` instead of ``model.save``.
    mode : {"auto", "min", "max"}
        Which way is better; "auto" takes min for losses, and what a metric says of itself.
    save_freq : "epoch" or int, default "epoch"
        Save after every epoch, or after so many batches, counted across epochs. The logs of a batch are the
        running means of its epoch.
    initial_value_threshold : float, optional
        The best value to begin with.

    Attributes
    ----------
    best : float or None
        The best value so far, in all fits that this callback was given to.

    Raises
    ------
    ValueError
        If ``filepath`` ends in something else, or ``save_freq`` is neither; at the end of the first epoch, if
        ``mode`` is "auto" and nothing says which way is better.
    KeyError
        When saving, if ``filepath`` holds a field that the logs lack.
    OSError
        When saving, if ``filepath`` is a folder.

    Warns
    -----
    UserWarning
        If ``save_best_only`` finds no number under ``monitor``; for an unknown ``mode``.
    """

    state_names = ("best", "_batches_seen_since_last_saving", "_current_epoch", "_last_batch_seen")

    def __init__(
        self,
        filepath: str | os.PathLike[str],
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq: str | int = "epoch",
        initial_value_threshold: float | None = None,
    ) -> None:
        super().__init__(monitor, mode, initial_value_threshold)
        self.verbose = verbose
        self.filepath = os.fspath(filepath)
        self.save_best_only = save_best_only
        self.save_weights_only = save_weights_only
        self.save_freq = save_freq
        self._batches_seen_since_last_saving = 0
        self._last_batch_seen: int | None = None
        self._current_epoch = 0
        is_count = isinstance(save_freq, int) and not isinstance(save_freq, bool) and save_freq > 0
        if save_freq != "epoch" and not is_count:
            raise ValueError(
                f"ModelCheckpoint: save_freq must be 'epoch' or a positive integer; got {save_freq!r}."
            )
        ending = ".weights.h5" if save_weights_only else ".keras"
        if not self.filepath.endswith(ending):
            raise ValueError(
                f"ModelCheckpoint: with save_weights_only={save_weights_only} filepath must end in {ending!r}; got "
                f"{self.filepath!r}."
            )

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._current_epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        if self._is_due(batch):
            self._save(self._current_epoch, batch, logs or {})

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        super().on_epoch_end(epoch, logs)
        if self.save_freq == "epoch":
            self._save(epoch, None, logs or {})

    def _is_due(self, batch: int) -> bool:
        if not isinstance(self.save_freq, int):
            return False
        before = self._last_batch_seen
        new_epoch = before is None or batch <= before
        self._batches_seen_since_last_saving += batch + 1 if new_epoch or before is None else batch - before
        self._last_batch_seen = batch
        if self._batches_seen_since_last_saving < self.save_freq:
            return False
        self._batches_seen_since_last_saving = 0
        return True

    def _save(self, epoch: int, batch: int | None, logs: Logs) -> None:
        path = self._path(epoch, batch, logs)
        if not self._wants(epoch, logs, path):
            return
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        try:
            if self.save_weights_only:
                self.model.save_weights(path, overwrite=True)
            else:
                self.model.save(path, overwrite=True)
        except IsADirectoryError as error:
            raise OSError(f"ModelCheckpoint: filepath must name a file; {path!r} is a folder.") from error
        if self.verbose:
            print(f"\nEpoch {epoch + 1}: finished saving model to {path}")

    def _path(self, epoch: int, batch: int | None, logs: Logs) -> str:
        fields = {"epoch": epoch + 1, **({} if batch is None else {"batch": batch + 1}), **logs}
        try:
            return self.filepath.format(**fields)
        except KeyError as error:
            raise KeyError(
                f"ModelCheckpoint: filepath {self.filepath!r} has the field {error}; there is {', '.join(fields)}."
            ) from error

    def _wants(self, epoch: int, logs: Logs, path: str) -> bool:
        """Return whether to save; with ``save_best_only``, take note of a new best."""
        if not self.save_best_only:
            self._say(epoch, f"saving model to {path}")
            return True
        current = self._monitored(logs)
        if current is None:
            return True
        if np.ndim(current) > 0:
            warnings.warn(
                f"ModelCheckpoint: {self.monitor!r} is not one number but {np.size(current)}, of which none is the "
                "best: the model is saved every time.",
                stacklevel=4,
            )
            return True
        best = "None" if self.best is None else f"{self.best:.5f}"
        if not self._is_improvement(current, self.best):
            self._say(epoch, f"{self.monitor} did not improve from {best}")
            return False
        self._say(epoch, f"{self.monitor} improved from {best} to {current:.5f}, saving model to {path}")
        self.best = current
        return True

    def _say(self, epoch: int, message: str) -> None:
        if self.verbose:
            print(f"\nEpoch {epoch + 1}: {message}")
