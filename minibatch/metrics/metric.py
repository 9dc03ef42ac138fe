"""What every metric is: a running number over the batches of an epoch."""

from __future__ import annotations

import copy
from typing import Any, Literal

import numpy as np

from minibatch import config, initializers
from minibatch.losses.loss import check_dtype
from minibatch.metrics.variable import Variable
from minibatch.results import by_hand, is_by_hand, result
from minibatch.typing import Array
from minibatch.utils.names import snake_case, unique_name
from minibatch.utils.serialization import Configurable


class _Begun(type):
    """Begins a metric's state when it is made, at the latest."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        metric = super().__call__(*args, **kwargs)
        if "_variables" not in vars(metric):
            raise TypeError(f"{cls.__name__}.__init__ must call super().__init__().")
        if metric._state is None:
            metric._begin()
        if cls.reset_state is Metric.reset_state and not (metric._variables or metric._inner):  # type: ignore[attr-defined]  # cls is a Metric
            raise TypeError(f"{cls.__name__} must define reset_state(), or make its state by add_weight().")
        return metric


class Metric(Configurable, metaclass=_Begun):
    """A number gathered over batches: ``update_state`` for each, ``result`` at any time, ``reset_state``.

    Parameters
    ----------
    dtype : str, optional
        As in Keras the float type of the numbers gathered. Only the library's own, ``config.floatx()``, is taken;
        they are gathered in float64 whatever it is.
    name : str, optional
        Its key in logs and ``History``; by default the class's name in snake case, numbered from the second on.

    Examples
    --------
    A metric of your own defines the three. What ``reset_state`` sets is its state; it is called when the metric is
    made. Or, as in Keras, its state is what ``add_weight`` returned, which ``reset_state`` sets to 0 by itself
    (see ``Variable``).

    >>> import minibatch as mb
    >>> import numpy as np
    >>> class LargestError(mb.metrics.Metric):
    ...     def reset_state(self):
    ...         self.largest = 0.0
    ...     def update_state(self, y_true, y_pred, sample_weight=None):
    ...         self.largest = max(self.largest, float(np.abs(np.subtract(y_true, y_pred)).max()))
    ...     def result(self):
    ...         return self.largest
    >>> LargestError()([1.0, 2.0], [1.5, 0.0])
    2.0
    """

    #: Which way is better, for callbacks that watch the metric; None if it does not say.
    _direction: Literal["up", "down"] | None = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Let ``result`` give what also knows ``numpy``, whoever wrote it."""
        super().__init_subclass__(**kwargs)
        if not is_by_hand(cls.result):
            cls.result = by_hand(cls.result)  # type: ignore[method-assign]  # what it returns is the same, and more

    def __init__(self, dtype: str | None = None, name: str | None = None) -> None:
        check_dtype(self, dtype)
        self.name = name or unique_name(snake_case(type(self).__name__))
        self._variables: list[Variable] = []
        self._state: tuple[str, ...] | None = None
        try:
            self._begin()
        except AttributeError as error:
            # What reset_state speaks of may follow super().__init__, as in Keras: then the state begins after it.
            if error.obj is not self:
                raise

    def _begin(self) -> None:
        before = dict(vars(self))
        try:
            self.reset_state()
        except AttributeError:
            self.__dict__ = before
            raise
        self._state = tuple(key for key in vars(self) if key not in before)

    @property
    def _inner(self) -> dict[str, Metric]:
        return {key: value for key, value in vars(self).items() if isinstance(value, Metric)}

    def add_weight(
        self,
        shape: tuple[int, ...] = (),
        initializer: Any = None,
        dtype: str | None = None,
        name: str | None = None,
    ) -> Variable:
        """Return a new variable, of zeros by default: a part of the metric's state.

        Parameters
        ----------
        shape : tuple of int
        initializer : str or Initializer, optional
        dtype : str, optional
            By default float64.
        name : str, optional
            For Keras's sake.
        """
        if "_variables" not in vars(self):
            raise TypeError(f"{type(self).__name__}.__init__ must call super().__init__() before add_weight().")
        numbers = initializers.get(initializer or "zeros")(shape)
        self._variables.append(np.array(numbers, dtype or np.float64).view(Variable))
        return self._variables[-1]

    def add_variable(
        self,
        shape: tuple[int, ...],
        initializer: Any,
        dtype: str | None = None,
        aggregation: str = "sum",
        name: str | None = None,
    ) -> Variable:
        """Return what ``add_weight`` does; ``aggregation`` is for several machines, and without effect."""
        return self.add_weight(shape, initializer, dtype, name)

    @property
    def variables(self) -> list[Variable]:
        """The variables of the metric, and of the metrics inside it."""
        return [*self._variables, *(v for metric in self._inner.values() for v in metric.variables)]

    @property
    def dtype(self) -> str:
        """The float type that Keras would gather in."""
        return config.floatx()

    def update_state(self, *args: Any, **kwargs: Any) -> None:
        """Take in a batch: ``update_state(y_true, y_pred, sample_weight=None)``, or values for ``Mean``."""
        raise TypeError(f"{type(self).__name__} must define update_state(y_true, y_pred, sample_weight).")

    def joins(self, y_true: Array, sample_weight: Any = None) -> bool:
        """Return whether it is the same, to the last bit, to take in batches of such targets as one."""
        return False

    def result(self) -> Any:
        """Return the number so far; an array where there are several (one for each threshold or class)."""
        raise TypeError(f"{type(self).__name__} must define result().")

    def reset_state(self) -> None:
        """Forget all batches: by default, set the variables to 0, and reset the metrics inside this one."""
        for variable in self._variables:
            variable.assign(0)
        for metric in self._inner.values():
            metric.reset_state()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Take in a batch, and return the number so far."""
        self.update_state(*args, **kwargs)
        found = self.result()
        return result(found.numpy()) if isinstance(found, Variable) else found  # as it is now: the variable goes on

    def state_dict(self) -> dict[str, Any]:
        """Return a copy of what was gathered so far, for a checkpoint."""
        own = {key: copy.deepcopy(getattr(self, key)) for key in self._state or ()}
        inner = {key: metric.state_dict() for key, metric in self._inner.items()}
        return own | inner | ({"_variables": [np.array(v) for v in self._variables]} if self._variables else {})

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what ``state_dict`` returned.

        Raises
        ------
        ValueError
            If it is not the state of such a metric.
        """
        mine, inner = self.state_dict(), self._inner
        if set(state) != set(mine):
            raise ValueError(f"metric {self.name!r} has the state {sorted(mine)}; got {sorted(state)}.")
        shapes = [np.shape(numbers) for numbers in state.get("_variables", [])]
        if shapes != [variable.shape for variable in self._variables]:
            wanted = [variable.shape for variable in self._variables]
            raise ValueError(f"metric {self.name!r} has variables of shapes {wanted}; got {shapes}.")
        for key, value in state.items():
            if key == "_variables":
                for variable, numbers in zip(self._variables, value, strict=True):
                    variable.assign(numbers)
            elif key in inner:
                inner[key].load_state_dict(value)
            else:
                setattr(self, key, copy.deepcopy(value))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}>"


def same_rank(a: Array, b: Array, expand: bool = True) -> tuple[Array, Array]:
    """Return two arrays with as many axes, where one of them has a last axis of length 1 too many.

    That axis is dropped; or, with ``expand`` and where the other has one axis only, the other gets one, too. This
    is Keras's rule (``squeeze_or_expand_to_same_rank``).
    """
    if a.ndim == b.ndim + 1 and a.shape[-1] == 1:
        return (a, b[..., None]) if b.ndim == 1 and expand else (a[..., 0], b)
    if b.ndim == a.ndim + 1:
        return same_rank(b, a, expand)[::-1]
    return a, b


def paired(what: str, y_true: Array, y_pred: Array) -> tuple[Array, Array]:
    """Return targets and predictions with as many axes (see ``same_rank``), if each target has its prediction.

    Raises
    ------
    ValueError
        If they do not pair up.
    """
    y, p = same_rank(y_true, y_pred)
    if y.shape != p.shape and not (y.ndim == p.ndim and _stretches(y.shape, p.shape)):
        raise ValueError(
            f"{what} compares numbers in pairs; got targets of shape {y_true.shape} and predictions of shape "
            f"{y_pred.shape}. Class numbers become rows by minibatch.utils.to_categorical."
        )
    return y, p


def _stretches(shape: tuple[int, ...], target: tuple[int, ...]) -> bool:
    try:
        return bool(np.broadcast_shapes(shape, target) == target)
    except ValueError:
        return False
