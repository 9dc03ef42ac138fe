"""The error function, which NumPy has not."""

from __future__ import annotations

import numpy as np

from minibatch.typing import Array

# erf(x) = x P(x^2) / Q(x^2) for |x| < 1, and 1 - exp(-x^2) R(x) / S(x) for 1 <= x. The coefficients, highest power
# first, are those of the Cephes library (Moshier 1989, ndtr.c), after Cody 1969; the relative error is below 4e-16.
# fmt: off
_P = (9.60497373987051638749, 90.0260197203842689217, 2232.00534594684319226, 7003.32514112805075473,
      55592.3013010394962768)
_Q = (1.0, 33.5617141647503099647, 521.357949780152679795, 4594.32382970980127987, 22629.0000613890934246,
      49267.3942608635921086)
_R = (2.46196981473530512524e-10, 0.564189564831068821977, 7.46321056442269912687, 48.6371970985681366614,
      196.520832956077098242, 526.445194995477358631, 934.528527171957607540, 1027.55188689515710272,
      557.535335369399327526)
_S = (1.0, 13.2281951154744992508, 86.7072140885989742329, 354.937778887819891062, 975.708501743205489753,
      1823.90916687909736289, 2246.33760818710981792, 1656.66309194161350182, 557.535340817727675546)
# fmt: on


def erf(x: Array) -> Array:
    """Return 2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x, in the float type of x.

    >>> import numpy as np
    >>> erf(np.array([0.0, 0.5, -2.0])).round(6)
    array([ 0.      ,  0.5205  , -0.995322])
    """
    # erf(6) is 1 to the last digit of float64.
    size = np.minimum(np.abs(x), 6)
    square = size * size
    inner = size * _polynomial(square, _P) / _polynomial(square, _Q)
    outer = 1 - np.exp(-square) * _polynomial(size, _R) / _polynomial(size, _S)
    return np.copysign(np.where(size < 1, inner, outer), x)


def _polynomial(x: Array, coefficients: tuple[float, ...]) -> Array:
    y = np.full_like(x, coefficients[0])
    for c in coefficients[1:]:
        y *= x
        y += c
    return y
