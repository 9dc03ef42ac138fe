"""What a callback is, and the list that calls them in Keras's order."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Logs = dict[str, Any]


class Callback:
    """Something that watches or steers a fit. Every method may be left out.

    Attributes
    ----------
    model
        The model in training; ``model.stop_training = True`` ends the fit after the current batch (Keras's name).
    params : dict
        "epochs", "steps" (per epoch) and "verbose".

    Notes
    -----
    ``logs`` holds the running numbers under the keys of ``History``: in batch methods, the mean of the epoch so
    far. Epochs and batches are counted from 0.

    Examples
    --------
    >>> import minibatch as mb
    >>> class Steps(mb.callbacks.Callback):
    ...     def on_train_begin(self, logs=None):
    ...         self.count = 0
    ...     def on_train_batch_end(self, batch, logs=None):
    ...         self.count += 1
    """

    def __init__(self) -> None:
        self.model: Any = None
        self.params: dict[str, Any] = {}

    def set_params(self, params: dict[str, Any]) -> None:
        """Receive ``params`` before training."""
        self.params = params

    def set_model(self, model: Any) -> None:
        """Receive the model before training."""
        self.model = model

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


class CallbackList:
    """Callbacks, called in order.

    For each event only those callbacks that define it are called, found out once: an epoch of a million small
    steps pays nothing for the callbacks that do not look at steps.
    """

    def __init__(self, callbacks: Iterable[Callback], model: Any, params: dict[str, Any]) -> None:
        self.callbacks = list(callbacks)
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

    def __call__(self, event: str, *args: Any) -> None:
        """Call ``event`` on every callback."""
        for callback in self.callbacks:
            getattr(callback, event)(*args)
