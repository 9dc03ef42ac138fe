"""Layers that end in an activation: their two halves, apart."""

from __future__ import annotations

from typing import Any, ClassVar

from minibatch import activations
from minibatch.layers.layer import Cache, Layer
from minibatch.typing import Array


class ActivatedLayer(Layer):
    """A layer that ends in an activation: y = f(z), z = linear(x).

    The two halves are apart so that a loss which takes logits can be given z, as in Keras: the gradient of
    cross-entropy by the logits is p - y, exact where the one by p divides by a probability near zero.

    Subclasses define ``linear`` and ``linear_backward``; and, if they have weights, ``per_sample_gradients``, which
    here takes what ``linear_backward`` takes, as do ``weights_backward`` and ``backward_above``.
    """

    #: Whether the z that ``linear`` returns is an array of its own, which the activation may write over: not x, nor
    #: a part of the cache; whether a ``linear_above``, and a ``linear_softmax``, goes with it. A class that defines
    #: ``linear`` says so itself.
    owns_z: ClassVar[bool] = False
    has_floor: ClassVar[bool] = False
    has_softmax: ClassVar[bool] = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # A promise is about one ``linear``: it holds from the class that defines that on, not for another one.
        classes = cls.__mro__
        down_to = next(k for k, base in enumerate(classes) if "linear" in vars(base))
        for promise in ("owns_z", "has_floor", "has_softmax"):
            made = (vars(base)[promise] for base in classes[: down_to + 1] if promise in vars(base))
            setattr(cls, promise, next(made, False))

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name == "linear":  # put in place for this one layer: noted here, so that no pass has to ask
            self.__dict__.update(owns_z=False, has_floor=False, has_softmax=False)

    def __init__(self, activation: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.activation = activations.get(activation)

    def linear(self, x: Array, training: bool) -> tuple[Array, Cache]:
        """Return (z, cache)."""
        raise TypeError(f"{type(self).__name__} must define linear(x, training).")

    def linear_above(self, x: Array, least: float | None) -> tuple[Array, Cache]:
        """Return (max(z, least), cache), in one pass."""
        raise TypeError(f"{type(self).__name__} has no linear_above(x, least).")

    def linear_softmax(self, x: Array, training: bool) -> tuple[Array, Array, Cache]:
        """Return (softmax(z), z, cache), the first two in one pass."""
        raise TypeError(f"{type(self).__name__} has no linear_softmax(x, training).")

    def linear_backward(self, dz: Array, cache: Cache) -> Array:
        """Write the weights' gradients; return dx."""
        raise TypeError(f"{type(self).__name__} must define linear_backward(dz, cache).")

    def weights_backward(self, dz: Array, cache: Cache) -> None:
        self.linear_backward(dz, cache)

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Cache]:
        activation = self.activation
        if self.has_floor and activation.floor is not None:
            y, cache = self.linear_above(x, activation.floor)
            return y, (cache, y, y)  # the gradient may look at y for z: see Activation.floor
        if self.has_softmax and activation is activations.softmax:
            y, z, cache = self.linear_softmax(x, training)
            return y, (cache, z, y)
        z, cache = self.linear(x, training)
        y = activation.over(z) if self.owns_z else activation.of(z)
        return y, (cache, z, y)

    def activation_backward(self, dy: Array, z: Array, y: Array) -> Array:
        """Return dz from dy, for what ``forward`` put into its cache."""
        return self.activation.backward(dy, z, y)

    def backward(self, dy: Array, cache: Cache) -> Array:
        linear_cache, z, y = cache
        return self.linear_backward(self.activation_backward(dy, z, y), linear_cache)
