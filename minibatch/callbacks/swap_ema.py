"""Evaluate with the moving average of the weights."""

from __future__ import annotations

from minibatch.callbacks.callback import Callback, Logs
from minibatch.typing import Array

_AVERAGE = "model_variables_moving_average"


class SwapEMAWeights(Callback):
    """Put the exponential moving average of the weights into the model for every evaluation and prediction.

    The optimizer must keep it: ``SGD(use_ema=True)``. Weights and average change places before an evaluation, and
    again after it; the training itself does not notice. (Averaging the path: Polyak and Juditsky 1992.)

    Parameters
    ----------
    swap_on_epoch : bool, default False
        Swap at the end of every epoch, too, until the next begins: so a ``ModelCheckpoint`` that stands after this
        callback saves the averages.

    Raises
    ------
    ValueError
        In a fit, evaluation or prediction, if the optimizer keeps no average, or has made no step yet.

    Notes
    -----
    Two deviations from Keras, whose weights stay swapped after a prediction, and which with ``swap_on_epoch`` ends
    a fit that was stopped early on the plain weights: here a prediction swaps back, and a fit that was stopped by a
    callback before this one ends on the averages, as one that ran to its end.
    """

    state_names = ("_ema_weights_in_model",)

    def __init__(self, swap_on_epoch: bool = False) -> None:
        super().__init__()
        self.swap_on_epoch = swap_on_epoch
        self._ema_weights_in_model = False

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        if self.swap_on_epoch:
            self._set(False)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if not self.swap_on_epoch:
            return
        self._set(True)
        if epoch == self.params["epochs"] - 1 or self.model.stop_training:
            # The fit ends by copying the average into the weights: both must be the average then.
            for theta, average in self._pairs():
                average[...] = theta

    def on_test_begin(self, logs: Logs | None = None) -> None:
        self._set(True)

    def on_test_end(self, logs: Logs | None = None) -> None:
        self._set(False)

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        self._set(True)

    def on_predict_end(self, logs: Logs | None = None) -> None:
        self._set(False)

    def _set(self, averaged: bool) -> None:
        """Swap, unless the model has what it should have."""
        if self._ema_weights_in_model != averaged:
            for theta, average in self._pairs():
                kept = theta.copy()
                theta[...] = average
                average[...] = kept
            self._ema_weights_in_model = averaged

    def _pairs(self) -> list[tuple[Array, Array]]:
        """Return, for each weight that the optimizer moves, its place in theta and in the average."""
        optimizer = self.model.optimizer
        if not getattr(optimizer, "use_ema", False):
            raise ValueError(f"SwapEMAWeights needs an optimizer with use_ema=True; {optimizer.name} has not.")
        if _AVERAGE not in optimizer.state:
            raise ValueError(f"SwapEMAWeights: {optimizer.name} has made no step: there is no average yet.")
        theta, average = self.model.parameters.theta, optimizer.state[_AVERAGE]
        return [(theta[place], average[place]) for place in self.model.active_slices().values()]
