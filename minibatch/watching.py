"""Who watches the board (``board``): as many helpers as a job can use, unless others want their processors.

A helper that watches is never far from a piece. Should the system stop it at one, to let another process run, its
caller waits until it goes on, some milliseconds, in which it would have done the work ten times. So when that
happens, or a helper finds itself stopped between two pieces, they stay away for a while, and longer when it happens
again soon: beside busy processes that costs three stops in a second.
"""

from __future__ import annotations

import functools
import time
from typing import Any

import numpy as np

#: Seconds that helpers stay away: at first, and at most.
SHORT, LONG = 0.005, 0.3
#: Who was stopped so soon after coming back stays away four times as long; later, a stop costs less than was won.
SOON = 0.01


class Watch:
    """A job that is over when nothing was posted on the board for some time, or another job calls."""

    def __init__(self) -> None:
        self.board = np.zeros(0, np.int64)
        self.called = 0
        self.absence, self.absent_until = 0.0, 0.0

    def wanting(self, count: int, long: bool = False) -> int:
        """Return how many more are to be called, so that ``count`` watch: for a ``long`` job, in any case."""
        names = board_room()
        if not self.board.size:
            self.board = names.empty()
        board, absent_until = self.board, self.absent_until
        if board[names.LATE] or absent_until:
            now = time.monotonic()
            if board[names.LATE]:
                again = now < absent_until + SOON
                self.absence = min(4 * self.absence, LONG) if again else SHORT
                self.absent_until = now + self.absence
                board[names.LATE] = 0
            if now < self.absent_until and not long:
                board[names.LEAVE] = 1
                return 0
        board[names.LEAVE] = 0
        missing = max(0, count - self.called + int(board[names.LEFT]))
        self.called += missing
        return missing

    def end(self) -> None:
        """Let those who watch come to another job."""
        if self.board.size:
            self.board[board_room().LEAVE] = 1

    def help(self) -> None:
        """Watch."""
        board_room().watch(self.board)


@functools.cache
def board_room() -> Any:
    """Return the module ``board``, which imports Numba: for who needs it."""
    from minibatch import board

    return board


__all__ = ["Watch", "board_room"]
