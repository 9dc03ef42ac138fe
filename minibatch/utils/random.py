"""Where unseeded things get their seed: one stream, restarted by ``set_random_seed``.

A seed that nobody gave still has to come from somewhere. Every layer, initializer and ``Batches``
without a seed of its own draws one here when it is made, so that one call of ``set_random_seed``
makes a whole script repeatable, and so that each thing keeps a stream of its own: drawing more
dropout masks never changes the order of the batches.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

_stream = np.random.Generator(np.random.PCG64())


def set_random_seed(seed: int) -> None:
    """Make everything random in a script repeatable: Python, NumPy and this library.

    Parameters
    ----------
    seed : int
        From 0 to 2**32 - 1 (NumPy's own bound, as in Keras).

    Raises
    ------
    ValueError
        If ``seed`` is not such an integer.

    Examples
    --------
    >>> import minibatch as mb
    >>> mb.utils.set_random_seed(1234)
    """
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**32:
        raise ValueError(f"seed must be an integer from 0 to 2**32 - 1; got {seed!r}.")
    global _stream
    random.seed(int(seed))
    np.random.seed(int(seed))  # noqa: NPY002  # Keras's contract: a script's own np.random is made repeatable, too
    _stream = np.random.Generator(np.random.PCG64(int(seed)))


def next_seed() -> int:
    """Draw a seed (63 bits) from the library's one stream."""
    return int(_stream.integers(2**63))


@contextmanager
def put_back() -> Iterator[None]:
    """Put back, at the end, what ``set_random_seed`` sets: who seeds runs of their own leaves the script's be."""
    global _stream
    ours, pythons, numpys = _stream, random.getstate(), np.random.get_state()  # noqa: NPY002  # as above
    position = ours.bit_generator.state
    try:
        yield
    finally:
        _stream = ours
        _stream.bit_generator.state = position
        random.setstate(pythons)
        np.random.set_state(numpys)  # noqa: NPY002  # as above
