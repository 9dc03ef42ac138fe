"""The one alias that annotations share."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

#: Any NumPy array. Shapes are in the docstrings, in the letters of docs/design.md ("Words").
Array = npt.NDArray[Any]
#: The shape of one sample or of a batch; ``None`` stands for the batch axis.
Shape = tuple[int | None, ...]
#: One or two integers, as Keras takes them for windows and strides.
IntOrPair = int | tuple[int, int]

__all__ = ["Array", "IntOrPair", "Shape"]
