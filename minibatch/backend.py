"""What scripts ask of ``keras.backend``, as far as it is here: names, numbers of the library, values of variables.

Its functions of tensors are not: here arrays are NumPy's, and every step of a model is a layer.
"""

from __future__ import annotations

from typing import Any

from minibatch.config import (
    backend,
    epsilon,
    floatx,
    image_data_format,
    set_epsilon,
    set_floatx,
    set_image_data_format,
)
from minibatch.utils import clear_session
from minibatch.utils.names import NotHere, each
from minibatch.utils.names import uid as get_uid

_ARRAYS = "NumPy itself, and layers of your own with forward and backward"
_DTYPES = "numpy.dtype: numpy.dtype(dtype).name, .kind, and numpy.result_type"
_LOSSES = "minibatch.losses, such as losses.binary_crossentropy"
_ACTIVATIONS = "minibatch.activations, such as activations.relu"
_LAYERS = "minibatch.layers, such as layers.Conv2D"
_RANDOM = "numpy.random.default_rng"
_SESSIONS = "nothing; there are no sessions"

NOT_HERE = NotHere(
    "backend",
    {
        **each("is_float_dtype is_int_dtype result_type standardize_dtype", _DTYPES),
        "is_keras_tensor": "isinstance(x, type(minibatch.Input((1,))))",
        # Of Keras 2, which tf.keras still has.
        **each("abs all any arange argmax argmin batch_dot batch_flatten cast cast_to_floatx clip", _ARRAYS),
        **each("concatenate constant cos cumprod cumsum dot dtype equal eval exp expand_dims eye flatten", _ARRAYS),
        **each("foldl foldr function gather greater greater_equal in_top_k int_shape l2_normalize less", _ARRAYS),
        **each("less_equal log logsumexp map_fn max maximum mean min minimum moving_average_update ndim", _ARRAYS),
        **each("not_equal one_hot ones ones_like permute_dimensions placeholder pow prod repeat", _ARRAYS),
        **each("repeat_elements reshape resize_images resize_volumes reverse round shape sign sin slice", _ARRAYS),
        **each("sqrt square squeeze stack std sum switch tile to_dense transpose update update_add", _ARRAYS),
        **each("update_sub var variable zeros zeros_like is_sparse is_tensor", _ARRAYS),
        **each("ctc_batch_cost ctc_decode ctc_label_dense_to_sparse", _ARRAYS),
        **each("gradients stop_gradient", "model.loss_and_gradient, and a layer's backward"),
        **each("binary_crossentropy binary_focal_crossentropy categorical_crossentropy", _LOSSES),
        **each("categorical_focal_crossentropy sparse_categorical_crossentropy", _LOSSES),
        **each("elu hard_sigmoid relu sigmoid softmax softplus softsign tanh", _ACTIVATIONS),
        **each("batch_normalization bias_add conv1d conv2d conv2d_transpose conv3d depthwise_conv2d", _LAYERS),
        **each("dropout pool2d pool3d rnn separable_conv2d spatial_2d_padding spatial_3d_padding", _LAYERS),
        "temporal_padding": _LAYERS,
        **each("random_bernoulli random_binomial random_normal random_normal_variable random_uniform", _RANDOM),
        **each("random_uniform_variable truncated_normal", _RANDOM),
        "count_params": "model.count_params()",
        **each("batch_get_value batch_set_value", "get_weights and set_weights"),
        **each("learning_phase set_learning_phase learning_phase_scope", "model(x, training=True)"),
        **each("get_session set_session get_graph manual_variable_initialization", _SESSIONS),
        "name_scope": "a layer's name=",
    },
    {"image_dim_ordering": "image_data_format", "set_image_dim_ordering": "set_image_data_format"},
)


def get_value(x: Any) -> Any:
    """Return the numbers of a weight or of a learning rate; anything else as it is.

    Examples
    --------
    >>> import minibatch.backend as K
    >>> import minibatch as mb
    >>> optimizer = mb.optimizers.SGD(0.5)
    >>> K.set_value(optimizer.learning_rate, K.get_value(optimizer.learning_rate) / 2)
    >>> optimizer.learning_rate
    0.25
    """
    return x.numpy() if hasattr(x, "numpy") else x


def set_value(x: Any, value: Any) -> None:
    """Give a weight or a learning rate another value.

    Raises
    ------
    TypeError
        If x is neither.
    """
    if not hasattr(x, "assign"):
        raise TypeError(f"set_value sets a weight or optimizer.learning_rate; got {x!r}.")
    x.assign(value)


def __getattr__(name: str) -> Any:
    raise NOT_HERE.attribute_error(name, __all__)


def __dir__() -> list[str]:
    return sorted(__all__)


__all__ = [
    "backend",
    "clear_session",
    "epsilon",
    "floatx",
    "get_uid",
    "get_value",
    "image_data_format",
    "set_epsilon",
    "set_floatx",
    "set_image_data_format",
    "set_value",
]
