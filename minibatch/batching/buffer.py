"""The buffer that a stream is shuffled through."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from minibatch.batching.order import BUFFER, random_words, stream_key


def shuffled(elements: Iterator[Any], size: int, seed: int, number: int) -> Iterator[Any]:
    """Yield the elements, drawn from a buffer of this size, in the order of a seed's pass of this number."""
    words = _words(stream_key(seed, number, BUFFER))
    buffer = list(itertools.islice(elements, size))
    for element in elements:
        j = next(words) * len(buffer) >> 64
        chosen, buffer[j] = buffer[j], element
        yield chosen
    while buffer:
        j = next(words) * len(buffer) >> 64
        buffer[j], buffer[-1] = buffer[-1], buffer[j]
        yield buffer.pop()


def _words(key: int) -> Iterator[int]:
    """Yield the random words of a stream, one by one."""
    for block in itertools.count():
        yield from random_words(stream_key(key, block), 1024).tolist()
