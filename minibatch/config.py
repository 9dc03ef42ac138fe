"""Settings of the whole library: the float type of models, and the fuzz factor of logarithms.

The names are Keras's (``keras.config``).
"""

from __future__ import annotations

_FLOAT_TYPES = ("float32", "float64")
_floatx = "float32"
_epsilon = 1e-7


def floatx() -> str:
    """Return the name of the float type that new models are built in.

    Examples
    --------
    >>> import minibatch as mb
    >>> mb.config.floatx()
    'float32'
    """
    return _floatx


def set_floatx(value: str) -> None:
    """Set the float type of models built from now on.

    Parameters
    ----------
    value : {"float32", "float64"}
        float64 is for gradient checks and for teaching rounding; float32 is Keras's default.

    Raises
    ------
    ValueError
        For any other name. Keras's "float16" and "bfloat16" are not here: NumPy multiplies matrices
        of them without BLAS, hundreds of times slower.
    """
    global _floatx
    if value not in _FLOAT_TYPES:
        raise ValueError(f"floatx must be one of {', '.join(_FLOAT_TYPES)}; got {value!r}.")
    _floatx = value


def epsilon() -> float:
    """Return the fuzz factor that keeps probabilities away from 0 and 1 in logarithms (1e-7)."""
    return _epsilon
