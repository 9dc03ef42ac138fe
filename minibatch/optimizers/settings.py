"""What an optimizer is told: the arguments that all rules share, the learning rate, and the dict of them all."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Self

import numpy as np

from minibatch.optimizers.rate import Rate
from minibatch.optimizers.schedules import LearningRateSchedule
from minibatch.optimizers.schedules import deserialize as schedule_from
from minibatch.optimizers.schedules import serialize as schedule_config
from minibatch.results import Count
from minibatch.utils.names import refuse, snake_case, unique_name
from minibatch.utils.serialization import Configurable, function_config

#: What only files of Keras 2 hold, each with the values that ask for nothing.
_KERAS_2: dict[str, tuple[Any, ...]] = {
    "decay": (0, 0.0),
    "jit_compile": (True, False),
    "is_legacy_optimizer": (True, False),
}


class Settings(Configurable):
    """The arguments of an optimizer, checked. See ``Optimizer`` for what they mean."""

    def __init__(
        self,
        learning_rate: Any,
        *,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        loss_scale_factor: None = None,
        gradient_accumulation_steps: int | None = None,
        name: str | None = None,
        **unknown: Any,
    ) -> None:
        kind = type(self).__name__
        _refuse_unknown(self, unknown)
        clips = {"clipnorm": clipnorm, "clipvalue": clipvalue, "global_clipnorm": global_clipnorm}
        if sum(value is not None for value in clips.values()) > 1:
            raise ValueError(
                f"{kind}: only one of clipnorm, clipvalue and global_clipnorm can be set; got {clips}."
            )
        if gradient_accumulation_steps and not _counts(gradient_accumulation_steps, from_=2):
            raise ValueError(
                f"{kind}: gradient_accumulation_steps must be an integer, 2 or more, or None; got "
                f"{gradient_accumulation_steps!r}."
            )
        if use_ema and not 0 <= ema_momentum <= 1:
            raise ValueError(f"{kind}: ema_momentum must lie in [0, 1]; got {ema_momentum!r}.")
        if use_ema and ema_overwrite_frequency and not _counts(ema_overwrite_frequency, from_=1):
            raise ValueError(
                f"{kind}: ema_overwrite_frequency must be an integer, 1 or more, or None; got "
                f"{ema_overwrite_frequency!r}."
            )
        if loss_scale_factor is not None:
            raise ValueError(
                f"{kind}: loss_scale_factor must be None; got {loss_scale_factor!r}. Scaling keeps the small "
                "gradients of float16; this library trains in float32 or float64."
            )
        self.name = name or unique_name(snake_case(kind))
        self.weight_decay = weight_decay
        self.clipnorm, self.clipvalue, self.global_clipnorm = clipnorm, clipvalue, global_clipnorm
        self.use_ema, self.ema_momentum = use_ema, ema_momentum
        self.ema_overwrite_frequency = ema_overwrite_frequency
        self.loss_scale_factor = loss_scale_factor
        self.gradient_accumulation_steps = gradient_accumulation_steps
        self.micro_steps = 0
        self._learning_rate: Any = learning_rate if callable(learning_rate) else self._checked_rate(learning_rate)
        self._exclude: tuple[list[Any], list[str]] = ([], [])

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Let help() and inspect show the shared arguments, too, which a rule passes on as ``**shared``."""
        super().__init_subclass__(**kwargs)
        cls.__signature__ = _whole_signature(cls)  # type: ignore[attr-defined]  # inspect's own protocol

    @property
    def steps_made(self) -> int:
        """How many steps have been made, the plain number."""
        return self.micro_steps // (self.gradient_accumulation_steps or 1)

    @property
    def iterations(self) -> Count:
        """How many steps have been made: an int, with ``numpy``; settable."""
        return Count(self.steps_made)

    @iterations.setter
    def iterations(self, value: int) -> None:
        if not _counts(value, from_=0):
            raise ValueError(f"{type(self).__name__}: iterations must be an integer, 0 or more; got {value!r}.")
        self.micro_steps = int(value) * (self.gradient_accumulation_steps or 1)

    @property
    def learning_rate(self) -> Rate:
        """The length of the next step per unit of gradient: a float, with ``assign`` and ``numpy``.

        It may be set at any time, to a number, a schedule or a callable; but not to a number in place of the other
        two. A schedule is asked with ``micro_steps``, as in Keras.

        Raises
        ------
        TypeError
            When set: if a number would replace a schedule or a callable. When read: if that returned no number.
        ValueError
            When set: if it is not a number from 0 up.
        """
        return Rate(self.rate_now(), self)

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        if callable(value):
            self._learning_rate = value
            return
        number = self._checked_rate(value)
        if self.learning_rate_is_scheduled:
            raise TypeError(
                f"{type(self).__name__}: the learning rate follows {self._learning_rate!r}, so it cannot be set to "
                f"{value!r}. Make the optimizer with a number to set it later, or set another schedule."
            )
        self._learning_rate = number

    def rate_now(self) -> float:
        """Return the learning rate, the plain number."""
        if not callable(self._learning_rate):
            return float(self._learning_rate)
        scheduled = isinstance(self._learning_rate, LearningRateSchedule)
        value = self._learning_rate(self.micro_steps) if scheduled else self._learning_rate()
        if value is None or np.ndim(value) != 0 or np.asarray(value).dtype.kind not in "fiu":
            raise TypeError(f"the learning rate's {self._learning_rate!r} must return a number; got {value!r}.")
        return float(value)

    @property
    def learning_rate_is_scheduled(self) -> bool:
        """Whether the learning rate comes from a schedule or a callable, and so is no number to keep in a file."""
        return callable(self._learning_rate)

    def _checked_rate(self, value: Any) -> float:
        if isinstance(value, np.ndarray) and value.ndim == 0:
            value = value[()]
        number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
        if not number or not np.isfinite(value) or value < 0:
            raise ValueError(
                f"{type(self).__name__}: learning_rate must be a number, 0 or more; got {value!r}. (Or a "
                "LearningRateSchedule, or a callable without arguments.)"
            )
        return float(value)

    def exclude_from_weight_decay(
        self, var_list: Iterable[Any] | None = None, var_names: Iterable[str] | None = None
    ) -> None:
        """Keep weights out of ``weight_decay``; each call begins anew.

        Parameters
        ----------
        var_list : list of Weight, optional
        var_names : list of str, optional
            Regular expressions that are looked for in a weight's path: "bias", or "dense_1/".

        Raises
        ------
        TypeError
            If ``var_names`` is one string.
        """
        if isinstance(var_names, str):
            raise TypeError(f"var_names must be a list of strings; got {var_names!r}.")
        self._exclude = (list(var_list or ()), list(var_names or ()))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this optimizer again, in Keras's format; its state is not in it.

        Raises
        ------
        TypeError
            If the learning rate is a callable without a name.
        """
        rate = self._learning_rate
        if isinstance(rate, LearningRateSchedule):
            rate = schedule_config(rate)
        elif callable(rate):
            name = getattr(rate, "__name__", "<lambda>")
            if name == "<lambda>":
                raise TypeError(f"{rate!r} cannot be written into a config: give the learning rate as a schedule.")
            rate = function_config(name)
        return {**super().get_config(), "learning_rate": rate}

    @classmethod
    def from_config(cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Self:
        """Return a new optimizer from what ``get_config`` returned, here or in Keras.

        Parameters
        ----------
        config : mapping
        custom_objects : mapping of str, optional
            Schedules and functions of one's own by name.
        """
        config = dict(config)
        if isinstance(config.get("learning_rate"), Mapping):
            config["learning_rate"] = schedule_from(config["learning_rate"], custom_objects)
        return cls(**config)


def _counts(value: Any, from_: int) -> bool:
    return hasattr(value, "__index__") and not isinstance(value, bool) and value >= from_


def _refuse_unknown(optimizer: Settings, unknown: Mapping[str, Any]) -> None:
    kind = type(optimizer).__name__
    if "lr" in unknown:
        raise TypeError(f"{kind}(): 'lr' is a spelling of Keras 2; today it is 'learning_rate'.")
    if unknown.get("decay"):
        raise TypeError(
            f"{kind}(): 'decay' is a spelling of Keras 2; today it is a schedule: learning_rate="
            "minibatch.optimizers.schedules.InverseTimeDecay(learning_rate, decay_steps=1, decay_rate=decay)."
        )
    refuse(optimizer, unknown, _KERAS_2)


def _whole_signature(cls: type) -> inspect.Signature:
    """Return the arguments of the class's constructor, and those that it passes on to its base classes'."""
    makers: list[Callable[..., None]] = [vars(c)["__init__"] for c in cls.__mro__[:-1] if "__init__" in vars(c)]
    parameters: dict[str, inspect.Parameter] = {}
    for i, maker in enumerate(makers):
        parameters.pop("passed_on", None)
        for parameter in list(inspect.signature(maker).parameters.values())[1:]:
            rest = parameter.kind is parameter.VAR_KEYWORD
            shown = parameter if i == 0 or rest else parameter.replace(kind=parameter.KEYWORD_ONLY)
            parameters.setdefault("passed_on" if rest else parameter.name, shown)
        if "passed_on" not in parameters:
            break
    return inspect.Signature(list(parameters.values()))
