"""Printing where the terminal, or the file behind it, has only some characters."""

from __future__ import annotations

import sys
from typing import TextIO

#: What stands for a character that the stream cannot show.
_STAND_INS = str.maketrans(
    dict(zip("─━│┃┏┓┗┛└┘┳╇┡┩├┤┼┴", "-=||++++++++++++++", strict=True))
    | {"\N{DEGREE SIGN}": " deg", "\N{PLUS-MINUS SIGN}": "+-"}
)


def printable(text: str, stream: TextIO | None = None) -> str:
    """Return the text, with stand-ins for its lines and signs if the stream's encoding lacks them.

    Parameters
    ----------
    text : str
    stream : text file, optional
        By default what ``print`` writes to.
    """
    encoding = getattr(stream or sys.stdout, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.translate(_STAND_INS).encode(encoding, "replace").decode(encoding)
    return text


def say(text: str = "") -> None:
    """Print a text, whatever the encoding."""
    print(printable(text))
