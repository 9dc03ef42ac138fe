"""Settings of the whole library: the float type of models, the fuzz factor of logarithms, and what is fixed.

The names are Keras's (``keras.config``).
"""

from __future__ import annotations

from typing import Any

from minibatch.utils.names import NotHere, each

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


def set_epsilon(value: float) -> None:
    """Set the fuzz factor from now on.

    Raises
    ------
    ValueError
        If it does not lie between 0 and 1.
    """
    global _epsilon
    if not 0 < value < 1:
        raise ValueError(f"epsilon must lie between 0 and 1; got {value!r}.")
    _epsilon = float(value)


def image_data_format() -> str:
    """Return where the channels of images lie: "channels_last", always."""
    return "channels_last"


def set_image_data_format(data_format: str) -> None:
    """Take "channels_last", which it is anyway.

    Raises
    ------
    ValueError
        For anything else.
    """
    if str(data_format).lower() != image_data_format():
        raise ValueError(f"here channels come last: data_format must be 'channels_last'; got {data_format!r}.")


def backend() -> str:
    """Return what computes, by Keras's name for it: "numpy"."""
    return "numpy"


_LOGGING = "verbose= of fit, evaluate and predict"
_FLOATS = "floatx and set_floatx, one float type for everything"
_ONE_WAY = "nothing; there is one way, NumPy's"

NOT_HERE = NotHere(
    "config",
    {
        **each("set_backend is_nnx_enabled", _ONE_WAY),
        **each("disable_flash_attention enable_flash_attention is_flash_attention_enabled", _ONE_WAY),
        **each("disable_interactive_logging enable_interactive_logging", _LOGGING),
        "is_interactive_logging_enabled": _LOGGING,
        **each("disable_traceback_filtering enable_traceback_filtering", "nothing; tracebacks are whole"),
        "is_traceback_filtering_enabled": "nothing; tracebacks are whole",
        **each("dtype_policy set_dtype_policy", _FLOATS),
        "enable_unsafe_deserialization": "load_model(custom_objects=...); no file is trusted here",
        **each("max_epochs set_max_epochs", "fit(epochs=...)"),
        **each("max_steps_per_epoch set_max_steps_per_epoch", "fit(steps_per_epoch=...)"),
    },
)


def __getattr__(name: str) -> Any:
    raise NOT_HERE.attribute_error(name, __all__)


__all__ = [
    "backend",
    "epsilon",
    "floatx",
    "image_data_format",
    "set_epsilon",
    "set_floatx",
    "set_image_data_format",
]
