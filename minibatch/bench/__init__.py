"""How fast this machine trains: the same works here, in other libraries, and as bare matrix products.

``python -m minibatch bench`` prints a short table; ``benchmarks/training.py`` the whole one. The other libraries
are imported in processes of their own, and only there.
"""

from __future__ import annotations

from minibatch.bench.table import LIBRARIES, Busy, Worker, machine, measure, rows, short_table
from minibatch.bench.works import WORKS, Work, work_of

__all__ = ["LIBRARIES", "WORKS", "Busy", "Work", "Worker", "machine", "measure", "rows", "short_table", "work_of"]
