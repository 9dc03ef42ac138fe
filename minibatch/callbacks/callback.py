"""What a callback is, and the list that calls them in Keras's order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

Logs = dict[str, Any]


class Callback:
    """Something that watches or steers a fit. Every method may be left out.

    Attributes
    ----------
    model
        The model in training; ``model.stop_training = True`` ends the fit after the current batch (Keras's name).
    params : dict
        "epochs", "steps" (per epoch) and "verbose".
    state_names : tuple of str
        A class's own: the attributes that it changes during a fit, and that a fit taken up again needs.

    Notes
    -----
    ``logs`` holds the running numbers under the keys of ``History``: in batch methods, the mean of the epoch so
    far. Epochs and batches are counted from 0. What a callback puts into the logs of ``on_epoch_end`` reaches the
    callbacks after it, and the history.

    A fit that was killed can be taken up again, also in the middle of an epoch, and then ends as if nothing had
    happened: if every callback gives what it keeps by ``state_dict`` and takes it back by ``load_state_dict``. For
    attributes that are numbers, strings, None, or lists and dicts of these, naming them in ``state_names`` is
    enough; whatever else a callback keeps (an open file, a random generator) it gives and takes by methods of its
    own. A state is loaded at the point of the fit where it was taken: after the ``on_train_begin`` of all
    callbacks, and for one taken inside an epoch, after the ``on_epoch_begin`` of that epoch. So what these two
    methods set is overwritten.

    Examples
    --------
    A callback that counts steps, over epochs and interruptions:

    >>> import minibatch as mb
    >>> class Steps(mb.callbacks.Callback):
    ...     state_names = ("count",)
    ...     def on_train_begin(self, logs=None):
    ...         self.count = 0
    ...     def on_train_batch_end(self, batch, logs=None):
    ...         self.count += 1
    >>> steps = Steps()
    >>> steps.on_train_begin()
    >>> steps.on_train_batch_end(0)
    >>> steps.state_dict()
    {'count': 1}
    """

    state_names: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.model: Any = None
        self.params: dict[str, Any] = {}

    def set_params(self, params: dict[str, Any]) -> None:
        """Receive ``params`` before training."""
        self.params = params

    def set_model(self, model: Any) -> None:
        """Receive the model before training."""
        self.model = model

    def set_feed(self, feed: Any) -> None:
        """Receive what a fit is fed (a ``models.feed.Feed``), before ``on_train_begin``."""

    def state_dict(self) -> dict[str, Any]:
        """Return what this callback keeps during a fit: a copy, which later steps do not change.

        Returns
        -------
        dict of str
            Values that JSON can hold; arrays, alone or in lists, only where there is no other way.
        """
        return {name: _copied(getattr(self, name)) for name in self.state_names}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up a state that ``state_dict`` returned, and carry on from there.

        Raises
        ------
        ValueError
            If the state is that of something else: its names are not this callback's.
        """
        if set(state) != set(self.state_names):
            raise ValueError(
                f"{type(self).__name__}: a state holds {_listed(self.state_names)}; got one of {_listed(state)}."
            )
        for name, value in state.items():
            setattr(self, name, _copied(value))

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Run before the first epoch."""

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Run after the last epoch; ``logs`` are its logs."""

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Run before the first batch of an epoch."""

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Run after an epoch and its validation; ``logs`` holds the "val_" keys too."""

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Run before a step."""
        self.on_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Run after a step."""
        self.on_batch_end(batch, logs)

    def on_test_begin(self, logs: Logs | None = None) -> None:
        """Run before an evaluation, that of an epoch's validation too."""

    def on_test_end(self, logs: Logs | None = None) -> None:
        """Run after an evaluation."""

    def on_test_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Run before a batch of an evaluation."""

    def on_test_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Run after a batch of an evaluation."""

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        """Run before a prediction."""

    def on_predict_end(self, logs: Logs | None = None) -> None:
        """Run after a prediction."""

    def on_predict_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Run before a batch of a prediction."""

    def on_predict_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Run after a batch of a prediction; ``logs`` holds its "outputs"."""

    # The two old spellings, which Keras's new ones call.

    def on_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Alias of ``on_train_batch_begin``: called where that is not defined."""

    def on_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Alias of ``on_train_batch_end``: called where that is not defined."""


_OLD_SPELLINGS = {"on_train_batch_begin": "on_batch_begin", "on_train_batch_end": "on_batch_end"}


def _copied(value: Any) -> Any:
    """Return a copy in plain Python; an array stays an array."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.copy()
    if isinstance(value, dict):
        return {key: _copied(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_copied(entry) for entry in value]
    return value


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "nothing"


def _flat(callbacks: Iterable[Any]) -> Iterator[Any]:
    """Yield what lists in lists hold, as Keras takes them."""
    for entry in callbacks:
        if isinstance(entry, list | tuple):
            yield from _flat(entry)
        else:
            yield entry


class CallbackList:
    """Callbacks, called in order; lists among them are taken apart.

    For each event only those callbacks that define it are called, found out once: an epoch of a million small
    steps pays nothing for the callbacks that do not look at steps.
    """

    def __init__(self, callbacks: Iterable[Callback], model: Any, params: dict[str, Any]) -> None:
        self.callbacks = sorted(_flat(callbacks), key=lambda callback: getattr(callback, "runs_last", False))
        for callback in self.callbacks:
            if not isinstance(callback, Callback):
                raise TypeError(
                    f"callbacks must be minibatch.callbacks.Callback objects; got {callback!r}"
                    + (" (a class: call it)." if isinstance(callback, type) else ".")
                )
            callback.set_model(model)
            callback.set_params(params)

    def listening(self, event: str) -> list[Any]:
        """Return the bound methods for this event, of the callbacks that define it, in order."""
        names = (event, _OLD_SPELLINGS.get(event, event))
        return [
            getattr(callback, event)
            for callback in self.callbacks
            if any(name in vars(callback) for name in names)
            or any(getattr(type(callback), name) is not getattr(Callback, name) for name in names)
        ]

    def restore(self, snapshot: Any) -> Any:
        """Let ``BackupAndRestore``, if it is there, put the fit back; return the epoch and step to go on from."""
        for callback in self.callbacks:
            if getattr(callback, "runs_last", False):
                return callback.restore(snapshot)
        return None

    def __call__(self, event: str, *args: Any) -> None:
        """Call ``event`` on every callback."""
        for callback in self.callbacks:
            getattr(callback, event)(*args)
