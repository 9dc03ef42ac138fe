"""What every layer is: a shape rule, a forward pass, a backward pass beside it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np

from minibatch import activations, config, initializers, regularizers
from minibatch.layers.outer import Outer
from minibatch.layers.symbol import Symbol, one_or_all, symbols_in
from minibatch.layers.weight import Weight
from minibatch.layers.weighted import Weighted
from minibatch.results import result
from minibatch.typing import Array
from minibatch.utils.names import argument_names, near_misses, refuse, snake_case, unique_name
from minibatch.utils.serialization import plain, serialize

#: What ``forward`` returns for ``backward``: whatever the layer needs. It is a value, never kept by the layer.
Cache = Any

#: The shape of one sample; a list of shapes for a layer of several inputs.
SampleShape = Any

#: Arguments that Keras's layers take and these do not, each with the values that ask for what happens here anyway.
_KERAS_ONLY: dict[str, tuple[Any, ...]] = {
    "dtype": ("float32", "float64"),
    "autocast": (True,),
    "activity_regularizer": (),
    "kernel_constraint": (),
    "bias_constraint": (),
    "data_format": ("channels_last",),
    "noise_shape": (),
    "lora_rank": (),
    "lora_alpha": (),
    "quantization_config": (),
    "batch_size": (),
    "batch_input_shape": (),
}

#: Likewise of ``add_weight``.
_KERAS_ONLY_OF_WEIGHTS: dict[str, tuple[Any, ...]] = {
    "dtype": ("float32", "float64"),
    "autocast": (True,),
    "constraint": (),
    "aggregation": ("none", "mean", "sum", "only_first_replica"),
    "overwrite_with_gradient": (False,),
}


class Layer(Weighted):
    """A function of a batch with weights, and the gradient of that function.

    A layer keeps nothing between calls: ``forward`` returns its output and a cache, ``backward`` takes the
    cache. So a layer can be used twice in a model, or by two threads, or looked into by a metric.

    To write one, define ``forward`` and ``backward``; ``build`` if it has weights; ``output_shape_for`` if the
    shape changes; and ``per_sample_gradients`` if it has weights and its samples do not meet inside a batch.

    Parameters
    ----------
    name : str, optional
        By default the class's name in snake case, with a number from the second one on.
    trainable : bool, default True
        Whether the optimizer moves the weights. May be set at any time; a compiled model heeds it from the next
        ``compile`` on, as in Keras.
    input_shape : tuple of int, optional
        The shape of one sample, for the first layer of a ``Sequential``.

    Examples
    --------
    >>> import minibatch as mb
    >>> import numpy as np
    >>> class Scale(mb.layers.Layer):
    ...     def build(self, input_shape):
    ...         self.factor = self.add_weight((), "ones", name="factor")
    ...     def forward(self, x, training=False):
    ...         return self.factor.value * x, x
    ...     def backward(self, dy, cache):
    ...         x = cache
    ...         self.factor.gradient[...] = (dy * x).sum()
    ...         return self.factor.value * dy
    >>> Scale()(np.array([[1.0, 2.0]]))
    array([[1., 2.]], dtype=float32)
    """

    #: Arguments that Keras's layer of this name takes and this one does not, beyond those that most layers take
    #: there; each with the values that ask for what happens here anyway.
    keras_only: ClassVar[dict[str, tuple[Any, ...]]] = {}

    weights: list[Weight]

    def __init__(
        self,
        *,
        name: str | None = None,
        trainable: bool = True,
        input_shape: tuple[int, ...] | None = None,
        **unknown: Any,
    ) -> None:
        if (width := unknown.pop("input_dim", None)) is not None:
            input_shape = (width,)
        refuse(self, unknown, _KERAS_ONLY | self.keras_only)
        self.name = name or unique_name(snake_case(type(self).__name__))
        self.trainable = trainable
        self.weights = []
        #: What the caller said of the input's shape, for a ``Sequential`` that begins with this layer.
        self.given_shape = None if input_shape is None else tuple(input_shape)
        self.input_shape: SampleShape = None
        self.output_shape: tuple[int, ...] | None = None
        #: What the first call on symbols returned.
        self.first_call: Symbol | None = None

    # What a layer says of itself ----------------------------------------------------------------------------

    def build(self, input_shape: SampleShape) -> None:
        """Make the weights for samples of this shape (no batch axis). Nothing to do without weights."""

    def output_shape_for(self, input_shape: SampleShape) -> tuple[int, ...]:
        """Return the shape of one output sample for one input sample."""
        shape: tuple[int, ...] = input_shape
        return shape

    def forward(self, x: Any, training: bool = False) -> tuple[Array, Cache]:
        """Return (y, cache) for a batch x (N, ...), or a list of such; ``training`` switches on, say, dropout."""
        kind = type(self).__name__
        if hasattr(self, "call"):
            raise TypeError(
                f"{kind} defines call, whose gradient Keras's backends find; here it is written out: {kind} must "
                "define forward(x, training) and backward(dy, cache) instead. See docs/extending.md."
            )
        raise TypeError(f"{kind} must define forward(x, training).")

    def backward(self, dy: Array, cache: Cache) -> Any:
        """Write dL/dweight into each weight's ``gradient``; return dx = dL/dx (or a list) from dy = dL/dy."""
        raise TypeError(f"{type(self).__name__} must define backward(dy, cache).")

    def weights_backward(self, dy: Array, cache: Cache) -> None:
        """Do what ``backward`` does, but for dx: asked of the first layers of a model, whose dx nobody needs.

        Worth defining where dx is much of the work; ``backward`` then begins with it.
        """
        self.backward(dy, cache)

    def backward_above(self, dy: Array, cache: Cache, least: float) -> Array:
        """Do what ``backward`` does; return dx where x is above ``least``, and 0 dx elsewhere.

        If x is max(z, least), the output of a layer that ends in ReLU, that is the gradient by z.
        """
        raise TypeError(f"{type(self).__name__} has no backward_above(dy, cache, least).")

    def per_sample_gradients(self, dy: Array, cache: Cache) -> Sequence[Array | Outer]:
        """Return, for each trainable weight, an array (N, ...): row i is what sample i adds to the gradient.

        Their sum over i is what ``backward`` writes. Where that is less work, the factors of such an array will do
        (``Outer``).

        Raises
        ------
        TypeError
            If the layer has weights and no rule of its own.
        """
        if not any(weight.trainable for weight in self.weights):
            return []
        raise TypeError(
            f"layer {self.name!r} ({type(self).__name__}) has no rule for per-sample gradients: "
            "define per_sample_gradients(dy, cache)."
        )

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments by name, in numbers, strings, lists and dicts, as Keras's files do.

        Every argument is read from the attribute of its name; a layer of your own that keeps its arguments so need
        not define this.
        """
        names = argument_names(type(self))
        return {name: _written(getattr(self, name)) for name in names if name != "input_shape"}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Return a new layer from what ``get_config`` returned; its weights are new, too."""
        return cls(**config)

    # What every layer shares --------------------------------------------------------------------------------

    @property
    def built(self) -> bool:
        """Whether the shapes are known and the weights exist."""
        return self.input_shape is not None

    @property
    def trainable_weights(self) -> list[Weight]:
        """The weights that an optimizer moves: none, if the layer is not ``trainable``."""
        return [weight for weight in self.weights if self.trainable and weight.trainable]

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """Return the shape of a batch of outputs for that of a batch of inputs, (None, ...), or a list of such."""
        several = isinstance(input_shape, list) and any(isinstance(shape, tuple | list) for shape in input_shape)
        batches = [tuple(shape) for shape in (input_shape if several else [input_shape])]
        samples = [shape[1:] for shape in batches]
        return batches[0][0], *self.output_shape_for(samples if several else samples[0])

    def fit_shape(self, input_shape: SampleShape) -> tuple[int, ...]:
        """Return the output's sample shape for this one, and build nothing.

        Raises
        ------
        ValueError
            If the layer was built for another shape, or has no output for this one.
        """
        if self.input_shape is not None and self.input_shape != input_shape:
            raise ValueError(
                f"layer {self.name!r} was built for samples of shape {self.input_shape}; got {input_shape}."
            )
        return self.output_shape_for(input_shape)

    def ensure_built(self, input_shape: SampleShape) -> tuple[int, ...]:
        """Build for this sample shape if that has not been done; return the output's sample shape.

        Raises
        ------
        ValueError
            As ``fit_shape``.
        """
        output_shape = self.fit_shape(input_shape)
        if not self.built:
            self.build(input_shape)
            self.input_shape, self.output_shape = input_shape, output_shape
        return output_shape

    def add_weight(
        self,
        shape: tuple[int, ...] | None = None,
        initializer: Any = None,
        dtype: Any = None,
        *,
        trainable: bool = True,
        regularizer: Any = None,
        name: str | None = None,
        **unknown: Any,
    ) -> Weight:
        """Make a weight, append it to ``weights`` and return it (see ``Weight``).

        Parameters
        ----------
        shape : tuple of int, optional
            By default (), one number.
        initializer : str or Initializer, optional
            By default "glorot_uniform".
        dtype : None
            Keras's; here one float type serves everything (``config.set_floatx``).
        trainable : bool, default True
            False for what the layer itself keeps up to date.
        regularizer : str or Regularizer, optional
        name : str, optional
            "kernel"; by default "variable", the layer's second such "variable_1", ...

        Raises
        ------
        TypeError
            For another argument, or a shape that is none.
        """
        refuse(self.add_weight, {"dtype": dtype, **unknown}, _KERAS_ONLY_OF_WEIGHTS)
        if isinstance(shape, str):
            raise TypeError(f"add_weight takes its name by keyword: add_weight(shape, ..., name={shape!r}).")
        unnamed = sum(weight.name.startswith("variable") for weight in self.weights)
        name = name or f"variable_{unnamed}".removesuffix("_0")
        maker = initializers.get(initializer or "glorot_uniform")
        weight = Weight(name, tuple(shape or ()), maker, trainable, regularizers.get(regularizer))
        weight.path = f"{self.name}/{name}"
        self.weights.append(weight)
        return weight

    def __call__(self, x: Any, training: bool = False) -> Any:
        """Return the layer's output: of a batch, its numbers; of a symbol (see ``Input``), another symbol."""
        symbols = symbols_in(x)
        if symbols:
            several = isinstance(x, list | tuple)
            shapes = [symbol.shape[1:] for symbol in symbols]
            shape = self.ensure_built(shapes if several else shapes[0])
            symbol = Symbol((None, *shape), self, symbols, several)
            self.first_call = self.first_call or symbol
            return symbol
        if isinstance(x, list | tuple) and any(isinstance(part, np.ndarray) for part in x):
            batches = [np.asarray(part, dtype=config.floatx()) for part in x]
            self.ensure_built([batch.shape[1:] for batch in batches])
            return result(self.forward(batches, training)[0])
        batch = np.asarray(x, dtype=config.floatx())
        self.ensure_built(batch.shape[1:])
        return result(self.forward(batch, training)[0])

    @property
    def output(self) -> Symbol:
        """What the first call on symbols returned, for ``Model(model.inputs, layer.output)``.

        Raises
        ------
        AttributeError
            If there was no such call.
        """
        if self.first_call is None:
            raise AttributeError(
                f"layer {self.name!r} has not been called on symbols, so it has no input or output."
            )
        return self.first_call

    @property
    def input(self) -> Any:
        """What the first call on symbols was given: a symbol, or a list of them (see ``output``)."""
        return one_or_all(self.output.inputs)

    def __getstate__(self) -> dict[str, Any]:
        # A symbol leads to all that it was computed from: a copy of a layer is not to copy the layers before it.
        return self.__dict__ | {"first_call": None}

    def count_params(self) -> int:
        """Return the number of scalars in the weights."""
        return sum(math.prod(weight.shape) for weight in self.weights)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}>"


def _written(value: Any) -> Any:
    """Return a constructor's argument in the words of Keras's files."""
    if isinstance(value, activations.Activation):
        return value.name
    if isinstance(value, initializers.Initializer):
        return serialize(value, "initializers")
    if isinstance(value, regularizers.Regularizer):
        return serialize(value, "regularizers")
    return plain(value)


def one_of(kind: str, argument: str, value: Any, choices: tuple[str, ...]) -> str:
    """Return ``value`` in lower case if it is one of the choices; raise a ValueError if not."""
    if not isinstance(value, str) or value.lower() not in choices:
        raise ValueError(f"{kind}: unknown {argument} {value!r}.{near_misses(str(value), choices)}")
    return value.lower()


def positive(kind: str, argument: str, value: Any) -> int:
    """Return ``value`` as an int if it is a positive integer; raise a ValueError if not."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise ValueError(f"{kind}: {argument} must be a positive integer; got {value!r}.")
    return int(value)
