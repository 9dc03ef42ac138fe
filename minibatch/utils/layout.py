"""Where the boxes of a drawn graph go: ranks from its start to its end, and places within a rank.

After Sugiyama, Tagawa and Toda, "Methods for visual understanding of hierarchical system structures" (1981): put
every box in a rank after those it depends on; give a connection that passes ranks by a place in each of them; order
every rank so that few connections cross; then move boxes so that connections are straight.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

#: How hard a connection pulls its ends into line: one between boxes, and one that passes by, which gives way.
_PULL, _PULL_PASSING = 1.0, 0.01
_SWEEPS = 80


@dataclass(frozen=True)
class Layout:
    """Places of boxes, and the ways of the connections between them.

    Attributes
    ----------
    across, rank : list
        Of each box: its middle across the direction of reading, and its rank.
    ways : list of list of (float, int)
        Of each connection: the (across, rank) that it goes through, its ends included.
    """

    across: list[float]
    rank: list[int]
    ways: list[list[tuple[float, int]]]


def layered(sizes: Sequence[float], edges: Sequence[tuple[int, int]], gap: float, passing: float) -> Layout:
    """Lay out a graph without circles.

    Parameters
    ----------
    sizes : sequence of float
        Of each box, across the direction of reading.
    edges : sequence of (int, int)
        From box to box; boxes are numbered so that every edge leads to a larger number.
    gap : float
        The least distance between two boxes of a rank.
    passing : float
        The room that a connection needs where it passes a rank.

    Examples
    --------
    A chain of three boxes, and a connection that goes around the middle one:

    >>> plan = layered([10, 10, 10], [(0, 1), (1, 2), (0, 2)], gap=4, passing=2)
    >>> plan.rank, len(plan.ways[2])
    ([0, 1, 2], 3)
    """
    rank = _ranks(len(sizes), edges)
    widths = list(sizes)
    ranks = list(rank)
    links: list[tuple[int, int, float]] = []
    ways: list[list[int]] = []
    for a, b in edges:
        way = [a]
        for between in range(rank[a] + 1, rank[b]):
            way.append(len(widths))
            widths.append(passing)
            ranks.append(between)
        way.append(b)
        ways.append(way)
        pull = _PULL if len(way) == 2 else _PULL_PASSING
        links += [(u, v, pull) for u, v in pairwise(way)]
    rows: list[list[int]] = [[] for _ in range(max(ranks, default=-1) + 1)]
    for node, row in enumerate(ranks):  # boxes before what passes them by, so that this goes to the right
        rows[row].append(node)
    rows = _ordered(rows, links)
    x = _places(rows, widths, links, gap)
    for way in [*ways, *ways]:  # one that moved may have made room for another
        _straighten(way[1:-1], x, rows, widths, gap)
    return Layout(x[: len(sizes)], rank, [[(x[node], ranks[node]) for node in way] for way in ways])


def _ranks(n: int, edges: Sequence[tuple[int, int]]) -> list[int]:
    """Return each box's rank: after all that lead to it; one without any, just before the first it leads to."""
    rank = [0] * n
    for a, b in sorted(edges, key=lambda edge: edge[1]):
        rank[b] = max(rank[b], rank[a] + 1)
    entered = {b for _, b in edges}
    for node in range(n):
        after = [rank[b] for a, b in edges if a == node]
        if node not in entered and after:
            rank[node] = min(after) - 1
    return rank


def _ordered(rows: list[list[int]], links: Sequence[tuple[int, int, float]]) -> list[list[int]]:
    """Return the rows in an order with few crossings: each node near the mean of what it is linked to."""
    best, fewest = rows, _crossings(rows, links)
    for sweep in range(8):
        if not fewest:
            break
        rows = [list(row) for row in rows]
        down = sweep % 2 == 0
        for row in rows if down else reversed(rows):
            place = {node: i for other in rows for i, node in enumerate(other)}
            mean = {}
            for node in row:
                near = [place[u if down else v] for u, v, _ in links if (v if down else u) == node]
                mean[node] = float(np.mean(near)) if near else place[node]
            row.sort(key=mean.__getitem__)
        crossings = _crossings(rows, links)
        if crossings < fewest:
            best, fewest = rows, crossings
    return best


def _crossings(rows: list[list[int]], links: Sequence[tuple[int, int, float]]) -> int:
    row_of = {node: r for r, row in enumerate(rows) for node in row}
    place = {node: i for row in rows for i, node in enumerate(row)}
    by_row: list[list[tuple[int, int]]] = [[] for _ in rows]
    for u, v, _ in links:
        by_row[row_of[u]].append((place[u], place[v]))
    return sum((a - c) * (b - d) < 0 for pairs in by_row for i, (a, b) in enumerate(pairs) for c, d in pairs[:i])


def _places(
    rows: list[list[int]], widths: Sequence[float], links: Sequence[tuple[int, int, float]], gap: float
) -> list[float]:
    """Return where across each node is: near the mean of its neighbours, in order, and clear of the next."""
    x = np.zeros(len(widths))
    near: list[list[tuple[int, float]]] = [[] for _ in widths]
    for u, v, pull in links:
        near[u].append((v, pull))
        near[v].append((u, pull))
    for sweep in range(_SWEEPS):
        for row in rows if sweep % 2 == 0 else reversed(rows):
            wanted = [
                sum(x[other] * pull for other, pull in near[node]) / sum(pull for _, pull in near[node])
                if near[node]
                else x[node]
                for node in row
            ]
            weight = [sum(pull for _, pull in near[node]) or 1.0 for node in row]
            x[row] = _apart(wanted, weight, [widths[node] for node in row], gap)
    placed: list[float] = x.tolist()
    return placed


def _apart(wanted: Sequence[float], weight: Sequence[float], widths: Sequence[float], gap: float) -> list[float]:
    """Return the places nearest to the wanted ones (weighted squares) that keep the order and the distances.

    Less the room that those before it take, each place has to be no smaller than the last: isotonic regression, by
    pooling neighbours that are in each other's way.
    """
    start = np.concatenate([[0.0], np.cumsum([(a + b) / 2 + gap for a, b in pairwise(widths)])])
    pools: list[tuple[float, float, int]] = []  # mean, weight, how many
    for want, w, offset in zip(wanted, weight, start, strict=True):
        mean, count = want - offset, 1
        while pools and pools[-1][0] > mean:
            other, v, n = pools.pop()
            mean, w, count = (mean * w + other * v) / (w + v), w + v, count + n
        pools.append((mean, w, count))
    means = [mean for mean, _, count in pools for _ in range(count)]
    return [float(mean + offset) for mean, offset in zip(means, start, strict=True)]


def _straighten(
    passing: Sequence[int], x: list[float], rows: Sequence[Sequence[int]], widths: Sequence[float], gap: float
) -> None:
    """Put what passes ranks into one line, if there is a line that is free in all of them."""
    low, high = -np.inf, np.inf
    for node in passing:
        row = next(row for row in rows if node in row)
        i = row.index(node)
        if i > 0:
            low = max(low, x[row[i - 1]] + (widths[row[i - 1]] + widths[node]) / 2 + gap)
        if i + 1 < len(row):
            high = min(high, x[row[i + 1]] - (widths[row[i + 1]] + widths[node]) / 2 - gap)
    if passing and low <= high:
        line = float(np.clip(np.mean([x[node] for node in passing]), low, high))
        for node in passing:
            x[node] = line
