"""Everything that a fit goes on from, taken at one step and put back at another time."""

from __future__ import annotations

from typing import Any

import numpy as np

from minibatch.callbacks import Callback, CallbackList
from minibatch.models.feed import Feed
from minibatch.models.learner import Learner


class Snapshot:
    """The state of a fit: model, optimizer, order, dropout, running metrics, callbacks.

    Parameters
    ----------
    model : Learner
    feed : Feed
    calls : CallbackList
        Callbacks take part by ``state_dict`` and ``load_state_dict``.
    """

    def __init__(self, model: Learner, feed: Feed, calls: CallbackList) -> None:
        self.model = model
        self.feed = feed
        self.calls = calls

    def check(self) -> None:
        """Raise a ValueError if the data cannot be put back to a place in mid-epoch."""
        if self.feed.batches is None:
            raise ValueError(
                "BackupAndRestore needs arrays or Batches as x: a generator or a Dataset cannot be put back to "
                "where it was."
            )

    def _weights(self) -> list[list[Any]]:
        # Not by the layers' own names: those count up with every model that a script makes.
        return [[weight.name, list(weight.shape), weight.trainable] for weight in self.model.weights]

    def _generators(self) -> list[np.random.Generator]:
        return [layer.generator for layer in self.model.layers if hasattr(layer, "generator")]

    def _others(self, asking: Callback) -> list[Callback]:
        return [callback for callback in self.calls.callbacks if callback is not asking]

    def take(self, asking: Callback) -> dict[str, Any]:
        """Return the state: nested dicts and lists of numbers, strings and arrays.

        The callback that asks is left out.
        """
        model = self.model
        return {
            "weights": self._weights(),
            "theta": model.parameters.theta.copy(),
            "state": model.parameters.state.copy(),
            "optimizer": model.optimizer.state_dict(),
            "generators": [generator.bit_generator.state for generator in self._generators()],
            "feed": self.feed.state(),
            "objective": model.objective.state_dict(),
            "stop_training": model.stop_training,
            "callbacks": [
                {"class": type(callback).__name__, "state": callback.state_dict()}
                for callback in self._others(asking)
            ],
        }

    def put_back(self, state: dict[str, Any], asking: Callback) -> None:
        """Put ``take``'s state back.

        Raises
        ------
        ValueError
            If it is of another model or another fit; nothing has been changed then.
        """
        model, parameters = self.model, self.model.parameters
        others = self._others(asking)
        if state["weights"] != self._weights() or len(state["generators"]) != len(self._generators()):
            raise ValueError("the backup is of another model; delete it to start from the beginning.")
        if [entry["class"] for entry in state["callbacks"]] != [type(callback).__name__ for callback in others]:
            names = ", ".join(entry["class"] for entry in state["callbacks"])
            raise ValueError(
                f"the backup is of a fit with other callbacks ({names}); delete it to start from the beginning."
            )
        self.feed.restore(state["feed"])
        if state["step"]:
            self.calls("on_epoch_begin", int(state["epoch"]), {})
        parameters.theta[...] = state["theta"]
        parameters.state[...] = state["state"]
        model.optimizer.load_state_dict(state["optimizer"])
        for generator, numbers in zip(self._generators(), state["generators"], strict=True):
            generator.bit_generator.state = numbers
        model.objective.load_state_dict(state["objective"])
        model.stop_training = bool(state["stop_training"])
        for callback, entry in zip(others, state["callbacks"], strict=True):
            callback.load_state_dict(entry["state"])
