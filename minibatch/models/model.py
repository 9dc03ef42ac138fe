"""A model: layers between inputs and outputs, trained, described and kept in files."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

from minibatch.layers.symbol import Symbol, one_or_all, symbols_in
from minibatch.models import archive, construction
from minibatch.models.graph import Graph
from minibatch.models.intake import Intake
from minibatch.models.summary import summary_table
from minibatch.models.trainer import Trainer
from minibatch.results import result
from minibatch.utils.console import say
from minibatch.utils.names import refuse, unique_name


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
    >>> h = mb.layers.Dense(16, activation="relu", name="hidden")(x)
    >>> y = mb.layers.Dense(3, activation="softmax")(mb.layers.Add()([x, h]))
    >>> model = mb.Model(x, y)
    >>> model.count_params()
    323

    What one of its layers makes of a batch:

    >>> hidden = mb.Model(model.inputs, model.get_layer("hidden").output)
    >>> hidden.output_shape
    (None, 16)
    """

    def __init__(self, inputs: Any = None, outputs: Any = None, *, name: str | None = None) -> None:
        into, out = symbols_in(inputs), symbols_in(outputs)
        if not into or not out:
            if inputs is None and outputs is None:
                raise TypeError(
                    f"{type(self).__name__}: a model is made from its inputs and outputs, Model(inputs, outputs), "
                    "or as a Sequential. Keras's way of subclassing Model with a call method is not here: the "
                    "gradient of free code is not known. Write a Layer with forward and backward instead."
                )
            if isinstance(inputs, Mapping) or isinstance(outputs, Mapping):
                raise TypeError(
                    "Model(inputs, outputs) takes no dicts: give lists of symbols. Data may still come by name, "
                    "fit(x={input's name: ...}, y={output's name: ...}), and predict returns a list."
                )
            raise TypeError(
                "Model(inputs, outputs) takes symbols: what minibatch.Input returns, and layers called on it. A "
                f"stack of layers is a minibatch.Sequential. Got {inputs!r} and {outputs!r}."
            )
        super().__init__(Graph.between(into, out), name or unique_name("functional"))
        self.gather()
        begins = all(symbol.is_input for symbol in into)
        self._outputs = list(out) if begins else self._called_on(self.inputs)

    def summary(
        self,
        line_length: int | None = None,
        *,
        print_fn: Callable[[str], Any] | None = None,
        expand_nested: bool = False,
        show_trainable: bool = False,
        **unknown: Any,
    ) -> None:
        """Print the layers, their output shapes and their numbers of parameters, as Keras does.

        Parameters
        ----------
        line_length : int, optional
            How wide the table is, unless names are longer: they are not cut.
        print_fn : callable, optional
            Is handed the whole text, once, in place of the screen.
        expand_nested : bool
            Without effect: no model is a layer of another.
        show_trainable : bool, default False
            Whether to say of each layer if it moves.

        Raises
        ------
        TypeError
            For another argument.
        """
        refuse(self.summary, unknown, {"positions": (), "layer_range": ()})
        slots = None
        if self.compiled and self.optimizer.iterations:
            places = self.active_slices().values()  # Keras keeps nothing for weights that do not move
            slots = [slot[place] for slot in self.optimizer.state.values() for place in places]
        text = "\n".join(summary_table(self.name, self.layers, slots, self.graph, line_length, show_trainable))
        if print_fn is None:
            say(text)
        else:
            print_fn(f"{text}\n")

    # Symbols ------------------------------------------------------------------------------------------------

    @property
    def inputs(self) -> list[Symbol]:
        """What ``Input`` returned, for each input."""
        _ = self.parameters  # raises where a Sequential does not know its shape yet
        return [layer.output for layer in self.graph.input_layers]

    @property
    def outputs(self) -> list[Symbol]:
        """What the last layers returned when they were called on those."""
        _ = self.parameters
        return list(self._outputs)

    @property
    def input(self) -> Any:
        """The only one of ``inputs``, or all of them."""
        return one_or_all(self.inputs)

    @property
    def output(self) -> Any:
        """The only one of ``outputs``, or all of them."""
        return one_or_all(self.outputs)

    def __call__(self, x: Any, training: bool = False) -> Any:
        """Return the outputs for a batch; or, for symbols, those of the same layers upon them."""
        symbols = symbols_in(x)
        if not symbols:
            outputs, _ = self.forward(self._cast(Intake(self).checked_inputs(x)), training)
            return one_or_all([result(y) for y in outputs])
        return one_or_all(self._called_on(symbols))

    def _called_on(self, symbols: Sequence[Symbol]) -> list[Symbol]:
        """Return what the layers give for symbols as inputs."""
        values: list[Any] = [None] * self.graph.size
        for place, symbol in zip(self.graph.inputs, symbols, strict=True):
            values[place] = symbol
        for visit in self.graph.visits:
            given = [values[i] for i in visit.sources]
            values[visit.target] = visit.layer(given if visit.takes_list else given[0])
        return [values[place] for place in self.graph.outputs]

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_outputs": []}  # as of a layer, see there: they are made again

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        into = [layer.output for layer in self.graph.input_layers]
        self._outputs = self._called_on(into) if into else []

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
