"""Schedules: the learning rate as a function of the step (``keras.optimizers.schedules``).

In every formula t is the number of steps made before this one, from 0. Keras works them out in float32, this
library in float64; so they agree to float32 rounding.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from minibatch.optimizers.schedules.cosine import CosineDecay, CosineDecayRestarts
from minibatch.optimizers.schedules.decay import (
    ExponentialDecay,
    InverseTimeDecay,
    PiecewiseConstantDecay,
    PolynomialDecay,
)
from minibatch.optimizers.schedules.schedule import LearningRateSchedule
from minibatch.utils import serialization

SCHEDULES: dict[str, type[LearningRateSchedule]] = {
    cls.__name__: cls
    for cls in (
        CosineDecay,
        CosineDecayRestarts,
        ExponentialDecay,
        InverseTimeDecay,
        PiecewiseConstantDecay,
        PolynomialDecay,
    )
}


def serialize(learning_rate_schedule: LearningRateSchedule) -> dict[str, Any]:
    """Return a schedule as a dict in Keras's format (see ``minibatch.utils.serialization``)."""
    return serialization.serialize(learning_rate_schedule, "optimizers.schedules")


def deserialize(config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Return the schedule that a dict of ``serialize`` stands for, here or in Keras.

    Parameters
    ----------
    config : mapping
    custom_objects : mapping of str, optional
        Schedules of one's own by name.

    Raises
    ------
    ValueError
        If its name is unknown.
    TypeError
        If the dict is not of that format.
    """
    return serialization.deserialize("learning-rate schedule", config, SCHEDULES, custom_objects)


__all__ = [
    "CosineDecay",
    "CosineDecayRestarts",
    "ExponentialDecay",
    "InverseTimeDecay",
    "LearningRateSchedule",
    "PiecewiseConstantDecay",
    "PolynomialDecay",
    "deserialize",
    "serialize",
]
