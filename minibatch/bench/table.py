"""Turns of the clock, taken in rounds, and the table that is made of them."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Self

from minibatch.bench.works import work_of
from minibatch.blas import blas_name

#: In the order of the columns; the last is the floor.
LIBRARIES = ("minibatch", "keras-tensorflow", "keras-jax", "keras-torch", "torch", "sklearn", "matmul")
DOINGS = ("fit", "evaluate", "predict")
#: The works of the short table: every one but the largest.
SHORT = ("mlp-small", "mlp-large", "cnn-32")

#: What every library reads its number of threads from.
_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")


class Worker:
    """A process that runs one work in one library (see ``worker``).

    Parameters
    ----------
    library : str
        One of ``LIBRARIES``.
    work : str
        As ``work_of`` reads it.
    environment : mapping, optional
        Added to this process's own.
    """

    def __init__(self, library: str, work: str, environment: dict[str, str] | None = None) -> None:
        self.library, self.work = library, work
        self.process = subprocess.Popen(
            [sys.executable, "-m", "minibatch.bench.worker", library, work],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            env={**os.environ, **(environment or {})},
        )  # fmt: skip

    def greeting(self) -> dict[str, Any]:
        """Return what the process first says: "about" and "initial", or "missing"."""
        return self._heard()

    def ask(self, what: str) -> dict[str, Any]:
        """Return the answer to a word."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{what}\n")
        self.process.stdin.flush()
        return self._heard()

    def _heard(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            return {"missing": "ended without an answer"}
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """End the process."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.kill()
        self.process.wait()


class Busy:
    """Another process that computes all the time, on one processor, as long as this is entered."""

    def __enter__(self) -> Self:
        # It ends with this process, also if that is killed.
        code = "import os\nparent = os.getppid()\nwhile os.getppid() == parent: sum(range(100000))"
        self.process = subprocess.Popen([sys.executable, "-c", code])
        return self

    def __exit__(self, *error: object) -> None:
        self.process.kill()
        self.process.wait()


def threads_environment(threads: int | None) -> dict[str, str]:
    """Return the environment in which every library works on so many threads; None leaves them as they come."""
    return {} if threads is None else {name: str(threads) for name in _THREADS}


def measure(
    work: str,
    libraries: Iterable[str] = LIBRARIES,
    doings: Sequence[str] = DOINGS,
    rounds: int = 5,
    threads: int | None = None,
) -> dict[str, Any]:
    """Run one work in every library, in turn, round after round; return what was measured.

    Returns
    -------
    dict
        "title"; "about", "missing" and "bytes" by library; "seconds" of a step by what is done and library: a list
        with one number for each round.
    """
    result: dict[str, Any] = {"title": work_of(work).title, "about": {}, "missing": {}, "bytes": {}, "initial": {}}
    seconds: dict[str, dict[str, list[float]]] = {doing: {} for doing in doings}
    workers: dict[str, Worker] = {}
    try:
        for library in libraries:
            workers[library] = worker = Worker(library, work, threads_environment(threads))
            said = worker.greeting()
            if "missing" in said:
                result["missing"][library] = said["missing"]
                workers.pop(library).close()
                continue
            result["about"][library], result["initial"][library] = said["about"], said["initial"]
        _check_alike(result["initial"])
        for number in range(-1, rounds):  # the first round compiles and warms up
            for doing in doings:
                for library, worker in workers.items():
                    answer = worker.ask(doing)
                    if number >= 0 and "seconds" in answer:
                        seconds[doing].setdefault(library, []).append(answer["seconds"])
                    time.sleep(0.3)  # threads that wait for more work by spinning have stopped by the next turn
        for library, worker in workers.items():
            result["bytes"][library] = worker.ask("memory")["bytes"]
    finally:
        for worker in workers.values():
            worker.close()
    return {**result, "seconds": seconds}


def _check_alike(initial: dict[str, list[float] | None]) -> None:
    """Raise an error if libraries that begin from the same weights do not begin with the same loss and accuracy."""
    known = {library: numbers for library, numbers in initial.items() if numbers}
    for library, numbers in known.items():
        other, expected = next(iter(known.items()))
        if any(abs(a - b) > 1e-3 * max(1, abs(b)) for a, b in zip(numbers, expected, strict=True)):
            raise RuntimeError(f"not the same work: {library} begins with {numbers}, {other} with {expected}.")


def rows(result: dict[str, Any]) -> list[str]:
    """Return the lines of the table of one work: medians, and ratios to this library's."""
    lines = [result["title"]]
    for doing, by_library in result["seconds"].items():
        ours = by_library.get("minibatch")
        for library in LIBRARIES:
            if library not in by_library:
                continue
            median = statistics.median(by_library[library])
            ratio = ""
            if ours and library != "minibatch":
                ratio = f"{statistics.median(ratios(by_library[library], ours)):8.2f}"
            name = {"minibatch": "this library", "matmul": "np.matmul alone"}.get(library, library)
            low, high = min(by_library[library]), max(by_library[library])
            spread = f"{duration(low)} .. {duration(high).strip()}"
            lines.append(f"  {doing:<9} {name:<18} {duration(median)} {ratio:>8}   {spread}")
    lines.append(
        "  peak memory: " + ", ".join(f"{lib} {size / 2**20:,.0f} MiB" for lib, size in result["bytes"].items())
    )
    lines += [f"  left out: {library}: {reason}" for library, reason in result["missing"].items()]
    return lines


#: Over the rows of a table.
HEADER = (
    "Ratio: how many times as long as a step of this library theirs takes; the median of the rounds' ratios.\n"
    f"{'':<31}{'median':>10} {'ratio':>8}   {'fastest':>10} .. slowest round"
)


def ratios(theirs: Sequence[float], ours: Sequence[float]) -> list[float]:
    """Return how many times as long as ours theirs took, round by round."""
    return [a / b for a, b in zip(theirs, ours, strict=True)]


def duration(seconds: float) -> str:
    """Return "  12.3 us" or "  12.3 ms", 10 characters wide."""
    return f"{seconds * 1e6:7.1f} us" if seconds < 1e-3 else f"{seconds * 1e3:7.2f} ms"


def machine() -> str:
    """Return the processor, how many there are, the system and Python, in words."""
    info = Path("/proc/cpuinfo")
    names = [line.split(":")[1].strip() for line in _lines(info) if line.startswith("model name")]
    wide = any(line.startswith("flags") and " avx512f" in line for line in _lines(info))
    name = (names or [platform.processor() or platform.machine()])[0] + (", AVX-512" if wide else "")
    return f"{name}, {os.cpu_count()} processors, {platform.system()}, Python {platform.python_version()}"


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def hint() -> str:
    """Return a line for a processor whose BLAS leaves half of it idle; "" for the others."""
    wide = any(line.startswith("flags") and " avx512f" in line for line in _lines(Path("/proc/cpuinfo")))
    if wide and any(name in blas_name() for name in ("Haswell", "Zen")):
        return (
            "This processor has AVX-512, and NumPy's OpenBLAS does not use it. Try the same with the environment "
            "variable OPENBLAS_CORETYPE=SkylakeX: see docs/speed.md."
        )
    return ""


def short_table(libraries: Iterable[str] = LIBRARIES, rounds: int = 3, say: Callable[[str], None] = print) -> None:
    """Print the table of this machine: every work but the largest, in the libraries that are installed."""
    say(f"{machine()}\n{HEADER}")
    about: dict[str, str] = {}
    for work in SHORT:
        result = measure(work, libraries, rounds=rounds)
        say("\n".join(rows(result)))
        about |= result["about"]
    say("\n".join(["", *about.values()]))
    if hint():
        say(hint())
