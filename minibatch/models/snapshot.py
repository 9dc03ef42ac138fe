"""Everything that a fit goes on from, taken at one step and put back at another time."""

from __future__ import annotations

from typing import Any

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

    def _others(self, asking: Callback) -> list[Callback]:
        return [callback for callback in self.calls.callbacks if callback is not asking]

    def take(self, asking: Callback) -> dict[str, Any]:
        """Return the state: nested dicts and lists of numbers, strings and arrays.

        The callback that asks is left out.
        """
        model = self.model
        return {
            "weights": [weight.path for weight in model.weights],
            "theta": model.parameters.theta.copy(),
            "state": model.parameters.state.copy(),
            "optimizer": model.optimizer.state_dict(),
            "generators": {
                layer.name: layer.generator.bit_generator.state
                for layer in model.layers
                if hasattr(layer, "generator")
            },
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
        same = (
            [path.split("/", 1)[-1] for path in state["weights"]]
            == [weight.path.split("/", 1)[-1] for weight in model.weights]
            and state["theta"].shape == parameters.theta.shape
            and state["state"].shape == parameters.state.shape
        )
        if not same:
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
        for layer in model.layers:
            if layer.name in state["generators"]:
                layer.generator.bit_generator.state = state["generators"][layer.name]  # type: ignore[attr-defined]
        model.objective.load_state_dict(state["objective"])
        model.stop_training = bool(state["stop_training"])
        for callback, entry in zip(others, state["callbacks"], strict=True):
            callback.load_state_dict(entry["state"])
