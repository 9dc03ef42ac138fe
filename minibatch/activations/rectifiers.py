"""Activations that let positive z through and hold negative z back, sharply or smoothly.

The slope at a corner is the one below it, as in Keras.
"""

from __future__ import annotations

import numpy as np

from minibatch import memory, passes
from minibatch.activations.activation import activation
from minibatch.activations.erf import erf
from minibatch.activations.squashing import hard_sigmoid, sigmoid, tanh
from minibatch.parallel import elementwise, together
from minibatch.typing import Array


@activation
def linear(z: Array) -> Array:
    """y = z."""
    return z


linear.by_entry = False  # there is nothing to compute


@linear.gradient
def _(dy: Array, z: Array, y: Array) -> Array:
    return dy


def where_above(dy: Array, z: Array, least: float, dz: Array) -> Array:
    """Write dz = dy (z > least), for large arrays of one shape; return it. It may be dy itself."""
    if dy.shape == z.shape and passes.take(dy, z, dz):
        from minibatch.activations.rectifier_kernels import above

        rows = dy.reshape(-1), z.reshape(-1), z.dtype.type(least), dz.reshape(-1)
        together(above, (dz.size, passes.PIECE), *rows)
    else:
        elementwise(lambda dy, z, dz: np.multiply(dy, z > least, out=dz), dy, z, dz)
    return dz


@activation
def relu(z: Array, negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0) -> Array:
    """y = max(z, 0) (Nair and Hinton 2010, eq. 3).

    With settings: y = z above ``threshold``, cut off at ``max_value``; negative_slope (z - threshold) below it.
    """
    y = np.where(z > threshold, z, 0) if threshold else np.maximum(z, 0)
    if max_value is not None:
        y = np.clip(y, 0, max_value)
    if negative_slope:
        y = y - negative_slope * np.maximum(threshold - z, 0)
    return y


relu.by_entry = False  # its passes are cut into pieces themselves


@relu.in_place
def _(z: Array) -> Array:
    # y > 0 where z > 0: the gradient may look at either.
    if z.nbytes < memory.LARGE:
        return np.maximum(z, 0, out=z)
    elementwise(lambda z: np.maximum(z, 0, out=z), z)
    return z


@relu.gradient
def _(
    dy: Array,
    z: Array,
    y: Array,
    negative_slope: float = 0.0,
    max_value: float | None = None,
    threshold: float = 0.0,
) -> Array:
    if dy.nbytes >= memory.LARGE and not (negative_slope or threshold) and max_value is None:
        return where_above(dy, z, 0.0, memory.empty(dy.shape, dy.dtype))
    above = z > threshold
    through = above if max_value is None else above & (z >= 0) & (z <= max_value)
    dz = dy * through
    return dz + negative_slope * dy * ~above if negative_slope else dz


relu.floor = 0.0


@activation
def relu6(z: Array) -> Array:
    """y = min(max(z, 0), 6) (Krizhevsky 2010)."""
    return np.clip(z, 0, 6)


@relu6.gradient
def _(dy: Array, z: Array, y: Array) -> Array:
    return dy * ((z > 0) & (z < 6))


@activation
def leaky_relu(z: Array, negative_slope: float = 0.2) -> Array:
    """y = z for z > 0, negative_slope z below (Maas et al. 2013, section 2)."""
    return np.where(z > 0, z, z * negative_slope)


@leaky_relu.gradient
def _(dy: Array, z: Array, y: Array, negative_slope: float = 0.2) -> Array:
    return np.where(z > 0, dy, dy * negative_slope)


@activation
def elu(z: Array, alpha: float = 1.0) -> Array:
    """y = z for z > 0, alpha (exp(z) - 1) below (Clevert et al. 2016, eq. 1)."""
    return np.where(z > 0, z, alpha * np.expm1(np.minimum(z, 0)))


@elu.gradient
def _(dy: Array, z: Array, y: Array, alpha: float = 1.0) -> Array:
    return np.where(z > 0, dy, dy * (y + alpha))


_SELU_SCALE, _SELU_ALPHA = 1.0507009873554805, 1.6732632423543772


@activation
def selu(z: Array) -> Array:
    """y = scale elu(z, alpha), the constants keeping mean 0 and variance 1 (Klambauer et al. 2017, eq. 2)."""
    return _SELU_SCALE * elu.function(z, _SELU_ALPHA)


@selu.gradient
def _(dy: Array, z: Array, y: Array) -> Array:
    return dy * np.where(z < 0, y + _SELU_SCALE * _SELU_ALPHA, _SELU_SCALE)


@activation
def celu(z: Array, alpha: float = 1.0) -> Array:
    """y = max(z, 0) + alpha (exp(min(z, 0) / alpha) - 1) (Barron 2017, eq. 2)."""
    y: Array = np.maximum(z, 0) + alpha * np.expm1(np.minimum(z, 0) / alpha)
    return y


@celu.gradient
def _(dy: Array, z: Array, y: Array, alpha: float = 1.0) -> Array:
    return dy * np.exp(np.minimum(z, 0) / alpha)


@activation
def softplus(z: Array) -> Array:
    """y = log(1 + exp(z)) (Dugas et al. 2001, eq. 2)."""
    return np.logaddexp(z, 0).astype(z.dtype, copy=False)


@softplus.gradient
def _(dy: Array, z: Array, y: Array) -> Array:
    return dy * sigmoid.function(z)


@activation
def squareplus(z: Array, b: float = 4) -> Array:
    """y = (z + sqrt(z^2 + b)) / 2 (Barron 2021, eq. 1).

    For negative z it is computed as b / 2 / (sqrt(z^2 + b) - z), which does not cancel.
    """
    root = np.sqrt(z * z + b)
    return np.where(z > 0, (z + root) / 2, b / 2 / (root + np.abs(z)))


@squareplus.gradient
def _(dy: Array, z: Array, y: Array, b: float = 4) -> Array:
    # dy/dz = (1 + z / root) / 2 = y / root
    dz: Array = dy * y / np.sqrt(z * z + b)
    return dz


@activation
def sparse_plus(z: Array) -> Array:
    """y = 0 up to -1, (z + 1)^2 / 4 up to 1, z beyond (``keras.activations``): softplus with a sharp end."""
    return np.where(z <= -1, 0, np.where(z < 1, (np.clip(z, -1, 1) + 1) ** 2 / 4, z))


@sparse_plus.gradient
def _(dy: Array, z: Array, y: Array) -> Array:
    dz: Array = dy * (np.clip(z, -1, 1) + 1) / 2
    return dz


@activation
def silu(z: Array) -> Array:
    """y = z sigmoid(z) (Hendrycks and Gimpel 2016; "swish" of Ramachandran et al. 2017)."""
    y: Array = z * sigmoid.function(z)
    return y


@silu.gradient
def _(dy: Array, z: Array, y: Array) -> Array:
    s = sigmoid.function(z)
    # z may be large where s (1 - s) is 0, never infinite.
    dz: Array = dy * (s + z * (s * (1 - s)))
    return dz


@activation
def hard_silu(z: Array) -> Array:
    """y = z hard_sigmoid(z) (Howard et al. 2019, section 5.2)."""
    y: Array = z * hard_sigmoid.function(z)
    return y


@hard_silu.gradient
def _(dy: Array, z: Array, y: Array) -> Array:
    return dy * (hard_sigmoid.function(z) + z * (np.abs(z) < 3) / 6)


@activation
def gelu(z: Array, approximate: bool = False) -> Array:
    """y = z Phi(z), Phi(z) = (1 + erf(z / sqrt 2)) / 2 being the normal distribution (Hendrycks and Gimpel 2016).

    With ``approximate``, Phi(z) is taken as (1 + tanh(sqrt(2 / pi) (z + 0.044715 z^3))) / 2.
    """
    y: Array = z * _normal_cdf(z, approximate)
    return y


@gelu.gradient
def _(dy: Array, z: Array, y: Array, approximate: bool = False) -> Array:
    cdf = _normal_cdf(z, approximate)
    # Beyond +-20 the density is 0 to any float's last digit; there its formula would overflow.
    near = np.clip(z, -20, 20)
    if approximate:
        slope = _GELU_SCALE * (1 + 3 * _GELU_CUBIC * near * near)
        density = 2 * cdf * _normal_cdf(-z, approximate) * slope
    else:
        density = np.exp(-near * near / 2) * float(1 / np.sqrt(2 * np.pi))
    dz: Array = dy * (cdf + near * density)
    return dz


_GELU_SCALE, _GELU_CUBIC = float(np.sqrt(2 / np.pi)), 0.044715


def _normal_cdf(z: Array, approximate: bool) -> Array:
    if approximate:
        near = np.clip(z, -20, 20)
        # (1 + tanh(u)) / 2 = sigmoid(2 u), which does not cancel for negative u.
        return sigmoid.function(2 * _GELU_SCALE * (near + _GELU_CUBIC * near * near * near))
    cdf: Array = (1 + erf(z * float(np.sqrt(0.5)))) / 2
    return cdf


@activation
def mish(z: Array) -> Array:
    """y = z tanh(softplus(z)) (Misra 2019, eq. 1)."""
    y: Array = z * np.tanh(softplus.function(z))
    return y


@mish.gradient
def _(dy: Array, z: Array, y: Array) -> Array:
    t = tanh.function(softplus.function(z))
    # z may be large where 1 - t^2 is 0, never infinite.
    dz: Array = dy * (t + z * ((1 - t * t) * sigmoid.function(z)))
    return dz


@activation
def exponential(z: Array) -> Array:
    """y = exp(z); infinite, without a warning, where that is too large for the float type, as in Keras."""
    with np.errstate(over="ignore"):
        y: Array = np.exp(z)
    return y


@exponential.gradient
def _(dy: Array, z: Array, y: Array) -> Array:
    return dy * y
