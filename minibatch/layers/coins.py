"""The state of NumPy's PCG64 some draws ahead, so that several threads can draw one generator's numbers."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]

#: The multiplier of PCG64, a; s <- a s + c modulo 2^128, where c is the generator's own.
MULTIPLIER = 0x2360ED051FC65DA44385DF649FCCF645
MODULUS = 1 << 128


def reserve(generator: np.random.Generator, count: int) -> tuple[int, int] | None:
    """Let a generator be ``count`` float32 draws further on; return (s, c) as they were before.

    None, and nothing done, for another generator than PCG64, and where 32 of the 64 bits of a step are left over
    from the draws before these, or would be left by them.

    Examples
    --------
    >>> one, two = (np.random.default_rng(0) for _ in range(2))
    >>> reserve(one, 6) is None
    False
    >>> _ = two.random(6, dtype=np.float32)
    >>> one.random() == two.random()
    True
    """
    bits = generator.bit_generator
    if type(bits) is not np.random.PCG64 or count % 2:
        return None
    with bits.lock:
        state = bits.state
        if state["has_uint32"]:
            return None
        bits.advance(count // 2)
    return state["state"]["state"], state["state"]["inc"]


@functools.lru_cache(maxsize=1024)
def jump(steps: int, c: int) -> tuple[int, int]:
    """Return (A, C) of so many steps together, s <- A s + C.

    The source is Brown 1994, "Random number generation with arbitrary strides".

    Examples
    --------
    >>> jump(1, 3) == (MULTIPLIER, 3)
    True
    """
    A, C, a = 1, 0, MULTIPLIER
    while steps:
        if steps % 2:
            A, C = A * a % MODULUS, (C * a + c) % MODULUS
        a, c = a * a % MODULUS, (a + 1) * c % MODULUS
        steps //= 2
    return A, C


def words(numbers: Sequence[int]) -> Words:
    """Return each number of 128 bits as its upper and lower 64.

    >>> words([3, 1 << 64])
    array([0, 3, 1, 0], dtype=uint64)
    """
    return np.array([word for number in numbers for word in divmod(number, 1 << 64)], np.uint64)
