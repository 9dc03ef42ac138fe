"""A comparison as one page of HTML that needs nothing else: no network, no script, no other file."""

from __future__ import annotations

import base64
import io
import json
from html import escape

from minibatch.compare import figures, table
from minibatch.compare.comparison import Comparison, finite

_STYLE = """
:root { color-scheme: light dark; --ink: #1d1d1f; --soft: #5f6368; --line: #d9dce1; --ground: #ffffff;
  --raised: #f5f6f8; --warn: #8a1c12; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8e8ea; --soft: #a5a9b0; --line: #3a3d43; --ground: #17181b;
  --raised: #212328; --warn: #ff9d8f; } }
body { margin: 0 auto; max-width: 62rem; padding: 2rem 1.25rem 4rem; background: var(--ground); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .6rem; }
h2 { font-size: 1.15rem; margin: 2.4rem 0 .6rem; }
p { max-width: 46rem; } .soft { color: var(--soft); font-size: .9rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; min-width: 60%; }
th, td { padding: .32rem .8rem .32rem 0; text-align: right; white-space: nowrap; }
th { border-bottom: 1px solid var(--line); font-weight: 600; vertical-align: bottom; }
tr + tr.new td { border-top: 1px solid var(--line); }
th.word, td.word { text-align: left; } td.long { white-space: normal; min-width: 16rem; }
figure { margin: 1rem 0; padding: .75rem; background: #ffffff; border: 1px solid var(--line); border-radius: 6px; }
figure img { display: block; width: 100%; height: auto; }
pre { background: var(--raised); padding: .8rem 1rem; overflow-x: auto; font-size: .82rem; border-radius: 6px; }
.failed { color: var(--warn); }
"""

_CAPTIONS = {
    "losses": "The loss of every step, all sides overlaid; the first seed",
    "differences": "How the paths part: the first seed, each side against minibatch",
    "throughput": "Samples per second",
    "distributions": "What each seed came to",
}


def page(comparison: Comparison, title: str) -> str:
    """Return the page.

    Parameters
    ----------
    comparison : Comparison
    title : str
    """
    parts = [f"<h1>{escape(title)}</h1>"]
    parts += [f"<p>{escape(line)}</p>" for line in table.opening(comparison).split("\n")]
    parts += [f'<p class="failed"><strong>Note.</strong> {escape(note)}</p>' for note in comparison.notes]
    if comparison.failures:
        parts.append('<h2 class="failed">Not finished</h2>')
        parts += [f"<pre>{escape(failure)}</pre>" for failure in table.failures(comparison)]
    for heading, head, rows, legend in table.blocks(comparison):
        parts.append(f"<h2>{escape(heading)}</h2>")
        parts.append(_table(head, rows))
        parts += [f'<p class="soft">{escape(legend)}</p>'] if legend else []
    for name in figures.names(comparison):
        caption = _CAPTIONS[name]
        parts.append(f"<h2>{escape(caption)}</h2>")
        parts.append(f'<figure><img alt="{escape(caption)}" src="{_svg(comparison, name)}"></figure>')
    settings = json.dumps(finite(comparison.settings), indent=1)
    parts.append(f"<h2>Settings and machine</h2><pre>{escape(settings)}</pre>")
    body = "\n".join(parts)
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{escape(title)}</title>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<style>{_STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _table(head: list[str], rows: list[list[str]]) -> str:
    left = [table.is_words(name, [row[k] for row in rows]) for k, name in enumerate(head)]
    classes = [' class="word"' if word else "" for word in left]
    if head[-1] == "precision, versions":
        classes[-1] = ' class="word long"'
    lines = ["<tr>" + "".join(f"<th{c}>{escape(n)}</th>" for n, c in zip(head, classes, strict=True)) + "</tr>"]
    for k, row in enumerate(rows):
        # A rule where the batch size changes.
        new = ' class="new"' if k and row[0] != rows[k - 1][0] and not left[0] else ""
        cells = "".join(f"<td{c}>{escape(cell)}</td>" for cell, c in zip(row, classes, strict=True))
        lines.append(f"<tr{new}>{cells}</tr>")
    return (
        f'<div class="scroll"><table>\n<thead>{lines[0]}</thead>\n<tbody>'
        + "\n".join(lines[1:])
        + "</tbody></table></div>"
    )


def _svg(comparison: Comparison, name: str) -> str:
    """Return a figure as a data URI. As an image, not as elements of the page: two drawings may share ids."""
    from matplotlib import rc_context

    buffer = io.BytesIO()
    # A fixed salt and no date: the same comparison gives the same page.
    with rc_context({"svg.hashsalt": "minibatch"}):
        figures.draw(comparison, name).savefig(buffer, format="svg", metadata={"Date": None})
    return "data:image/svg+xml;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
