"""A process that runs one work in one library, a turn at a time: ``python -m minibatch.bench.worker LIBRARY WORK``.

It reads a word a line, "fit", "evaluate" or "predict", runs that for one epoch, and writes the seconds of a step;
the first line that it writes says who it is. All lines are JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from minibatch.bench.runners import RUNNERS
from minibatch.bench.works import work_of


def main() -> None:
    """Serve turns until the input ends."""
    library, described = sys.argv[1:]
    work = work_of(described)
    say = _speaker()
    try:
        runner = RUNNERS[library](work)
    except (ImportError, NotImplementedError) as error:  # not installed, or cannot do this work
        say({"missing": str(error)})
        return
    say({"about": runner.about, "initial": runner.initial})
    for line in sys.stdin:
        what = line.strip()
        if what == "memory":
            say({"bytes": peak_memory()})
        elif hasattr(runner, what):
            say({"seconds": getattr(runner, what)() / work.steps})
        else:
            say({"missing": f"no {what}"})


def _speaker() -> Any:
    """Return a function that writes a line of JSON; what libraries print goes to the other stream."""
    out, sys.stdout = sys.stdout, sys.stderr

    def say(message: dict[str, Any]) -> None:
        print(json.dumps(message), file=out, flush=True)

    return say


def peak_memory() -> int:
    """Return the most bytes that this process has held at a time."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


if __name__ == "__main__":
    main()
