"""A model: layers between inputs and outputs, trained, described and kept in files."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Self

from minibatch.layers.symbol import Symbol, symbols_in
from minibatch.models import archive, construction
from minibatch.models.graph import Graph
from minibatch.models.intake import Intake
from minibatch.models.summary import summary_table
from minibatch.models.trainer import Trainer
from minibatch.utils.console import say
from minibatch.utils.names import unique_name


class Model(Trainer):
    """Layers between inputs and outputs, over one parameter vector, with an optimizer and a loss.

    Parameters
    ----------
    inputs, outputs : Symbol, or list of Symbol
        From ``minibatch.Input``, and from layers called on it. A layer called twice shares its weights.
    name : str, optional

    Attributes
    ----------
    optimizer : Optimizer
    history : History or None
        Of the last fit.
    stop_training : bool
        Set it to True in a callback to end the fit after the current batch.

    Raises
    ------
    TypeError
        If inputs or outputs are not symbols.
    ValueError
        If an output depends on an input that is not given, or two layers share a name.

    Examples
    --------
    A residual connection:

    >>> import minibatch as mb
    >>> x = mb.Input((16,))
    >>> h = mb.layers.Dense(16, activation="relu")(x)
    >>> y = mb.layers.Dense(3, activation="softmax")(h)
    >>> model = mb.Model(x, y)
    >>> model.count_params()
    323
    """

    #: Whether ``summary`` shows the inputs beside the layers: for a functional model, as in Keras.
    _inputs_have_rows = True

    def __init__(self, inputs: Any = None, outputs: Any = None, *, name: str | None = None) -> None:
        into, out = symbols_in(inputs), symbols_in(outputs)
        if not into or not out:
            if inputs is None and outputs is None:
                raise TypeError(
                    f"{type(self).__name__}: a model is made from its inputs and outputs, Model(inputs, outputs), "
                    "or as a Sequential. Keras's way of subclassing Model with a call method is not here: the "
                    "gradient of free code is not known. Write a Layer with forward and backward instead."
                )
            raise TypeError(
                "Model(inputs, outputs) takes symbols: what minibatch.Input returns, and layers called on it. A "
                f"stack of layers is a minibatch.Sequential. Got {inputs!r} and {outputs!r}."
            )
        super().__init__(Graph.between(into, out), name or unique_name("functional"))
        self.gather()

    def summary(self, *, print_fn: Callable[[str], Any] = say) -> None:
        """Print the layers, their output shapes and their numbers of parameters, as Keras does."""
        slots = self.optimizer.state.values() if self.compiled and self.optimizer.iterations else None
        chart = (self.graph, self.input_shapes) if self._inputs_have_rows else ()
        for line in summary_table(self.name, self.layers, slots, *chart):
            print_fn(line)

    def __call__(self, x: Any, training: bool = False) -> Any:
        """Return the outputs for a batch; or, for symbols, those of the same layers upon them."""
        symbols = symbols_in(x)
        if not symbols:
            return self._alone(self.forward(self._cast(Intake(self).checked_inputs(x)), training)[0])
        values: list[Any] = [None] * self.graph.size
        for place, symbol in zip(self.graph.inputs, symbols, strict=True):
            values[place] = symbol
        for visit in self.graph.visits:
            given = [values[i] for i in visit.sources]
            values[visit.target] = visit.layer(given if visit.takes_list else given[0])
        outputs: list[Symbol] = [values[place] for place in self.graph.outputs]
        return self._alone(outputs)

    # Files --------------------------------------------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """Return how to make this model again, without weights, in Keras's format."""
        self.gather()
        graph = construction.graph_config(self.graph, self.input_shapes)
        return {"name": self.name, "trainable": self.trainable, **graph}

    @classmethod
    def from_config(cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Self:
        """Return a new model from what ``get_config`` returned."""
        inputs, outputs = construction.symbols_from_config(config, custom_objects)
        return cls(inputs, outputs, name=config.get("name"))

    def to_json(self) -> str:
        """Return the model's description, without weights, as Keras writes it."""
        return json.dumps(archive.description(self))

    def save(self, filepath: archive.PathLike, overwrite: bool = True) -> None:
        """Write the model into a ``.keras`` file (see ``minibatch.saving.save_model``)."""
        archive.save_model(self, filepath, overwrite)

    def save_weights(self, filepath: archive.PathLike, overwrite: bool = True) -> None:
        """Write the weights and the optimizer's state into a ``.weights.h5`` file."""
        archive.save_weights(self, filepath, overwrite)

    def load_weights(self, filepath: archive.PathLike) -> None:
        """Read weights from a ``.weights.h5``, ``.keras`` or legacy ``.h5`` file, or leave the model as it was."""
        archive.load_weights(self, filepath)
