"""Rooms: scratch memory that the threads at a compiled job take turns in (``parallel.rooms`` makes them).

A job knows neither how many threads come nor which; each takes a room that is free, for as long as it is at a
piece. Importing this module imports Numba.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from minibatch.atomics import add, pause
from minibatch.compiling import PLAIN, compiled

#: How many threads are in each room.
Taken = npt.NDArray[np.int64]


@compiled
def enter(taken: Taken) -> int:
    """Return a room in which no other thread is. Should there be more threads than rooms, they wait for one."""
    room = 0
    if not PLAIN:  # then there are no other threads
        while add(taken, room, 1):
            add(taken, room, -1)
            room = (room + 1) % len(taken)
            pause()
    return room


@compiled
def leave(taken: Taken, room: int) -> None:
    """Let another thread have the room."""
    if not PLAIN:
        add(taken, room, -1)
