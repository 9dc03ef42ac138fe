"""A weight: a named view into a model's parameter vector, and its gradient's view beside it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from minibatch.initializers import Initializer
from minibatch.results import result
from minibatch.typing import Array


class Weight(np.lib.mixins.NDArrayOperatorsMixin):
    """A named array of a layer, with its gradient.

    Like Keras's variables it can be calculated with: ``kernel * 2`` and ``kernel[0]`` are new arrays.

    A new weight owns its numbers. When a model gathers its layers (``models/parameters.py``) the same numbers
    move into the model's one vector, and ``value`` and ``gradient`` become views of it; so the layer's maths
    and the optimizer's look at the same memory.

    Attributes
    ----------
    name : str
        "kernel", "bias".
    value, gradient : ndarray, shape ``shape``
        ``gradient`` is dL/dvalue of the last backward pass, L being the loss of the batch.
    trainable : bool
        False for what a layer itself keeps up to date, such as a moving average: it has no gradient.
    regularizer : Regularizer or None
        Adds to the loss and to ``gradient``.

    Examples
    --------
    >>> import minibatch as mb
    >>> layer = mb.layers.Dense(2, use_bias=False, kernel_initializer="ones")
    >>> layer.build((1,))
    >>> layer.kernel.assign_sub([[0.0, 3.0]])
    >>> layer.kernel * 2, layer.kernel[0]
    (array([[ 2., -4.]], dtype=float32), array([ 1., -2.], dtype=float32))
    """

    # A weight is itself, and no other of the same numbers: it is looked up, and compared so.
    __eq__, __ne__, __hash__ = object.__eq__, object.__ne__, object.__hash__

    def __init__(
        self,
        name: str,
        shape: tuple[int, ...],
        initializer: Initializer,
        trainable: bool = True,
        regularizer: Any = None,
    ) -> None:
        self.name = name
        self.path = name
        self.trainable = trainable
        self.regularizer = regularizer
        self.value: Array = np.array(initializer(shape))
        self.gradient: Array = np.zeros_like(self.value)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of ``value``."""
        return self.value.shape

    @property
    def dtype(self) -> str:
        """The name of the float type."""
        return self.value.dtype.name

    def numpy(self) -> Array:
        """Return a copy of the numbers, safe to keep while training goes on."""
        return self.value.copy()

    def checked(self, value: npt.ArrayLike) -> Array:
        """Return ``value`` as an array that this weight can be.

        Raises
        ------
        ValueError
            If the shape differs, or it holds no numbers.
        """
        new = np.asarray(value)
        if new.shape != self.shape:
            raise ValueError(f"weight {self.path!r} has shape {self.shape}; got an array of shape {new.shape}.")
        if new.dtype.kind not in "fiub":
            raise ValueError(f"weight {self.path!r} must be given numbers; got dtype {new.dtype}.")
        return new

    def assign(self, value: npt.ArrayLike) -> None:
        """Replace the numbers in place.

        Raises
        ------
        ValueError
            As ``checked``.
        """
        self.value[...] = self.checked(value)

    def assign_add(self, value: npt.ArrayLike) -> None:
        """Add to the numbers in place. Errors as ``checked``."""
        self.assign(self.value + self.checked(value))

    def assign_sub(self, value: npt.ArrayLike) -> None:
        """Take away from the numbers in place. Errors as ``checked``."""
        self.assign(self.value - self.checked(value))

    def __getitem__(self, place: Any) -> Any:
        return result(self.numpy())[place]

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **settings: Any) -> Any:
        """Calculate with the numbers; ``kernel += 1`` changes them in place, and leaves the weight one."""
        out = settings.pop("out", ())
        if out:
            settings["out"] = tuple(map(_numbers, out))
        found = getattr(ufunc, method)(*map(_numbers, inputs), **settings)
        return out[0] if len(out) == 1 else found

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.array(self.value, dtype=dtype, copy=True if copy is None else copy)

    def __repr__(self) -> str:
        return f"<Weight {self.path}, shape={self.shape}, dtype={self.dtype}>"


def _numbers(operand: Any) -> Any:
    return result(operand.value) if isinstance(operand, Weight) else operand
