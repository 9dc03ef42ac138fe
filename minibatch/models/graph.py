"""The order in which a model's layers are visited, and which value goes where."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from minibatch.layers import ActivatedLayer, InputLayer, Layer
from minibatch.layers.symbol import Symbol
from minibatch.models.opening import Opening, is_own


@dataclass(frozen=True)
class Visit:
    """A layer, run once: it takes the values in ``sources`` and gives the value in ``target``.

    ``takes_list`` tells a layer of several inputs, which is given a list of them.
    """

    layer: Layer
    sources: tuple[int, ...]
    target: int
    takes_list: bool = False


class Below(NamedTuple):
    """A layer that has a ``backward_above``, and the one whose output it takes."""

    above: Layer
    layer: ActivatedLayer

    @classmethod
    def under(cls, above: Layer, layer: Layer | None) -> Below | None:
        """Return them, if they have such a form together."""
        has_one = type(above).backward_above is not Layer.backward_above
        return cls(above, layer) if has_one and isinstance(layer, ActivatedLayer) else None

    @property
    def least(self) -> float | None:
        """c, if the lower one ends in max(z, c), and all that both do is the library's own."""
        if not all(map(is_own, self)):
            return None
        return self.layer.activation.floor


@dataclass(frozen=True)
class Graph:
    """Layers in an order in which every value is there before it is needed.

    Attributes
    ----------
    visits : tuple of Visit
        A layer used twice is visited twice.
    inputs, outputs : tuple of int
        Which values come in, and which go out.
    input_names, output_names : tuple of str
    size : int
        How many values there are.
    input_layers : tuple of InputLayer
        Of the inputs; none where the shape of a chain's input is not known yet.
    listed : tuple of Layer
        What a model calls its layers: a graph's inputs are among them, a chain's is not, as in Keras.
    """

    visits: tuple[Visit, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    input_names: tuple[str, ...]
    output_names: tuple[str, ...]
    size: int
    input_layers: tuple[InputLayer, ...] = ()
    listed: tuple[Layer, ...] = ()

    @cached_property
    def layers_once(self) -> tuple[Layer, ...]:
        """The layers, each once, in the order of their first visit."""
        return tuple(dict.fromkeys(visit.layer for visit in self.visits))

    @cached_property
    def behind_weights(self) -> frozenset[int]:
        """The values that depend on a weight, whose gradients training needs; known once the layers are built."""
        values: set[int] = set()
        for visit in self.visits:
            if visit.layer.weights or not values.isdisjoint(visit.sources):
                values.add(visit.target)
        return frozenset(values)

    @cached_property
    def way_back(self) -> tuple[tuple[int, Visit, bool, bool, Below | None], ...]:
        """The visits, last first: what a backward pass would otherwise look up in every step.

        The number of each; whether its dx leads to weights; if not, ``can_spare_dx``; and what is ``Below`` it.
        Known once the layers are built.
        """
        gives = {visit.target: visit.layer for visit in self.visits}
        return tuple(
            (
                k,
                visit,
                not self.behind_weights.isdisjoint(visit.sources),
                can_spare_dx(type(visit.layer)),
                None if visit.takes_list else Below.under(visit.layer, gives.get(visit.sources[0])),
            )
            for k, visit in reversed(list(enumerate(self.visits)))
        )

    @cached_property
    def last_uses(self) -> tuple[tuple[int, ...], ...]:
        """For each visit the values that nothing needs after it: no later visit, and not the caller."""
        last = {i: k for k, visit in enumerate(self.visits) for i in visit.sources}
        return tuple(
            tuple(i for i in set(visit.sources) if last[i] == k and i not in self.outputs)
            for k, visit in enumerate(self.visits)
        )

    @cached_property
    def giving_outputs(self) -> tuple[int, ...]:
        """For each output the number of the visit that gives it; -1 for one that is an input."""
        numbers = {visit.target: k for k, visit in enumerate(self.visits)}
        return tuple(numbers.get(value, -1) for value in self.outputs)

    @cached_property
    def opening(self) -> Opening:
        """The first layers, for inference; known once the layers are built."""
        along = itertools.takewhile(lambda visit: visit.target not in self.outputs, self.visits)
        return Opening.of([visit.layer for visit in along] if self.is_chain else [])

    @property
    def is_chain(self) -> bool:
        """Whether each layer takes what the one before it gives, and nothing else."""
        return len(self.inputs) == 1 and all(visit.sources == (i,) for i, visit in enumerate(self.visits))

    def history(self) -> dict[int, tuple[str, int]]:
        """Return for every value the name of what gave it, a layer or an input, and by which of its calls."""
        given = {place: (name, 0) for place, name in zip(self.inputs, self.input_names, strict=True)}
        calls: Counter[str] = Counter()
        for visit in self.visits:
            name = visit.layer.name
            given[visit.target] = (name, calls[name])
            calls[name] += 1
        return given

    @classmethod
    def chain(cls, layers: Sequence[Layer], first: InputLayer | None = None) -> Graph:
        """Return the graph of layers that follow one another: value i goes into layer i, i + 1 comes out."""
        visits = tuple(Visit(layer, (i,), i + 1) for i, layer in enumerate(layers))
        last, into = layers[-1].name if layers else "input", () if first is None else (first,)
        return cls(visits, (0,), (len(layers),), ("input",), (last,), len(layers) + 1, into, tuple(layers))

    @classmethod
    def between(cls, inputs: Sequence[Symbol], outputs: Sequence[Symbol]) -> Graph:
        """Return the graph that leads from some symbols to others.

        Layers farthest from the outputs come first and, at one distance, in the order in which a walk from the
        outputs meets them: Keras's order, so that weights line up. A symbol in mid-graph may be an input, too; it
        gets an ``InputLayer``.

        Raises
        ------
        ValueError
            If an output depends on an ``Input`` that is not among the inputs, or two layers share a name.
        """
        begins = {s: s.layer if isinstance(s.layer, InputLayer) else InputLayer(s.shape[1:]) for s in inputs}
        met: dict[Symbol, int] = {}
        walked: list[Symbol] = []

        def walk(symbol: Symbol) -> None:
            if symbol in met:
                return
            met[symbol] = len(met)
            if symbol.is_input and symbol not in begins:
                raise ValueError(
                    f"the input {symbol.name!r} leads to the model's outputs but is not among its inputs; those "
                    f"are {', '.join(s.name for s in inputs)}."
                )
            for source in () if symbol in begins else symbol.inputs:
                walk(source)
            walked.append(symbol)

        for output in outputs:
            walk(output)
        # As in Keras: a layer is as deep as its deepest use, and what a use takes is deeper than the layer so far.
        depth: dict[Symbol, int] = {}
        of_layer: dict[Layer, int] = {}
        for symbol in reversed(walked):
            layer = begins.get(symbol, symbol.layer)
            depth[symbol] = of_layer[layer] = max(depth.get(symbol, 0), of_layer.get(layer, 0))
            for source in () if symbol in begins else symbol.inputs:
                depth[source] = max(depth.get(source, 0), depth[symbol] + 1)
        computed = sorted((s for s in walked if s not in begins), key=lambda s: (-depth[s], met[s]))
        place = {symbol: i for i, symbol in enumerate([*inputs, *computed])}
        visits = tuple(
            Visit(s.layer, tuple(place[source] for source in s.inputs), place[s], s.takes_list) for s in computed
        )
        # An input that leads nowhere stands before all that is no distance away.
        order: dict[Layer, tuple[int, int]] = dict.fromkeys(begins.values(), (0, -1))
        for symbol in reversed(met):
            layer = begins.get(symbol, symbol.layer)
            order[layer] = (-of_layer[layer], met[symbol])
        listed = tuple(sorted(order, key=lambda layer: order[layer]))
        names = [layer.name for layer in listed]
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise ValueError(f"two layers are named {twice[0]!r}; names must differ.")
        return cls(
            visits,
            tuple(place[s] for s in inputs),
            tuple(place[s] for s in outputs),
            tuple(begins[s].name for s in inputs),
            tuple(s.name for s in outputs),
            len(place),
            tuple(begins[s] for s in inputs),
            listed,
        )


def can_spare_dx(kind: type[Layer]) -> bool:
    """Return whether a class's ``weights_backward`` goes with its backward: is not older than that."""
    backward = "linear_backward" if issubclass(kind, ActivatedLayer) else "backward"
    first = next(vars(base) for base in kind.__mro__ if {"weights_backward", backward} & set(vars(base)))
    return "weights_backward" in first
