"""Settings of the whole library: the float type of models, and the fuzz factor of logarithms.

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


_LOGGING = "verbose= of fit, evaluate and predict"
_FLOATS = "floatx and set_floatx, one float type for everything"
_CHANNELS = "nothing; channels come last"
_ONE_WAY = "nothing; there is one way, NumPy's"

NOT_HERE = NotHere(
    "config",
    {
        **each("backend set_backend is_nnx_enabled", _ONE_WAY),
        **each("disable_flash_attention enable_flash_attention is_flash_attention_enabled", _ONE_WAY),
        **each("disable_interactive_logging enable_interactive_logging", _LOGGING),
        "is_interactive_logging_enabled": _LOGGING,
        **each("disable_traceback_filtering enable_traceback_filtering", "nothing; tracebacks are whole"),
        "is_traceback_filtering_enabled": "nothing; tracebacks are whole",
        **each("dtype_policy set_dtype_policy", _FLOATS),
        "enable_unsafe_deserialization": "load_model(custom_objects=...); no file is trusted here",
        **each("image_data_format set_image_data_format", _CHANNELS),
        **each("max_epochs set_max_epochs", "fit(epochs=...)"),
        **each("max_steps_per_epoch set_max_steps_per_epoch", "fit(steps_per_epoch=...)"),
        "set_epsilon": "epsilon, which is 1e-7; a layer's or an optimizer's own epsilon= is free",
    },
)


def __getattr__(name: str) -> Any:
    raise NOT_HERE.attribute_error(name, __all__)


__all__ = ["epsilon", "floatx", "set_floatx"]
