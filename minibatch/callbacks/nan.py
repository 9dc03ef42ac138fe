"""Stop when the loss is no number any more."""

from __future__ import annotations

import math

from minibatch.callbacks.callback import Callback, Logs


class TerminateOnNaN(Callback):
    """Stop after the first batch that makes the loss NaN or infinite.

    Parameters
    ----------
    raise_error : bool, default False
        Raise an error instead: then no ``on_train_end`` is called, so that a backup stays.

    Raises
    ------
    RuntimeError
        In a fit, with ``raise_error``.

    Notes
    -----
    The loss of the logs is the running mean of the epoch, and what is not finite stays in a mean.
    """

    def __init__(self, raise_error: bool = False) -> None:
        super().__init__()
        self.raise_error = raise_error

    def on_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        loss = (logs or {}).get("loss")
        if loss is None or math.isfinite(loss):
            return
        if self.raise_error:
            raise RuntimeError(
                f"NaN or Inf loss encountered at batch {batch}. Loss value: {loss}. "
                "Terminating training immediately."
            )
        print(f"Batch {batch}: Invalid loss, terminating training")
        self.model.stop_training = True
